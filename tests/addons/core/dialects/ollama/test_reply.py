"""Whole Ollama replies: chat and generate read alike, and written as the official client reads them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ollama import ChatResponse, GenerateResponse

from switchman.addons.core.dialects.neutral.form import (
    Choice,
    FinishReason,
    Part,
    Reply,
    Stamp,
    Text,
    Thinking,
    Timings,
    ToolCall,
    Usage,
)
from switchman.addons.core.dialects.ollama.reply import (
    created_of,
    decode_reply,
    encode_chat_reply,
    encode_generate_reply,
    encode_loaded,
    end_of,
    head_of,
    measured,
    only_loads,
    said,
)

STAMP = Stamp("abc", 0.0, "asked")
PARTS = (Thinking("h"), Text("a"), Thinking("m"), Text("b"), ToolCall("c", "f", '{"x":1}'), ToolCall("d", "g", "oops"))


def test_a_chat_reply_is_read() -> None:
    """Calls end it as such, though Ollama says "stop"; durations are nanoseconds."""
    obj = {
        "model": "llama3",
        "created_at": "2025-01-01T00:00:00.123456789Z",
        "message": {
            "role": "assistant",
            "thinking": "hm",
            "content": "a",
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"x": 1}}}, {}, 5],
        },
        "done": True,
        "done_reason": "stop",
        "total_duration": 9,
        "load_duration": 1,
        "prompt_eval_count": 3,
        "prompt_eval_duration": 2,
        "eval_count": 0,
        "eval_duration": 4,
    }
    parts = (Thinking("hm"), Text("a"), ToolCall("c", "f", '{"x":1}'))  # a call without a name says nothing
    reply = decode_reply(obj)
    assert reply.choices == (Choice(0, parts, "tool_calls"),)
    assert (reply.id, reply.model, reply.usage, reply.timings) == ("", "llama3", Usage(3, 0), Timings(9, 1, 2, 4))
    assert reply.created == pytest.approx(1735689600.123456)


@pytest.mark.parametrize(
    ("obj", "parts"),
    [
        pytest.param({"response": "a", "thinking": "hm"}, [Thinking("hm"), Text("a")], id="generate"),
        pytest.param({"message": {"content": ""}}, [], id="empty"),
        pytest.param({"message": {"content": None, "tool_calls": None}, "response": "x"}, [], id="nulls"),
        pytest.param({"message": "a"}, [], id="message-a-text"),
        pytest.param({"response": 5}, [], id="response-a-number"),
        pytest.param({}, [], id="nothing"),
    ],
)
def test_what_a_line_says(obj: dict[str, Any], parts: list[Part]) -> None:
    """A message, or the line itself."""
    assert list(said(obj)) == parts


@pytest.mark.parametrize(
    "obj",
    [{}, {"model": 5, "created_at": 5, "done_reason": 5, "eval_count": "3", "total_duration": 1.5}],
    ids=["empty", "other-types"],
)
def test_a_reply_of_another_shape_is_an_empty_one(obj: dict[str, Any]) -> None:
    """One choice, as there always is; nothing was counted."""
    assert decode_reply(obj) == Reply("", "", (Choice(0, (), "stop"),))


@pytest.mark.parametrize(("word", "finish"), [("length", "length"), ("load", "stop"), ("", "stop")])
def test_why_a_reply_ended(word: str, finish: FinishReason) -> None:
    """An unknown word is a stop."""
    assert decode_reply({"done_reason": word}).choices[0].finish == finish


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T00:00:01.5+00:00", 1.5),
        ("1970-01-01T01:00:00.123456789+01:00", pytest.approx(0.123456)),
        ("1970-01-01T00:00:01", 1.0),
        ("1970-01-02", 86_400.0),
        ("yesterday", None),
        ("", None),
        (5, None),
    ],
)
def test_a_time_is_epoch_seconds(text: Any, seconds: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go writes nine digits of a second, and its own zone; without one it is UTC, wherever the router runs."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert created_of({"created_at": text}) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()


# ---- back to the wire --------------------------------------------------------------------------------------------


def test_a_chat_reply_is_written() -> None:
    """The official client reads it; arguments are objects, and ids have no place."""
    reply = Reply("i", "m", (Choice(0, PARTS, "tool_calls"),), Usage(3, 4, 2), 1.5, Timings(9, None, 2, 4))
    obj = encode_chat_reply(reply, STAMP)
    assert obj == {
        "model": "m",
        "created_at": "1970-01-01T00:00:01.500000Z",
        "message": {
            "role": "assistant",
            "content": "ab",
            "thinking": "hm",
            "tool_calls": [
                {"function": {"name": "f", "arguments": {"x": 1}}},
                {"function": {"name": "g", "arguments": {"raw_arguments": "oops"}}},
            ],
        },
        "done": True,
        "done_reason": "stop",
        "total_duration": 9,
        "prompt_eval_count": 3,
        "prompt_eval_duration": 2,
        "eval_count": 4,
        "eval_duration": 4,
    }
    read = ChatResponse.model_validate(obj)
    assert (read.message.content, read.message.thinking, read.done_reason) == ("ab", "hm", "stop")


def test_a_generate_reply_is_written() -> None:
    """Calls have no place in it."""
    obj = encode_generate_reply(Reply("i", "m", (Choice(0, PARTS, "length"),), None, 1.5), STAMP)
    assert obj == {
        "model": "m",
        "created_at": "1970-01-01T00:00:01.500000Z",
        "response": "ab",
        "thinking": "hm",
        "done": True,
        "done_reason": "length",
    }
    assert GenerateResponse.model_validate(obj).response == "ab"


def test_what_the_server_did_not_say_is_the_stamps() -> None:
    """The model that was asked for, and its time; an answer of nothing is an empty text."""
    head = {"model": "asked", "created_at": "1970-01-01T00:00:00.000000Z"}
    end = {"done": True, "done_reason": "stop"}
    nothing = Reply("", "", ())
    assert encode_chat_reply(nothing, STAMP) == {**head, "message": {"role": "assistant", "content": ""}, **end}
    assert encode_generate_reply(nothing, STAMP) == {**head, "response": "", **end}


@pytest.mark.parametrize(
    ("finish", "word"), [("length", "length"), ("tool_calls", "stop"), ("content_filter", "stop"), (None, "stop")]
)
def test_why_a_reply_ended_is_ollamas_word(finish: FinishReason | None, word: str) -> None:
    """It has two."""
    assert end_of(finish, None, None) == {"done": True, "done_reason": word}


@pytest.mark.parametrize(
    ("elapsed", "first", "timings"),
    [
        (None, 1.0, None),
        (3.0, None, Timings(total=3_000_000_000)),
        (3.0, 1.0, Timings(3_000_000_000, None, 1_000_000_000, 2_000_000_000)),
        (3.0, 0.0, Timings(3_000_000_000, None, 0, 3_000_000_000)),
    ],
    ids=["no-clock", "in-one-piece", "in-pieces", "at-once"],
)
def test_durations_of_the_routers_own(elapsed: float | None, first: float | None, timings: Timings | None) -> None:
    """Till the first output the prompt was read; a server's own figures win."""
    stamp = Stamp("abc", 0.0, "m", elapsed=None if elapsed is None else lambda: elapsed)
    assert measured(stamp, first) == timings
    theirs = Reply("", "", (), timings=Timings(total=7))
    assert encode_chat_reply(theirs, stamp)["total_duration"] == 7


