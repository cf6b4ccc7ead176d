"""The text of a master key: 32 random bytes in hex or base64. A passphrase is none, however long it is."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

from switchman.addons.config.secrets.jwt_secrets import secret_weakness

BYTES: Final = 32
ADVICE: Final = (
    "expected 32 random bytes in hex or base64, and no passphrase; "
    'make one with: python3 -c "import secrets; print(secrets.token_hex(32))"'
)
_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{43}=?")


@lru_cache(maxsize=8)  # judging takes 26 ms, and a file of it is read each time the vault has changed
def parse_key(text: str) -> bytes:
    """The 32 bytes. Raises ValueError with a sentence that has nothing of the text."""
    text = text.strip()
    try:
        key = _bytes(text)
    except binascii.Error:
        key = None
    if key is None or len(key) != BYTES:
        raise ValueError(f"{len(text)} characters that are not 32 bytes in hex or base64: {ADVICE}")
    if (weakness := secret_weakness(text.rstrip("=")) or _pattern(key)) is not None:
        raise ValueError(f"too weak ({weakness}), so it is refused: {ADVICE}")
    return key


def _pattern(key: bytes) -> str | None:
    """Of 32 drawn bytes some 30 differ, and as many of the steps between them: under 16 of either is no chance."""
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    return "its bytes follow a pattern" if min(len(set(key)), len(steps)) < 16 else None


def _bytes(text: str) -> bytes | None:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    if _BASE64.fullmatch(text):
        return base64.b64decode(text.rstrip("=").translate(str.maketrans("-_", "+/")) + "=", validate=True)
    return None
