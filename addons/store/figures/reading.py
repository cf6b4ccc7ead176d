"""What pages ask of the figures: over a range and by each dimension, and along time.

A range is made of whole cells and, at its ends, of rows, so that counts and sums are exact. Percentiles are within
spreads.ERROR of the true ones. Filters that figures know nothing of cannot be answered from here: see `answers`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from math import inf, isinf
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from switchman.addons.store.database import snapshot
from switchman.addons.store.figures.cells import COLUMNS, DAY, MINUTE, OUTCOME, Kind, gather, overall_kind
from switchman.addons.store.figures.cover import Cover, cover
from switchman.addons.store.figures.keeping import read_marks
from switchman.addons.store.figures.spreads import percentiles
from switchman.addons.store.figures.tables import DIMENSIONS, NUMBERS, SPREADS, figure_kinds, figures
from switchman.addons.store.reading.filters import ERROR_OUTCOMES, NO_LAYER, Filters, as_stored
from switchman.addons.store.tables import requests

COMPLETE = ("ok", "cached")  # outcomes whose times count in percentiles
OWN = "answered"  # what the router answered itself is no traffic


class Part(NamedTuple):
    """Some requests of a kind, as one row says: `numbers` as NUMBERS, `texts` as SPREADS, None where not asked for."""

    kind: Kind
    numbers: Sequence[Any]
    texts: Sequence[str | None]

    @property
    def outcome(self) -> str:
        return self.kind[OUTCOME]


@dataclass(slots=True)
class Figures:
    """Sums of some requests. Times are milliseconds, money micro-dollars; `told`, `priced` and `saved` say how many
    requests have known tokens, a known cost, a known time saved. `cached`: answered from a cache.
    """

    requests: int = 0
    errors: int = 0
    cancelled: int = 0
    cached: int = 0
    told: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    priced: int = 0
    cost: int = 0
    saved_cost: int = 0
    saved: int = 0
    saved_ms: float = 0.0
    compared: int = 0
    compared_cost: int = 0
    compared_input: int = 0
    compared_cached: int = 0
    compared_output: int = 0
    durations: list[str] = field(default_factory=list, repr=False)
    ttfts: list[str] = field(default_factory=list, repr=False)
    overheads: list[str] = field(default_factory=list, repr=False)
    rates: list[str] = field(default_factory=list, repr=False)

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Figures:
        """What these come to."""
        if not parts:
            return cls()
        sums = dict(zip(NUMBERS, map(sum, zip(*(part.numbers for part in parts), strict=True)), strict=True))
        complete = [part.texts for part in parts if part.kind[OUTCOME] in COMPLETE]
        pieces = [[text for text in texts if text] for texts in zip(*complete, strict=True)] or [[], [], [], []]
        ended: dict[str, int] = defaultdict(int)
        for part in parts:
            ended[part.kind[OUTCOME]] += int(part.numbers[0])
        known: dict[str, Any] = {name: float(each) if name == "saved_ms" else int(each) for name, each in sums.items()}
        return cls(
            **known,
            errors=sum(ended[outcome] for outcome in ERROR_OUTCOMES),
            cancelled=ended["cancelled"],
            cached=ended["cached"],
            durations=pieces[0],
            ttfts=pieces[1],
            overheads=pieces[2],
            rates=pieces[3],
        )

    def merge(self, other: Figures) -> None:
        """Add what another one has."""
        for each in fields(Figures):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def whole(self, name: str) -> bytes:
        """One of SPREADS in one piece, as spreads.py reads it."""
        return "".join(getattr(self, name)).encode("latin-1", "replace")

    def percentile(self, name: str, percent: int) -> float | None:
        """One percentile of one of SPREADS, of the complete answers."""
        return percentiles(self.whole(name), (percent,))[0]

    def percentiles(self, name: str) -> tuple[int, float | None, float | None, float | None]:
        """How many values one of SPREADS has of the complete answers, and its p50, p95 and p99."""
        whole = self.whole(name)
        p50, p95, p99 = percentiles(whole, (50, 95, 99))
        return len(whole), p50, p95, p99


@dataclass(frozen=True)
class Divided:
    """Figures of a range, in all and by each of DIMENSIONS; "" is the value of what has none. Most requests first."""

    parts: Sequence[Part]

    @cached_property
    def total(self) -> Figures:
        return Figures.of(self.parts)

    @cached_property
    def by(self) -> dict[str, dict[str, Figures]]:
        return {name: self.group(at) for at, name in enumerate(DIMENSIONS)}

    def of_layer(self, layer: str | None) -> Divided:
        """What of it one layer decided; None: all."""
        if layer is None:
            return self
        place, value = DIMENSIONS.index("layer"), "" if layer == NO_LAYER else as_stored(layer)
        return Divided([part for part in self.parts if part.kind[place] == value])

    def group(self, place: int) -> dict[str, Figures]:
        """By one dimension, by its place in DIMENSIONS."""
        found: dict[str, list[Part]] = defaultdict(list)
        for part in self.parts:
            found[part.kind[place]].append(part)
        whole = {value: Figures.of(parts) for value, parts in found.items()}
        return dict(sorted(whole.items(), key=lambda item: (-item[1].requests, item[0])))


def answers(filters: Filters) -> bool:
    """Whether figures know all that these filters ask for."""
    known = {"start", "end", *DIMENSIONS}
    return all(getattr(filters, each.name) is None for each in fields(filters) if each.name not in known)


class FigureReader:
    """Safe to share between threads. Raises DBAPIError when the database is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def divided(self, filters: Filters, spreads: Sequence[str] = ("durations", "ttfts")) -> Divided:
        """Over the range of the filters. Only these of SPREADS are read."""
        with snapshot(self._engine) as conn:
            return Divided(list(self._parts(conn, filters, spreads)))

    def along(
        self, filters: Filters, step: int, by: str = "", spreads: Sequence[str] = ("durations", "ttfts")
    ) -> dict[tuple[int, str], Figures]:
        """By the beginnings of spans of `step` seconds, epoch seconds, and by the values of a dimension; `by` "": "".

        A span without requests is not there. ValueError for a step that no cells fit into.
        """
        if step % MINUTE:
            raise ValueError(f"figures are by the minute: {step} seconds are no whole ones")
        plain = not by and all(getattr(filters, name, None) is None for name in DIMENSIONS if name != "outcome")
        place = DIMENSIONS.index(by) if by else None
        found: dict[tuple[int, str], list[Part]] = defaultdict(list)
        with snapshot(self._engine) as conn:
            pieces = cover(filters.start, filters.end, read_marks(conn), min(step, DAY))
            at = (figures.c.bucket - figures.c.bucket % step).label("at")
            groups = [at, figure_kinds.c.outcome, *([figure_kinds.c[by]] if by else [])]
            query = (
                select(*groups, *_sums(spreads))
                .join(figure_kinds, figure_kinds.c.id == figures.c.kind)
                .where(figure_kinds.c.overall.is_(plain), *_conditions(filters))
                .group_by(*groups)
            )
            for where, outcome, *rest in _over(conn, query, pieces):
                value = rest.pop(0) if by else ""
                found[int(where), value].append(_part(overall_kind(outcome), rest, spreads))
            for bucket, part in _rows(conn, filters, pieces, step):
                found[bucket, part.kind[place] if place is not None else ""].append(part)
        return {key: Figures.of(parts) for key, parts in sorted(found.items())}

    def oldest(self) -> float | None:
        """When the oldest request that is kept began; None: there is none."""
        with self._engine.connect() as conn:
            found: float | None = conn.scalar(select(func.min(requests.c.started_at)))
        return found

    def _parts(self, conn: Connection, filters: Filters, spreads: Sequence[str]) -> Iterator[Part]:
        pieces = cover(filters.start, filters.end, read_marks(conn))
        where = [figure_kinds.c.overall.is_(False), *_conditions(filters)]
        known = {
            row[0]: tuple(row[1:])
            for row in conn.execute(select(*(figure_kinds.c[name] for name in ("id", *DIMENSIONS))).where(*where))
        }
        query = select(figures.c.kind, *_sums(spreads)).group_by(figures.c.kind)
        query = query.where(figures.c.kind.in_(select(figure_kinds.c.id).where(*where)))
        for number, *rest in _over(conn, query, pieces):
            yield _part(known[number], rest, spreads)
        for _, part in _rows(conn, filters, pieces, DAY):
            yield part


