"""What the encoders of all formats share: the order of things, and what has to be added up."""

from __future__ import annotations

import pytest

from switchman.addons.core.dialects.neutral.form import (
    End,
    Failed,
    Finish,
    FinishReason,
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
from switchman.addons.core.dialects.neutral.streams import (
    CUT_SHORT,
    StreamDecoder,
    StreamEncoder,
    call_id,
    finish_reason,
    merge,
)

STAMP = Stamp("abc", 5.0, "asked")


class Plain(StreamEncoder):
    """The smallest encoder: one line for each thing that it is told to write."""

    def on_start(self, start: Start) -> bytes:
        return f"start {start.id} {start.model}\n".encode()

    def on_text(self, event: TextDelta) -> bytes:
        return f"text {event.text}\n".encode()

    def on_thinking(self, event: ThinkingDelta) -> bytes:
        return f"thought {event.text}\n".encode()

    def on_tool(self, event: ToolDelta) -> bytes:
        return f"call {event.name}\n".encode()

    def on_finish(self, event: Finish) -> bytes:
        return f"finish {event.choice} {event.reason}\n".encode()

    def on_end(self) -> bytes:
        return b"end\n"

    def on_failed(self, event: Failed) -> bytes:
        return f"failed {event.status} {event.message}\n".encode()


class Nothing(StreamDecoder):
    def feed(self, data: dict[str, object]) -> list[StreamEvent]:
        return []


def written(*events: StreamEvent, end: bool = True) -> list[str]:
    encoder = Plain(STAMP)
    out = b"".join(encoder.feed(event) for event in events)
    return (out + (encoder.end() if end else b"")).decode().splitlines()


def test_a_reply_in_order() -> None:
    """Each event is written when it comes; an end is written once, whoever says it."""
    events = [Start("i", "m"), ThinkingDelta(0, "hm"), TextDelta(0, "a"), Finish(0, "length"), End()]
    assert written(*events) == ["start i m", "thought hm", "text a", "finish 0 length", "end"]
    assert written(*events[:-1]) == written(*events)


@pytest.mark.parametrize(
    "event",
    [
        TextDelta(0, "a"),
        ThinkingDelta(0, "a"),
        ToolDelta(0, 0, "", "f", ""),
        Finish(0, "stop"),
        End(),
        TextDelta(0, ""),
    ],
    ids=lambda event: type(event).__name__ + ("" if getattr(event, "text", "a") else "-empty"),
)
def test_a_reply_begins_by_itself(event: StreamEvent) -> None:
    """A server that names neither id nor model: an id of the format's own kind, the stamp's model, and begun once."""
    assert written(event, Start("late", "late"), TextDelta(0, "b"), End())[0] == "start  asked"
    assert sum(line.startswith("start") for line in written(event, Start("late", "late"))) == 1


def test_usage_and_failure_begin_nothing() -> None:
    """Usage is only kept, and a reply that fails at once has no beginning."""
    assert written(UsageSeen(Usage(1)), end=False) == []
    assert written(Failed("no", status=503)) == ["failed 503 no"]


def test_a_body_that_ends_without_a_finish_reason_was_cut_short() -> None:
    """502 in the client's stream; an empty body too."""
    assert written(Start("i", "m"), TextDelta(0, "a"))[-1] == f"failed 502 {CUT_SHORT}"
    assert written() == [f"failed 502 {CUT_SHORT}"]


def test_an_end_without_a_finish_reason_is_a_stop() -> None:
    """The server said that it is complete."""
    assert written(TextDelta(0, "a"), End())[-2:] == ["finish 0 stop", "end"]


@pytest.mark.parametrize("last", [End(), Failed("no")], ids=["end", "failure"])
def test_nothing_follows_the_end(last: StreamEvent) -> None:
    """No second end, no text, no usage."""
    encoder = Plain(STAMP)
    encoder.feed(Finish(0, "stop"))
    encoder.feed(last)
    for event in (Start("i", "m"), TextDelta(0, "a"), Failed("again"), Finish(1, "stop"), End()):
        assert encoder.feed(event) == b""
    assert encoder.end() == b""


def test_each_choice_finishes_once() -> None:
    """The first reason counts."""
    lines = written(Finish(0, "length"), Finish(0, "stop"), Finish(1, "stop"))
    assert lines[1:] == ["finish 0 length", "finish 1 stop", "end"]


def test_a_choice_that_called_a_tool_finishes_by_calls() -> None:
    """Only that choice, and only where the server said "stop"."""
    call = ToolDelta(1, 0, "", "f", "")
    assert written(call, Finish(0, "stop"), Finish(1, "stop"))[2:4] == ["finish 0 stop", "finish 1 tool_calls"]
    assert written(call, Finish(1, "length"))[2] == "finish 1 length"


def test_usage_is_added_up_wherever_it_stands() -> None:
    """In the start, before it, in pieces; a later figure replaces an earlier one, and timings stay."""
    encoder = Plain(STAMP)
    encoder.feed(UsageSeen(Usage(input=1, output=1), Timings(9)))
    encoder.feed(Start("i", "m", usage=Usage(input=2)))
    encoder.feed(UsageSeen(Usage(output=7)))
    assert encoder.tally.usage == Usage(input=2, output=7)
    assert encoder.tally.timings == Timings(9)


@pytest.mark.parametrize(
    ("before", "later", "both"),
    [
        pytest.param(None, None, None, id="none"),
        pytest.param(Usage(1), None, Usage(1), id="only-before"),
        pytest.param(None, Usage(1), Usage(1), id="only-later"),
        pytest.param(Usage(1, 2), Usage(3), Usage(3, 2), id="later-counts"),
        pytest.param(Usage(1, 2), Usage(output=0), Usage(1, 0), id="zero-counts"),
    ],
)
def test_usage_is_merged_member_by_member(before: Usage | None, later: Usage | None, both: Usage | None) -> None:
    """A member that the later one does not name stays."""
    assert merge(before, later) == both


@pytest.mark.parametrize(
    ("reason", "called", "expected"),
    [
        ("stop", True, "tool_calls"),
        (None, True, "tool_calls"),
        ("length", True, "length"),
        ("stop", False, "stop"),
        (None, False, "stop"),
        ("content_filter", True, "content_filter"),
    ],
)
def test_a_finish_reason_says_that_tools_were_called(
    reason: FinishReason | None, called: bool, expected: FinishReason
) -> None:
    """Clients wait for that word before they run a tool."""
    assert finish_reason(reason, called) == expected


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        pytest.param("call_1", "call_1", id="its-own"),
        pytest.param("", "call_abc_1_2", id="none"),
        pytest.param("functions.f:0", "call_abc_1_2", id="taken-by-an-earlier-reply"),
    ],
)
def test_a_call_has_an_id_that_no_other_has(id: str, expected: str) -> None:
    """Some servers count their calls anew in each reply; a client would tie a result to the wrong one."""
    stamp = Stamp("abc", 0.0, "m", taken=frozenset({"functions.f:0"}))
    assert call_id(id, stamp, 1, 2) == expected


def test_a_decoder_knows_the_marker_that_is_no_json() -> None:
    """`[DONE]` is the end in every format that has it."""
    assert Nothing().done() == [End()]
