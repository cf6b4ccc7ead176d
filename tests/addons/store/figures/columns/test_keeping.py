"""Pieces are made of what is over, and go with their rows."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import func, select, update

from switchman.addons.store import Filters, Store
from switchman.addons.store.database import insert_rows, writing
from switchman.addons.store.figures.columns import reading
from switchman.addons.store.figures.columns.keeping import drop_pieces, ends_of, make_pieces, missing
from switchman.addons.store.figures.columns.pieces import ROWS, unpack
from switchman.addons.store.figures.columns.tables import request_columns
from switchman.addons.store.keeping.beside.adding import add_beside
from switchman.addons.store.keeping.logsize import remove_rows
from switchman.addons.store.rows import prepare
from switchman.addons.store.tables import requests
from switchman.addons.testing.samples import make_record

GONE = threading.Event()


def put_rows(store: Store, rows: Iterable[tuple[int, dict[str, Any]]]) -> None:
    """Rows with these numbers."""
    with writing(store.engine) as conn:
        for seq, values in rows:
            one = prepare(make_record(id=f"r{seq}", **{"started_at": 1000.0 + seq, **values}), 1000)
            insert_rows(conn, requests, [one.row | {"seq": seq}])
            add_beside(conn, [one], 1e5)


def numbers(store: Store) -> list[int]:
    with store.engine.connect() as conn:
        return list(conn.scalars(select(request_columns.c.number).order_by(request_columns.c.number)))


def test_a_piece_is_made_when_nothing_can_be_added_to_it(store: Store) -> None:
    """Also of numbers that no row has; the newest rows are in none."""
    assert make_pieces(store.engine, GONE) == 0
    put_rows(store, [(10, {}), (ROWS - 1, {})])
    assert make_pieces(store.engine, GONE) == 0
    put_rows(store, [(3 * ROWS, {}), (3 * ROWS + 5, {})])
    with store.engine.connect() as conn:
        assert missing(conn) == [2, 1, 0]
        assert ends_of(conn) == (10, 3 * ROWS + 5)
    stopped = threading.Event()
    stopped.set()
    assert make_pieces(store.engine, stopped) == 0
    assert make_pieces(store.engine, GONE, pause=0) == 3
    assert (make_pieces(store.engine, GONE), numbers(store)) == (0, [0, 1, 2])
    assert store.queries.latency_summary(Filters(status="2xx")).overall.count == 4


def test_nothing_of_a_row_that_goes_stays_in_a_piece(store: Store) -> None:
    """Its piece is made again without it; those of others stay."""
    put_rows(store, [(1, {"token": "anna"}), (2, {"token": "ben"}), (ROWS, {"token": "ben"}), (2 * ROWS, {})])
    make_pieces(store.engine, GONE, pause=0)
    with writing(store.engine) as conn:
        hers = select(requests.c.seq, requests.c.stored_size).where(requests.c.token == "anna")
        assert remove_rows(conn, hers, oldest=False) == 1
    assert numbers(store) == [1]
    asked = Filters(status="2xx", token="ben")
    assert store.queries.latency_summary(asked).overall.count == 2
    assert make_pieces(store.engine, GONE, pause=0) == 1
    assert store.queries.latency_summary(asked).overall.count == 2
    assert store.queries.latency_summary(Filters(status="2xx", token="anna")).overall.count == 0
    with store.engine.connect() as conn:
        stored = list(conn.execute(select(request_columns.c.number, request_columns.c.data)))
    assert {unpack(number, None, None, data).columns["token"].values for number, data in stored} == {("ben",)}


def test_pieces_before_the_first_row_go(store: Store) -> None:
    """What ages out takes its pieces along, and empty ones before it."""
    put_rows(store, [(1, {}), (4 * ROWS, {"started_at": 9e9}), (5 * ROWS, {"started_at": 9e9})])
    make_pieces(store.engine, GONE, pause=0)
    assert numbers(store) == [0, 1, 2, 3, 4]
    store.retention._max_age = 100.0
    assert store.retention.run_once(8e9).rows == 1  # type: ignore[union-attr]
    assert numbers(store) == [1, 2, 3, 4]  # without the first row's: what is before the first one goes with the next
    with writing(store.engine) as conn:
        drop_pieces(conn, [])
    assert numbers(store) == [4]


def test_a_piece_that_is_bad_is_read_from_its_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a piece that has been unpacked is not read again."""
    put_rows(store, [(1, {}), (ROWS, {})])
    make_pieces(store.engine, GONE, pause=0)
    with writing(store.engine) as conn:
        conn.execute(update(request_columns).values(data=b"?"))
    assert store.queries.latency_summary(Filters(status="2xx")).overall.count == 2
    monkeypatch.setattr(reading, "unpack", None)
    monkeypatch.setattr(reading, "read_piece", None)
    assert store.queries.latency_summary(Filters(status="2xx")).overall.count == 2
    with store.engine.connect() as conn:
        assert conn.scalar(select(func.count()).select_from(request_columns)) == 1
