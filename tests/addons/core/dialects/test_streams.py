"""Streams: any cut of a reply into pieces gives the message that the whole-body reply gives, in every format."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.dialects.codecs import CODECS, NDJSON
from switchman.addons.core.dialects.neutral.assembling import assemble, tell
from switchman.addons.core.dialects.neutral.fields import arguments_object
from switchman.addons.core.dialects.neutral.form import (
    Choice,
    End,
    Failed,
    Finish,
    FormatName,
    Part,
    Reply,
    Stamp,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolDelta,
    Usage,
    UsageSeen,
)
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter

STAMP = Stamp("abc", 1_700_000_000.0, "m", include_usage=True)
FORMATS: list[FormatName] = list(CODECS)

word = st.sampled_from(["alpha", "beta"])
text = st.text(alphabet='ab é😀\n\u2028{"', min_size=1, max_size=12)
arguments = st.one_of(st.just(""), st.dictionaries(word, st.integers() | text, max_size=2).map(json.dumps))
counts = st.none() | st.integers(0, 50)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    parts: list[Part] = []
    if draw(st.booleans()):
        parts.append(Thinking(draw(text), draw(st.none() | word)))
    if draw(st.booleans()):
        parts.append(Text(draw(text)))
    calls = draw(st.lists(st.tuples(word, arguments), max_size=3))
    parts += [ToolCall(f"id{number}", name, said) for number, (name, said) in enumerate(calls)]
    finish = draw(st.sampled_from(["stop", "length", "content_filter"])) if not calls else "tool_calls"
    usage = Usage(100, draw(st.integers(0, 50)), draw(counts), draw(counts), draw(counts))
    return Reply("id", "m", (Choice(0, tuple(parts), finish),), draw(st.none() | st.just(usage)), 1_600_000_000.0)


@st.composite
def cut(draw: st.DrawFn, reply: Reply) -> list[StreamEvent]:
    """The events of a reply with its texts cut at any place, and the pieces of its calls mixed."""
    choice = reply.choices[0]
    events: list[StreamEvent] = [Start(reply.id, reply.model, reply.created)]
    queues: list[list[StreamEvent]] = []
    for part in choice.parts:
        if isinstance(part, Text):
            events += [TextDelta(0, piece) for piece in draw(pieces(part.text))]
        elif isinstance(part, Thinking):
            events += [ThinkingDelta(0, piece) for piece in draw(pieces(part.text))]
            events += [ThinkingDelta(0, "", part.signature)] if part.signature else []
        elif isinstance(part, ToolCall):
            number = len(queues)
            rest = [ToolDelta(0, number, "", "", piece) for piece in draw(pieces(part.arguments))]
            queues.append([ToolDelta(0, number, part.id, part.name, ""), *rest])
    begun = 0
    while any(queues):
        # servers begin calls in order, so a call may have its turn once the one before it has begun
        number = draw(st.sampled_from([n for n, queue in enumerate(queues) if queue and n <= begun]))
        events.append(queues[number].pop(0))
        begun = max(begun, number + 1)
    events.append(Finish(0, choice.finish or "stop"))
    return [*events, *([UsageSeen(reply.usage)] if reply.usage else []), End()]


@st.composite
def pieces(draw: st.DrawFn, whole: str) -> list[str]:
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


def encode(name: FormatName, events: list[StreamEvent]) -> bytes:
    encoder = CODECS[name].encoder(STAMP)
    return b"".join(encoder.feed(event) for event in events) + encoder.end()


def decode(name: FormatName, body: bytes) -> list[StreamEvent]:
    splitter = NDJSONSplitter() if CODECS[name].stream_type == NDJSON else SSESplitter()
    decoder = CODECS[name].decoder()
    out: list[StreamEvent] = []
    for event in [*splitter.feed(body), *splitter.end()]:
        out += decoder.done() if event.is_done else decoder.feed(event.data) if isinstance(event.data, dict) else []
    return out


def message(reply: Reply) -> dict[str, Any]:
    """What a reply says, without what a format writes in more than one way."""
    choice = reply.choices[0]
    return {
        "model": reply.model,
        "text": "".join(part.text for part in choice.parts if isinstance(part, Text)),
        "thinking": [part for part in choice.parts if isinstance(part, Thinking)],
        "calls": [(p.id, p.name, arguments_object(p.arguments)) for p in choice.parts if isinstance(p, ToolCall)],
        "finish": choice.finish,
        "usage": reply.usage,
    }


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_stream_gives_the_message_of_the_whole_reply(name: FormatName, data: st.DataObject) -> None:
    """Texts cut at any place, calls in pieces mixed in any order: the same as the reply written in one piece."""
    reply = data.draw(replies())
    events = data.draw(cut(reply))
    streamed = assemble(decode(name, encode(name, events)))
    whole = CODECS[name].decode_reply(json.loads(json.dumps(CODECS[name].encode_reply(reply, STAMP))))
    assert message(streamed) == message(whole)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=30, deadline=None)
@given(reply=replies())
def test_a_whole_reply_can_be_told_as_a_stream(name: FormatName, reply: Reply) -> None:
    """For a server that answers in one piece where a stream was asked for."""
    told = assemble(decode(name, encode(name, list(tell(reply)))))
    assert message(told) == message(CODECS[name].decode_reply(CODECS[name].encode_reply(reply, STAMP)))


@settings(max_examples=60, deadline=None)
@given(replies())
def test_the_internal_form_loses_nothing(reply: Reply) -> None:
    """Told as events and put together again, a reply is the same."""
    assert assemble(tell(reply)) == reply


@pytest.mark.parametrize("name", FORMATS)
def test_a_failure_is_the_last_thing_in_a_stream(name: FormatName) -> None:
    """An error inside the upstream's stream becomes the client's error event; nothing follows it, not even an end."""
    encoder = CODECS[name].encoder(STAMP)
    head = encoder.feed(Start("i", "m")) + encoder.feed(TextDelta(0, "so far"))
    error = encoder.feed(Failed("gone wrong", "overloaded_error", None, 529))
    assert encoder.feed(TextDelta(0, "more")) == encoder.feed(End()) == encoder.end() == b""
    last = decode(name, head + error)[-1]
    failed = last if isinstance(last, Failed) else next(e for e in decode(name, head + error) if isinstance(e, Failed))
    assert failed.message == "gone wrong"
    assert b"[DONE]" not in error and b"message_stop" not in error and b'"done":true' not in error


@pytest.mark.parametrize("name", FORMATS)
def test_a_stream_that_breaks_off_is_no_complete_reply(name: FormatName) -> None:
    """A body that ends without a finish reason gives an error event; with one, a missing end marker is no harm."""
    cut_short = encode(name, [Start("i", "m"), TextDelta(0, "half")])
    assert any(isinstance(event, Failed) for event in decode(name, cut_short))
    unmarked = encode(name, [Start("i", "m"), TextDelta(0, "all"), Finish(0, "stop")])
    assert not any(isinstance(event, Failed) for event in decode(name, unmarked))


names = st.sampled_from(
    [
        *("id", "model", "created", "created_at", "choices", "index", "delta", "message", "content", "text", "usage"),
        *(
            "tool_calls",
            "function",
            "name",
            "arguments",
            "finish_reason",
            "error",
            "type",
            "code",
            "response",
            "output",
        ),
        *("item", "output_index", "content_block", "partial_json", "thinking", "signature", "stop_reason", "done"),
        *(
            "prompt_tokens",
            "completion_tokens",
            "prompt_tokens_details",
            "input_tokens",
            "eval_count",
            "total_duration",
        ),
        *("reasoning_content", "done_reason", "input", "data", "role", "part", "incomplete_details", "x_groq"),
    ]
)
kinds = st.sampled_from(
    [
        *("message_start", "content_block_start", "content_block_delta", "message_delta", "tool_use", "text_delta"),
        *("input_json_delta", "thinking_delta", "response.created", "response.output_item.added", "function_call"),
        *("response.output_text.delta", "response.completed", "response.failed", "error", "text", "thinking"),
        *("function_call_arguments.delta", "stop", "2025-01-01T00:00:00.123456789Z", "{", "reasoning", "message"),
    ]
)
leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | kinds
junk = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5))
junk_object = st.dictionaries(names, junk, max_size=6)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=50, deadline=None)
@given(data=st.lists(junk_object, min_size=1, max_size=4))
def test_no_answer_makes_a_translation_raise(name: FormatName, data: list[dict[str, Any]]) -> None:
    """Whatever a server sends, whole or streamed: every client gets something of its own format."""
    for client in FORMATS:
        decoder, encoder = CODECS[name].decoder(), CODECS[client].encoder(STAMP)
        told = b"".join(encoder.feed(event) for obj in data for event in decoder.feed(obj))
        assert (told + encoder.end()).strip()
        reply = CODECS[client].encode_reply(CODECS[name].decode_reply(data[0]), STAMP)
        assert json.loads(json.dumps(reply))["model"]


PREFIXES = {
    "openai.chat": b'"id":"chatcmpl-abc"',
    "openai.completion": b'"id":"cmpl-abc"',
    "openai.responses": b'"id":"resp_abc"',
    "anthropic.messages": b'"id":"msg_abc"',
}


@pytest.mark.parametrize("name", PREFIXES)
def test_a_stream_without_a_start_has_an_id_of_its_formats_kind(name: FormatName) -> None:
    """As a whole reply without an id has."""
    body = encode(name, [TextDelta(0, "a"), Finish(0, "stop"), End()])
    assert PREFIXES[name] in body and b'"id":"abc"' not in body


def test_text_reaches_the_client_at_once() -> None:
    """Every format passes a piece of text on with the event that brought it."""
    for name in FORMATS:
        encoder = CODECS[name].encoder(STAMP)
        encoder.feed(Start("i", "m"))
        assert b"piece" in encoder.feed(TextDelta(0, "piece")), name
