"""Summaries: figures over many requests: counts, latency percentiles, points for a scatter plot.

Only traffic counts: what the router answered itself (model lists, health) is left out. Percentiles are by nearest rank,
over requests that got a complete answer (outcome ok or cached): a refusal in 1 ms says nothing about a model's speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine, Subquery, func, select

from switchman.addons.store.reading.filters import ERROR_OUTCOMES, Filters
from switchman.addons.store.tables import requests

MAX_RANKED = 50_000  # the newest rows of the range that percentiles and points are taken from
MAX_MODELS = 100
MAX_POINTS = 20_000
COMPLETE = ("ok", "cached")


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds; None where `count`, the number of values they are taken from, is 0."""

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Latency:
    """`errors` counts ERROR_OUTCOMES; `cancelled` (the client left) is neither a success nor an error."""

    count: int
    errors: int
    cancelled: int
    duration: Percentiles
    ttft: Percentiles


@dataclass(frozen=True, slots=True)
class ModelLatency:
    """`model` None: requests that no model answered."""

    model: str | None
    latency: Latency


@dataclass(frozen=True, slots=True)
class Summary:
    """`models`: the MAX_MODELS with most requests, most first. `sampled`: there were more than MAX_RANKED requests, and
    the figures are those of the newest MAX_RANKED."""

    overall: Latency
    models: tuple[ModelLatency, ...]
    sampled: bool


@dataclass(frozen=True, slots=True)
class LayerCount:
    """`layer` None: nothing was decided. `saved_ms`: what its kept answers saved, None where that is not known."""

    layer: str | None
    count: int
    saved_ms: float | None


@dataclass(frozen=True, slots=True)
class Point:
    id: str
    started_at: float
    duration_ms: float
    input_tokens: int | None
    output_tokens: int | None
    model: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Scatter:
    """Oldest first. `total`: how many requests there were; `sampled`: the points are not all of those, but evenly
    spread ones among the newest MAX_RANKED."""

    points: tuple[Point, ...]
    total: int
    sampled: bool


class _Line(NamedTuple):
    """What the figures are made from. (Windows over groups cost the database much more than sorting here.)"""

    outcome: str
    duration_ms: float
    ttft_ms: float | None


class Summaries:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def latency_summary(self, filters: Filters) -> Summary:
        """Raises ValueError for a bad status filter."""
        newest = _newest(filters, MAX_RANKED + 1)
        with self._engine.connect() as conn:
            found = conn.execute(select(*(newest.c[name] for name in ("model", *_Line._fields)))).all()
        overall: list[_Line] = []
        models: dict[str | None, list[_Line]] = {}
        for model, *values in found:
            line = _Line(*values)
            overall.append(line)
            models.setdefault(model, []).append(line)
        busiest = sorted(models.items(), key=lambda item: -len(item[1]))[:MAX_MODELS]
        by_model = tuple(ModelLatency(model, _latency(lines)) for model, lines in busiest)
        return Summary(_latency(overall), by_model, len(overall) > MAX_RANKED)

    def layer_counts(self, filters: Filters) -> tuple[LayerCount, ...]:
        """Which layer decided how many of the newest MAX_RANKED requests; most first. ValueError for a bad status."""
        newest = _newest(filters, MAX_RANKED)
        count = func.count().label("count")
        query = select(newest.c.layer, count, func.sum(newest.c.saved_ms)).group_by(newest.c.layer)
        with self._engine.connect() as conn:
            return tuple(LayerCount(*row) for row in conn.execute(query.order_by(count.desc(), newest.c.layer)))

    def scatter(self, filters: Filters, limit: int) -> Scatter:
        """Raises ValueError for a bad status filter."""
        limit = max(1, min(limit, MAX_POINTS))
        newest = _newest(filters, MAX_RANKED)
        numbered = select(
            newest, func.row_number().over(order_by=(newest.c.started_at, newest.c.id)).label("n")
        ).subquery()
        points = select(*(numbered.c[name] for name in _POINT)).order_by(numbered.c.n)
        with self._engine.connect() as conn:
            total = conn.scalar(select(func.count()).select_from(requests).where(*_traffic(filters))) or 0
            step = -(-min(total, MAX_RANKED) // limit) or 1
            rows = conn.execute(points.where(numbered.c.n % step == 0).limit(limit))
            found = tuple(Point(*row) for row in rows)
        return Scatter(found, total, len(found) < total)


def _traffic(filters: Filters) -> list[ColumnElement[bool]]:
    return [*filters.conditions(), requests.c.outcome != "answered"]


def _newest(filters: Filters, limit: int) -> Subquery:
    columns = [requests.c[name] for name in (*_POINT, "ttft_ms", "layer", "saved_ms")]
    query = select(*columns).where(*_traffic(filters))
    return query.order_by(requests.c.started_at.desc(), requests.c.id.desc()).limit(limit).subquery("newest")


def _latency(lines: Sequence[_Line]) -> Latency:
    return Latency(
        count=len(lines),
        errors=sum(line.outcome in ERROR_OUTCOMES for line in lines),
        cancelled=sum(line.outcome == "cancelled" for line in lines),
        duration=_percentiles(line.duration_ms for line in lines if line.outcome in COMPLETE),
        ttft=_percentiles(line.ttft_ms for line in lines if line.outcome in COMPLETE and line.ttft_ms is not None),
    )


def _percentiles(values: Iterable[float]) -> Percentiles:
    """By nearest rank: the value at ceil(n * p / 100)."""
    ranked = sorted(values)
    if not ranked:
        return Percentiles()
    return Percentiles(len(ranked), *(ranked[(len(ranked) * p + 99) // 100 - 1] for p in (50, 95, 99)))


_POINT = ("id", "started_at", "duration_ms", "input_tokens", "output_tokens", "model", "outcome")
