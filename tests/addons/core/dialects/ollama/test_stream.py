"""Ollama's lines: read for chat and generate alike, written one for each piece and a last one with the counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects.codecs import CODECS
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
    Timings,
    ToolDelta,
    Usage,
    UsageSeen,
)
from switchman.addons.core.dialects.ollama.stream import GenerateEncoder, LineDecoder, LineEncoder
from switchman.addons.testing import every_split

STAMP = Stamp("abc", 1_700_000_000.0, "m", include_usage=True)


# ---- read --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "events"),
    [
        pytest.param({"message": {"content": "a"}, "done": False}, [TextDelta(0, "a")], id="text"),
        pytest.param({"response": "a", "thinking": "hm"}, [ThinkingDelta(0, "hm"), TextDelta(0, "a")], id="generate"),
        pytest.param({"message": {"content": "", "thinking": "hm"}}, [ThinkingDelta(0, "hm")], id="thought"),
        pytest.param(
            {
                "message": {
                    "content": "",
                    "tool_calls": [
                        {"function": {"name": "f", "arguments": {"x": 1}}},
                        {"id": "c", "function": {"name": "g"}},
                    ],
                }
            },
            [ToolDelta(0, 0, "", "f", '{"x":1}'), ToolDelta(0, 1, "c", "g", "{}")],
            id="calls",
        ),
        pytest.param(
            {"message": {"content": "a"}, "done": True, "done_reason": "length", "eval_count": 2, "total_duration": 9},
            [TextDelta(0, "a"), UsageSeen(Usage(None, 2), Timings(9)), Finish(0, "length"), End()],
            id="the-last",
        ),
        pytest.param({"done": True}, [Finish(0, "stop"), End()], id="the-last-of-nothing"),
        pytest.param({"done": 1, "message": {"content": 5, "tool_calls": {"0": {}}}}, [], id="other-types"),
        pytest.param({"error": "no", "message": {"content": "a"}}, [Failed("no")], id="error"),
        pytest.param({"error": ""}, [], id="an-empty-error"),
        pytest.param({}, [], id="empty"),
    ],
)
def test_each_kind_of_line(data: dict[str, Any], events: list[StreamEvent]) -> None:
    """An error is all that its line says."""
    decoder = LineDecoder()
    decoder.started = True
    assert decoder.feed(data) == events


def test_the_first_line_begins_the_reply() -> None:
    """Whatever it says; calls are counted over all lines."""
    line = {
        "model": "m",
        "created_at": "1970-01-01T00:00:01Z",
        "message": {"tool_calls": [{"id": "c", "function": {"name": "f"}}]},
    }
    decoder = LineDecoder()
    assert decoder.feed(line) == [Start("", "m", 1.0), ToolDelta(0, 0, "c", "f", "{}")]
    assert decoder.feed(line) == [ToolDelta(0, 1, "", "f", "{}")]
    assert LineDecoder().feed({}) == [Start("", "")]


# ---- written -----------------------------------------------------------------------------------------------------


def encode(name: FormatName, events: list[StreamEvent]) -> bytes:
    encoder = CODECS[name].encoder(STAMP)
    return b"".join(encoder.feed(event) for event in events) + encoder.end()


EVENTS: list[StreamEvent] = [
    Start("c1", "llama3", 1.5),
    ThinkingDelta(0, "Hm 😀"),
    ThinkingDelta(0, "", signature="s"),
    TextDelta(0, "Grüezi\n"),
    TextDelta(1, "another choice"),
    ToolDelta(0, 1, "d", "g", ""),
    ToolDelta(0, 0, "c", "f", '{"x":'),
    ToolDelta(0, 0, "", "", "1}"),
    Finish(0, "tool_calls"),
    UsageSeen(Usage(3, 4)),
    End(),
]
HEAD = {"model": "llama3", "created_at": "1970-01-01T00:00:01.500000Z"}
LAST = {"done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4}


def test_a_chat_stream_in_full() -> None:
    """Calls go out whole and in order, when the reply ends; only the first choice has a place."""
    lines = [json.loads(line) for line in encode("ollama.chat", EVENTS).splitlines()]
    assert all({key: line[key] for key in HEAD} == HEAD for line in lines)
    assert [line["message"] for line in lines] == [
        {"role": "assistant", "content": "", "thinking": "Hm 😀"},
        {"role": "assistant", "content": "Grüezi\n"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "g", "arguments": {}}}]},
        {"role": "assistant", "content": ""},
    ]
    assert [line["done"] for line in lines] == [False] * 4 + [True]
    assert {key: lines[-1].get(key) for key in LAST} == LAST


def test_a_generate_stream_in_full() -> None:
    """The text is a member of the line, and calls have no place."""
    lines = [json.loads(line) for line in encode("ollama.generate", EVENTS).splitlines()]
    assert lines == [
        {**HEAD, "response": "", "thinking": "Hm 😀", "done": False},
        {**HEAD, "response": "Grüezi\n", "done": False},
        {**HEAD, "response": "", **LAST},
    ]


@pytest.mark.parametrize("name", ["ollama.chat", "ollama.generate"])
def test_any_cut_of_the_stream_is_the_same_stream(name: FormatName, decode: Any) -> None:
    """In the middle of a letter, of a line end, of a call."""
    data = encode(name, EVENTS)
    whole = decode(name, [data])
    assert whole[0] == Start("", "llama3", 1.5) and whole[-1] == End()
    for pieces in every_split(data):
        assert decode(name, pieces) == whole


def test_ollamas_timings_and_counts_are_in_the_last_line() -> None:
    """What is known is said, and `done` is true in this line only."""
    events: list[StreamEvent] = [
        TextDelta(0, "a"),
        UsageSeen(Usage(5, 7), Timings(100, None, 30, 70)),
        Finish(0, "length"),
        End(),
    ]
    lines = [json.loads(line) for line in encode("ollama.chat", events).splitlines()]
    assert [line["done"] for line in lines] == [False, True]
    last = {key: value for key, value in lines[-1].items() if key not in ("model", "created_at", "message")}
    assert last == {
        "done": True,
        "done_reason": "length",
        "total_duration": 100,
        "prompt_eval_count": 5,
        "prompt_eval_duration": 30,
        "eval_count": 7,
        "eval_duration": 70,
    }


def test_durations_that_no_server_measured_are_the_routers_own() -> None:
    """Time to the first output counts as reading the prompt, the rest as generation."""
    clock = iter([2.0, 5.0])
    encoder = CODECS["ollama.chat"].encoder(Stamp("i", 0, "m", elapsed=lambda: next(clock)))
    events: list[StreamEvent] = [TextDelta(0, "a"), TextDelta(0, "b"), Finish(0, "stop"), End()]
    last = json.loads(b"".join(encoder.feed(event) for event in events).splitlines()[-1])
    durations = [last[name] for name in ("total_duration", "prompt_eval_duration", "eval_duration")]
    assert durations == [5_000_000_000, 2_000_000_000, 3_000_000_000]


def test_a_server_that_names_no_model_gets_the_one_that_was_asked_for() -> None:
    """And the stamp's time."""
    line = json.loads(encode("ollama.chat", [Start("", ""), Finish(0, "stop"), End()]))
    assert (line["model"], line["created_at"]) == ("m", "2023-11-14T22:13:20.000000Z")


def test_the_first_output_may_be_a_call() -> None:
    """It is held, but it came; without a clock nothing is measured."""
    clock = iter([2.0, 5.0])
    encoder = LineEncoder(Stamp("i", 0, "m", elapsed=lambda: next(clock)))
    events: list[StreamEvent] = [ToolDelta(0, 0, "c", "f", "{}"), Finish(0, "stop"), End()]
    last = json.loads(b"".join(encoder.feed(event) for event in events).splitlines()[-1])
    assert (last["prompt_eval_duration"], last["eval_duration"]) == (2_000_000_000, 3_000_000_000)
    bare = LineEncoder(Stamp("i", 0, "m"))
    assert b"duration" not in b"".join(bare.feed(event) for event in events)


@pytest.mark.parametrize("encoder", [LineEncoder, GenerateEncoder])
def test_a_failure_is_a_line_of_its_own(encoder: type[LineEncoder]) -> None:
    """No line with `done` follows it; calls that were held are not told."""
    one = encoder(STAMP)
    one.feed(ToolDelta(0, 0, "c", "f", "{}"))
    assert one.feed(Failed("no", "overloaded_error", "c", 529)) == b'{"error":"no"}\n'
    assert one.end() == b""
