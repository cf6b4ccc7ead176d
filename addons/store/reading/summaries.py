"""Summaries: figures over many requests: counts, latency percentiles, points for a scatter plot.

Only traffic counts: what the router answered itself (model lists, health) is left out. Percentiles are by nearest rank,
over requests that got a complete answer (outcome ok or cached): a refusal in 1 ms says nothing about a model's speed.

Counts are exact over the range. Where figures/ knows what is filtered by, they come from there, and so do the
percentiles of more than MAX_SORTED requests, within `Summary.within`. Else up to MAX_COUNTED rows are counted, and
percentiles are those of the newest MAX_RANKED. Of requests that are found by words the newest MOST_FOUND are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine, Subquery, func, select

from switchman.addons.store.figures.reading import COMPLETE, MOST_FOUND, Divided, FigureReader, Figures, answers
from switchman.addons.store.figures.spreads import ERROR
from switchman.addons.store.figures.tables import DIMENSIONS
from switchman.addons.store.reading.filters import ERROR_OUTCOMES, Filters
from switchman.addons.store.reading.matching import matching
from switchman.addons.store.tables import requests

MAX_RANKED = 10_000  # the newest rows of the range that percentiles and points are taken from
MAX_SORTED = 5_000  # rows that are read for percentiles where figures could answer, too
MAX_COUNTED = 50_000  # rows that are counted one by one
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
    """`models`: the MAX_MODELS with most requests, most first. `sampled`: the percentiles are those of the newest
    MAX_RANKED requests. `within`: how far they may be beside the true ones, as a share; 0: not at all. `more`: there
    are more requests than were counted, which are the newest MAX_COUNTED. `newest`: of how many the percentiles are,
    where they are `sampled`."""

    overall: Latency
    models: tuple[ModelLatency, ...]
    sampled: bool
    within: float = 0.0
    more: bool = False
    newest: int = MAX_RANKED


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
    """Oldest first. `total`: how many requests there were, `more`: at least; `sampled`: the points are not all of
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
    layer: str | None = None
    saved_ms: float | None = None


