"""MAX_LOG_SIZE: what the log takes in all, rows and bodies, and how it is kept within that while it grows.

The oldest rows go, in small transactions, and the bodies that only they had. SQLite's file does not shrink by that, but
uses the room again, so it does not grow either; where it is larger than it may be (the limit was lowered), what is free
is given back in small steps. On PostgreSQL the size is an estimate by what was put in (requests.stored_size): a table's
file also has what autovacuum has not cleared yet.
"""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, delete, func, select, update

from switchman.addons.store.blobs import BlobStore
from switchman.addons.store.database import writing
from switchman.addons.store.figures.cells import COLUMNS
from switchman.addons.store.figures.columns.keeping import drop_pieces
from switchman.addons.store.figures.keeping import raise_floor, take
from switchman.addons.store.keeping.beside.sessions import sessions_of, take_from_sessions
from switchman.addons.store.keeping.beside.sparing import ALL, again, hours_of, of_words, spared
from switchman.addons.store.keeping.beside.words import remove_words
from switchman.addons.store.tables import blobs, requests, totals

BLOB_BYTES, FILE_BYTES, ROW_BYTES = "blob_bytes", "file_bytes", "row_bytes"
RESERVE = 10  # a tenth is kept free, for what is written until the next look
ROWS_AT_ONCE = 100
STEPS = 20  # of one call by the writer, who has other work: ten times what it has written
PAUSE_SECONDS = 0.02
PAGES_AT_ONCE = 2_000
INCREMENTAL = 2  # PRAGMA auto_vacuum


def total(conn: Connection, name: str) -> int:
    return conn.scalar(select(totals.c.value).where(totals.c.name == name)) or 0


def add_to_total(conn: Connection, name: str, size: int) -> None:
    if size:
        conn.execute(update(totals).where(totals.c.name == name).values(value=totals.c.value + size))


def log_bytes(conn: Connection) -> int:
    """What rows and bodies take: SQLite's pages in use, and the files of bodies."""
    files = total(conn, FILE_BYTES)
    if conn.dialect.name == "sqlite":
        pages, free, size = (_pragma(conn, name) for name in ("page_count", "freelist_count", "page_size"))
        return files + (pages - free) * size
    return total(conn, ROW_BYTES) + total(conn, BLOB_BYTES)


