"""Figures over many requests, the same on both databases."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.store import Filters, Store
from switchman.addons.store.figures.columns import reading
from switchman.addons.store.reading import summaries
from switchman.addons.store.reading.summaries import LayerCount
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]


def records(count: int, **changes: Any) -> list[Record]:
    return [make_record(id=f"r{n:04}", started_at=1000.0 + n, **changes) for n in range(count)]


TRIED = tuple(AttemptRecord(n, "s", "m", "http://s", 1.0, 1.0, 200, "ok") for n in (1, 2))

STORIES: dict[str, dict[str, Any]] = {
    "a": {"started_at": 100.0, "attempts": TRIED[:1], "cache": "miss", "layer": "route"},
    "b": {"started_at": 200.0, "attempts": TRIED, "cache": "shadow", "layer": "route"},
    "c": {"started_at": 300.0, "attempts": (), "cache": "hit", "layer": "exact_cache", "saved_ms": 900.0},
    "d": {"started_at": 400.0, "attempts": (), "layer": None, "outcome": "refused"},
    "e": {"started_at": 500.0, "attempts": (), "layer": None, "outcome": "answered"},
}


def test_layers_are_counted_once_per_request(store: Store, write: Write) -> None:
    """Most first, with what kept answers saved; refused requests have none; the router's own answers count nowhere."""
    write(store, *(make_record(id=name, **changes) for name, changes in STORIES.items()))
    counted = store.queries.layer_counts()
    assert counted[0] == LayerCount("route", 2, None)
    assert set(counted[1:]) == {LayerCount("exact_cache", 1, 900.0), LayerCount(None, 1, None)}
    assert sum(layer.count for layer in counted) == store.queries.latency_summary().overall.count
    assert store.queries.layer_counts(Filters(start=250.0, end=350.0)) == (LayerCount("exact_cache", 1, 900.0),)


def nearest_rank(values: list[float], percent: int) -> float:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 100, 137])
def test_percentiles(store: Store, write: Write, count: int) -> None:
    """p50, p95 and p99 by nearest rank are those of the plain definition, over all and per model."""
    numbers = random.Random(count)
    made = [
        make_record(
            id=f"r{n}", model=numbers.choice("ab"), duration_ms=numbers.uniform(1, 900),
            ttft_ms=numbers.choice([None, 5.0, 7.5]),
        )
        for n in range(count)
    ]  # fmt: skip
    write(store, *made)
    summary = store.queries.latency_summary()
    groups = [(summary.overall, made)]
    groups += [(m.latency, [r for r in made if r.model == m.model]) for m in summary.models]
    for latency, group in groups:
        assert latency.count == len(group)
        for figures, values in (
            (latency.duration, [r.duration_ms for r in group]),
            (latency.ttft, [r.ttft_ms for r in group if r.ttft_ms is not None]),
        ):
            expected = [nearest_rank(values, p) if values else None for p in (50, 95, 99)]
            assert (figures.count, figures.p50, figures.p95, figures.p99) == (len(values), *expected)


def test_what_counts_in_a_summary(store: Store, write: Write) -> None:
    """Errors and cancelled requests are counted but are not in the percentiles; the router's own answers are in
    nothing."""
    outcomes = ["ok", "ok", "cached", "failed", "refused", "upstream_error", "stream_error", "cancelled", "answered"]
    write(
        store,
        *(make_record(id=f"r{n}", outcome=outcome, duration_ms=float(n)) for n, outcome in enumerate(outcomes)),
    )
    overall = store.queries.latency_summary().overall
    assert (overall.count, overall.errors, overall.cancelled) == (8, 4, 1)
    assert (overall.duration.count, overall.duration.p99) == (3, 2.0)
    assert store.queries.scatter().total == 8


def test_models_by_traffic(store: Store, write: Write) -> None:
    """The busiest model first; requests no model answered are a group of their own."""
    write(store, *(make_record(id=f"r{n}", model=model) for n, model in enumerate(["b", "a", "a", None])))
    models = store.queries.latency_summary().models
    assert models[0].model == "a"
    assert {m.model: m.latency.count for m in models} == {"a": 2, "b": 1, None: 1}


def test_scatter_shows_all_or_says_so(store: Store, write: Write) -> None:
    """Up to the limit every request is a point; beyond it, points are evenly spread, oldest first, and it says so."""
    write(store, *records(50))
    every = store.queries.scatter(limit=50)
    assert ([p.id for p in every.points], every.total, every.sampled) == ([f"r{n:04}" for n in range(50)], 50, False)
    some = store.queries.scatter(limit=10)
    assert ([p.id for p in some.points], some.sampled) == ([f"r{n:04}" for n in range(4, 50, 5)], True)
    assert store.queries.scatter(Filters(start=1040.0)).total == 10
    point = every.points[0]
    assert (point.model, point.duration_ms, point.input_tokens, point.outcome) == ("llama3", 824.5, 11, "ok")