def _sums(spreads: Sequence[str]) -> list[ColumnElement[Any]]:
    return [
        *(func.sum(figures.c[name]) for name in NUMBERS),
        *(func.aggregate_strings(figures.c[name], "") for name in SPREADS if name in spreads),
    ]


def _part(kind: Kind, values: Sequence[Any], spreads: Sequence[str]) -> Part:
    texts = iter(values[len(NUMBERS) :])
    return Part(kind, values[: len(NUMBERS)], [next(texts) if name in spreads else None for name in SPREADS])


def _over(conn: Connection, query: Any, pieces: Cover) -> Iterator[Sequence[Any]]:
    for span in pieces.cells:
        here = query.where(figures.c.width == span.width, figures.c.bucket >= int(span.first))
        if span.last != inf:
            here = here.where(figures.c.bucket < int(span.last))
        yield from conn.execute(here)


def _rows(conn: Connection, filters: Filters, pieces: Cover, step: int) -> Iterator[tuple[int, Part]]:
    """What is in no whole cell: from the rows themselves."""
    for span in pieces.rows:
        first, last = (None if isinf(at) else at for at in (span.first, span.last))
        narrowed = replace(filters, start=first, end=last)
        query = select(*(requests.c[name] for name in COLUMNS)).where(*narrowed.conditions(), requests.c.outcome != OWN)
        cells, kinds = gather(conn.execute(query).mappings().all(), step)
        for key, cell in cells.items():
            kind, overall = kinds[key.kind]
            if not overall:
                yield key.bucket, Part(kind, cell.numbers, cell.texts)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    """The filters but time, of figure_kinds."""
    found: list[ColumnElement[bool]] = [figure_kinds.c.outcome != OWN]
    for name in DIMENSIONS:
        value = getattr(filters, name, None)
        if value is None:
            continue
        if name == "outcome" and value == "error":
            found.append(figure_kinds.c.outcome.in_(ERROR_OUTCOMES))
        else:
            found.append(figure_kinds.c[name] == ("" if (name, value) == ("layer", NO_LAYER) else as_stored(value)))
    return found
