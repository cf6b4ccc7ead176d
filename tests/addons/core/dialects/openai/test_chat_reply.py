"""Whole chat completions: what servers really write is read, and what clients read is written."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from switchman.addons.core.dialects.neutral.form import (
    Choice,
    FinishReason,
    Opaque,
    Part,
    Reply,
    Stamp,
    Text,
    Thinking,
    ToolCall,
    ToolName,
    Usage,
)
from switchman.addons.core.dialects.openai.chat_reply import (
    calls_of,
    decode_reply,
    encode_reply,
    encode_usage,
    said,
    usage_of,
)

STAMP = Stamp("abc", 1_700_000_000.5, "asked")


def test_a_reply_in_full() -> None:
    """Choices by their index, and what the message says."""
    obj = {
        "id": "c1",
        "model": "gpt",
        "created": 5,
        "choices": [
            {"index": 1, "message": {"content": "b"}, "finish_reason": "length"},
            {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    choices = (Choice(1, (Text("b"),), "length"), Choice(0, (Text("a"),), "stop"))
    assert decode_reply(obj) == Reply("c1", "gpt", choices, Usage(1, 2), 5)


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        pytest.param({"content": "a"}, [Text("a")], id="text"),
        pytest.param({"content": ""}, [], id="empty"),
        pytest.param({"content": None}, [], id="null"),
        pytest.param({"content": 5}, [], id="a-number"),
        pytest.param({"reasoning_content": "hm", "content": "a"}, [Thinking("hm"), Text("a")], id="deepseek"),
        pytest.param({"reasoning": "hm", "content": "a"}, [Thinking("hm"), Text("a")], id="openrouter"),
        pytest.param({"reasoning": "hm", "reasoning_content": "hm"}, [Thinking("hm")], id="both-are-one"),
        pytest.param({"reasoning": {"text": "hm"}}, [], id="reasoning-of-another-type"),
        pytest.param(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"text": "m"}]},
                    {"type": "text", "text": "a"},
                ]
            },
            [Thinking("hm"), Text("a")],
            id="mistral",
        ),
        pytest.param(
            {"content": [{"type": "thinking", "thinking": "hm"}, "x", {}]}, [Thinking("hm")], id="mistral-odd"
        ),
        pytest.param({"content": None, "refusal": "no"}, [Text("no", refusal=True)], id="refusal"),
    ],
)
def test_what_a_message_says(message: dict[str, Any], parts: list[Part]) -> None:
    """Thoughts, text, refusal, in this order; empty ones are left out."""
    assert list(said(message)) == parts


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        pytest.param(
            {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}, "x", {}]},
            [ToolCall("c", "f", "{}"), ToolCall("", "", "{}")],
            id="calls",
        ),
        pytest.param(
            {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
            [ToolCall("", "f", '{"a":1}')],
            id="an-object",
        ),
        pytest.param({"function_call": {"name": "f", "arguments": "{}"}}, [ToolCall("", "f", "{}")], id="of-old"),
        pytest.param({"tool_calls": None, "function_call": None}, [], id="nulls"),
    ],
)
def test_the_calls_of_a_message(message: dict[str, Any], calls: list[ToolCall]) -> None:
    """Arguments are text whatever the server sends."""
    assert list(calls_of(message)) == calls


@pytest.mark.parametrize(
    ("word", "calls", "finish"),
    [
        ("stop", [], "stop"),
        ("length", [], "length"),
        ("tool_calls", [], "stop"),
        ("function_call", [], "stop"),
        ("tool_calls", [{"function": {"name": "f"}}], "tool_calls"),
        ("function_call", [{"function": {"name": "f"}}], "tool_calls"),
        ("content_filter", [], "content_filter"),
        ("eos", [], "stop"),
        (None, [], "stop"),
        ("stop", [{"function": {"name": "f"}}], "tool_calls"),
        ("length", [{"function": {"name": "f"}}], "length"),
    ],
)
def test_a_finish_reason(word: Any, calls: list[Any], finish: FinishReason) -> None:
    """An unknown word is a stop; a stop with calls is for the calls."""
    choice = {"message": {"content": "a", "tool_calls": calls}, "finish_reason": word}
    assert decode_reply({"choices": [choice]}).choices[0].finish == finish


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"choices": None},
        {"choices": {"0": {}}},
        {"choices": ["a"], "id": 5, "model": None, "created": "now", "usage": 5},
    ],
    ids=["empty", "null", "an-object", "other-types"],
)
def test_a_reply_of_another_shape_is_empty(obj: dict[str, Any]) -> None:
    """Nothing raises."""
    assert decode_reply(obj) == Reply("", "", ())


def test_choices_without_an_index_are_counted() -> None:
    """By their place in the list."""
    choices = decode_reply({"choices": [{"message": None}, {"message": {}}]}).choices
    assert [choice.index for choice in choices] == [0, 1]


@pytest.mark.parametrize(
    ("obj", "usage"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"usage": None}, None, id="null"),
        pytest.param({"usage": {}}, None, id="empty"),
        pytest.param({"usage": {"prompt_tokens": 0}}, Usage(0), id="zero-is-a-count"),
        pytest.param({"usage": {"prompt_tokens": "1", "completion_tokens": 1.5}}, Usage(), id="other-types"),
        pytest.param(
            {
                "usage": {
                    "prompt_tokens": 9,
                    "completion_tokens": 5,
                    "total_tokens": 14,
                    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
                    "completion_tokens_details": {"reasoning_tokens": 2},
                }
            },
            Usage(9, 5, 4, 3, 2, 14),
            id="in-full",
        ),
        pytest.param({"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}}, Usage(9, cached=4), id="deepseek"),
        pytest.param({"x_groq": {"usage": {"prompt_tokens": 9}}}, Usage(9), id="groq"),
        pytest.param({"choices": [{}, {"usage": {"prompt_tokens": 9}}]}, Usage(9), id="moonshot"),
        pytest.param(
            {
                "usage": {
                    "prompt_tokens": 9,
                    "completion_tokens": 1,
                    "total_tokens": 15,
                    "completion_tokens_details": {"reasoning_tokens": 5},
                }
            },
            Usage(9, 6, reasoning=5, total=15),
            id="xai-counts-reasoning-apart",
        ),
    ],
)
def test_usage_is_found_where_servers_put_it(obj: dict[str, Any], usage: Usage | None) -> None:
    """What is no whole number was not counted."""
    assert usage_of(obj) == usage


# ---- back to the wire --------------------------------------------------------------------------------------------


def message_of(*parts: Part, stamp: Stamp = STAMP, finish: FinishReason | None = "stop") -> dict[str, Any]:
    obj = encode_reply(Reply("", "", (Choice(0, parts, finish),)), stamp)
    ChatCompletion.model_validate(obj)
    choice: dict[str, Any] = obj["choices"][0]
    return {**choice["message"], "finish": choice["finish_reason"]}


def test_what_the_server_did_not_say_is_the_stamps() -> None:
    """Id, time and model; no usage is left out; the official client reads it."""
    obj = encode_reply(Reply("", "", ()), STAMP)
    assert obj == {
        "id": "chatcmpl-abc",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "asked",
        "choices": [],
    }
    ChatCompletion.model_validate(obj)
    assert encode_reply(Reply("i", "m", (), created=0.9), STAMP) == {**obj, "id": "i", "model": "m", "created": 0}


@pytest.mark.parametrize(
    ("parts", "content", "refusal"),
    [
        pytest.param((), "", None, id="nothing"),
        pytest.param((Text("a"), Thinking("x"), Text("b")), "ab", None, id="texts"),
        pytest.param((ToolCall("c", "f", ""),), None, None, id="only-a-call"),
        pytest.param((Text("no", refusal=True),), None, "no", id="only-a-refusal"),
        pytest.param((Text("a"), Text("no", refusal=True)), "a", "no", id="both"),
        pytest.param((Opaque("x", {}),), "", None, id="another-kind"),
    ],
)
def test_content_is_null_only_beside_calls_and_refusals(parts: Any, content: Any, refusal: Any) -> None:
    """An empty answer is an empty text."""
    message = message_of(*parts)
    assert (message["content"], message["refusal"]) == (content, refusal)


def test_thoughts_and_calls() -> None:
    """Thoughts together; an id that an earlier reply had is replaced; no arguments are an empty object."""
    stamp = Stamp("abc", 0.0, "m", taken=frozenset({"functions.f:0"}))
    message = message_of(
        Thinking("h"), Thinking("m", "s"), ToolCall("functions.f:0", "f", ""), ToolCall("c", "g", "{"), stamp=stamp
    )
    assert message["reasoning_content"] == "hm" and message["finish"] == "tool_calls"
    assert message["tool_calls"] == [
        {"id": "call_abc_0_0", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "c", "type": "function", "function": {"name": "g", "arguments": "{"}},
    ]


def test_a_custom_tools_call_is_told_as_such() -> None:
    """The client asked for no function."""
    stamp = Stamp("abc", 0.0, "m", tools={"patch": ToolName("patch", custom=True), "g": ToolName("g", "ns")})
    message = message_of(ToolCall("c", "patch", '{"input":"a"}'), ToolCall("d", "g", "{}"), stamp=stamp)
    custom, function = message["tool_calls"]
    assert custom == {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "a"}}
    assert function["function"] == {"name": "g", "arguments": "{}"}


@pytest.mark.parametrize(
    ("finish", "word"),
    [(None, "stop"), ("stop_sequence", "stop"), ("length", "length"), ("content_filter", "content_filter")],
)
def test_the_finish_reason_is_openais_word(finish: FinishReason | None, word: str) -> None:
    """It has none for a stop sequence."""
    assert message_of(Text("a"), finish=finish)["finish"] == word


@pytest.mark.parametrize(
    ("usage", "body"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(Usage(), {}, id="nothing-counted"),
        pytest.param(Usage(1), {"prompt_tokens": 1}, id="half"),
        pytest.param(
            Usage(1, 2), {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, id="the-total-is-added-up"
        ),
        pytest.param(
            Usage(1, 2, 0, 5, 0, 9),
            {
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "total_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
            id="in-full",
        ),
    ],
)
def test_what_nobody_counted_is_left_out(usage: Usage | None, body: Any) -> None:
    """0 is a count."""
    assert encode_usage(usage) == body
