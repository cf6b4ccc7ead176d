"""Turns read from stored requests: which one a turn goes on from, and what cannot be compared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.sessions.prompts.loss import LEAST_CACHED
from switchman.addons.core.sessions.turns import Branch, Called
from switchman.addons.store.reading.found import BodyInfo, Content
from switchman.addons.store.reading.sessions import TurnPage, TurnRow
from switchman.webui.pages.sessions.conversation import MOST_READ, Reader, Turn, label, prompt_of

SYSTEM = {"role": "system", "content": "Be brief."}


def row(number: int, **fields: Any) -> TurnRow:
    known: dict[str, Any] = dict.fromkeys(TurnRow.__slots__) | {
        "id": f"r{number}", "started_at": float(number), "duration_ms": 0.0, "requested_model": "m", "status": 200,
        "outcome": "ok", "server": "s", "model": "m", "branch": "b-1",
        "input_tokens": LEAST_CACHED,
    }  # fmt: skip
    return TurnRow(**known | fields)


class Bodies:
    """Of a log just these."""

    def __init__(self, *bodies: Any) -> None:
        self.bodies = [json.dumps(one).encode() if isinstance(one, dict) else one for one in bodies]

    def body(self, id: str, which: str) -> Content:
        return Content(self.bodies[int(id[1:])], BodyInfo("kept", 1, False))


def read(*bodies: Any, rows: dict[int, dict[str, Any]] | None = None) -> list[Turn]:
    page = TurnPage(tuple(row(at, **(rows or {}).get(at, {})) for at in range(len(bodies))), (), None)
    return Reader(Bodies(*bodies), lambda server, model: None).turns(page)  # type: ignore[arg-type]


def chat(*texts: str) -> dict[str, Any]:
    return {
        "messages": [SYSTEM, *({"role": ("user", "assistant")[at % 2], "content": one} for at, one in enumerate(texts))]
    }


def test_a_step_back_is_no_break() -> None:
    """Who takes back a turn and says something else goes on from the one before."""
    turns = read(chat("a"), chat("a", "b", "c"), chat("a", "x", "y"), chat("a", "b", "c", "d", "e"))
    assert [(turn.follows, turn.broken) for turn in turns] == [(None, None), (1, None), (1, None), (2, None)]


def test_an_edited_first_message_is_a_break() -> None:
    """Though by its first words it is another branch."""
    turns = read(chat("a", "b", "c"), chat("A", "b", "c", "d", "e"), rows={1: {"branch": "b-2"}})
    assert turns[1].follows == 1 and turns[1].broken is not None
    assert (turns[1].broken.found.place, turns[1].broken.earlier.differs) == ("messages[1].content", "a")


def test_a_new_branch_is_compared_with_nothing() -> None:
    """Whatever it has in common with others."""
    turns = read(chat("a", "b", "c"), chat("z"), rows={1: {"branch": "b-2"}})
    assert (turns[1].follows, turns[1].broken, turns[1].words) == (None, None, "z")


def test_another_target_is_a_break() -> None:
    """It has no cache of the other's."""
    turns = read(chat("a"), chat("a", "b", "c"), rows={1: {"server": "other"}})
    assert turns[1].broken is not None and "Another target" in turns[1].broken.headline


@pytest.mark.parametrize(
    ("fields", "breaks"),
    [
        ({}, True),
        ({"input_tokens": LEAST_CACHED - 1}, False),
        ({"input_tokens": None}, False),
        ({"requested_model": "other"}, False),
        ({"server": "other"}, True),
        ({"server": "other", "input_tokens": 1_000}, False),
    ],
)
def test_a_break_is_one_where_something_was_cached(fields: dict[str, Any], breaks: bool) -> None:
    """No provider keeps a short prompt, and who asks for another model wants none of this cache."""
    turns = read(chat("a", "b", "c"), chat("A", "b", "c", "d", "e"), rows={0: fields})
    assert (turns[1].broken is not None) is breaks and turns[1].follows == 1


def test_a_long_prompt_whose_tokens_nobody_told_may_be_cached() -> None:
    """By its bytes."""
    turns = read(chat("a" * 5_000, "b", "c"), chat("A", "b", "c", "d", "e"), rows={0: {"input_tokens": None}})
    assert turns[1].broken is not None


def test_what_was_not_read_though_nothing_broke_is_told() -> None:
    """A cache that expired, or another machine of the provider's."""
    turns = read(
        chat("a"), chat("a", "b", "c"),
        rows={0: {"input_tokens": 9_000}, 1: {"input_tokens": 9_500, "cached_tokens": 0, "started_at": 900.0}},
    )  # fmt: skip
    assert turns[1].broken is None and turns[1].unread is not None and turns[1].unread.lost == 9_000
    assert turns[1].idle == 900.0


@pytest.mark.parametrize(("content", "why"), [
    (None, "no longer kept"),
    (Content(None, BodyInfo("gone", 5, False)), "no longer kept"),
    (Content(None, BodyInfo("uncaptured", 5, False)), "not captured"),
    (Content(None, BodyInfo("hidden", 5, False)), "hidden from viewers"),
    (Content(b"{", BodyInfo("kept", 5, True)), "too long"),
    (Content(b" " * (MOST_READ + 1), BodyInfo("kept", 5, False)), "too long"),
    (Content(b"model=x", BodyInfo("kept", 5, False)), "no JSON"),
])  # fmt: skip
def test_what_cannot_be_compared_says_why(content: Content | None, why: str) -> None:
    """In a sentence."""
    prompt, note = prompt_of(content)
    assert prompt is None and why in note


def test_turns_around_one_that_cannot_be_read_are_compared() -> None:
    """With the last one that could be."""
    turns = read(chat("a"), b"no json", chat("a", "b", "c"))
    assert [turn.follows for turn in turns] == [None, None, 1] and turns[1].note


def test_a_prompt_that_goes_on_elsewhere_is_not_compared() -> None:
    """The provider has its beginning."""
    turns = read({"input": "a"}, {"input": "b", "previous_response_id": "r"})
    assert turns[1].broken is None and "provider keeps" in turns[1].note


@pytest.mark.parametrize(("call", "named"), [
    (Called("c", "Agent", '{"prompt": "Look", "subagent_type": "Explore", "description": "it"}'), "Explore: it"),
    (Called("c", "task", '{"prompt": "Look"}'), "task"),
    (Called("c", "task", '{"prompt": "Other"}'), "Subagent"),
    (Called("c", "task", "[]"), "Subagent"),
    (Called("c", "task", "{"), "Subagent"),
])  # fmt: skip
def test_a_subagent_is_called_as_it_was_started(call: Called, named: str) -> None:
    """By the tool's call with the same words, or just so."""
    above = Branch("b-1", [Turn(1, row(0), calls=(call,))])
    below = Branch("s" * 32, [Turn(2, row(1), words="Look")])
    assert label(below, above, 0) == named
    assert label(Branch("b-2", [Turn(2, row(1))]), above, -1) == "Side conversation"
