"""Whole messages: blocks read and written, and the counts that the format demands."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message as AnthropicMessage

from switchman.addons.core.dialects.anthropic.reply import (
    FINISH_WORDS,
    counted,
    decode_reply,
    encode_reply,
    encode_usage,
    usage_of,
)
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
    Usage,
)

STAMP = Stamp("abc", 0.0, "asked")


def test_a_message_is_read() -> None:
    """Blocks of tools that Anthropic ran itself are left out."""
    obj = {
        "id": "msg_1",
        "model": "claude",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "r"},
            {"type": "server_tool_use", "id": "x"},
            {"type": "text", "text": "a", "citations": None},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            "odd",
        ],
        "stop_reason": "stop_sequence",
        "stop_sequence": "END",
    }
    parts = (Thinking("hm", "s"), Thinking("", redacted="r"), Text("a"), ToolCall("t", "f", '{"a":1}'))
    assert decode_reply(obj) == Reply("msg_1", "claude", (Choice(0, parts, "stop_sequence", "END"),))


@pytest.mark.parametrize(
    "obj",
    [{}, {"content": None}, {"content": "a", "id": 5, "stop_reason": 5, "usage": [1]}],
    ids=["empty", "null", "other-types"],
)
def test_a_reply_of_another_shape_is_an_empty_one(obj: dict[str, Any]) -> None:
    """One choice, as there always is."""
    assert decode_reply(obj) == Reply("", "", (Choice(0, (), "stop"),))


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("end_turn", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("new_reason", "stop"),
    ],
)
def test_why_a_message_ended(word: str, finish: FinishReason) -> None:
    """An unknown word is a stop."""
    assert decode_reply({"stop_reason": word}).choices[0].finish == finish


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param({}, None, id="empty"),
        pytest.param({"input_tokens": 3, "output_tokens": 4}, Usage(3, 4), id="plain"),
        pytest.param(
            {"input_tokens": 3, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 7},
            Usage(15, None, 5, 7),
            id="the-cache-is-counted-in",
        ),
        pytest.param({"cache_read_input_tokens": 5}, Usage(None, cached=5), id="only-the-cache"),
        pytest.param({"input_tokens": 3, "cache_read_input_tokens": None}, Usage(3), id="nulls"),
        pytest.param({"output_tokens_details": {"thinking_tokens": 2}}, Usage(reasoning=2), id="thinking"),
    ],
)
def test_usage_counts_all_of_the_prompt(usage: dict[str, Any], expected: Usage | None) -> None:
    """Anthropic's own figure leaves out what a cache served or stored."""
    assert usage_of(usage) == expected


# ---- back to the wire --------------------------------------------------------------------------------------------


def written(
    *parts: Part, stamp: Stamp = STAMP, finish: FinishReason | None = "stop", usage: Any = None
) -> dict[str, Any]:
    obj = encode_reply(Reply("", "", (Choice(0, parts, finish),), usage), stamp)
    AnthropicMessage.model_validate(obj)
    return obj


def test_a_message_is_written() -> None:
    """Blocks in their order; a thought that nobody signed is marked; empty texts and other parts are left out."""
    stamp = Stamp("abc", 0.0, "m", taken=frozenset({"c"}))
    obj = written(
        Thinking("hm"),
        Thinking("hm", "s"),
        Thinking("", redacted="r"),
        Text(""),
        Text("a"),
        ToolCall("c", "f", "{oops"),
        ToolCall("d", "g", ""),
        Opaque("x", {}),
        stamp=stamp,
    )
    assert obj["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "switchman-unsigned"},
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "r"},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "call_abc_0_0", "name": "f", "input": {"raw_arguments": "{oops"}},
        {"type": "tool_use", "id": "d", "name": "g", "input": {}},
    ]
    assert (obj["id"], obj["model"], obj["stop_reason"]) == ("msg_abc", "m", "tool_use")


@pytest.mark.parametrize(("finish", "word"), [*FINISH_WORDS.items(), (None, "end_turn")])
def test_the_stop_reason_is_anthropics_word(finish: FinishReason | None, word: str) -> None:
    """And is read again as what it was."""
    called = [ToolCall("c", "f", "{}")] if finish == "tool_calls" else []
    obj = written(Text("a"), *called, finish=finish)
    assert obj["stop_reason"] == word
    assert decode_reply(obj).choices[0].finish == (finish or "stop")


def test_only_the_first_choice_has_a_place() -> None:
    """And a reply without any is an empty message."""
    two = Reply("i", "m", (Choice(0, (Text("a"),), "stop", "END"), Choice(1, (Text("b"),), "stop")))
    obj = encode_reply(two, STAMP)
    assert (obj["content"], obj["stop_sequence"]) == ([{"type": "text", "text": "a"}], "END")
    assert encode_reply(Reply("", "", ()), STAMP)["content"] == []


@pytest.mark.parametrize(
    ("usage", "body"),
    [
        pytest.param(None, {"input_tokens": 0, "output_tokens": 0}, id="none"),
        pytest.param(
            Usage(15, 4, 5, 7, 2),
            {
                "input_tokens": 3,
                "output_tokens": 4,
                "cache_read_input_tokens": 5,
                "cache_creation_input_tokens": 7,
                "output_tokens_details": {"thinking_tokens": 2},
            },
            id="the-cache-is-taken-out",
        ),
        pytest.param(
            Usage(3, 4, cached=9),
            {"input_tokens": 0, "output_tokens": 4, "cache_read_input_tokens": 9},
            id="more-cached-than-read",
        ),
    ],
)
def test_two_counts_are_demanded(usage: Usage | None, body: dict[str, Any]) -> None:
    """0 stands for what nobody counted, and no count is below it."""
    assert encode_usage(usage) == body
    written(Text("a"), usage=usage)


def test_what_the_server_did_not_count_is_estimated() -> None:
    """From the prompt and from all that was said; a count of the server's stays, also 0."""
    stamp = Stamp("abc", 0.0, "m", prompt_tokens=lambda: 77)
    said = counted(None, stamp, ["a few words", " and some more of them"])
    assert said.input == 77 and said.output is not None and said.output > 3
    assert counted(Usage(1, 0), stamp, ["a few words"]) == Usage(1, 0)
    assert counted(Usage(1), stamp, []) == Usage(1, 0)
    assert counted(None, STAMP, ["a"]) == Usage()
    obj = written(Thinking("some thoughts here"), Text("a"), ToolCall("c", "f", '{"a": "some text"}'), stamp=stamp)
    assert obj["usage"]["input_tokens"] == 77
    assert obj["usage"]["output_tokens"] > written(Text("a"), stamp=stamp)["usage"]["output_tokens"] > 0
