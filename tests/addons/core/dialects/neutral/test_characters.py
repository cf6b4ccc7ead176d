"""Characters: a pair that a server cut in two reaches the client whole."""

from __future__ import annotations

from itertools import pairwise

import pytest

from switchman.addons.core.dialects.neutral.characters import WholeCharacters
from switchman.addons.core.dialects.neutral.form import (
    End,
    Failed,
    Finish,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Usage,
    UsageSeen,
)

EMOJI = "\ud83d\ude00"  # 😀 in two halves
TEXT = f"a{EMOJI}b{EMOJI}{EMOJI}é"


def through(*events: StreamEvent) -> list[StreamEvent]:
    stage = WholeCharacters()
    return [*(out for event in events for out in stage.feed(event)), *stage.end()]


def deltas(kind: type, pieces: list[str], choice: int = 0) -> list[StreamEvent]:
    if kind is ToolDelta:
        first = ToolDelta(choice, 0, "call_1", "look", pieces[0])
        return [first, *(ToolDelta(choice, 0, "", "", piece) for piece in pieces[1:])]
    return [kind(choice, piece) for piece in pieces]


def text_of(events: list[StreamEvent], choice: int = 0) -> str:
    return "".join(
        event.arguments if isinstance(event, ToolDelta) else event.text
        for event in events
        if isinstance(event, TextDelta | ThinkingDelta | ToolDelta) and event.choice == choice
    )


@pytest.mark.parametrize("kind", [TextDelta, ThinkingDelta, ToolDelta])
def test_every_split_gives_the_same_text(kind: type) -> None:
    """Cut at any two places, also within pairs, the text is the same and each delta can be encoded."""
    places = range(len(TEXT) + 1)
    for first in places:
        for second in places[first:]:
            pieces = [TEXT[start:end] for start, end in pairwise((0, first, second, len(TEXT)))]
            # What JSON gives for a whole pair is its character; only a cut pair comes as halves.
            joined = [piece.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") for piece in pieces]
            out = through(*deltas(kind, joined), Finish(0, "stop"), End())
            assert text_of(out) == "a😀b😀😀é"
            for event in out:
                text_of([event]).encode()
            assert [event for event in out if isinstance(event, Finish | End)] == [Finish(0, "stop"), End()]
            names = [event.name for event in out if isinstance(event, ToolDelta)]
            assert names[:1] == (["look"] if kind is ToolDelta else []) and not any(names[1:])


def test_choices_do_not_mix() -> None:
    """With several choices side by side, each half waits for its own other half."""
    out = through(
        TextDelta(0, "x\ud83d"),
        TextDelta(1, "y\ud83d"),
        UsageSeen(Usage()),
        TextDelta(0, "\ude00"),
        TextDelta(1, "\ude01"),
    )
    assert (text_of(out, 0), text_of(out, 1)) == ("x😀", "y😁")


@pytest.mark.parametrize(
    "after", [Finish(0, "stop"), End(), Failed("m"), ThinkingDelta(0, "t"), ToolDelta(0, 0, "c", "n", "{}"), None]
)
def test_a_half_that_stays_alone_goes_on_before_what_follows(after: StreamEvent | None) -> None:
    """Nothing is lost: the other text of the choice, its end, a failure and the stream's end let it go."""
    events: list[StreamEvent] = [TextDelta(0, "cut \ud83d")]
    assert through(*events, *([after] if after else [])) == [
        TextDelta(0, "cut "),
        TextDelta(0, "\ud83d"),
        *([after] if after else []),
    ]


def test_a_second_half_that_is_alone_passes() -> None:
    """It has nothing to wait for."""
    assert through(TextDelta(0, "\ude00x")) == [TextDelta(0, "\ude00x")]


def test_a_call_that_waits_keeps_its_name_once() -> None:
    """The half that is let go is a later piece of the call, which does not name it again."""
    assert through(ToolDelta(0, 1, "id", "n", "\ud83d"), End()) == [
        ToolDelta(0, 1, "id", "n", ""),
        ToolDelta(0, 1, "", "", "\ud83d"),
        End(),
    ]
