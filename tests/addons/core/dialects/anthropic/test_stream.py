"""Messages streams: events read, and blocks written one at a time, however the pieces of parallel calls are mixed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects.anthropic.stream import MessageDecoder, MessageEncoder
from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.neutral.assembling import assemble
from switchman.addons.core.dialects.neutral.form import (
    End,
    Failed,
    Finish,
    FormatName,
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
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.testing import every_split

STAMP = Stamp("abc", 1_700_000_000.0, "m", include_usage=True)


# ---- read --------------------------------------------------------------------------------------------------------


def block(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": {"type": kind, **members}}


def delta(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **members}}


@pytest.mark.parametrize(
    ("data", "events"),
    [
        pytest.param(
            {"type": "message_start", "message": {"id": "i", "model": "m", "usage": {"input_tokens": 3}}},
            [Start("i", "m", None, Usage(3))],
            id="start",
        ),
        pytest.param({"type": "message_start", "message": None}, [Start("", "")], id="start-of-nothing"),
        pytest.param(block("text", text=""), [], id="text-begins"),
        pytest.param(block("text", text="a"), [TextDelta(0, "a")], id="text-begins-with-some"),
        pytest.param(block("thinking", thinking="hm"), [ThinkingDelta(0, "hm")], id="thought-begins-with-some"),
        pytest.param(block("redacted_thinking", data="r"), [ThinkingDelta(0, "", redacted="r")], id="redacted"),
        pytest.param(block("tool_use", id="t", name="f", input={}), [ToolDelta(0, 0, "t", "f", "")], id="call"),
        pytest.param(
            block("tool_use", id="t", name="f", input={"a": 1}),
            [ToolDelta(0, 0, "t", "f", '{"a":1}')],
            id="call-at-once",
        ),
        pytest.param(block("server_tool_use", id="s", name="web_search"), [], id="server-tool"),
        pytest.param({"type": "content_block_start"}, [], id="no-block"),
        pytest.param(delta("text_delta", text="a"), [TextDelta(0, "a")], id="text"),
        pytest.param(delta("text_delta", text=5), [TextDelta(0, "")], id="text-a-number"),
        pytest.param(delta("thinking_delta", thinking="hm"), [ThinkingDelta(0, "hm")], id="thought"),
        pytest.param(delta("signature_delta", signature="s"), [ThinkingDelta(0, "", signature="s")], id="signature"),
        pytest.param(delta("input_json_delta", partial_json="{"), [], id="arguments-of-no-call"),
        pytest.param(delta("citations_delta"), [], id="citation"),
        pytest.param({"type": "content_block_stop", "index": 0}, [], id="block-ends"),
        pytest.param(
            {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 4}},
            [UsageSeen(Usage(output=4)), Finish(0, "length")],
            id="message-delta",
        ),
        pytest.param(
            {"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"}},
            [Finish(0, "stop_sequence", "END")],
            id="stop-sequence",
        ),
        pytest.param({"type": "message_delta", "delta": {"stop_reason": None}}, [], id="no-reason-yet"),
        pytest.param({"type": "message_delta", "delta": {"stop_reason": "new"}}, [Finish(0, "stop")], id="new-reason"),
        pytest.param({"type": "message_stop"}, [End()], id="stop"),
        pytest.param({"type": "ping"}, [], id="ping"),
        pytest.param(
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
            [Failed("busy", "overloaded_error", None, 529)],
            id="error",
        ),
        pytest.param({"type": "error"}, [Failed("the upstream failed")], id="error-without-a-word"),
        pytest.param({}, [], id="empty"),
        pytest.param({"type": {}}, [], id="type-an-object"),
    ],
)
def test_each_kind_of_event(data: dict[str, Any], events: list[StreamEvent]) -> None:
    """Blocks of tools that Anthropic ran itself are passed over."""
    assert MessageDecoder().feed(data) == events


def test_arguments_belong_to_the_call_at_their_place() -> None:
    """Calls are numbered among themselves; empty pieces say nothing."""
    decoder = MessageDecoder()
    decoder.feed({**block("tool_use", id="a", name="f"), "index": 1})
    decoder.feed({**block("tool_use", id="b", name="g"), "index": 3})
    pieces = [(3, "["), (1, "{"), (1, ""), (2, "lost")]
    events = [{**delta("input_json_delta", partial_json=text), "index": index} for index, text in pieces]
    assert [item for event in events for item in decoder.feed(event)] == [
        ToolDelta(0, 1, "", "", "["),
        ToolDelta(0, 0, "", "", "{"),
    ]


# ---- written -----------------------------------------------------------------------------------------------------


def encode(name: FormatName, events: list[StreamEvent]) -> bytes:
    encoder = CODECS[name].encoder(STAMP)
    return b"".join(encoder.feed(event) for event in events) + encoder.end()


def decode(name: FormatName, body: bytes) -> list[StreamEvent]:
    splitter = SSESplitter()
    decoder = CODECS[name].decoder()
    events = [*splitter.feed(body), *splitter.end()]
    return [item for event in events if isinstance(event.data, dict) for item in decoder.feed(event.data)]


def told(*events: StreamEvent, stamp: Stamp = STAMP) -> list[dict[str, Any]]:
    """The data of each event, whose name is its type."""
    encoder = MessageEncoder(stamp)
    out = b"".join(encoder.feed(event) for event in events) + encoder.end()
    found = []
    for event in out.split(b"\n\n")[:-1]:
        name, _, data = event.partition(b"\ndata: ")
        obj = json.loads(data)
        assert name == b"event: " + obj["type"].encode()
        found.append(obj)
    return found


def blocks(*events: StreamEvent) -> list[str]:
    """What happens between the start and the end, in a word each: + begins a block, - ends one."""
    words = []
    for event in told(*events, Finish(0, "stop"), End())[1:-2]:
        if event["type"] == "content_block_start":
            words.append(f"+{event['index']}{event['content_block']['type']}")
        elif event["type"] == "content_block_stop":
            words.append(f"-{event['index']}")
        else:
            words.append(next(str(value) for key, value in event["delta"].items() if key != "type"))
    return words


@pytest.mark.parametrize(
    ("events", "words"),
    [
        pytest.param([TextDelta(0, "a"), TextDelta(0, "b")], ["+0text", "a", "b", "-0"], id="text"),
        pytest.param(
            [ThinkingDelta(0, "h"), ThinkingDelta(0, "m"), TextDelta(0, "a")],
            ["+0thinking", "h", "m", "switchman-unsigned", "-0", "+1text", "a", "-1"],
            id="an-unsigned-thought-is-marked",
        ),
        pytest.param(
            [ThinkingDelta(0, "h"), ThinkingDelta(0, "", signature="s"), ThinkingDelta(0, "m", signature="t")],
            ["+0thinking", "h", "s", "-0", "+1thinking", "m", "t", "-1"],
            id="a-signature-ends-its-block",
        ),
        pytest.param(
            [ThinkingDelta(0, "", redacted="r"), ThinkingDelta(0, "", redacted="q")],
            ["+0redacted_thinking", "-0", "+1redacted_thinking", "-1"],
            id="redacted-thoughts",
        ),
        pytest.param([ThinkingDelta(0, ""), TextDelta(0, "")], [], id="nothing"),
        pytest.param(
            [TextDelta(1, "a"), ThinkingDelta(1, "a"), ToolDelta(1, 0, "c", "f", "{}")], [], id="other-choices"
        ),
        pytest.param(
            [ToolDelta(0, 0, "c", "f", ""), ToolDelta(0, 0, "", "", "{}"), TextDelta(0, "a")],
            ["+0tool_use", "", "{}", "-0", "+1text", "a", "-1"],
            id="a-text-after-a-whole-call",
        ),
        pytest.param(
            [ToolDelta(0, 0, "c", "f", "{"), TextDelta(0, "a"), ToolDelta(0, 0, "", "", "}")],
            ["+0tool_use", "{", "}", "-0", "+1text", "a", "-1"],
            id="a-text-within-a-call-waits",
        ),
        pytest.param(
            [ToolDelta(0, 0, "c", "f", "{"), ToolDelta(0, 1, "d", "g", "{}")],
            ["+0tool_use", "{", "-0", "+1tool_use", "{}", "-1"],
            id="a-call-that-is-never-whole",
        ),
        pytest.param(
            [ToolDelta(0, 0, "c", "f", "{}"), ToolDelta(0, 1, "d", "g", "{}"), ToolDelta(0, 0, "", "", "")],
            ["+0tool_use", "{}", "-0", "+1tool_use", "{}", "-1"],
            id="an-empty-piece-of-a-call-that-is-over",
        ),
    ],
)
def test_one_block_is_open_at_a_time(events: list[StreamEvent], words: list[str]) -> None:
    """Each begins, goes on and ends before the next one, and they are numbered."""
    assert blocks(*events) == words


def test_mixed_parallel_calls_are_one_block_after_the_other_for_anthropic() -> None:
    """A piece of another call waits until the open call's arguments are whole; then its block follows."""
    encoder = CODECS["anthropic.messages"].encoder(STAMP)
    out = encoder.feed(ToolDelta(0, 0, "a", "f", '{"x":'))
    out += encoder.feed(ToolDelta(0, 1, "b", "g", '{"y"'))
    assert b'"id":"b"' not in out
    out += encoder.feed(ToolDelta(0, 0, "", "", "1}"))
    assert b'"id":"b"' in out, "the second call must not wait for the end of the stream"
    out += encoder.feed(ToolDelta(0, 1, "", "", ":2}")) + encoder.feed(Finish(0, "tool_calls")) + encoder.end()
    calls = [p for p in assemble(decode("anthropic.messages", out)).choices[0].parts if isinstance(p, ToolCall)]
    assert [(call.id, call.name, call.arguments) for call in calls] == [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')]


def test_many_long_calls_in_turns_keep_their_arguments() -> None:
    """Eight calls of 8,000 characters, each in pieces of four, as some servers do; texts come before or after."""
    said = [json.dumps({"n": number, "text": f'{number}}}"\\' * 2000}) for number in range(8)]
    encoder = CODECS["anthropic.messages"].encoder(STAMP)
    out = [encoder.feed(TextDelta(0, "Now."))]
    out += [encoder.feed(ToolDelta(0, number, f"c{number}", "f", "")) for number in range(8)]
    for at in range(0, max(map(len, said)), 4):
        out += [encoder.feed(ToolDelta(0, number, "", "", text[at : at + 4])) for number, text in enumerate(said)]
    out += [encoder.feed(TextDelta(0, "Done.")), encoder.feed(Finish(0, "tool_calls")), encoder.end()]
    parts = assemble(decode("anthropic.messages", b"".join(out))).choices[0].parts
    assert [part.arguments for part in parts if isinstance(part, ToolCall)] == said
    assert [part.text for part in parts if isinstance(part, Text)] == ["Now.", "Done."]


EVENTS: list[StreamEvent] = [
    Start("msg_1", "claude", usage=Usage(9, cached=4)),
    ThinkingDelta(0, "Hm 😀"),
    ThinkingDelta(0, "", signature="s"),
    TextDelta(0, "Grüezi\r\n"),
    ToolDelta(0, 0, "c", "f", '{"a":1}'),
    Finish(0, "stop"),
    UsageSeen(Usage(output=5)),
    End(),
]


def test_the_beginning_and_the_end() -> None:
    """The start has what is known of the prompt, the last delta the reason and all counts."""
    start, *_, last, stop = told(*EVENTS)
    message = start["message"]
    assert (message["id"], message["model"], message["content"]) == ("msg_1", "claude", [])
    assert message["usage"] == {"input_tokens": 5, "output_tokens": 0, "cache_read_input_tokens": 4}
    assert last["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert last["usage"] == {"input_tokens": 5, "output_tokens": 5, "cache_read_input_tokens": 4}
    assert stop == {"type": "message_stop"}
    assert told(Finish(0, "stop_sequence", "END"), End())[1]["delta"]["stop_sequence"] == "END"


def test_counts_that_no_server_told_are_estimated_at_the_end() -> None:
    """From all that was said; Claude Code sums them up."""
    stamp = Stamp("abc", 0.0, "m", prompt_tokens=lambda: 77)
    *_, last, _ = told(
        TextDelta(0, "some words"), ThinkingDelta(0, "more words"), Finish(0, "stop"), End(), stamp=stamp
    )
    *_, less, _ = told(TextDelta(0, "some words"), Finish(0, "stop"), End(), stamp=stamp)
    assert last["usage"]["input_tokens"] == 77
    assert last["usage"]["output_tokens"] > less["usage"]["output_tokens"] > 0


def test_any_cut_of_the_stream_is_the_same_stream(decode: Any) -> None:
    """And read again it is what it was, with the prompt's figures from the start."""
    data = encode("anthropic.messages", EVENTS)
    whole = decode("anthropic.messages", [data])
    reply = assemble(whole)
    assert reply.choices[0].parts == (Thinking("Hm 😀", "s"), Text("Grüezi\r\n"), ToolCall("c", "f", '{"a":1}'))
    assert (reply.usage, reply.choices[0].finish) == (Usage(9, 5, 4), "tool_calls")
    for pieces in every_split(data):
        assert decode("anthropic.messages", pieces) == whole


@pytest.mark.parametrize(
    ("failed", "kind"),
    [
        pytest.param(Failed("no", "overloaded_error", None, 529), "overloaded_error", id="anthropics-own-word"),
        pytest.param(Failed("no", "insufficient_quota", None, 429), "rate_limit_error", id="by-the-status"),
        pytest.param(Failed("no", None, None, 502), "api_error", id="no-word"),
        pytest.param(Failed("no", "invalid_request_error", None, 400), "invalid_request_error", id="invalid"),
    ],
)
def test_a_failure_is_an_error_event(failed: Failed, kind: str) -> None:
    """With a word that Anthropic's clients know; an open block stays open."""
    *_, text, error = told(TextDelta(0, "a"), failed, End())
    assert text["type"] == "content_block_delta"
    assert error == {"type": "error", "error": {"type": kind, "message": "no"}}
