"""Pieces of columns are made from the rows, and go with them.

make_pieces  all that are missing, the newest first, one in a transaction, with pauses: of rows that nothing is added to
drop_pieces  those that have rows which go: nothing of a request stays in them. They are made again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from functools import partial
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, insert, literal, select

from switchman.addons.store.database import writing
from switchman.addons.store.figures.columns.pieces import COLUMNS, READ, ROWS, Piece, make_piece, pack
from switchman.addons.store.figures.columns.tables import request_columns
from switchman.addons.store.keeping.beside.sparing import ALL, again, spared
from switchman.addons.store.tables import requests

PAUSE_SECONDS: Final = 0.05

_COLUMNS: Final = [
    (requests.c.attempt_count > 1).label("several") if name == "several" else requests.c[name] for name in READ
]


def make_pieces(engine: Engine, stop: threading.Event, pause: float = PAUSE_SECONDS) -> int:
    """How many were made. Raises DBAPIError."""
    made = 0
    with engine.connect() as conn:
        wanted = missing(conn)
    for number in wanted:
        if stop.is_set():
            break
        made += again(partial(_make_one, engine, number))
        stop.wait(pause)
    return made


def missing(conn: Connection) -> list[int]:
    """The numbers of pieces that are to be made, the newest first."""
    if (ends := ends_of(conn)) is None:
        return []
    first, last = ends
    if last // ROWS == first // ROWS:
        return []
    there = set(conn.scalars(select(request_columns.c.number)))
    return [number for number in range(last // ROWS - 1, first // ROWS - 1, -1) if number not in there]


def ends_of(conn: Connection) -> tuple[int, int] | None:
    """The first and the last number of a request; None where there is none. Each is a look-up of its own: both in one
    query would read the whole table."""
    first, last = (select(of(requests.c.seq)).scalar_subquery() for of in (func.min, func.max))
    found = conn.execute(select(first, last)).one()
    return None if found[0] is None else (found[0], found[1])


def read_piece(conn: Connection, number: int) -> Piece:
    """From the rows."""
    where = requests.c.seq.between(number * ROWS, (number + 1) * ROWS - 1)
    return make_piece(number, list(map(tuple, conn.execute(select(*_COLUMNS).where(where).order_by(requests.c.seq)))))


def drop_pieces(conn: Connection, seqs: Iterable[int]) -> None:
    """Part of the transaction that removes these rows."""
    numbers = {seq // ROWS for seq in seqs}
    if numbers:
        conn.execute(delete(request_columns).where(request_columns.c.number.in_(numbers)))
    first = conn.scalar(select(func.min(requests.c.seq)))  # pieces of which no row is left may have been made empty
    if first is not None:
        conn.execute(delete(request_columns).where(request_columns.c.number < first // ROWS))


def _make_one(engine: Engine, number: int) -> bool:
    with writing(engine) as conn:
        return spared(conn, "columns", lambda: _make(conn, number), lambda _: [ALL])


def _make(conn: Connection, number: int) -> None:
    if conn.scalar(select(literal(1)).where(request_columns.c.number == number)) is not None:
        return  # another process was faster
    piece = read_piece(conn, number)
    known = bool(piece.columns[COLUMNS[0]].values)
    conn.execute(
        insert(request_columns).values(
            number=number, made=time.time(), first_at=piece.first if known else None,
            last_at=piece.last if known else None, data=pack(piece),
        )
    )  # fmt: skip