def keep_within(
    engine: Engine,
    store: BlobStore,
    most: int,
    *,
    room: int = 0,
    patience: float | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Remove the oldest rows and their bodies until the log takes `most` bytes less a reserve and `room`, which is for
    what comes next; how many rows went.

    With `stop` until that is so, with pauses; without, STEPS at most and none. Raises DBAPIError or OSError; `patience`
    as for `writing`.
    """
    target = max(0, most - most // RESERVE - room)
    with engine.connect() as conn:
        if log_bytes(conn) <= target:
            return 0
    removed = steps = 0
    while stop is not None or steps < STEPS:
        rows, bodies = again(lambda: _step(engine, store, target, patience))
        if not rows and not bodies:
            break
        removed, steps = removed + rows, steps + 1
        if stop is not None and stop.wait(PAUSE_SECONDS):
            break
    if stop is not None:
        _shrink(engine, most, stop)
    return removed


def _step(engine: Engine, store: BlobStore, target: int, patience: float | None) -> tuple[int, int]:
    with writing(engine, patience) as conn:
        excess = log_bytes(conn) - target
        return _remove_oldest(conn, store, excess) if excess > 0 else (0, 0)


def remove_rows(conn: Connection, found: Select[Any], *, oldest: bool) -> int:
    """Remove the rows that a query for `seq` and `stored_size` finds; their attempts go, too (ON DELETE CASCADE).

    Figures, sessions, words and columns follow; what of them cannot is noted, and holds nothing up. `oldest`: no row
    that stays began before one of these.
    """
    going = conn.execute(found).all()
    if going:
        numbers = [row.seq for row in going]
        these = requests.c.seq.in_(numbers)
        _take_figures(conn, these, oldest)
        leaving = sessions_of(conn, numbers)
        spared(conn, "words", lambda: remove_words(conn, numbers), of_words)
        spared(conn, "columns", lambda: drop_pieces(conn, numbers), lambda _: [ALL])
        conn.execute(delete(requests).where(these))
        spared(conn, "sessions", lambda: take_from_sessions(conn, leaving), lambda _: [row.session for row in leaving])
        add_to_total(conn, ROW_BYTES, -sum(row.stored_size for row in going))
    return len(going)


def _take_figures(conn: Connection, these: ColumnElement[bool], oldest: bool) -> None:
    if oldest:
        newest = conn.execute(select(func.max(requests.c.started_at)).where(these)).scalar_one()
        spared(conn, "figures", lambda: raise_floor(conn, newest), lambda _: [ALL])
        return
    rows = conn.execute(select(*(requests.c[name] for name in COLUMNS)).where(these)).mappings().all()
    spared(conn, "figures", lambda: take(conn, rows), lambda _: hours_of(rows))


def remove_bodies(conn: Connection, store: BlobStore, found: list[Row[Any]]) -> None:
    """Rows and files go under the write lock, so nobody decides meanwhile that a file need not be written again."""
    if not found:
        return
    conn.execute(delete(blobs).where(blobs.c.hash.in_([row.hash for row in found])))
    add_to_total(conn, BLOB_BYTES, -sum(row.stored_size for row in found))
    add_to_total(conn, FILE_BYTES, -sum(row.stored_size for row in found if row.is_file))
    store.delete(row.hash for row in found if row.is_file)


def oldest_bodies(limit: int) -> Select[Any]:
    return (
        select(blobs.c.hash, blobs.c.stored_size, blobs.c.data.is_(None).label("is_file"))
        .order_by(blobs.c.last_used)
        .limit(limit)
    )


def _remove_oldest(conn: Connection, store: BlobStore, excess: int) -> tuple[int, int]:
    """A portion of rows, and the bodies that are older than all that is left; without any row, the oldest bodies.

    A row takes more than its own size where its bodies go with it, so a part of the excess is removed at a time.
    """
    oldest = select(requests.c.seq, requests.c.stored_size).order_by(requests.c.started_at, requests.c.id)
    taken = count = 0
    for row in conn.execute(oldest.limit(ROWS_AT_ONCE)):
        taken, count = taken + row.stored_size, count + 1
        if taken >= excess // 8:
            break
    rows = remove_rows(conn, oldest.limit(count), oldest=True) if count else 0
    first = conn.scalar(select(requests.c.started_at).order_by(requests.c.started_at).limit(1))
    query = oldest_bodies(2 * ROWS_AT_ONCE)
    bodies = list(conn.execute(query if first is None else query.where(blobs.c.last_used < first)))
    remove_bodies(conn, store, bodies)
    return rows, len(bodies)


def _shrink(engine: Engine, most: int, stop: threading.Event) -> None:
    """Give free pages back while SQLite's file is larger than it may be. An older version's file needs VACUUM."""
    if engine.dialect.name != "sqlite":
        return
    while not stop.is_set():
        with engine.connect() as conn:
            pages, free, size = (_pragma(conn, name) for name in ("page_count", "freelist_count", "page_size"))
            if pages * size <= most or not free or _pragma(conn, "auto_vacuum") != INCREMENTAL:
                return
        connection = engine.raw_connection()
        try:  # a script, as execute() would take the first of its steps only
            plain: Any = connection.driver_connection
            plain.executescript(f"PRAGMA incremental_vacuum({min(free, PAGES_AT_ONCE)})")
        except sqlite3.OperationalError:
            return  # somebody writes: at the next look
        finally:
            connection.close()
        stop.wait(PAUSE_SECONDS)


def _pragma(conn: Connection, name: str) -> int:
    return int(conn.exec_driver_sql(f"PRAGMA {name}").scalar_one())
