"""Keeping figures: each function is one part of a transaction that holds the write lock, with what it does to rows.

add          rows that were written: to the cells of their minutes, and of their hour and day where those are summed up
sum_up       when an hour, or a day, is over: its cells from the cells below
take         rows that go, wherever they are in time: out of their cells
raise_floor  the oldest rows that go: cells that end before are removed; the rest of the cell at the border counts no
             more, as rows from before `Marks.floor` are read from the rows themselves
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, literal, select, update

from switchman.addons.store.database import insert_values
from switchman.addons.store.figures.cells import DAY, HOUR, MINUTE, WIDTHS, Cell, CellKey, Kind, gather
from switchman.addons.store.figures.cover import Marks
from switchman.addons.store.figures.spreads import without
from switchman.addons.store.figures.tables import DIMENSIONS, NUMBERS, SPREADS, figure_kinds, figure_marks, figures

LATE = 120  # seconds after the end of an hour until it is summed up: long requests are written when they end
MINUTES_KEPT = 48 * HOUR

_ADDED = ", ".join(
    [f"{name} = figures.{name} + excluded.{name}" for name in NUMBERS]
    + [f"{name} = figures.{name} || excluded.{name}" for name in SPREADS]
)
MERGED = f"ON CONFLICT (width, bucket, kind) DO UPDATE SET {_ADDED}"  # nosec B608 - names of our own columns


def read_marks(conn: Connection) -> Marks:
    return Marks(**{row.name: row.value for row in conn.execute(select(figure_marks))})


def add(conn: Connection, rows: Sequence[Mapping[str, Any]], now: float) -> None:
    """Rows as they are inserted into `requests`. `now`: epoch seconds."""
    marks = sum_up(conn, read_marks(conn), now)
    rows = [row for row in rows if row["started_at"] >= marks.floor]
    for width, first, last in (
        (MINUTE, marks.minutes, float("inf")),
        (HOUR, 0, marks.hours),
        (DAY, 0, marks.days),
    ):
        if some := [row for row in rows if first <= row["started_at"] < last]:
            insert_cells(conn, width, *gather(some, width))


def insert_cells(
    conn: Connection, width: int, cells: Mapping[CellKey, Cell], kinds: Mapping[int, tuple[Kind, bool]]
) -> None:
    """Add these cells to those that are there."""
    known = [(number, overall, *kind) for number, (kind, overall) in kinds.items()]
    insert_values(conn, figure_kinds, ("id", "overall", *DIMENSIONS), known, "ON CONFLICT (id) DO NOTHING")
    made = [(width, *key, *cell.numbers, *cell.texts) for key, cell in cells.items()]
    insert_values(conn, figures, ("width", "bucket", "kind", *NUMBERS, *SPREADS), made, MERGED)


def sum_up(conn: Connection, marks: Marks, now: float) -> Marks:
    """Hours and days that are over, from the cells below; minutes that are MINUTES_KEPT old go. The new marks."""
    new = settled_marks(marks, now)
    if new.hours == marks.hours and new.days == marks.days:
        return marks
    raise_level(conn, MINUTE, HOUR, marks.hours, new.hours)
    raise_level(conn, HOUR, DAY, marks.days, new.days)
    conn.execute(delete(figures).where(figures.c.width == MINUTE, figures.c.bucket < new.minutes))
    for name in ("minutes", "hours", "days"):
        set_mark(conn, name, getattr(new, name))
    return new


def settled_marks(marks: Marks, now: float) -> Marks:
    """How far they may go at `now`; none goes back."""
    settled = now - LATE
    return Marks(
        marks.floor,
        minutes=max(marks.minutes, floor((now - MINUTES_KEPT) / HOUR) * HOUR),
        hours=max(marks.hours, floor(settled / HOUR) * HOUR),
        days=max(marks.days, floor(settled / DAY) * DAY),
    )


def raise_level(conn: Connection, below: int, width: int, first: int, last: int) -> None:
    """Cells of a width, first <= bucket < last, from those below, in the place of what is there."""
    if first >= last:
        return
    conn.execute(delete(figures).where(figures.c.width == width, figures.c.bucket >= first, figures.c.bucket < last))
    bucket = (figures.c.bucket - figures.c.bucket % width).label("bucket")
    summed = (
        select(
            literal(width),
            bucket,
            figures.c.kind,
            *(func.sum(figures.c[name]) for name in NUMBERS),
            *(func.aggregate_strings(figures.c[name], "") for name in SPREADS),
        )
        .where(figures.c.width == below, figures.c.bucket >= first, figures.c.bucket < last)
        .group_by(bucket, figures.c.kind)
    )
    conn.execute(insert(figures).from_select(["width", "bucket", "kind", *NUMBERS, *SPREADS], summed))


def take(conn: Connection, rows: Sequence[Mapping[Any, Any]]) -> None:
    """Take rows out of their cells, before they are deleted. A cell without requests goes."""
    marks = read_marks(conn)
    rows = [row for row in rows if row["started_at"] >= marks.floor]
    for width in WIDTHS:
        cells, _ = gather(rows, width)
        for key, cell in cells.items():
            where = and_(figures.c.width == width, figures.c.bucket == key.bucket, figures.c.kind == key.kind)
            found = conn.execute(select(figures).where(where)).mappings().one_or_none()
            if found is None:
                continue  # not summed up yet, or minutes that are no longer kept
            if found["requests"] <= cell.numbers[0]:
                conn.execute(delete(figures).where(where))
                continue
            left: dict[str, Any] = {name: found[name] - gone for name, gone in zip(NUMBERS, cell.numbers, strict=True)}
            left |= {name: without(found[name], gone) for name, gone in zip(SPREADS, cell.texts, strict=True)}
            conn.execute(update(figures).where(where).values(left))


def raise_floor(conn: Connection, newest: float) -> None:
    """Rows up to one that began at `newest` are gone, the oldest ones of all."""
    low = floor(newest) + 1
    if low <= read_marks(conn).floor:
        return
    set_mark(conn, "floor", low)
    for width in WIDTHS:
        conn.execute(delete(figures).where(figures.c.width == width, figures.c.bucket <= low - width))


def drop_unused_kinds(conn: Connection) -> None:
    """Remove the names of which no figure is left."""
    conn.execute(delete(figure_kinds).where(figure_kinds.c.id.not_in(select(figures.c.kind).distinct())))


def set_mark(conn: Connection, name: str, value: int) -> None:
    """`name`: a field of Marks."""
    conn.execute(update(figure_marks).where(figure_marks.c.name == name).values(value=value))