def test_every_line_begins_alike() -> None:
    """Microseconds are written out, so that each line has the same length."""
    assert head_of("m", 1_700_000_000) == {"model": "m", "created_at": "2023-11-14T22:13:20.000000Z"}


# ---- a request that only loads -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "body", "loads"),
    [
        pytest.param("chat", {}, True, id="chat-of-nothing"),
        pytest.param("chat", {"messages": []}, True, id="no-messages"),
        pytest.param("chat", {"messages": None, "prompt": "a"}, True, id="a-prompt-is-nothing-in-a-chat"),
        pytest.param("chat", {"messages": [{}]}, False, id="a-message"),
        pytest.param("completion", {"prompt": "", "images": [], "suffix": None}, True, id="an-empty-prompt"),
        pytest.param("completion", {"prompt": "a"}, False, id="a-prompt"),
        pytest.param("completion", {"images": ["AA"]}, False, id="a-picture"),
        pytest.param("completion", {"suffix": "b"}, False, id="a-suffix"),
        pytest.param("embedding", {}, False, id="another-operation"),
    ],
)
def test_a_request_that_says_nothing_only_loads(operation: Any, body: dict[str, Any], loads: bool) -> None:
    """As `ollama run` does before it prompts its user."""
    assert only_loads(operation, body) is loads


@pytest.mark.parametrize(
    ("keep_alive", "reason"),
    [(0, "unload"), ("0", "unload"), ("0s", "unload"), ("0m", "unload"), ("5m", "load"), (-1, "load"), (None, "load")],
)
def test_the_answer_says_what_was_done(keep_alive: Any, reason: str) -> None:
    """The official client reads it."""
    body = {"model": "m", "keep_alive": keep_alive}
    chat = ChatResponse.model_validate(encode_loaded("chat", body, 0.0))
    assert (chat.model, chat.message.content, chat.done, chat.done_reason) == ("m", "", True, reason)
    generate = GenerateResponse.model_validate(encode_loaded("completion", body, 0.0))
    assert (generate.response, generate.done_reason) == ("", reason)