def test_summary_of_a_range(store: Store, write: Write) -> None:
    """Filters narrow the figures too."""
    write(store, *records(10), make_record(id="slow", model="slow", duration_ms=9e6, started_at=1.0))
    assert store.queries.latency_summary(Filters(start=1000.0)).overall.count == 10
    assert store.queries.latency_summary(Filters(model="slow")).overall.duration.p50 == 9e6


def test_many_requests_are_counted_exactly_whatever_is_filtered(
    store: Store, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the figures do not know the filter; the points of a scatter are of the newest, its total is not."""
    monkeypatch.setattr(summaries, "MAX_RANKED", 4)
    monkeypatch.setattr(summaries, "MAX_MODELS", 1)
    monkeypatch.setattr(summaries, "MAX_SORTED", 5)
    posted = Filters(status="2xx")  # figures know no status
    write(store, *records(4, duration_ms=10.0))
    assert store.queries.latency_summary(posted).within == 0
    write(store, *(make_record(id=f"new{n}", started_at=2000.0 + n, model="b", duration_ms=90.0) for n in range(4)))
    write(store, make_record(id="bad", started_at=1.0, model="b", outcome="failed"))
    summary = store.queries.latency_summary(posted)
    assert not summary.more
    assert (summary.overall.count, summary.overall.errors, summary.overall.duration.count) == (9, 1, 8)
    assert summary.overall.duration.p95 == pytest.approx(90.0, rel=summary.within)
    assert summary.overall.duration.p50 == pytest.approx(10.0, rel=summary.within)
    assert [(entry.model, entry.latency.count, entry.latency.errors) for entry in summary.models] == [("b", 5, 1)]
    scatter = store.queries.scatter(posted, limit=100)
    assert ([point.id for point in scatter.points], scatter.total) == ([f"new{n}" for n in range(4)], 9)
    assert scatter.sampled and not scatter.more
    assert store.queries.summary_with_layers(posted, models=False)[0] == dataclasses.replace(summary, models=())


def test_what_could_not_all_be_counted_says_so(store: Store, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are of the newest then, in all that is shown; where figures know the filters they stay exact."""
    monkeypatch.setattr(reading, "MOST_READ", 0)
    write(store, *records(3))
    summary, layers = store.queries.summary_with_layers(Filters(status="2xx"))
    assert (summary.overall.count, summary.more, layers) == (0, True, ())
    assert store.queries.scatter(Filters(status="2xx")).more
    assert store.queries.divided(Filters(status="2xx"), ())[1]
    assert store.queries.latency_summary(Filters()).overall.count == 3
    assert not store.queries.latency_summary(Filters()).more
    assert (store.queries.scatter().total, store.queries.scatter().more) == (3, False)
    assert len(store.queries.list_requests(Filters(status="2xx", stream="no")).rows) == 3
    assert store.queries.count_requests(Filters(status="2xx")) == 3


def test_many_requests_are_counted_exactly_and_their_percentiles_are_near(
    store: Store, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the figures know the filters: no sample is taken, and the summary says how near it is."""
    monkeypatch.setattr(summaries, "MAX_SORTED", 10)
    numbers = random.Random(7)
    made = [
        make_record(
            id=f"r{n}", started_at=1000.0 + 37 * n, model=numbers.choice("ab"),
            duration_ms=numbers.lognormvariate(6, 1.5), outcome=numbers.choice(["ok", "ok", "cached", "failed"]),
        )
        for n in range(200)
    ]  # fmt: skip
    write(store, *made)
    summary = store.queries.latency_summary(Filters(start=1500.0))
    wanted = [record for record in made if record.started_at >= 1500.0]
    assert not summary.more
    assert 0 < summary.within < 0.04
    for latency, group in [
        (summary.overall, wanted),
        *((one.latency, [r for r in wanted if r.model == one.model]) for one in summary.models),
    ]:
        assert (latency.count, latency.errors) == (len(group), sum(r.outcome == "failed" for r in group))
        times = [r.duration_ms for r in group if r.outcome != "failed"]
        assert latency.duration.count == len(times)
        for percent, found in ((50, latency.duration.p50), (95, latency.duration.p95), (99, latency.duration.p99)):
            assert found == pytest.approx(nearest_rank(times, percent), rel=summary.within + 1e-9)


def test_a_bad_filter_is_an_error_of_all_three(store: Store) -> None:
    """ValueError, which the dashboard shows."""
    bad = Filters(status="teapot")
    for figures in (
        store.queries.latency_summary,
        store.queries.layer_counts,
        store.queries.scatter,
    ):
        with pytest.raises(ValueError, match="teapot"):
            figures(bad)
