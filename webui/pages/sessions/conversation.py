"""A session's turns as they can be read from the requests that are stored: what is new in each, and what broke.

Each turn is compared with the one before it in its branch. Where that is no beginning of it but an earlier turn of the
branch is, as after a step back, it goes on from that one, and nothing broke. A branch whose first turn is in the middle
of a conversation already may be another one with a first message that was edited: it is compared with the turn that it
shares most messages with. A break is told where the provider may have kept the earlier prompt (from LEAST_CACHED tokens
on), and the client asked for the same model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext

from switchman.addons.core.access.prices.price import Price
from switchman.addons.core.access.session import BY_BEGINNING
from switchman.addons.core.request.boilerplate import own_words
from switchman.addons.core.sessions.prompts.breaks import Break, find_break
from switchman.addons.core.sessions.prompts.loss import Loss, loss_of, was_cached
from switchman.addons.core.sessions.prompts.reading import Prompt, read_prompt
from switchman.addons.core.sessions.turns import Branch, Called, calls_since, words_since
from switchman.addons.store.reading.found import Content
from switchman.addons.store.reading.queries import Queries
from switchman.addons.store.reading.sessions import TurnPage, TurnRow
from switchman.webui.looks.marked import N_
from switchman.webui.pages.sessions.telling import Marked, both, headline

MOST_READ = 2_000_000  # bytes of a body that is compared
STEPS_BACK = 4  # turns of a branch that one may go on from
LEAST_SHARED = 2  # messages
CACHE_SECONDS = 300  # for which providers keep a prompt at least; https://platform.claude.com/docs, prompt caching
NOTICED = 2_048  # tokens that were not read from a cache although nothing broke

PriceOf = Callable[[str, str], Price | None]


@dataclass(slots=True)
class Turn:
    """A request as the page shows it. `follows`: the number of the turn that it goes on from. `unread`: nothing broke,
    and yet so much was not read from the cache. `note`: why its prompt was not compared, marked to be translated; ""
    where it was.
    """

    number: int
    row: TurnRow
    words: str = ""
    calls: tuple[Called, ...] = ()
    follows: int | None = None
    broken: Told | None = None
    unread: Loss | None = None
    idle: float = 0.0
    note: str = ""

    @property
    def branch(self) -> str | None:
        return self.row.branch

    @property
    def parent(self) -> str | None:
        return self.row.parent

    @property
    def started_at(self) -> float:
        return self.row.started_at


@dataclass(frozen=True, slots=True)
class Told:
    """A break in words. `earlier`, `later`: the two texts. `kept`: which part of the earlier prompt stayed, 0 to 1."""

    headline: str
    found: Break
    earlier: Marked
    later: Marked
    loss: Loss
    kept: float


@dataclass(slots=True)
class _Read:
    """A turn with its prompt, None where that is not there."""

    turn: Turn
    prompt: Prompt | None
    shown: bool


@dataclass(slots=True)
class Reader:
    """Reads the requests of one page of turns, in the order of time."""

    queries: Queries
    price_of: PriceOf
    _branches: dict[str | None, list[_Read]] = field(default_factory=dict)

    def turns(self, page: TurnPage) -> list[Turn]:
        found: list[Turn] = []
        first = page.before - len(page.earlier) + 1
        last_of = {row.branch: row for row in page.earlier}
        for number, row in enumerate(page.earlier, first):
            if last_of[row.branch] is row:  # one of each branch is enough to go on from
                self._read(Turn(number, row), shown=False)
        for number, row in enumerate(page.turns, page.before + 1):
            found.append(Turn(number, row))
            self._read(found[-1], shown=True)
        return found

    def _read(self, turn: Turn, shown: bool) -> None:
        prompt, turn.note = prompt_of(self.queries.body(turn.row.id, "request"))
        this = _Read(turn, prompt, shown)
        if prompt is not None and shown:
            self._compare(this, prompt)
        kept = self._branches.setdefault(turn.branch, [])
        kept.append(this)
        del kept[:-STEPS_BACK]

    def _compare(self, this: _Read, prompt: Prompt) -> None:
        turn = this.turn
        before = [one for one in self._branches.get(turn.branch, ()) if one.prompt is not None]
        before = before or self._shared(prompt)
        if not before:
            turn.words = words_since(prompt, 0)
            return
        if prompt.elsewhere:
            turn.note = N_("Its prompt goes on from an answer that the provider keeps, so it is not all here.")
            return
        goes_on, broken = _goes_on_from(before, this, prompt)
        assert goes_on.prompt is not None
        since = min(len(goes_on.prompt.messages), len(prompt.messages))
        turn.words = words_since(prompt, since)
        if goes_on.shown and goes_on is before[-1]:
            goes_on.turn.calls = calls_since(prompt, since)
        turn.follows = goes_on.turn.number
        turn.idle = turn.started_at - goes_on.turn.started_at - goes_on.turn.row.duration_ms / 1000
        self._tell(turn, goes_on.turn.row, broken)

    def _tell(self, turn: Turn, before: TurnRow, broken: Break | None) -> None:
        row = turn.row
        price = self.price_of(row.server, row.model) if row.server and row.model else None
        loss = loss_of(before.input_tokens, row.input_tokens, row.cached_tokens, price, row.started_at)
        if broken is not None:
            if before.requested_model != row.requested_model or not was_cached(before.input_tokens, broken.whole):
                return
            share = broken.kept / broken.whole if broken.whole else 0.0
            turn.broken = Told(headline(broken), broken, *both(broken), loss, share)
        elif (loss.lost or 0) >= NOTICED:
            turn.unread = loss

    def _shared(self, prompt: Prompt) -> list[_Read]:
        """The newest turn of another branch that has most of these messages, for one that is in the middle already."""
        own = {prompt.text[item.start : item.end] for item in prompt.messages}
        best: tuple[int, list[_Read]] = (LEAST_SHARED - 1, [])
        for branch in self._branches.values():
            other = branch[-1].prompt
            if other is None:
                continue
            count = len(own & {other.text[item.start : item.end] for item in other.messages})
            if count > best[0]:
                best = count, [branch[-1]]
        return best[1]


def _goes_on_from(before: Sequence[_Read], this: _Read, prompt: Prompt) -> tuple[_Read, Break | None]:
    """The turn that this one goes on from, and what broke on the way."""
    first: tuple[_Read, Break | None] | None = None
    for one in reversed(before):
        assert one.prompt is not None
        broken = _break(one, this, prompt)
        if broken is None:
            return one, None
        first = first or (one, broken)
    assert first is not None
    return first


def _break(one: _Read, this: _Read, prompt: Prompt) -> Break | None:
    assert one.prompt is not None
    old, new = _target(one.turn.row), _target(this.turn.row)
    try:
        return find_break(one.prompt, prompt, (old, new) if old and new else None)
    except RecursionError:
        this.turn.note = N_("Its prompt is nested too deeply to be compared.")
        return None


def _target(row: TurnRow) -> str:
    return f"{row.server}/{row.model}" if row.server and row.model else ""


def prompt_of(content: Content | None) -> tuple[Prompt | None, str]:
    """The prompt of a stored request, or why there is none."""
    if content is None or content.data is None:
        state = content.info.state if content is not None else "gone"
        return None, _MISSING.get(state, _MISSING["gone"])
    if content.info.truncated or len(content.data) > MOST_READ:
        return None, N_("Its request is too long to be compared here.")
    try:
        return read_prompt(content.data), ""
    except (ValueError, RecursionError):
        return None, N_("Its request is no JSON that could be compared.")


_MISSING = {
    "gone": N_("Its request is no longer kept, so it cannot be compared."),
    "none": N_("It has no body."),
    "uncaptured": N_("Its request was not captured, so it cannot be compared."),
    "hidden": N_("Its request is hidden from viewers: VIEWERS_SEE_BODIES says so."),
}


def label(branch: Branch[Turn], above: Branch[Turn], after: int) -> str:
    """What a branch below another one is called: by the call that started it, where that can be told."""
    told = (branch.name or "").startswith(BY_BEGINNING) is False and branch.name is not None
    for turn in above.turns[max(0, after) : after + 1]:
        for call in turn.calls:
            if (name := _started(call, branch.turns[0].words)) is not None:
                return name
    return str(gettext("Subagent") if told else gettext("Side conversation"))


def _started(call: Called, words: str) -> str | None:
    """The name of the subagent that a call started with these words."""
    try:
        asked: Any = json.loads(call.arguments)
    except ValueError:
        return None
    prompt = asked.get("prompt") or asked.get("message") if isinstance(asked, dict) else None
    if not words or not isinstance(prompt, str) or own_words(prompt)[:200] != words[:200]:
        return None
    parts = [asked.get("subagent_type") or asked.get("agent_type"), asked.get("description")]
    return ": ".join(part for part in parts if isinstance(part, str) and part)[:120] or call.name
