"""Conditions on a report's figures, by which a back-test fails: `cost > +5%`, `elsewhere >= 100`, `latency > 2s`.

    condition   FIGURE OP VALUE
    OP          < <= > >=
    VALUE       +5%  -5%      the change of a figure that has a before, in percent of that
                +$2  -300ms   the change, as it is
                $2  800ms  12 the figure after; of one without a before, the figure
                5%            of a number of requests, its share of all; of cost and latency the same as +5%

Nothing is evaluated: what is not of this form is refused. A figure that is not known fails every condition on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from operator import ge, gt, le, lt
from typing import Final, Literal

from switchman.addons.core.decision.replaying.report import MICRO, Pair, Report

_FORM: Final = re.compile(
    r"\s*([a-z_]+)\s*(<=|>=|<|>)\s*([+-]?)\s*(\$?)\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([a-z%]*)\s*"
)
_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_UNITS: Final[Mapping[str, float]] = {"ms": 1.0, "s": 1000.0, "min": 60_000.0}

# Name -> what it is. `requests`: a number of requests.
FIGURES: Final[Mapping[str, str]] = {
    "cost": "of the requests whose cost is known on both sides",
    "latency": "the mean of the targets' median latencies",
    "elsewhere": "requests that go elsewhere",
    "refused": "requests that nothing knows the model of, or that may not use it",
    "cache_hits": "requests that a cache answers",
    "unknown": "requests whose target is not known",
    "unpriced": "answered requests whose cost is not known",
    "untimed": "answered requests whose latency is not known",
    "requests": "requests that were replayed",
}
_TIMED: Final = ("cost", "latency")
_PAIRS: Final = ("cost", "latency", "refused", "cache_hits")

Kind = Literal["change_percent", "change", "share", "value"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """`amount`: percent, or in the figure's own unit: micro-dollars, milliseconds, requests."""

    text: str
    figure: str
    operator: str
    kind: Kind
    amount: float

    def judge(self, report: Report) -> Judged:
        value = self._value(report)
        if value is None:
            return Judged(self.text, True, "not known, so it cannot be said to hold")
        met = _OPERATORS[self.operator](round(value, 9), self.amount)
        return Judged(self.text, met, self._in_words(value))

    def _value(self, report: Report) -> float | None:
        found = _figure(report, self.figure)
        pair = found if isinstance(found, Pair) else Pair(None, float(found))
        if self.kind == "change_percent":
            if pair.change is not None:
                return pair.change * 100
            return inf if pair.before == 0 and pair.after else None
        if self.kind == "change":
            return None if pair.before is None or pair.after is None else pair.after - pair.before
        if pair.after is None:
            return None
        if self.kind == "share":
            return pair.after / report.requests * 100 if report.requests else 0.0
        return pair.after

    def _in_words(self, value: float) -> str:
        sign = "+" if value >= 0 and self.kind in ("change", "change_percent") else ""
        if value == inf:
            return "from nothing to something"
        if self.kind in ("change_percent", "share"):
            return f"{sign}{value:.4g}%"
        if self.figure == "cost":
            return f"{'-' if value < 0 else sign}${abs(value) / MICRO:,.6g}"
        return f"{sign}{value:.6g}{' ms' if self.figure == 'latency' else ''}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A condition, whether it is met, and what the figure is."""

    text: str
    met: bool
    found: str


def parse(text: str) -> list[Criterion]:
    """The conditions of a text, with commas between. Raises ValueError with a sentence for a person."""
    return [_one(part) for part in text.split(",")]


def _one(text: str) -> Criterion:
    shown = text.strip()[:80]
    if (form := _FORM.fullmatch(text.lower())) is None:
        raise ValueError(
            f"{shown!r} is no condition: expected FIGURE > VALUE, such as `cost > +5%` or `elsewhere > 100`"
        )
    figure, operator, sign, dollar, digits, unit = form.groups()
    if figure not in FIGURES:
        raise ValueError(f"{shown!r}: there is no figure {figure!r}; there are {', '.join(FIGURES)}")
    amount = float(digits) * (-1 if sign == "-" else 1)
    if unit == "%" and not dollar:
        if sign or figure in _TIMED:
            _wants_pair(shown, figure)
            return Criterion(shown, figure, operator, "change_percent", amount)
        return Criterion(shown, figure, operator, "share", amount)
    if sign:
        _wants_pair(shown, figure)
    kind: Kind = "change" if sign else "value"
    return Criterion(shown, figure, operator, kind, amount * _factor(shown, figure, dollar, unit))


def _wants_pair(shown: str, figure: str) -> None:
    if figure not in _PAIRS:
        raise ValueError(
            f"{shown!r}: {figure} has no before, so it does not change: write a number, or its share as 5%"
        )


def _factor(shown: str, figure: str, dollar: str, unit: str) -> float:
    if figure == "cost" and unit in ("", "usd"):
        return MICRO
    if figure == "latency" and not dollar and unit in _UNITS:
        return _UNITS[unit]
    if figure not in _TIMED and not dollar and not unit:
        return 1.0
    wanted = {"cost": "dollars ($2) or percent (+5%)", "latency": "a duration (800ms, 1.5s) or percent (+5%)"}
    raise ValueError(f"{shown!r}: {figure} is compared with {wanted.get(figure, 'a number or its share (5%)')}")


def _figure(report: Report, name: str) -> Pair | int:
    known: dict[str, Pair | int] = {
        "cost": report.cost,
        "latency": report.latency,
        "elsewhere": report.elsewhere,
        "refused": report.refused,
        "cache_hits": report.cache_hits,
        "unknown": report.unknown_requests,
        "unpriced": report.unpriced,
        "untimed": report.untimed,
        "requests": report.requests,
    }
    return known[name]
