"""What a back-test found, as values; `as_json` is the form that programs get, which is told in rules/README.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from switchman.addons.core.decision.replaying.decided import Reason

FORM: Final = 1  # of the JSON: more when a program must read it otherwise
MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Pair:
    """A figure before and after; None where it is not known of any request. `of`: the requests that it is of."""

    before: float | None
    after: float | None
    of: int = 0

    @property
    def change(self) -> float | None:
        """As a share of what it was before: 0.05 is 5 % more. None where that is not known, or it was nothing."""
        if self.before is None or self.after is None:
            return None
        if not self.before:
            return 0.0 if not self.after else None
        return self.after / self.before - 1


@dataclass(frozen=True, slots=True)
class Move:
    """Requests that go from one place to another. `cost`: micro-dollars, of those whose cost is known on both sides."""

    before: str
    after: str
    requests: int
    cost: Pair
    latency: Pair


@dataclass(frozen=True, slots=True)
class Example:
    """One request of a move. `by_before`, `by_after`: the layer that decides, and what of it."""

    id: str
    started_at: float
    model: str
    before: str
    after: str
    by_before: str
    by_after: str


@dataclass(frozen=True, slots=True)
class Hits:
    """How often something decided: a layer, and its rule, alias or category."""

    layer: str
    route: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Report:
    """`requests`: that were replayed; `left_out`: others, by why. `unknown`: whose target is not known, by reason.

    `refused`, `cache_hits`: requests. `cost`: micro-dollars. `latency`: the mean of the targets' medians, milliseconds.
    `no_tokens`, `no_price` (by target), `no_median` (by target): answered requests of which the figure is not known.
    `fallbacks`: that go to the same place, with others after it. `first`, `last`: when they began, epoch seconds.
    `stopped`: why the log was not read to its end. `redacted`: that were decided by a body with placeholders.
    """

    requests: int
    left_out: Mapping[str, int]
    elsewhere: int
    same: int
    fallbacks: int
    unknown: Mapping[Reason, int]
    refused: Pair
    cache_hits: Pair
    cache_unknown: int
    cost: Pair
    no_tokens: int
    no_price: Mapping[str, int]
    latency: Pair
    no_median: Mapping[str, int]
    moves: tuple[Move, ...]
    examples: tuple[Example, ...]
    hits: tuple[Hits, ...]
    first: float | None
    last: float | None
    unpriced: int = 0
    untimed: int = 0
    redacted: int = 0
    stopped: str = ""
    names: tuple[str, str] = ("", "")

    @property
    def unknown_requests(self) -> int:
        return sum(self.unknown.values())

    def as_json(self) -> dict[str, Any]:
        """Money is dollars, times are epoch seconds, durations milliseconds; null is not known."""
        return {
            "form": FORM,
            "before": self.names[0],
            "after": self.names[1],
            "first": self.first,
            "last": self.last,
            "stopped": self.stopped or None,
            "requests": self.requests,
            "left_out": dict(self.left_out),
            "elsewhere": self.elsewhere,
            "same": self.same,
            "other_fallbacks": self.fallbacks,
            "unknown": {"requests": self.unknown_requests, "because": dict(self.unknown)},
            "refused": {"before": self.refused.before, "after": self.refused.after},
            "cache_hits": {
                "before": self.cache_hits.before,
                "after": self.cache_hits.after,
                "unknown": self.cache_unknown,
            },
            "cost": {
                **money(self.cost),
                "unknown": {
                    "requests": self.unpriced,
                    "no_tokens": self.no_tokens,
                    "no_price": dict(self.no_price),
                },
            },
            "latency": {
                **milliseconds(self.latency),
                "unknown": {"requests": self.untimed, "no_median": dict(self.no_median)},
            },
            "moves": [_move(one) for one in self.moves],
            "decided_by": [
                {"layer": one.layer, "route": one.route, "before": one.before, "after": one.after} for one in self.hits
            ],
            "examples": [_example(one) for one in self.examples],
            "redacted": self.redacted,
        }


def _move(one: Move) -> dict[str, Any]:
    return {
        "from": one.before,
        "to": one.after,
        "requests": one.requests,
        "cost": money(one.cost),
        "latency": milliseconds(one.latency),
    }


def _example(one: Example) -> dict[str, Any]:
    return {
        "id": one.id,
        "started_at": one.started_at,
        "model": one.model,
        "from": one.before,
        "to": one.after,
        "by": {"before": one.by_before, "after": one.by_after},
    }


def money(pair: Pair) -> dict[str, Any]:
    """In dollars."""
    before, after = (None if value is None else round(value) / MICRO for value in (pair.before, pair.after))
    return {"before": before, "after": after, "change": _rounded(pair.change), "requests": pair.of}


def milliseconds(pair: Pair) -> dict[str, Any]:
    before, after = (None if value is None else round(value, 1) for value in (pair.before, pair.after))
    return {"before_ms": before, "after_ms": after, "change": _rounded(pair.change), "requests": pair.of}


def _rounded(change: float | None) -> float | None:
    return None if change is None else round(change, 4)
