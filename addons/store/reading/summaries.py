"""Summaries: figures over many requests: counts, latency percentiles, points for a scatter plot.

Only traffic counts: what the router answered itself (model lists, health) is left out. Percentiles are by nearest rank,
over requests that got a complete answer (outcome ok or cached): a refusal in 1 ms says nothing about a model's speed.

Counts are exact over the range: of the figures where they know what is filtered by (figures/), else of the columns
(figures/columns/). So are the percentiles of up to MAX_SORTED requests; of more they are within `Summary.within`. Where
not all could be counted (very many requests have a word; columns are not made yet), `more` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import Engine, select

from switchman.addons.store.figures.columns.looks import Look
from switchman.addons.store.figures.columns.reading import ColumnReader, rows_of
from switchman.addons.store.figures.reading import COMPLETE, OWN, Divided, FigureReader, Figures, answers
from switchman.addons.store.figures.spreads import ERROR
from switchman.addons.store.figures.tables import DIMENSIONS, SPREADS
from switchman.addons.store.reading.filters import ERROR_OUTCOMES, Filters
from switchman.addons.store.tables import requests

MAX_RANKED = 10_000  # the newest requests that points are taken from
MAX_SORTED = 5_000  # requests that percentiles are exact of
MAX_MODELS = 100
MAX_POINTS = 20_000


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
    """`models`: the MAX_MODELS with most requests, most first. `within`: how far percentiles may be beside the
    true ones, as a share; 0: not at all. `more`: there may be more requests than these, older ones: all figures are of
    those that were counted."""

    overall: Latency
    models: tuple[ModelLatency, ...]
    within: float = 0.0
    more: bool = False


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
    server: str | None = None


@dataclass(frozen=True, slots=True)
class Scatter:
    """Oldest first. `total`: how many requests there are, `more`: at least; `sampled`: the points are not all of
    those, but evenly spread ones among the newest MAX_RANKED."""

    points: tuple[Point, ...]
    total: int
    sampled: bool
    more: bool = False


class _Line(NamedTuple):
    """What the figures are made from. (Windows over groups cost the database much more than sorting here.)"""

    outcome: str
    duration_ms: float
    ttft_ms: float | None
    model: str | None = None


class Summaries:
    def __init__(self, engine: Engine, columns: ColumnReader) -> None:
        self._engine = engine
        self._figures = FigureReader(engine)
        self._columns = columns

    def latency_summary(self, filters: Filters) -> Summary:
        """Raises ValueError for a bad status filter."""
        if answers(filters):
            return self._known(filters, self._figures.divided(filters))
        return self._looked(self._columns.look(filters))

    def layer_counts(self, filters: Filters) -> tuple[LayerCount, ...]:
        """Which layer decided how many requests; most first. ValueError for a bad status."""
        if answers(filters):
            return _layers(self._figures.divided(filters, spreads=()))
        return _layers(self._columns.look(filters).by_layer())

    def with_layers(self, filters: Filters, models: bool = True) -> tuple[Summary, tuple[LayerCount, ...]]:
        """The summary, and the layers whatever layer is filtered by: of one look at the figures. `models`: also by
        model."""
        whole = replace(filters, layer=None)
        if not answers(filters):
            look = self._columns.look(whole)
            mine = look if filters.layer is None else self._columns.look(filters)
            return self._looked(mine, models), _layers(look.by_layer())
        divided = self._figures.divided(whole)
        return self._known(filters, divided.of_layer(filters.layer), models), _layers(divided)

    def with_figures(self, filters: Filters) -> tuple[Summary, Divided]:
        """The summary, and what it is of with all spreads, by model at least. Raises ValueError for a bad status."""
        if answers(filters):
            divided = self._figures.divided(filters, SPREADS)
            return self._known(filters, divided), divided
        look = self._columns.look(filters)
        divided = look.by_class(SPREADS)
        return self._looked(look, divided=divided), divided

    def divided(self, filters: Filters, spreads: Sequence[str]) -> tuple[Divided, bool]:
        """By model and by how requests ended at least, and whether there may be more. ValueError for a bad status."""
        if answers(filters):
            return self._figures.divided(filters, spreads), False
        look = self._columns.look(filters)
        return look.by_class(spreads), look.more

    def exact_times(self, filters: Filters, count: int) -> tuple[Percentiles, Percentiles] | None:
        """Of durations and of times to first token, where `count`, the requests that there are, are few; else None."""
        if count > MAX_SORTED:
            return None
        overall = self._exact(filters).overall if count else Latency(0, 0, 0, Percentiles(), Percentiles())
        return overall.duration, overall.ttft

    def _known(self, filters: Filters, divided: Divided, models: bool = True) -> Summary:
        """`divided`: what the figures know of these."""
        if divided.total.requests > MAX_SORTED:
            return _near(divided, models)
        return self._exact(filters) if divided.total.requests else _summed([])

    def _looked(self, look: Look, models: bool = True, divided: Divided | None = None) -> Summary:
        if look.count <= MAX_SORTED:
            return replace(_summed(self._lines(look.newest(MAX_SORTED))), more=look.more)
        return replace(_near(divided or look.by_class(("durations", "ttfts"), models), models), more=look.more)

    def _exact(self, filters: Filters) -> Summary:
        """Of few requests, that figures know of."""
        look = self._columns.look(filters)
        if not look.more:
            return _summed(self._lines(look.newest(MAX_SORTED)))
        query = select(*(requests.c[name] for name in _Line._fields)).where(*filters.conditions(), _TRAFFIC)
        with self._engine.connect() as conn:
            return _summed([_Line(*row) for row in conn.execute(query)])

    def _lines(self, seqs: Sequence[int]) -> list[_Line]:
        with self._engine.connect() as conn:
            return [_Line(*row) for row in rows_of(conn, [requests.c[name] for name in _Line._fields], seqs)]

    def scatter(self, filters: Filters, limit: int) -> Scatter:
        """Raises ValueError for a bad status filter."""
        limit = max(1, min(limit, MAX_POINTS))
        look = self._columns.look(filters)
        total, more = look.count, look.more
        if more and answers(filters):
            total, more = self._figures.divided(filters, ()).total.requests, False
        newest = look.newest(MAX_RANKED)[:MAX_RANKED]
        step = -(-len(newest) // limit) or 1
        chosen = newest[::-1][step - 1 :: step]
        with self._engine.connect() as conn:
            points = [Point(*row) for row in rows_of(conn, [requests.c[name] for name in _POINT], chosen)]
        found = tuple(sorted(points, key=lambda point: (point.started_at, point.id)))
        return Scatter(found, total, len(found) < total, more)


def _near(divided: Divided, models: bool) -> Summary:
    """Percentiles as figures know them."""
    busiest = list(divided.group(DIMENSIONS.index("model")).items())[:MAX_MODELS] if models else []
    by_model = tuple(ModelLatency(name or None, _of_figures(one)) for name, one in busiest)
    return Summary(_of_figures(divided.total), by_model, within=ERROR)


def _summed(lines: Sequence[_Line]) -> Summary:
    """Exact percentiles."""
    models: dict[str | None, list[_Line]] = {}
    for line in lines:
        models.setdefault(line.model, []).append(line)
    latencies = [ModelLatency(model, _latency(some)) for model, some in models.items()]
    return Summary(_latency(lines), tuple(sorted(latencies, key=lambda one: -one.latency.count)[:MAX_MODELS]))


def _of_figures(figures: Figures) -> Latency:
    return Latency(
        count=figures.requests,
        errors=figures.errors,
        cancelled=figures.cancelled,
        duration=Percentiles(*figures.percentiles("durations")),
        ttft=Percentiles(*figures.percentiles("ttfts")),
    )


def _layers(divided: Divided) -> tuple[LayerCount, ...]:
    layers = divided.group(DIMENSIONS.index("layer"))
    return tuple(
        LayerCount(name or None, one.requests, one.saved_ms if one.saved else None) for name, one in layers.items()
    )


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


_POINT = ("id", "started_at", "duration_ms", "input_tokens", "output_tokens", "model", "outcome", "server")
_TRAFFIC = requests.c.outcome != OWN
