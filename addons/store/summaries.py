"""Figures over many requests, computed in the database: counts, latency percentiles, points for a scatter plot.

Only traffic counts: what the router answered itself (model lists, health) is left out. Percentiles are by nearest rank,
over requests that got a complete answer (outcome ok or cached): a refusal in 1 ms says nothing about a model's speed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Engine, Select, Subquery, case, func, select

from switchman.addons.store.filters import ERROR_OUTCOMES, Filters
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


class Counts(NamedTuple):
    requests: int
    errors: int
    cancelled: int


class Summaries:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def latency_summary(self, filters: Filters) -> Summary:
        """Raises ValueError for a bad status filter."""
        newest = _newest(filters, MAX_RANKED + 1)
        complete = newest.c.outcome.in_(COMPLETE)
        with self._engine.connect() as conn:
            counts = _counts(conn, newest)
            figures = {
                name: _percentiles(conn, newest, newest.c[name], complete) for name in ("duration_ms", "ttft_ms")
            }
        overall = Counts(*map(sum, zip(*counts.values(), strict=True))) if counts else Counts(0, 0, 0)

        def latency(key: tuple[str | None] | None, counted: Counts) -> Latency:
            duration, ttft = (figures[name].get(key, Percentiles()) for name in ("duration_ms", "ttft_ms"))
            return Latency(counted.requests, counted.errors, counted.cancelled, duration, ttft)

        busiest = sorted(counts.items(), key=lambda item: -item[1].requests)[:MAX_MODELS]
        models = tuple(ModelLatency(model, latency((model,), counted)) for model, counted in busiest)
        return Summary(latency(None, overall), models, overall.requests > MAX_RANKED)

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


def _counts(conn: Connection, newest: Subquery) -> dict[str | None, Counts]:
    """Per model."""
    errors = func.sum(case((newest.c.outcome.in_(ERROR_OUTCOMES), 1), else_=0))
    cancelled = func.sum(case((newest.c.outcome == "cancelled", 1), else_=0))
    query = select(newest.c.model, func.count(), errors, cancelled).group_by(newest.c.model)
    return {model: Counts(count, failed, left) for model, count, failed, left in conn.execute(query)}


def _percentiles(
    conn: Connection, newest: Subquery, value: Column[float] | ColumnElement[float], wanted: ColumnElement[bool]
) -> dict[tuple[str | None] | None, Percentiles]:
    """Nearest-rank percentiles of a column: under None of all rows, under (model,) of that model's."""
    wanted = wanted & value.is_not(None)
    found: dict[tuple[str | None] | None, Percentiles] = {}
    for partition in (None, newest.c.model):
        ranked = select(
            newest.c.model,
            value.label("value"),
            func.row_number().over(partition_by=partition, order_by=value).label("rank"),
            func.count().over(partition_by=partition).label("n"),
        ).where(wanted)
        for row in conn.execute(_pick(ranked.subquery("ranked"), grouped=partition is not None)):
            if row.n:
                found[(row.model,) if partition is not None else None] = Percentiles(row.n, row.p50, row.p95, row.p99)
    return found


def _pick(ranked: Subquery, grouped: bool) -> Select[Any]:
    """The values at the ranks ceil(n * p / 100)."""
    at = [
        func.max(case((ranked.c.rank == (ranked.c.n * p + 99) // 100, ranked.c.value))).label(f"p{p}")
        for p in (50, 95, 99)
    ]
    figures = [func.max(ranked.c.n).label("n"), *at]
    return select(ranked.c.model, *figures).group_by(ranked.c.model) if grouped else select(*figures)


_POINT = ("id", "started_at", "duration_ms", "input_tokens", "output_tokens", "model", "outcome")
