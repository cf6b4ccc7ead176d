"""Counts what became of replayed requests, in memory that does not grow with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from switchman.addons.core.decision.replaying.decided import Decided, Place, Reason
from switchman.addons.core.decision.replaying.prices import PriceTable
from switchman.addons.core.decision.replaying.recorded import Recorded
from switchman.addons.core.decision.replaying.report import Example, Hits, Move, Pair, Report

MOST_PAIRS: Final = 2_000  # of places that are counted apart: models' names come from clients
MOST_NAMED: Final = 200  # in each list of a report
EXAMPLES_OF_A_MOVE: Final = 3
_OTHERS: Final = Decided("target", Place("(others)", "", "?"))

Median = Callable[[Place], float | None]
"""The median duration of the answers that a place has given, milliseconds; None where it gave none."""


@dataclass(slots=True)
class _Count:
    """Of the requests that go from one place to another."""

    before: Decided
    after: Decided
    moved: bool
    requests: int = 0
    timed: int = 0  # answered: their latency counts
    cache_ms: float = 0.0  # how long a cache took for them, where one answered
    priced: int = 0
    cost_before: int = 0
    cost_after: int = 0


class Tally:
    """`examples`: how many to give of all moves."""

    def __init__(self, prices: PriceTable, examples: int) -> None:
        self._prices, self._most_examples = prices, examples
        self._counts: dict[tuple[str, str, bool], _Count] = {}
        self._examples: dict[tuple[str, str, bool], list[Example]] = {}
        self._left_out: Counter[str] = Counter()
        self._unknown: Counter[Reason] = Counter()
        self._no_price: Counter[str] = Counter()
        self._hits: dict[tuple[str, str], list[int]] = {}
        self._requests = self._fallbacks = self._no_tokens = self._unpriced = self._redacted = self._cache_unknown = 0
        self._refused, self._cached = [0, 0], [0, 0]
        self._first: float | None = None
        self._last: float | None = None

    def leave_out(self, why: str) -> None:
        self._left_out[why] += 1

    def add(self, one: Recorded, before: Decided, after: Decided) -> None:
        """Count a request. Requests come in the order of their start."""
        self._requests += 1
        self._first = one.started_at if self._first is None else self._first
        self._last = one.started_at
        self._redacted += one.capture == "redacted"
        for at, side in enumerate((before, after)):
            self._refused[at] += side.kind == "nobody"
            self._cached[at] += side.kind == "cache"
            if side.kind in ("target", "cache") and (side.layer, side.route) in self._hits:
                self._hits[side.layer, side.route][at] += 1
            elif side.kind in ("target", "cache") and len(self._hits) < MOST_PAIRS:
                self._hits[side.layer, side.route] = [1 - at, at]
        self._cache_unknown += before.cached is None or after.cached is None
        if reason := before.reason or after.reason:
            self._unknown[reason] += 1
            return
        self._count(one, before, after)

    def _count(self, one: Recorded, before: Decided, after: Decided) -> None:
        moved = not before.goes_where(after)
        key = (before.label, after.label, moved)
        if key not in self._counts and len(self._counts) >= MOST_PAIRS:
            key = (_OTHERS.label, _OTHERS.label, moved)
            before = after = _OTHERS
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(before, after, moved)
        count.requests += 1
        if moved:
            self._exemplify(key, one, before, after)
        elif before.kind == "target" and before.others != after.others and before.layer and after.layer:
            self._fallbacks += 1
        if one.answered and "nobody" not in (before.kind, after.kind):
            count.timed += 1
            if "cache" in (before.kind, after.kind):
                count.cache_ms += one.duration_ms
            self._cost(one, before, after, count)

    def _cost(self, one: Recorded, before: Decided, after: Decided, count: _Count) -> None:
        costs = [self._prices.cost(one, side) for side in (before, after)]
        if costs[0] is not None and costs[1] is not None:
            count.priced += 1
            count.cost_before += costs[0]
            count.cost_after += costs[1]
            return
        self._unpriced += 1
        if one.usage is None:
            self._no_tokens += 1
            return
        for target in {side.label for side, cost in zip((before, after), costs, strict=True) if cost is None}:
            if target in self._no_price or len(self._no_price) < MOST_PAIRS:
                self._no_price[target] += 1

    def _exemplify(self, key: tuple[str, str, bool], one: Recorded, before: Decided, after: Decided) -> None:
        kept = self._examples.setdefault(key, [])
        if len(kept) < EXAMPLES_OF_A_MOVE:
            places = (before.label, after.label, _by(before), _by(after))
            kept.append(Example(one.id, one.started_at, one.requested_model, *places))

    def report(self, median: Median, stopped: str = "", names: tuple[str, str] = ("", "")) -> Report:
        """`median` is asked once for each place."""
        counts = sorted(self._counts.values(), key=lambda one: (-one.requests, one.before.label, one.after.label))
        places = {side.place for one in counts if one.timed for side in (one.before, one.after) if side.place}
        medians = {place: median(place) for place in sorted(places, key=lambda place: (place.target, place.url))}
        moves = [one for one in counts if one.moved]
        no_median: Counter[str] = Counter()
        untimed = 0
        for one in counts:
            missing = {s.label for s in (one.before, one.after) if s.place is not None and medians.get(s.place) is None}
            untimed += one.timed if missing else 0
            for target in missing if one.timed else ():
                no_median[target] += one.timed
        return Report(
            requests=self._requests,
            left_out=_listed(self._left_out),
            elsewhere=sum(one.requests for one in moves),
            same=sum(one.requests for one in counts if not one.moved),
            fallbacks=self._fallbacks,
            unknown=_listed(self._unknown),
            refused=Pair(self._refused[0], self._refused[1], self._requests),
            cache_hits=Pair(self._cached[0], self._cached[1], self._requests),
            cache_unknown=self._cache_unknown,
            cost=_cost_of(counts),
            no_tokens=self._no_tokens,
            no_price=_listed(self._no_price),
            latency=_latency_of(counts, medians),
            no_median=_listed(no_median),
            moves=tuple(
                Move(one.before.label, one.after.label, one.requests, _cost_of([one]), _latency_of_move(one, medians))
                for one in moves[:MOST_NAMED]
            ),
            examples=self._chosen(moves),
            hits=self._sorted_hits(),
            first=self._first,
            last=self._last,
            unpriced=self._unpriced,
            untimed=untimed,
            redacted=self._redacted,
            stopped=stopped,
            names=names,
        )

    def _chosen(self, moves: Iterable[_Count]) -> tuple[Example, ...]:
        """One of each move first, the largest moves first; then a second one of each, and so on."""
        kept = [self._examples.get((one.before.label, one.after.label, True), []) for one in moves]
        rounds = (of[at] for at in range(EXAMPLES_OF_A_MOVE) for of in kept if len(of) > at)
        return tuple(one for one, _ in zip(rounds, range(self._most_examples), strict=False))

    def _sorted_hits(self) -> tuple[Hits, ...]:
        ordered = sorted(self._hits.items(), key=lambda item: (-sum(item[1]), item[0]))
        return tuple(Hits(*by, *numbers) for by, numbers in ordered[:MOST_NAMED])


def _listed[Name: str](counts: Mapping[Name, int]) -> dict[Name, int]:
    """The most frequent first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_NAMED])