class Summaries:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._figures = FigureReader(engine)

    def latency_summary(self, filters: Filters) -> Summary:
        """Raises ValueError for a bad status filter."""
        return self._summary(filters, self._figures.divided(filters) if answers(filters) else None)

    def layer_counts(self, filters: Filters) -> tuple[LayerCount, ...]:
        """Which layer decided how many requests; most first. ValueError for a bad status."""
        return (
            _layers(self._figures.divided(filters, spreads=())) if answers(filters) else self._layers_of_rows(filters)
        )

    def with_layers(self, filters: Filters) -> tuple[Summary, tuple[LayerCount, ...]]:
        """The summary, and the layers whatever layer is filtered by: of one look at the figures."""
        whole = replace(filters, layer=None)
        if not answers(filters):
            if filters.layer is not None:
                return self._of_rows(filters), self._layers_of_rows(whole)
            lines, counts = self._looked_at(filters)
            return self._of_lines(filters, lines, counts), _layers_of(lines, counts)
        divided = self._figures.divided(whole)
        return self._summary(filters, divided.of_layer(filters.layer)), _layers(divided)

    def exact_times(self, filters: Filters, count: int) -> tuple[Percentiles, Percentiles] | None:
        """Of durations and of times to first token, where `count`, the requests that there are, are few; else None."""
        if count > MAX_SORTED:
            return None
        if not count:
            return Percentiles(), Percentiles()
        overall = self._of_rows(filters).overall
        return overall.duration, overall.ttft

    def _summary(self, filters: Filters, divided: Divided | None) -> Summary:
        if divided is not None and not divided.total.requests:  # no row has to be looked at to know that
            return self._of_lines(filters, [], _Counts())
        if divided is None or divided.total.requests <= MAX_SORTED:
            return self._of_rows(filters)
        models = list(divided.group(DIMENSIONS.index("model")).items())[:MAX_MODELS]
        by_model = tuple(ModelLatency(name or None, _of_figures(one)) for name, one in models)
        return Summary(_of_figures(divided.total), by_model, sampled=False, within=ERROR)

    def _layers_of_rows(self, filters: Filters) -> tuple[LayerCount, ...]:
        counted = _counted(filters)
        count = func.count().label("count")
        query = select(counted.c.layer, count, func.sum(counted.c.saved_ms)).group_by(counted.c.layer)
        with self._engine.connect() as conn:
            return tuple(LayerCount(*row) for row in conn.execute(query.order_by(count.desc(), counted.c.layer)))

    def _of_rows(self, filters: Filters) -> Summary:
        return self._of_lines(filters, *self._looked_at(filters))

    def _looked_at(self, filters: Filters) -> tuple[list[_Line], _Counts]:
        """The newest MAX_RANKED, and where there are more, what MAX_COUNTED come to."""
        newest = _newest(filters, MAX_RANKED + 1)
        with self._engine.connect() as conn:
            found = conn.execute(select(*(newest.c[name] for name in _Line._fields))).all()
        lines = [_Line(*row) for row in found[:MAX_RANKED]]
        return lines, self._counts(filters) if len(found) > MAX_RANKED else _Counts()

    def _of_lines(self, filters: Filters, overall: Sequence[_Line], counts: _Counts) -> Summary:
        models: dict[str | None, list[_Line]] = {}
        for line in overall:
            models.setdefault(line.model, []).append(line)
        if self._are_many(filters):
            found_all = [ModelLatency(model, _latency(lines)) for model, lines in models.items()]
            busiest = sorted(found_all, key=lambda one: -one.latency.count)[:MAX_MODELS]
            return Summary(_latency(overall), tuple(busiest), sampled=True, more=True, newest=MOST_FOUND)
        for model in counts.models:
            models.setdefault(model, [])
        latencies = [ModelLatency(model, counts.in_all(model, _latency(lines))) for model, lines in models.items()]
        busiest = sorted(latencies, key=lambda one: -one.latency.count)[:MAX_MODELS]
        return Summary(
            counts.over(_latency(overall)), tuple(busiest), bool(counts.models), more=counts.total > MAX_COUNTED
        )

    def _are_many(self, filters: Filters) -> bool:
        """Whether more requests have the words that are looked for than are looked at."""
        if filters.words is None:
            return False
        some = select(requests.c.seq).where(matching(filters.words, newest=MOST_FOUND + 1)).subquery()
        with self._engine.connect() as conn:
            return (conn.scalar(select(func.count()).select_from(some)) or 0) > MOST_FOUND

    def _counts(self, filters: Filters) -> _Counts:
        """By model and outcome, and by layer, of more requests than are looked at for percentiles."""
        counted = _counted(filters)
        groups = (counted.c.model, counted.c.outcome, counted.c.layer)
        query = select(*groups, func.count(), func.sum(counted.c.saved_ms)).group_by(*groups)
        found = _Counts()
        with self._engine.connect() as conn:
            for model, outcome, layer, count, saved_ms in conn.execute(query):
                outcomes = found.models.setdefault(model, {})
                outcomes[outcome] = outcomes.get(outcome, 0) + count
                found.add_layer(layer, count, saved_ms)
        return found

    def scatter(self, filters: Filters, limit: int) -> Scatter:
        """Raises ValueError for a bad status filter."""
        limit = max(1, min(limit, MAX_POINTS))
        known = self._figures.divided(filters, ()).total.requests if answers(filters) else None
        newest = _newest(filters, MAX_RANKED)
        numbered = select(
            newest, func.row_number().over(order_by=(newest.c.started_at, newest.c.id)).label("n")
        ).subquery()
        points = select(*(numbered.c[name] for name in _POINT)).order_by(numbered.c.n)
        with self._engine.connect() as conn:
            some = select(requests.c.seq).where(*_traffic(filters)).limit(MAX_COUNTED + 1).subquery()
            total = known if known is not None else conn.scalar(select(func.count()).select_from(some)) or 0
            step = -(-min(total, MAX_RANKED) // limit) or 1
            rows = conn.execute(points.where(numbered.c.n % step == 0).limit(limit))
            found = tuple(Point(*row) for row in rows)
        return Scatter(found, total, len(found) < total, more=known is None and total > MAX_COUNTED)


@dataclass(slots=True)
class _Counts:
    """Requests by model and outcome; empty: nothing was counted beside what is there already."""

    models: dict[str | None, dict[str, int]] = field(default_factory=dict)
    layers: dict[str | None, LayerCount] = field(default_factory=dict)

    def add_layer(self, layer: str | None, count: int, saved_ms: float | None) -> None:
        known = self.layers.get(layer) or LayerCount(layer, 0, None)
        saved = known.saved_ms if saved_ms is None else (known.saved_ms or 0.0) + saved_ms
        self.layers[layer] = LayerCount(layer, known.count + count, saved)

    @property
    def total(self) -> int:
        return sum(sum(outcomes.values()) for outcomes in self.models.values())

    def in_all(self, model: str | None, latency: Latency) -> Latency:
        return _counting(latency, self.models[model]) if model in self.models else latency

    def over(self, latency: Latency) -> Latency:
        outcomes: dict[str, int] = {}
        for each in self.models.values():
            for outcome, count in each.items():
                outcomes[outcome] = outcomes.get(outcome, 0) + count
        return _counting(latency, outcomes) if outcomes else latency


def _counting(latency: Latency, outcomes: Mapping[str, int]) -> Latency:
    return replace(
        latency,
        count=sum(outcomes.values()),
        errors=sum(outcomes.get(outcome, 0) for outcome in ERROR_OUTCOMES),
        cancelled=outcomes.get("cancelled", 0),
    )


def _of_figures(figures: Figures) -> Latency:
    return Latency(
        count=figures.requests,
        errors=figures.errors,
        cancelled=figures.cancelled,
        duration=Percentiles(*figures.percentiles("durations")),
        ttft=Percentiles(*figures.percentiles("ttfts")),
    )


def _layers_of(lines: Sequence[_Line], counts: _Counts) -> tuple[LayerCount, ...]:
    if not counts.layers:
        counts = _Counts()
        for line in lines:
            counts.add_layer(line.layer, 1, line.saved_ms)
    return tuple(sorted(counts.layers.values(), key=lambda one: (-one.count, one.layer or "")))


def _layers(divided: Divided) -> tuple[LayerCount, ...]:
    layers = divided.group(DIMENSIONS.index("layer"))
    return tuple(
        LayerCount(name or None, one.requests, one.saved_ms if one.saved else None) for name, one in layers.items()
    )


def _traffic(filters: Filters) -> list[ColumnElement[bool]]:
    return [*filters.of_sample(MOST_FOUND), requests.c.outcome != "answered"]


def _newest(filters: Filters, limit: int) -> Subquery:
    columns = [requests.c[name] for name in (*_POINT, "ttft_ms", "layer", "saved_ms")]
    query = select(*columns).where(*_traffic(filters))
    return query.order_by(requests.c.started_at.desc(), requests.c.id.desc()).limit(limit).subquery("newest")


def _counted(filters: Filters) -> Subquery:
    """The newest MAX_COUNTED, with what they are counted by."""
    columns = [requests.c[name] for name in ("model", "outcome", "layer", "saved_ms")]
    query = select(*columns).where(*_traffic(filters))
    return query.order_by(requests.c.started_at.desc(), requests.c.id.desc()).limit(MAX_COUNTED + 1).subquery("counted")


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
