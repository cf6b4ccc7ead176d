"""Endings: what the end of an answer must not say, where nothing is translated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.endings import EndStage, end_stage, reasons_without_calls
from switchman.addons.core.request import jsonedit
from switchman.addons.core.streams.framing.reframing import Reframing
from switchman.addons.core.streams.pipe import Framing, Pipe
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.testing import every_split

ERROR = b'data: {"error":"cut"}\n\n'
CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}


def broke(error: Exception, what: Any) -> None:
    raise AssertionError(f"{what} broke") from error


def passed(body: bytes, pieces: list[bytes] | None = None, framing: Framing = "sse") -> bytes:
    reply = ReplyCollector()
    pipe = Pipe(framing, [EndStage(reply, ERROR)], reply, 0, broke, lambda: 0.0)
    return b"".join(out for piece in [*(pieces or [body]), b""] for out in pipe(piece))


def chunk(delta: dict[str, Any], word: str | None = None, gap: str = "") -> bytes:
    reason = json.dumps(word)
    text = f'{{ "choices":[{{"index":0,"delta":{json.dumps(delta)},"finish_reason":{gap}{reason}}}],"x":1.50}}'
    return b"data: " + text.encode() + b"\n\n"


STREAMS = {
    "openai": (chunk({"content": 'says "finish_reason":"tool_calls"'}), chunk({}, "tool_calls"), chunk({}, "stop")),
    "openai-blank": (chunk({"content": "a"}), chunk({}, "tool_calls", " "), chunk({}, "stop", " ")),
    "openai-old": (chunk({"content": "a"}), chunk({}, "function_call"), chunk({}, "stop")),
    "anthropic": (
        b'event: content_block_start\ndata: {"type":"content_block_start","content_block":{"type":"text"}}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason": "tool_use"}}\n\n'
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason": "end_turn"}}\n\n'
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_reason_that_says_tool_use_without_a_call_says_that_the_reply_is_complete(name: str) -> None:
    """Only that word changes, however the bytes are cut; text that quotes it stays."""
    before, wrong, right = STREAMS[name]
    for pieces in every_split(before + wrong):
        assert passed(b"", pieces) == before + right


@pytest.mark.parametrize(
    "before",
    [
        chunk({"tool_calls": [CALL]}),
        chunk({"function_call": {"name": "f"}}),
        b'data: {"type":"content_block_start","content_block":{"type":"tool_use","name":"f"}}\n\n',
    ],
    ids=["openai", "openai-old", "anthropic"],
)
def test_a_reason_with_its_call_stays(before: bytes) -> None:
    """As all other bytes do."""
    stop = b'data: {"type":"message_delta","delta":{"stop_reason":"tool_use"}}\n\ndata: {"type":"message_stop"}\n\n'
    for end in (chunk({}, "tool_calls"), stop):
        assert passed(before + chunk({"content": "a"}) + end) == before + chunk({"content": "a"}) + end


@pytest.mark.parametrize(
    ("obj", "edits"),
    [
        ({"choices": [{"finish_reason": "tool_calls", "message": {"content": "a"}}]}, ["stop"]),
        ({"choices": [{"finish_reason": "tool_calls", "message": {"tool_calls": []}}]}, ["stop"]),
        ({"choices": [{"finish_reason": "function_call", "message": None}]}, ["stop"]),
        ({"choices": [{"finish_reason": "tool_calls", "text": "a"}]}, ["stop"]),
        ({"choices": [{"finish_reason": "tool_calls", "message": {"tool_calls": [CALL]}}]}, []),
        ({"choices": [{"finish_reason": "function_call", "message": {"function_call": {"name": "f"}}}]}, []),
        ({"choices": [{"finish_reason": "length", "message": {}}, 5]}, []),
        ({"choices": {}}, []),
        ({"type": "message", "stop_reason": "tool_use", "content": [{"type": "text"}]}, ["end_turn"]),
        ({"type": "message", "stop_reason": "tool_use", "content": [{"type": "tool_use"}]}, []),
        ({"type": "message", "stop_reason": "tool_use", "content": [{"type": "mcp_tool_use"}]}, []),
        ({"type": "message", "stop_reason": ["tool_use"]}, []),
        ({}, []),
    ],
)
def test_a_whole_reply(obj: dict[str, Any], edits: list[str]) -> None:
    """The edits name the place in its text."""
    found = reasons_without_calls(obj)
    assert list(found.values()) == edits
    edited = jsonedit.edit(json.dumps(obj), found)
    assert not reasons_without_calls(json.loads(edited))


def test_a_stream_that_is_over_before_its_reply_ends_with_the_error() -> None:
    """With the blank line that the last event lacks; nothing is added where the server has said an error itself."""
    text = chunk({"content": "a"})
    assert passed(text) == text + ERROR
    assert passed(text.removesuffix(b"\n\n")) == text + ERROR
    assert passed(b"") == ERROR
    own = b'data: {"error":{"message":"out of memory"}}\n\n'
    assert passed(text + own) == text + own


@pytest.mark.parametrize("end", [chunk({}, "stop"), b"data: [DONE]\n\n", b'data: {"type":"message_stop"}\n\n'])
def test_a_stream_that_is_whole_is_left_alone(end: bytes) -> None:
    """A finish reason, or the format's own mark."""
    assert passed(chunk({"content": "a"}) + end) == chunk({"content": "a"}) + end


