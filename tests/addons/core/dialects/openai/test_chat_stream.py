"""Chat completion chunks: read as servers really send them, written as clients expect them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.neutral.assembling import assemble
from switchman.addons.core.dialects.neutral.form import (
    End,
    Failed,
    Finish,
    Stamp,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolDelta,
    ToolName,
    Usage,
    UsageSeen,
)
from switchman.addons.core.dialects.openai.chat_stream import ChatDecoder, ChatEncoder
from switchman.addons.testing import every_split

STAMP = Stamp("abc", 1_700_000_000.0, "asked", include_usage=True)


# ---- read --------------------------------------------------------------------------------------------------------


def read(*deltas: dict[str, Any], finish: str | None = None) -> list[StreamEvent]:
    """The events of chunks of choice 0, without the start."""
    decoder = ChatDecoder()
    decoder.started = True
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} for delta in deltas]
    return [event for chunk in chunks for event in decoder.feed(chunk)]


@pytest.mark.parametrize(
    ("delta", "events"),
    [
        pytest.param({"content": "a"}, [TextDelta(0, "a")], id="text"),
        pytest.param({"refusal": "no"}, [TextDelta(0, "no", refusal=True)], id="refusal"),
        pytest.param({"reasoning_content": "hm"}, [ThinkingDelta(0, "hm")], id="thought"),
        pytest.param({"reasoning": "hm", "content": "a"}, [ThinkingDelta(0, "hm"), TextDelta(0, "a")], id="both"),
        pytest.param({"content": [{"type": "text", "text": "a"}]}, [TextDelta(0, "a")], id="parts"),
        pytest.param(
            {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]},
            [ToolDelta(0, 0, "c", "f", "{")],
            id="a-call",
        ),
        pytest.param(
            {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": {"a": 1}}}, "x"]},
            [ToolDelta(0, 0, "c", "f", '{"a":1}')],
            id="a-call-as-an-object",
        ),
        pytest.param({"tool_calls": [{"index": 0, "id": "c"}]}, [], id="only-an-id"),
        pytest.param(
            {"function_call": {"name": "f", "arguments": "{}"}}, [ToolDelta(0, 0, "", "f", "{}")], id="a-call-of-old"
        ),
        pytest.param({"role": "assistant", "content": ""}, [], id="the-role"),
        pytest.param({"content": None, "tool_calls": None}, [], id="nulls"),
        pytest.param({"content": 5, "tool_calls": {"0": {}}}, [], id="other-types"),
    ],
)
def test_each_kind_of_delta(delta: dict[str, Any], events: list[StreamEvent]) -> None:
    """What has another type is passed over."""
    assert read(delta) == events


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("stop", Finish(0, "stop")),
        ("length", Finish(0, "length")),
        ("function_call", Finish(0, "tool_calls")),
        ("content_filter", Finish(0, "content_filter")),
        ("eos_token", Finish(0, "stop")),
    ],
)
def test_a_finish_reason_comes_after_its_deltas(word: str, finish: Finish) -> None:
    """An unknown word is a stop."""
    assert read({"content": "a"}, finish=word) == [TextDelta(0, "a"), finish]


def test_the_reply_begins_with_the_first_chunk_that_says_something() -> None:
    """Once. Usage alone (Azure's first chunk has no choices) does not begin it, but the role does."""
    decoder = ChatDecoder()
    assert decoder.feed({"choices": [], "id": "filter"}) == []
    head = {"id": "c", "model": "gpt", "created": 5}
    role = {**head, "choices": [{"index": 0, "delta": {"role": "assistant"}}]}
    assert decoder.feed(role) == [Start("c", "gpt", 5), TextDelta(0, "")]
    assert decoder.feed(role) == []


def test_choices_are_told_apart() -> None:
    """By index, or by their place where there is none; each counts its own calls."""
    call = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]}
    decoder = ChatDecoder()
    decoder.started = True
    events = decoder.feed({"choices": [{"index": 1, "delta": call}, {"index": 0, "delta": call}]})
    assert events == [ToolDelta(1, 0, "c", "f", "{"), ToolDelta(0, 0, "c", "f", "{")]
    events = decoder.feed({"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]})
    assert events == [TextDelta(0, "a"), TextDelta(1, "b")]


def test_usage_may_stand_anywhere() -> None:
    """In a chunk of its own, or beside the text."""
    decoder = ChatDecoder()
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    assert decoder.feed({"choices": [], "usage": usage}) == [UsageSeen(Usage(1, 2))]
    chunk = {"choices": [{"delta": {"content": "a"}}], "x_groq": {"usage": usage}}
    assert decoder.feed(chunk) == [Start("", ""), TextDelta(0, "a"), UsageSeen(Usage(1, 2))]


def test_an_error_is_a_failure_and_nothing_else() -> None:
    """Whatever stands beside it; null is none."""
    chunk = {"error": {"message": "no", "code": 429}, "choices": [{"delta": {"content": "a"}}]}
    assert ChatDecoder().feed(chunk) == [Failed("no", None, "429", 429)]
    assert ChatDecoder().feed({"error": None, "choices": []}) == []


def test_done_is_the_end() -> None:
    """It is no JSON."""
    assert ChatDecoder().done() == [End()]


@pytest.mark.parametrize(
    ("chunks", "calls"),
    [
        # Gemini's OpenAI endpoint: every call is number 0, the ids differ
        (
            [
                [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}],
                [{"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}}],
            ],
            [("a", "f", "{}"), ("b", "g", "{}")],
        ),
        # Mistral: no index at all
        (
            [
                [
                    {"id": "a", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "b", "function": {"name": "g", "arguments": "{}"}},
                ]
            ],
            [("a", "f", "{}"), ("b", "g", "{}")],
        ),
        # Alibaba: later pieces with an empty id
        (
            [
                [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}],
                [{"index": 0, "id": "", "function": {"arguments": '{"x"'}}],
                [{"index": 0, "id": "", "function": {"name": "", "arguments": ":1}"}}],
            ],
            [("a", "f", '{"x":1}')],
        ),
        # an id repeated in every piece
        (
            [
                [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}],
                [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}}],
            ],
            [("a", "f", "{}")],
        ),
    ],
)
def test_calls_are_told_apart_as_servers_really_send_them(
    chunks: list[list[dict[str, Any]]], calls: list[tuple[str, str, str]]
) -> None:
    """By index where it is right, by id where it is not, by order where there is neither."""
    decoder = CODECS["openai.chat"].decoder()
    events: list[StreamEvent] = []
    for chunk in chunks:
        events += decoder.feed({"choices": [{"index": 0, "delta": {"tool_calls": chunk}}]})
    found = [part for part in assemble(events).choices[0].parts if isinstance(part, ToolCall)]
    assert [(call.id, call.name, call.arguments) for call in found] == calls


