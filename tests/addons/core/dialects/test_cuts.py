"""Cuts: a stream that is cut after any event is never a success, for every client of every server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from switchman.addons.core.decision.verdicts.judge import Ending, How, judge
from switchman.addons.core.dialects import endpoint_of, stream_error
from switchman.addons.core.dialects.codecs import CODECS, FORMATS
from switchman.addons.core.dialects.endings import end_stage
from switchman.addons.core.dialects.neutral.form import (
    End,
    Failed,
    Finish,
    FormatName,
    Stamp,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Usage,
    UsageSeen,
)
from switchman.addons.core.dialects.rendering import Rendered
from switchman.addons.core.dialects.translate import SPLITTERS, Translation, decode_event, translate_request
from switchman.addons.core.request.call import DialectName, Endpoint
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.core.streams.pipe import Pipe
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.testing import make_call

STAMP = Stamp("abc", 1_700_000_000.0, "m", include_usage=True)
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {**CHAT, "tools": [TOOL]},
    "/v1/completions": {"model": "m", "prompt": "hi", "stream": True},
    "/v1/responses": {"model": "m", "input": "hi", "stream": True},
    "/v1/messages": {**CHAT, "max_tokens": 9},
    "/api/chat": {**CHAT, "tools": [TOOL]},
    "/api/generate": {"model": "m", "prompt": "hi", "raw": True},
}
SERVERS: list[tuple[DialectName, bool]] = [("openai", True), ("openai", False), ("anthropic", True), ("ollama", True)]
TALE: list[StreamEvent] = [
    Start("id", "m", 5.0, Usage(input=11)),
    ThinkingDelta(0, "Hm. "),
    TextDelta(0, "A tale "),
    TextDelta(0, "of two cities."),
    ToolDelta(0, 0, "c", "f", '{"a"'),
    ToolDelta(0, 0, "", "", ":1}"),
    ToolDelta(0, 1, "d", "f", "{}"),
    UsageSeen(Usage(input=11, output=7)),
    Finish(0, "tool_calls"),
    End(),
]


@dataclass(frozen=True)
class Pair:
    """A client of one operation and a server: `spoken` is the server's format, `answer` translates, or is None."""

    endpoint: Endpoint
    server: DialectName
    origin: FormatName
    spoken: FormatName
    answer: Translation | None

    def events(self) -> list[bytes]:
        """The server's stream, event by event."""
        encoder = CODECS[self.spoken].encoder(STAMP)
        body = b"".join(encoder.feed(event) for event in TALE)
        return [event.raw for event in SPLITTERS[framing_of(self.spoken)]().feed(body)]

    def pipe(self, reply: ReplyCollector) -> Pipe:
        """As hooks/outbound/streaming.py makes it."""
        framing = framing_of(self.spoken)
        if self.answer is not None:
            return Pipe(framing, [self.answer.stage()], reply, 0, broke, lambda: 0.0, self.answer.framing)
        error = stream_error(self.endpoint, 502, "cut")
        return Pipe(framing, end_stage(self.endpoint, framing, reply, error), reply, 0, broke, lambda: 0.0)


def broke(error: Exception, what: Any) -> None:
    raise AssertionError(f"{what} broke") from error


def framing_of(name: FormatName) -> Any:
    return "ndjson" if CODECS[name].stream_type.endswith("ndjson") else "sse"


def pairs() -> Iterator[Any]:
    for path, body in BODIES.items():
        endpoint = endpoint_of("POST", path)
        assert endpoint is not None
        origin = FORMATS[endpoint.dialect, endpoint.operation]
        for server, has_responses in SERVERS:
            if not has_responses and endpoint.operation != "responses":
                continue
            if server == endpoint.dialect and has_responses:
                yield pytest.param(Pair(endpoint, server, origin, origin, None), id=f"{origin}-itself")
            else:
                out = translate_request(endpoint, body, server, STAMP)
                target = endpoint_of("POST", out.path)
                assert target is not None
                spoken = FORMATS[target.dialect, target.operation]
                yield pytest.param(Pair(endpoint, server, origin, spoken, out.answer), id=f"{origin}-{spoken}")


def told(pair: Pair, body: bytes) -> list[StreamEvent]:
    """What the client's own reader makes of its stream."""
    splitter, decoder = SPLITTERS[framing_of(pair.origin)](), CODECS[pair.origin].decoder()
    return [item for event in [*splitter.feed(body), *splitter.end()] for item in decode_event(decoder, event)]


