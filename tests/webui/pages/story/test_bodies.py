"""Bodies as their tab shows them."""

from __future__ import annotations

import os

import pytest

from switchman.webui.pages.story.bodies import MOST_DUMPED, MOST_SHOWN, is_binary, show


def test_what_is_no_text_is_dumped() -> None:
    """Offset, bytes and letters; only the beginning of a long one."""
    shown = show(b"\x89PNG\r\n\x1a\n" + bytes(range(16)), indented=True)
    assert shown.binary and not shown.can_indent and shown.shown_bytes is None
    assert shown.text.splitlines()[0] == "000000  89 50 4e 47 0d 0a 1a 0a 00 01 02 03 04 05 06 07  .PNG............"
    assert show(bytes(5_000_000), indented=False).shown_bytes == MOST_DUMPED


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        "模型说：你好".encode(),
        "你好".encode()[:-1],
        b"data: x\r\n\r\n",
        b"\x1b[31mred\x1b[0m",
        b"caf\xe9 au lait, s'il vous plait",
    ],
)
def test_text_is_text(data: bytes) -> None:
    """Also of other alphabets, cut in a character, coloured for terminals, or with one byte in another encoding."""
    assert not is_binary(data)


def test_noise_is_none() -> None:
    """Without a NUL too."""
    assert is_binary(os.urandom(4000).replace(b"\0", b"\1"))


def test_controls_and_overrides_are_visible() -> None:
    """What would colour a terminal, or turn the text around, is spelled out."""
    assert show("a\x1b[31m\u202eb\tc\n".encode(), indented=False).text == "a<1B>[31m<U+202E>b\tc\n"


def test_a_long_body_is_cut_and_says_so() -> None:
    """Five megabytes are not sent to a browser."""
    shown = show(b'{"a": "' + b"x" * 5_000_000 + b'"}', indented=True)
    assert (len(shown.text), shown.shown_bytes, shown.can_indent) == (MOST_SHOWN, MOST_SHOWN, False)


def test_credentials_are_masked_and_it_is_said() -> None:
    """As sent and indented."""
    for indented in (False, True):
        shown = show(b'{"api_key": "sk-0123456789abcdef"}', indented)
        assert shown.masked and shown.pretty == indented and "sk-0123" not in shown.text
    assert not show(b'{"model": "m"}', indented=False).masked