def test_pieces_without_an_index_belong_to_the_last_call() -> None:
    """A piece with an id or a name begins another."""
    pieces = [{"id": "a", "function": {"name": "f"}}, {"function": {"arguments": "{}"}}, {"function": {"name": "g"}}]
    assert read({"tool_calls": pieces}, finish="tool_calls") == [
        ToolDelta(0, 0, "a", "f", "{}"),
        ToolDelta(0, 1, "", "g", ""),
        Finish(0, "tool_calls"),
    ]


# ---- written -----------------------------------------------------------------------------------------------------

EVENTS: list[StreamEvent] = [
    Start("c1", "gpt", 5.9),
    ThinkingDelta(0, "Hm 😀."),
    ThinkingDelta(0, "", signature="s"),
    TextDelta(0, "Grüezi\r\n"),
    ToolDelta(0, 0, "c", "f", '{"a":'),
    ToolDelta(0, 0, "", "", "1}"),
    ToolDelta(0, 1, "", "g", ""),
    Finish(0, "tool_calls"),
    UsageSeen(Usage(1, 2)),
    End(),
]


def encoded(events: list[StreamEvent], stamp: Stamp = STAMP) -> bytes:
    encoder = ChatEncoder(stamp)
    return b"".join(encoder.feed(event) for event in events) + encoder.end()