def _cost_of(counts: Iterable[_Count]) -> Pair:
    known = [one for one in counts if one.priced]
    if not known:
        return Pair(None, None)
    return Pair(
        sum(one.cost_before for one in known), sum(one.cost_after for one in known), sum(one.priced for one in known)
    )


def _took(count: _Count, side: Decided, medians: Mapping[Place, float | None]) -> float | None:
    """All its answered requests together, milliseconds; None where that is not known."""
    if side.place is None:
        return count.cache_ms
    each = medians.get(side.place)
    return None if each is None else each * count.timed


def _latency_of(counts: Iterable[_Count], medians: Mapping[Place, float | None]) -> Pair:
    """The mean over the requests whose latency is known on both sides."""
    of, before, after = 0, 0.0, 0.0
    for one in counts:
        sides = [_took(one, side, medians) for side in (one.before, one.after)]
        if one.timed and sides[0] is not None and sides[1] is not None:
            of, before, after = of + one.timed, before + sides[0], after + sides[1]
    return Pair(before / of, after / of, of) if of else Pair(None, None)


def _latency_of_move(count: _Count, medians: Mapping[Place, float | None]) -> Pair:
    """Each side by itself."""
    if not count.timed:
        return Pair(None, None)
    before, after = (_took(count, side, medians) for side in (count.before, count.after))
    means = [None if took is None else took / count.timed for took in (before, after)]
    return Pair(means[0], means[1], 0 if None in means else count.timed)


def _by(side: Decided) -> str:
    """What decides: `route code`, `default`."""
    return side.layer if side.route == side.layer else f"{side.layer} {side.route}".strip()
