"""A reply in pieces put together, and a whole one told in pieces."""

from __future__ import annotations

import pytest

from switchman.addons.core.dialects.neutral.assembling import StreamFailed, assemble, tell
from switchman.addons.core.dialects.neutral.form import (
    Choice,
    End,
    Failed,
    Finish,
    Opaque,
    Part,
    Reply,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Timings,
    ToolCall,
    ToolDelta,
    Usage,
    UsageSeen,
)


def parts(*events: StreamEvent) -> tuple[Part, ...]:
    (choice,) = assemble(events).choices
    return choice.parts


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([TextDelta(0, "a"), TextDelta(0, ""), TextDelta(0, "b")], [Text("ab")], id="text"),
        pytest.param([TextDelta(0, "")], [], id="no-text"),
        pytest.param(
            [TextDelta(0, "a"), TextDelta(0, "no", refusal=True), TextDelta(0, "b")],
            [Text("a"), Text("no", refusal=True), Text("b")],
            id="a-refusal-stays-apart",
        ),
        pytest.param(
            [ThinkingDelta(0, "a"), ThinkingDelta(0, "b"), ThinkingDelta(0, "", signature="s")],
            [Thinking("ab", "s")],
            id="a-signed-thought",
        ),
        pytest.param(
            [ThinkingDelta(0, "a"), ThinkingDelta(0, "", signature="s"), ThinkingDelta(0, "b")],
            [Thinking("a", "s"), Thinking("b")],
            id="a-signature-ends-its-thought",
        ),
        pytest.param(
            [ThinkingDelta(0, "a"), ThinkingDelta(0, "", redacted="r"), ThinkingDelta(0, "", redacted="q")],
            [Thinking("a"), Thinking("", redacted="r"), Thinking("", redacted="q")],
            id="redacted-ones-stay-apart",
        ),
        pytest.param([ThinkingDelta(0, "", signature="s")], [Thinking("", "s")], id="a-signature-alone"),
        pytest.param([ThinkingDelta(0, "")], [], id="no-thought"),
        pytest.param(
            [ThinkingDelta(0, "a"), TextDelta(0, "b"), ThinkingDelta(0, "c")],
            [Thinking("a"), Text("b"), Thinking("c")],
            id="thoughts-around-a-text",
        ),
        pytest.param(
            [ToolDelta(0, 0, "i", "f", "{"), ToolDelta(0, 1, "j", "g", "["), ToolDelta(0, 0, "", "", "}")],
            [ToolCall("i", "f", "{}"), ToolCall("j", "g", "[")],
            id="mixed-calls",
        ),
        pytest.param(
            [ToolDelta(0, 0, "", "", "{"), ToolDelta(0, 0, "late", "f", "}"), ToolDelta(0, 0, "other", "g", "")],
            [ToolCall("late", "f", "{}")],
            id="id-and-name-that-come-late",
        ),
    ],
)
def test_pieces_grow_together(events: list[StreamEvent], expected: list[Part]) -> None:
    """Neighbours of one kind are one part; calls by their number, wherever their pieces stand."""
    assert parts(*events, Finish(0, "stop")) == tuple(expected)


def test_the_whole_reply() -> None:
    """Id, model and time of the start, usage added up, choices by their number."""
    reply = assemble(
        [
            Start("i", "m", 5.0, Usage(input=1)),
            TextDelta(1, "b"),
            TextDelta(0, "a"),
            Finish(1, "length"),
            Finish(0, "stop_sequence", "END"),
            UsageSeen(Usage(output=2), Timings(9)),
            UsageSeen(Usage(output=3)),
            End(),
        ]
    )
    choices = (Choice(0, (Text("a"),), "stop_sequence", "END"), Choice(1, (Text("b"),), "length"))
    assert reply == Reply("i", "m", choices, Usage(1, 3), 5.0, Timings(9))


def test_events_without_a_start_or_an_end() -> None:
    """What is not known is empty; a missing finish reason is a stop, or calls where there are some."""
    assert assemble([]) == Reply("", "", ())
    assert assemble([TextDelta(0, "a")]).choices == (Choice(0, (Text("a"),), "stop"),)
    assert assemble([ToolDelta(0, 0, "i", "f", "")]).choices[0].finish == "tool_calls"
    assert assemble([Finish(2, "length")]).choices == (Choice(2, (), "length"),)


def test_a_failure_is_raised_with_all_it_says() -> None:
    """Whatever came before it; there is no half reply."""
    failed = Failed("no", "overloaded_error", "c", 529)
    with pytest.raises(StreamFailed, match="no") as raised:
        assemble([Start("i", "m"), TextDelta(0, "a"), failed, Finish(0, "stop")])
    assert raised.value.failed == failed


def test_a_reply_is_told_in_its_order() -> None:
    """Signature and redacted thought are events of their own; calls are numbered within their choice."""
    reply = Reply(
        "i",
        "m",
        (
            Choice(
                0, (Thinking("hm", "s"), Thinking("", redacted="r"), Text("a"), ToolCall("c", "f", "{}")), "tool_calls"
            ),
            Choice(1, (ToolCall("d", "g", ""), ToolCall("e", "h", "")), None, "END"),
        ),
        None,
        5.0,
        Timings(9),
    )
    assert list(tell(reply)) == [
        Start("i", "m", 5.0),
        ThinkingDelta(0, "hm"),
        ThinkingDelta(0, "", "s"),
        ThinkingDelta(0, "", None, "r"),
        TextDelta(0, "a"),
        ToolDelta(0, 0, "c", "f", "{}"),
        Finish(0, "tool_calls"),
        ToolDelta(1, 0, "d", "g", ""),
        ToolDelta(1, 1, "e", "h", ""),
        Finish(1, "stop", "END"),
        UsageSeen(Usage(), Timings(9)),
        End(),
    ]


def test_a_reply_of_nothing_is_told_too() -> None:
    """A client gets a beginning and an end. A part that has no event is passed over."""
    assert list(tell(Reply("", "", ()))) == [Start("", ""), End()]
    assert list(tell(Reply("", "", (), Usage(1))))[1:] == [UsageSeen(Usage(1)), End()]
    assert list(tell(Reply("", "", (Choice(0, (Opaque("x", {}),), "stop"),))))[1:] == [Finish(0, "stop"), End()]
