"""What the caches did: how many requests they answered, and the pairs of prompts that the semantic one found alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Engine, func, select, tuple_

from switchman.addons.core.request.bodyfacts import body_facts
from switchman.addons.store.figures.reading import FigureReader, answers
from switchman.addons.store.figures.tables import DIMENSIONS, NUMBERS
from switchman.addons.store.reading.filters import Filters
from switchman.addons.store.tables import requests

Kind = Literal["shadow", "served"]
LAYER = "semantic_cache"
MOST_PAIRS = 100
MOST_READ = 500_000  # bytes of a request whose prompt is shown
SHOWN = 2_000  # characters; no longer prompt is for the semantic cache


@dataclass(frozen=True, slots=True)
class Use:
    """Requests of the models that a cache serves, by what it did. Times are ms, costs micro-dollars, None: unknown, and
    of costs: none that is known."""

    exact: int = 0
    semantic: int = 0
    shadow: int = 0
    missed: int = 0
    others: int = 0  # bypassed or refreshed: a cache was not to answer them
    saved_ms: float | None = None
    saved_cost: int | None = None

    @property
    def looked(self) -> int:
        """How many times a cache was asked."""
        return self.exact + self.semantic + self.shadow + self.missed

    @property
    def hit_rate(self) -> float | None:
        """Of those, how many it answered: 0 to 1."""
        return (self.exact + self.semantic) / self.looked if self.looked else None


@dataclass(frozen=True, slots=True)
class Pair:
    """`earlier_id`: whose answer it was. `then` and `now` are the two prompts; None where one is not kept."""

    id: str
    started_at: float
    model: str | None
    score: float | None
    earlier_id: str
    then: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class Pairs:
    """Newest first. `next`: the cursor of the following page, None on the last."""

    pairs: tuple[Pair, ...]
    next: str | None


def cache_use(engine: Engine, figures: FigureReader, filters: Filters) -> Use:
    """From the figures, where they know what is filtered by. Raises ValueError for a bad status."""
    counts = dict.fromkeys(("exact", "semantic", "shadow", "missed", "others"), 0)
    saved_ms: float | None = None
    saved_cost: int | None = None
    found = _of_figures(figures, filters) if answers(filters) else _of_rows(engine, filters)
    for status, layer, count, ms, cost in found:
        counts[_counted_as(status, layer == LAYER)] += count
        saved_ms = saved_ms if ms is None else (saved_ms or 0.0) + ms
        saved_cost = (saved_cost or 0) + int(cost) if cost else saved_cost
    return Use(**counts, saved_ms=saved_ms, saved_cost=saved_cost)


# What a cache did, the layer, how many requests, what they saved: milliseconds and micro-dollars.
_Line = tuple[str, str | None, int, float | None, int | None]


def _of_figures(figures: FigureReader, filters: Filters) -> Iterator[_Line]:
    for part in figures.divided(filters, ()).parts:
        kind = dict(zip(DIMENSIONS, part.kind, strict=True))
        if kind["cache"]:
            told = dict(zip(NUMBERS, part.numbers, strict=True))
            ms = float(told["saved_ms"]) if told["saved"] else None
            yield kind["cache"], kind["layer"], int(told["requests"]), ms, int(told["saved_cost"])


def _of_rows(engine: Engine, filters: Filters) -> Iterator[_Line]:
    query = (
        select(
            *(requests.c.cache, requests.c.layer, func.count()),
            *(func.sum(requests.c.saved_ms), func.sum(requests.c.saved_microdollars)),
        )
        .where(requests.c.cache.is_not(None), *filters.conditions())
        .group_by(requests.c.cache, requests.c.layer)
    )
    with engine.connect() as conn:
        for row in conn.execute(query):
            yield tuple(row)


def _counted_as(status: str, by_meaning: bool) -> str:
    if status == "hit":
        return "semantic" if by_meaning else "exact"
    return {"miss": "missed", "shadow": "shadow"}.get(status, "others")


def pair_rows(
    engine: Engine, kind: Kind, filters: Filters, before: tuple[float, str] | None, limit: int
) -> list[Mapping[str, Any]]:
    """Rows of `requests` in which the semantic cache answered, or would have; newest first."""
    columns = [requests.c[name] for name in ("id", "started_at", "model", "requested_model", "trace")]
    query = select(*columns).where(*_of_kind(kind), *filters.conditions())
    if before is not None:
        query = query.where(tuple_(requests.c.started_at, requests.c.id) < tuple_(*before))
    query = query.order_by(requests.c.started_at.desc(), requests.c.id.desc()).limit(max(1, min(limit, MOST_PAIRS)) + 1)
    with engine.connect() as conn:
        return [dict(row) for row in conn.execute(query).mappings()]


def _of_kind(kind: Kind) -> list[ColumnElement[bool]]:
    if kind == "shadow":
        return [requests.c.cache == "shadow"]
    return [requests.c.cache == "hit", requests.c.layer == LAYER]


def pair_of(row: Mapping[str, Any], body: bytes | None) -> Pair | None:
    """None where the trace does not say whose answer it was. `body`: the request's."""
    lines = [line for line in row["trace"] if line.get("layer") == LAYER and isinstance(line.get("earlier"), Mapping)]
    line = next((line for line in lines if line.get("outcome") in ("hit", "skip")), None)
    if line is None:
        return None
    earlier, score = line["earlier"], line.get("score")
    then = earlier.get("asked")
    return Pair(
        id=row["id"],
        started_at=row["started_at"],
        model=row["model"] or row["requested_model"],
        score=float(score) if isinstance(score, int | float) else None,
        earlier_id=str(earlier.get("request_id", "")),
        then=str(then)[:SHOWN] if then else None,
        now=prompt_of(body),
    )


def prompt_of(body: bytes | None) -> str | None:
    """The text of a request's last message, as the semantic cache looks at it; None where it cannot be read."""
    if body is None or len(body) > MOST_READ:
        return None
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return body_facts(read).ask[:SHOWN] or None if isinstance(read, dict) else None
