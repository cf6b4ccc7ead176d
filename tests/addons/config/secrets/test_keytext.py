"""What is taken for a master key, and what is too weak for one."""

from __future__ import annotations

import base64
import secrets

import pytest

from switchman.addons.config.secrets.keytext import parse_key


def test_hex_and_base64() -> None:
    """Of either alphabet, padded or not, with a line break behind it."""
    key = secrets.token_bytes(32)
    standard, for_urls = base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()
    for text in (key.hex(), key.hex().upper(), f"{key.hex()}\n", standard, for_urls, for_urls.rstrip("=")):
        assert parse_key(text) == key


@pytest.mark.parametrize(
    "text",
    [
        *("", "secret", "a passphrase that is quite long and has many words in it", secrets.token_hex(16)),
        *(secrets.token_hex(31), secrets.token_hex(33), secrets.token_urlsafe(31), secrets.token_hex(32)[:-1] + "g"),
    ],
    ids=["nothing", "word", "phrase", "16 bytes", "31 bytes", "33 bytes", "31 bytes for URLs", "no digit"],
)
def test_what_is_not_32_bytes(text: str) -> None:
    """A passphrase is none, and neither is a key of another length; nothing of it is repeated."""
    with pytest.raises(
        ValueError, match=r"characters that are not 32 bytes in hex or base64: .*no passphrase; make one"
    ) as caught:
        parse_key(text)
    assert len(text) < 10 or text not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "00" * 32,
            "a" * 64,
            "0123456789abcdef" * 4,
            bytes(range(32)).hex(),
            base64.b64encode(bytes(range(32))).decode(),
        ),
        *(
            "correcthorsebatterystaplecorrecthorsebatter",
            base64.b64encode(b"my secret passphrase of 32 bytes").decode(),
        ),
        "f34be427ebb29de8d88c107a71546019685ed8b241d8f2ed00c3df97ad2566f0",  # LibreChat's CREDS_KEY, of its example
    ],
)
def test_weak_ones(text: str) -> None:
    """Patterns, words that happen to be base64, text in base64, and what everybody has."""
    with pytest.raises(ValueError, match="too weak") as caught:
        parse_key(text)
    assert text not in str(caught.value)
