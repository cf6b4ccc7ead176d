"""What a body is that should be a stream, told by its first bytes, wherever they are cut."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.decision.verdicts.sniffing import LONGEST, framing_in
from switchman.addons.testing import every_split

CHUNK = b'{"choices":[{"delta":{"content":"a"}}]}'
LINE = b'{"model":"m","message":{"content":"a"},"done":false}'
PRETTY = b'{\n  "choices": []\n}\n'

CASES: list[tuple[str, bytes, str | None, str, str]] = [
    ("data", b"data: " + CHUNK + b"\n\n", None, "sse", "sse"),
    ("data without a space", b"data:" + CHUNK + b"\n\n", None, "sse", "sse"),
    ("name", b"event: message_start\ndata: {}\n\n", None, "sse", "sse"),
    ("id", b"id: 1\ndata: {}\n\n", None, "sse", "sse"),
    ("retry", b"retry: 1\n\ndata: {}\n\n", None, "sse", "sse"),
    ("comment", b": OPENROUTER PROCESSING\n\n", None, "sse", "sse"),
    ("events from Ollama", b"data: {}\n\n", None, "ndjson", "sse"),
    ("events that are called lines", b"data: {}\n\n", "ndjson", "ndjson", "sse"),
    ("byte order", b"\xef\xbb\xbfdata: {}\n\n", None, "sse", "sse"),
    ("blank lines", b"\r\n\n data: {}\n\n", None, "sse", "sse"),
    ("lines", CHUNK + b"\n" + CHUNK + b"\n", None, "sse", "ndjson"),
    ("lines with CRLF", CHUNK + b"\r\n" + CHUNK + b"\r\n", None, "sse", "ndjson"),
    ("lines that are called events", CHUNK + b"\n" + CHUNK + b"\n", "sse", "sse", "ndjson"),
    ("Ollama's lines", LINE + b"\n" + LINE + b"\n", None, "ndjson", "ndjson"),
    ("byte order of lines", b"\xef\xbb\xbf" + LINE + b"\n", None, "ndjson", "ndjson"),
    ("Ollama's only line", LINE, None, "ndjson", "ndjson"),
    ("declared lines", CHUNK, "ndjson", "ndjson", "ndjson"),
    ("whole", CHUNK, None, "sse", "whole"),
    ("whole with a line end", CHUNK + b"\n", None, "sse", "whole"),
    ("whole that is called events", CHUNK, "sse", "sse", "whole"),
    ("whole over several lines", PRETTY, None, "sse", "whole"),
    ("Ollama's over several lines", PRETTY, None, "ndjson", "whole"),
    ("another object of an Ollama", b'{"detail":"no"}\n', None, "ndjson", "whole"),
    ("an object and more", CHUNK + b"\nmore", None, "sse", "whole"),
    ("cut JSON", b'{"choices":[', None, "sse", "whole"),
    ("broken UTF-8", b'{"a":"\xff"}\n{"a":1}\n', None, "sse", "ndjson"),
    ("list", b"[1]", None, "sse", "whole"),
    ("page", b"<!DOCTYPE html>", None, "sse", "whole"),
    ("page that is called events", b"<html>data: {}", "sse", "sse", "whole"),
    ("text", b"no healthy upstream", None, "ndjson", "whole"),
    ("text like a field", b"database: gone", None, "sse", "whole"),
    ("half a field", b"dat", None, "sse", "whole"),
    ("blank", b" \n", None, "sse", "whole"),
    ("nothing", b"", None, "sse", "whole"),
    ("half a byte order", b"\xef\xbb", None, "sse", "whole"),
]


@pytest.mark.parametrize(("data", "declared", "expected", "found"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_it_is(data: bytes, declared: Any, expected: str, found: str) -> None:
    """The same for every split; what was found early stays true."""
    for parts in every_split(data) if data else [()]:
        seen, first = b"", None
        for part in parts:
            seen += part
            first = first or framing_in(seen, ended=False, declared=declared, expected=expected)
        assert first in (None, found)
        assert (first or framing_in(seen, ended=True, declared=declared, expected=expected)) == found


@pytest.mark.parametrize("data", [b"data:", b"event:", b"id:", b"retry:", b":", b"<", b"[", b"no"])
def test_it_is_told_as_early_as_can_be(data: bytes) -> None:
    """So that the first event waits for nothing; Ollama's lines are known by the first one."""
    assert framing_in(data, ended=False, declared=None, expected="sse") is not None
    assert framing_in(LINE + b"\n", ended=False, declared=None, expected="ndjson") == "ndjson"
    assert framing_in(b"{", ended=False, declared="ndjson", expected="ndjson") == "ndjson"


def test_what_tells_nothing_for_long_is_whole() -> None:
    """Memory is bounded."""
    for data in (b'{"a":"' + b"x" * LONGEST, b" " * (LONGEST + 1), b'{"a":1}\n' + b" " * LONGEST):
        assert framing_in(data, ended=False, declared=None, expected="sse") == "whole"
        assert framing_in(data[:1000], ended=False, declared=None, expected="sse") is None
