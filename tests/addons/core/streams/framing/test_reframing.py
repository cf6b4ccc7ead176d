"""Events in the framing that the client reads."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.streams.framing.reframing import Reframing
from switchman.addons.core.streams.pipe import Pipe
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.testing import every_split

TEXT = b'{"choices":[{"index":0,"delta":{"content":"\xc3\xa9"}}]}'
LAST = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
DONE = b"data: [DONE]\n\n"


def through(to: Any, found: Any, data: bytes, says_done: bool = True) -> set[bytes]:
    """What goes to the client, for every split."""
    outs = set()
    for parts in every_split(data):
        pipe = Pipe(to, [], ReplyCollector(), 0, lambda error, what: pytest.fail(repr(error)), lambda: 0.0)
        pipe.reframe(found, Reframing(to, says_done))
        outs.add(b"".join(chunk for part in [*parts, b""] for chunk in pipe(part)))
    return outs


def test_lines_become_events() -> None:
    """With the last word that OpenAI's clients wait for; blank lines go."""
    assert through("sse", "ndjson", TEXT + b"\n\n" + LAST + b"\r\n") == {
        b"data: " + TEXT + b"\n\ndata: " + LAST + b"\n\n" + DONE
    }
    assert through("sse", "ndjson", TEXT + b"\n" + LAST, says_done=False) == {
        b"data: " + TEXT + b"\n\ndata: " + LAST + b"\n\n"
    }


def test_a_stream_that_was_cut_gets_no_last_word() -> None:
    """Its client must not take it for complete."""
    assert through("sse", "ndjson", TEXT + b"\n") == {b"data: " + TEXT + b"\n\n"}


def test_events_with_a_type_are_named_by_it() -> None:
    """Anthropic's clients look for the name."""
    assert through("sse", "ndjson", b'{"type":"ping"}\n', says_done=False) == {
        b'event: ping\ndata: {"type":"ping"}\n\n'
    }
    for kind in (b"1", b'"a\\nb"', b'""'):
        (out,) = through("sse", "ndjson", b'{"type":%s}\n' % kind, says_done=False)
        assert b"event" not in out


def test_events_become_lines() -> None:
    """One line each, without their names, comments and last word."""
    data = b": c\n\nevent: x\ndata: " + TEXT + b'\n\ndata: {"a":\r\ndata: 1}\r\n\r\n' + DONE
    assert through("ndjson", "sse", data) == {TEXT + b'\n{"a": 1}\n'}


def test_what_breaks_off_gets_nothing_more() -> None:
    """The caller adds its error event."""
    pipe = Pipe("sse", [], ReplyCollector(), 0, lambda error, what: pytest.fail(repr(error)), lambda: 0.0)
    pipe.reframe("ndjson", Reframing("sse", True))
    assert pipe(LAST + b"\n") == [b"data: " + LAST + b"\n\n"]
    assert pipe.abort(b"data: no\n\n") == [b"data: no\n\n"]