def test_an_event_that_was_too_large_to_be_read_may_have_been_the_last_one() -> None:
    """No error is made up where not all was read."""
    large = b"data: " + b"x" * (17 * 1024 * 1024) + b"\n\n"
    assert passed(large) == large


def test_a_stream_that_broke_off_is_left_to_who_knows_why() -> None:
    """The caller's error is the only one."""
    reply = ReplyCollector()
    pipe = Pipe("sse", [EndStage(reply, ERROR)], reply, 0, broke, lambda: 0.0)
    assert pipe.abort(b"data: why\n\n") == [b"data: why\n\n"]


@pytest.mark.parametrize(
    ("path", "framing", "has_stage"),
    [
        ("/v1/chat/completions", "sse", True),
        ("/v1/responses", "sse", True),
        ("/api/generate", "ndjson", True),
        ("/v1/messages", "sse", True),
        ("/v1/audio/speech", "sse", False),
        ("/v1/images/generations", "sse", False),
        ("/api/chat", "sse", False),
    ],
)
def test_only_streams_of_text_have_such_an_end(path: str, framing: str, has_stage: bool) -> None:
    """Audio and images end in ways of their own, and a body of another framing has no place for the error."""
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    assert bool(end_stage(endpoint, framing, ReplyCollector(), ERROR)) is has_stage


@pytest.mark.parametrize(
    ("framing", "error", "found", "events", "told"),
    [
        ("sse", ERROR, "ndjson", b'{"choices":[]}\n', b'data: {"choices":[]}\n\n'),
        ("ndjson", b'{"error":"cut"}\n', "sse", b'data: {"done":false}\n\n', b'{"done":false}\n'),
    ],
)
def test_a_cut_is_told_in_the_framing_of_the_client(
    framing: Framing, error: bytes, found: Any, events: bytes, told: bytes
) -> None:
    """Also where the server used the other one, so that each event is told anew."""
    reply = ReplyCollector()
    pipe = Pipe(framing, [EndStage(reply, error)], reply, 0, broke, lambda: 0.0)
    pipe.reframe(found, Reframing("sse" if framing == "sse" else "ndjson", says_done=framing == "sse"))
    assert pipe(events) + pipe(b"") == [told, error]


@pytest.mark.parametrize(
    ("framing", "whole"), [("sse", chunk({"content": "\u00e9"})), ("ndjson", b'{"done":false,"x":"\xc3\xa9"}\n')]
)
def test_half_an_event_does_not_stand_before_the_error(framing: Framing, whole: bytes) -> None:
    """Wherever the body ends: a client would fail at its JSON, and never read the error."""
    error = ERROR if framing == "sse" else b'{"error":"cut"}\n'
    for at in range(len(whole)):
        reply = ReplyCollector()
        pipe = Pipe(framing, [EndStage(reply, error)], reply, 0, broke, lambda: 0.0)
        out = b"".join(pipe(whole) + (pipe(whole[:at]) if at else []) + pipe(b""))
        parts = [part for part in out.removesuffix(error).split(b"\n") if part]
        assert out.endswith(error), at
        for part in parts:
            if part.startswith((b"data: ", b"{")):
                json.loads(part.removeprefix(b"data: "))
