"""A range of time as whole days, hours and minutes of figures, and as rows where no whole one fits. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, floor, inf, isinf

from switchman.addons.store.figures.cells import DAY, HOUR, MINUTE


@dataclass(frozen=True, slots=True)
class Marks:
    """How far the figures go, epoch seconds. Rows from before `floor` are in no cell. Minutes are whole from `minutes`
    on, hours and days up to `hours` and `days`."""

    floor: int = 0
    minutes: int = 0
    hours: int = 0
    days: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """Cells of `width` with first <= bucket < last; with a width of 0, rows that began then."""

    width: int
    first: float
    last: float


@dataclass(slots=True)
class Cover:
    cells: list[Span] = field(default_factory=list)
    rows: list[Span] = field(default_factory=list)


def cover(start: float | None, end: float | None, marks: Marks, step: int = DAY) -> Cover:
    """What start <= t < end is made of; None: without that end. Spans do not overlap, and leave nothing out.

    `step`: no cell is wider, and none reaches over a multiple of it.
    """
    levels = [
        (width, max(first, _up(marks.floor, width)), last)
        for width, first, last in ((DAY, 0, marks.days), (HOUR, 0, marks.hours), (MINUTE, marks.minutes, inf))
        if width <= step and step % width == 0
    ]
    found = Cover()
    _fill(-inf if start is None else start, inf if end is None else end, levels, found)
    return found


def _fill(start: float, end: float, levels: list[tuple[int, float, float]], found: Cover) -> None:
    if start >= end:
        return
    if not levels:
        found.rows.append(Span(0, start, end))
        return
    width, whole_from, whole_to = levels[0]
    first = max(_up(start, width), whole_from)
    last = min(_down(end, width), whole_to)
    if first < last:
        found.cells.append(Span(width, first, last))
        _fill(start, first, levels[1:], found)
        _fill(last, end, levels[1:], found)
    else:
        _fill(start, end, levels[1:], found)


def _up(moment: float, width: int) -> float:
    return moment if isinf(moment) else ceil(moment / width) * width


def _down(moment: float, width: int) -> float:
    return moment if isinf(moment) else floor(moment / width) * width