def is_whole(pair: Pair, events: list[bytes]) -> bool:
    """Is a body of these events, if it ends as it should, a whole reply? Some OpenAI servers leave out `[DONE]`."""
    last = events[-1] if events else b""
    if pair.spoken in ("openai.chat", "openai.completion"):
        return any(b'"finish_reason":"' in event for event in events)
    if pair.spoken == "anthropic.messages":
        return b"message_stop" in last
    return b'"done":true' in last or b'"response.completed"' in last


def verdict(pair: Pair, reply: ReplyCollector, how: How) -> str:
    call = make_call(BODIES[pair.endpoint.path], endpoint=pair.endpoint)
    rendered = Rendered(pair.endpoint.path, "", False, pair.endpoint, pair.answer, streams=True)
    server = Server("s", parse("http://s:1"))
    return judge(
        Ending(server=server, how=how, status=200, reply=reply, streamed=True, call=call, rendered=rendered)
    ).kind


@pytest.mark.parametrize("ends", ["breaks off", "ends as if it were whole"])
@pytest.mark.parametrize("pair", list(pairs()))
def test_no_cut_is_a_success(pair: Pair, ends: str) -> None:
    """An error event in the client's dialect is the last thing; no end, and no reason that says it is complete."""
    events = pair.events()
    assert len(events) > 3
    for kept in range(len(events)):
        if ends != "breaks off" and is_whole(pair, events[:kept]):
            continue
        reply = ReplyCollector()
        pipe = pair.pipe(reply)
        out = b"".join(piece for event in events[:kept] for piece in pipe(event))
        came = out
        if ends == "breaks off":
            out += b"".join(pipe.abort(stream_error(pair.endpoint, 502, "cut")))
        else:
            out += b"".join(pipe(b""))
        seen = told(pair, out)
        assert isinstance(seen[-1], Failed), (kept, seen)
        assert not any(isinstance(event, End) for event in seen)
        if pair.answer is not None:  # else what came has gone out as it came
            assert not any(isinstance(event, Finish) for event in seen), (kept, seen)
        else:
            assert came == b"".join(events[:kept])
        assert b"[DONE]" not in out and b"message_stop" not in out and b'"done":true' not in out
        assert verdict(pair, reply, "stream" if ends == "breaks off" else "complete") == "stream"


@pytest.mark.parametrize("pair", list(pairs()))
def test_the_whole_stream_is_a_success(pair: Pair) -> None:
    """Its end is said with the server's last word, not only when the server ends the body."""
    reply = ReplyCollector()
    pipe = pair.pipe(reply)
    out = b"".join(piece for event in pair.events() for piece in pipe(event))
    assert pipe.is_said
    assert pipe(b"") == []
    seen = told(pair, out)
    assert isinstance(seen[-1], End) and not any(isinstance(event, Failed) for event in seen)
    assert verdict(pair, reply, "complete") == "ok"


@pytest.mark.parametrize("pair", list(pairs()))
def test_a_body_that_ends_behind_the_finish_reason_is_whole(pair: Pair) -> None:
    """The OpenAI servers that leave out `[DONE]`; a choice that has no reason yet makes it a cut."""
    events = pair.events()
    if not is_whole(pair, events[:-1]):
        return
    reply = ReplyCollector()
    pipe = pair.pipe(reply)
    out = b"".join(piece for event in events[:-1] for piece in pipe(event)) + b"".join(pipe(b""))
    assert not any(isinstance(event, Failed) for event in told(pair, out))
    assert verdict(pair, reply, "complete") == "ok"


def test_one_of_two_choices_does_not_make_a_reply_whole() -> None:
    """The other one has begun, as servers begin all of them before the first word, and has no reason yet."""
    endpoint = endpoint_of("POST", "/v1/chat/completions")
    assert endpoint is not None
    pair = Pair(endpoint, "openai", "openai.chat", "openai.chat", None)
    reply = ReplyCollector()
    pipe = pair.pipe(reply)
    for index, text, finish in ((0, "", None), (1, "", None), (0, "a", None), (1, "b", None), (0, "", "stop")):
        choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
        pipe(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
    (error,) = pipe(b"")
    assert json.loads(error.removeprefix(b"data: "))["error"]["message"] == "cut"
    assert verdict(pair, reply, "complete") == "stream"


@pytest.mark.parametrize("pair", list(pairs()))
def test_the_usage_that_was_seen_is_kept(pair: Pair) -> None:
    """Of a stream that the client left, or that was cut: what the server had said by then."""
    reply = ReplyCollector()
    pipe = pair.pipe(reply)
    *events, last = pair.events()
    for event in events:
        pipe(event)
    if b"usage" in last or b"eval_count" in last:  # the formats that say it with their last word
        assert reply.input_tokens is None
    else:
        assert (reply.input_tokens, reply.output_tokens) == (11, 7)
