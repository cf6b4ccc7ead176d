"""Unicode: what is no text never costs more than itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.texts.unicode import decoded, dump, dumps, dumps_large, read_json, shown


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"caf\xc3\xa9", "café", id="utf-8"),
        pytest.param(b"costs \xa35.", "costs \ufffd5.", id="latin-1"),
        pytest.param(b"a\xe2\x82b", "a\ufffdb", id="a-cut-character"),
        pytest.param(b"\xed\xa0\xbd", "\ufffd\ufffd\ufffd", id="a-surrogate-in-utf-8"),
        pytest.param(b"", "", id="empty"),
    ],
)
def test_bytes_become_text(data: bytes, text: str) -> None:
    """What is no UTF-8 becomes U+FFFD; everything around it stays."""
    assert decoded(data) == decoded(bytearray(data)) == text
    assert read_json(b'{"t": "' + data + b'", "n": 1}') == {"t": text, "n": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_is_read_in_each_of_its_encodings(encoding: str) -> None:
    """A server may write a byte order mark, or what RFC 4627 still allowed."""
    assert read_json('{"a": "é😀"}'.encode(encoding)) == {"a": "é😀"}


@pytest.mark.parametrize("data", [b"", b"{", b'{"a": 1} x', b"[" * 200_000, b"1" * 5000, b"\x00\x00\x00\x00"])
def test_what_is_no_json_is_a_value_error(data: bytes) -> None:
    """Also endless nesting and absurd numbers: one kind of error for every caller."""
    with pytest.raises(ValueError):
        read_json(data)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("é漢😀", "é漢😀"),
        ("cut \ud83d", "cut \ufffd"),
        ("\ude00 cut", "\ufffd cut"),
        ("\ud83d\ude00", "😀"),
        ("\ud83d\ud83d\ude00\ude00", "\ufffd😀\ufffd"),
        ("\udca3", "\ufffd"),
    ],
)
def test_text_that_is_shown(text: str, expected: str) -> None:
    """Halves that meet become their character, a half that is alone becomes U+FFFD: it can always be encoded."""
    assert shown(text) == expected
    assert shown(text).encode().decode() == expected


@pytest.mark.parametrize(
    "value", [{"a": "é😀", "b": [1, None]}, {"a": "é \ud83d"}, "\udca3", {"\ud83d": {"\ude00": 1}}]
)
@pytest.mark.parametrize("indent", [None, 2])
def test_json_for_others_is_utf_8_and_loses_nothing(value: Any, indent: int | None) -> None:
    """Whoever reads it gets the value that was written, half pairs included, as escapes."""
    text = dumps(value, indent)
    assert json.loads(text.encode()) == value
    assert ("\n" in text) == (indent is not None and isinstance(value, dict))
    assert dump(value).decode() == dumps(value)
    if isinstance(value, dict):
        assert json.loads(dumps_large(value).encode()) == value


def test_json_stays_readable_where_it_can() -> None:
    """Non-ASCII text is not escaped without need."""
    assert dumps({"a": "é"}) == '{"a":"é"}'
    assert dumps({"a": "é"}, indent=2) == '{\n  "a": "é"\n}'
    assert dumps({"a": "é\ud83d"}) == '{"a":"\\u00e9\\ud83d"}'


def test_a_large_object_is_written_as_a_small_one() -> None:
    """The same text, in many short steps; only the text with half a pair in it is escaped."""
    value = {"a": [{"b": ["é", {"c": [{"d": [1, {}, []]}]}]}, [], {}, None], "e": {"f": "😀"}, "g": []}
    assert dumps_large(value) == dumps(value)
    assert dumps_large({}) == "{}"
    assert dumps_large({"a": ["é", "\ud83d"]}) == '{"a":["é","\\ud83d"]}'
