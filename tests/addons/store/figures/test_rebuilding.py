"""Figures made again from rows; keeping/beside/test_mending.py has them made again while rows come."""

from __future__ import annotations

import time

from sqlalchemy import delete, select

from switchman.addons.store import Store
from switchman.addons.store.database import writing
from switchman.addons.store.figures.keeping import read_marks
from switchman.addons.store.figures.rebuilding import begin_anew, lower_floor, rebuild_hour
from switchman.addons.store.figures.tables import figure_kinds, figures
from switchman.addons.store.tables import requests
from switchman.addons.testing.samples import make_record


def test_a_row_that_cannot_be_counted_is_left_out(store: Store, write) -> None:
    """The others of its hour are counted."""
    hour = int(time.time() // 3600) * 3600
    write(store, *(make_record(f"r{n}", started_at=hour + n) for n in range(3)))
    with writing(store.engine) as conn:
        if conn.dialect.name == "sqlite":  # which has a type for each value, not for a column
            conn.exec_driver_sql("UPDATE requests SET model = x'00' WHERE id = 'r1'")
        else:
            conn.execute(delete(requests).where(requests.c.id == "r1"))
        rebuild_hour(conn, hour)
        overall = select(figures.c.requests).join(figure_kinds, figure_kinds.c.id == figures.c.kind)
        assert conn.scalars(overall.where(figures.c.width == 60, figure_kinds.c.overall)).all() == [2]


def test_floor_goes_down_to_the_oldest_row(store: Store, write) -> None:
    """Hour by hour, over hours without any; then there is nothing more to count."""
    now = time.time()
    write(store, make_record("new", started_at=now - 60), make_record("old", started_at=now - 400_000))
    with writing(store.engine) as conn:
        begin_anew(conn, now)
        assert read_marks(conn).floor > now and conn.execute(select(figures)).all() == []
        assert [lower_floor(conn) for _ in range(3)] == [True, True, False]
        assert read_marks(conn).floor == int((now - 400_000) // 3600) * 3600