def chunks_of(data: bytes) -> list[dict[str, Any]]:
    """The chunks; [DONE] has to be the last event."""
    *events, done, rest = data.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def test_a_stream_in_full() -> None:
    """The role first, then pieces, an empty object for a call without arguments, the reason, the usage, [DONE]."""
    chunks = chunks_of(encoded(EVENTS))
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "gpt"}
    assert all({key: chunk[key] for key in head} == head for chunk in chunks)
    *spoken, last = chunks
    assert [chunk["choices"][0]["delta"] for chunk in spoken] == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Hm 😀."},
        {"content": "Grüezi\r\n"},
        {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
        {
            "tool_calls": [
                {"index": 1, "id": "call_abc_0_1", "type": "function", "function": {"name": "g", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in spoken] == [None] * 7 + ["tool_calls"]
    assert last["choices"] == [] and last["usage"]["total_tokens"] == 3


def test_any_cut_of_the_stream_is_the_same_stream(decode: Any) -> None:
    """In the middle of a letter, of a line end, of a call."""
    data = encoded(EVENTS)
    whole = decode("openai.chat", [data])
    assert assemble(whole).choices[0].finish == "tool_calls"
    for pieces in every_split(data):
        assert decode("openai.chat", pieces) == whole


def test_each_choice_has_its_role_once() -> None:
    """A second choice begins where its first piece is."""
    chunks = chunks_of(encoded([TextDelta(0, "a"), TextDelta(1, "b"), Finish(0, "stop"), Finish(1, "stop"), End()]))
    roles = [chunk["choices"][0]["index"] for chunk in chunks if "role" in chunk["choices"][0]["delta"]]
    assert roles == [0, 1]


def test_the_usage_chunk_is_only_for_who_asked() -> None:
    """An OpenAI client without include_usage gets no chunk with empty choices."""
    events: list[StreamEvent] = [TextDelta(0, "a"), UsageSeen(Usage(1, 2)), Finish(0, "stop"), End()]
    encoder = CODECS["openai.chat"].encoder(Stamp("i", 0, "m", include_usage=False))
    out = b"".join(encoder.feed(event) for event in events)
    assert b"usage" not in out and out.endswith(b"data: [DONE]\n\n")


def test_a_custom_tools_text_is_held_till_it_is_whole() -> None:
    """It is within JSON, which has to be read; other calls go out at once."""
    stamp = Stamp("abc", 0.0, "m", tools={"patch": ToolName("patch", custom=True)})
    encoder = ChatEncoder(stamp)
    encoder.feed(Start("i", "m"))
    assert encoder.feed(ToolDelta(0, 0, "c", "patch", '{"input":')) == b""
    assert b'"name":"f"' in encoder.feed(ToolDelta(0, 1, "d", "f", "{}"))
    assert encoder.feed(ToolDelta(0, 0, "", "", '"a"}')) == b""
    out = encoder.feed(Finish(0, "tool_calls")) + encoder.feed(End())
    assert b'{"index":0,"id":"c","type":"custom","custom":{"name":"patch","input":"a"}}' in out


@pytest.mark.parametrize("type", [None, "overloaded_error"])
def test_a_failure_is_an_error_chunk(type: str | None) -> None:
    """It is the last thing: no [DONE] follows, and no role comes before it."""
    data = encoded([Failed("no", type, "c", 529)])
    error = json.loads(data.removeprefix(b"data: "))["error"]
    assert error == {"message": "no", "type": type or "server_error", "param": None, "code": "c"}


def test_a_stream_read_and_written_again_is_the_same() -> None:
    """What one of these writes, the other reads, id and time included."""
    decoder = ChatDecoder(["f", "g"])
    events = [event for chunk in chunks_of(encoded(EVENTS)) for event in decoder.feed(chunk)]
    assert encoded([*events, End()]) == encoded(EVENTS)
    parts = assemble(events).choices[0].parts
    assert [part.arguments for part in parts if isinstance(part, ToolCall)] == ['{"a":1}', "{}"]
