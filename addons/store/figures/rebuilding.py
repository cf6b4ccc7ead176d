"""Figures made again from the rows: of an hour that was missed, and of all of them in a table that is new.

Each function is one part of a transaction that holds the write lock. After `begin_anew` all rows are older than
`Marks.floor`, so pages read them all, which is slow, but right; `lower_floor` then counts them hour by hour, the newest
first, and the floor goes down with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from switchman.addons.store.database import put_aside
from switchman.addons.store.figures.cells import COLUMNS, DAY, HOUR, MINUTE, WIDTHS, cell_of, gather, kinds_of
from switchman.addons.store.figures.cover import Marks
from switchman.addons.store.figures.keeping import (
    insert_cells,
    raise_level,
    read_marks,
    set_mark,
    settled_marks,
)
from switchman.addons.store.figures.tables import figure_kinds, figure_marks, figures
from switchman.addons.store.tables import requests


def rebuild_hour(conn: Connection, hour: int) -> None:
    """The cells of the hour that begins then, epoch seconds, and of its day; without rows that cannot be counted."""
    marks = read_marks(conn)
    for width in WIDTHS:
        first = hour // width * width
        at = figures.c.bucket.between(first, max(first, hour + HOUR - width))
        conn.execute(delete(figures).where(figures.c.width == width, at))
    began = requests.c.started_at
    query = select(*(requests.c[name] for name in COLUMNS))
    query = query.where(began >= max(hour, marks.floor), began < hour + HOUR)
    rows = _countable(conn.execute(query).mappings().all())
    if hour >= marks.minutes:
        insert_cells(conn, MINUTE, *gather(rows, MINUTE))
    if hour < marks.hours:
        insert_cells(conn, HOUR, *gather(rows, HOUR))
    day = hour // DAY * DAY
    if day < marks.days:
        raise_level(conn, HOUR, DAY, day, day + DAY)


def _countable(rows: Iterable[Mapping[Any, Any]]) -> list[Mapping[Any, Any]]:
    found = []
    for row in rows:
        try:
            cell_of(row), kinds_of(row)
        except (ArithmeticError, TypeError, ValueError):
            continue
        found.append(row)
    return found


def begin_anew(conn: Connection, now: float) -> list[str]:
    """Empty tables in place of those that are there. `now`: epoch seconds. Gives the names that these have now."""
    aside = [put_aside(conn, table, now) for table in (figure_marks, figures, figure_kinds)]
    marks = settled_marks(Marks(floor=ceil(now / HOUR) * HOUR), now)
    names = ("floor", "minutes", "hours", "days")
    conn.execute(insert(figure_marks), [{"name": name, "value": getattr(marks, name)} for name in names])
    return aside


def lower_floor(conn: Connection) -> bool:
    """Count the newest hour of those that are not counted; False where there is none."""
    marks = read_marks(conn)
    newest = conn.scalar(select(func.max(requests.c.started_at)).where(requests.c.started_at < marks.floor))
    if newest is None or marks.floor % HOUR:  # rows have gone meanwhile: what is older than these is gone, too
        return False
    hour = int(newest // HOUR) * HOUR
    set_mark(conn, "floor", hour)
    rebuild_hour(conn, hour)
    return True
