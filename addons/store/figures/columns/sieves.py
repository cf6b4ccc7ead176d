"""Filters as masks of a piece. Pure: which requests have words, or are of a session, is looked up before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

from switchman.addons.core.texts.searching.asked import KINDS
from switchman.addons.store.figures.columns.pieces import ROWS, Piece, mask_at
from switchman.addons.store.figures.reading import OWN
from switchman.addons.store.reading.filters import ERROR_OUTCOMES, NO_LAYER, Filters, as_stored, status_range

# Filters by one value, and their columns.
_VALUES = {
    **{name: name for name in ("server", "model", "token", "agent", "outcome", "layer", "cache", "client", "route")},
    "asked": "requested_model",
    "error": "error_class",
}


class Test(NamedTuple):
    """A column's value is wanted."""

    column: str
    wanted: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """One of the tests holds, or the request is one of those at `places`: masks by the numbers of pieces."""

    tests: tuple[Test, ...] = ()
    places: Mapping[int, int] | None = None

    def mask(self, piece: Piece) -> int:
        found = self.places.get(piece.number, 0) if self.places is not None else 0
        for column, wanted in self.tests:
            found |= piece.columns[column].where(wanted)
        return found


@dataclass(frozen=True, slots=True)
class Sieve:
    """`traffic`: without what the router answered itself."""

    start: float
    end: float
    conditions: tuple[Condition, ...]
    traffic: bool

    def mask(self, piece: Piece) -> int:
        found = piece.within(self.start, self.end)
        for condition in self.conditions:
            if not found:
                return 0
            found &= condition.mask(piece)
        if found:  # there is a row: each has an outcome
            found &= ~piece.mask_of("outcome", OWN) & piece.rows if self.traffic else piece.rows
        return found


def sieve_of(filters: Filters, among: Iterable[Condition], traffic: bool = True) -> Sieve:
    """`among`: conditions for `session`, `feedback` and `words`, and for `text`. ValueError for a bad status."""
    conditions = [Condition((test,)) for test in _tests(filters)]
    start, end = filters.start, filters.end
    return Sieve(-inf if start is None else start, inf if end is None else end, (*conditions, *among), traffic)


def at(seqs: Iterable[int]) -> dict[int, int]:
    """The `places` of requests by their numbers."""
    found: dict[int, list[int]] = defaultdict(list)
    for seq in seqs:
        found[seq // ROWS].append(seq % ROWS)
    return {number: mask_at(places) for number, places in found.items()}


def named(names: Iterable[str]) -> tuple[Test, ...]:
    """That a request was answered by, or asked for, one of these models."""
    wanted = frozenset(names).__contains__
    return Test("model", wanted), Test("requested_model", wanted)


def _tests(filters: Filters) -> Iterable[Test]:
    for name, column in _VALUES.items():
        if (value := getattr(filters, name)) is not None:
            yield Test(column, frozenset(_meant(name, value)).__contains__)
    if filters.status is not None:
        first, last = status_range(filters.status)
        yield Test("status", lambda status: first <= status <= last)
    if filters.stream is not None:
        yield Test("streamed", (lambda streamed: streamed) if filters.stream == "yes" else (lambda one: not one))
    if filters.attempts is not None:
        yield Test("several", bool)
    if filters.modality is not None:
        bit = 1 << KINDS.index(filters.modality)
        yield Test("modality", lambda bits: bool((bits or 0) & bit))


def _meant(name: str, value: str) -> Iterable[str | None]:
    if (name, value) == ("outcome", "error"):
        return ERROR_OUTCOMES
    return (None,) if (name, value) == ("layer", NO_LAYER) else (as_stored(value),)
