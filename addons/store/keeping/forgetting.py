"""Forgetting: rows of a token or a session, or from before a time, with all that is kept of them, for good.

    1. The rows that are meant are looked for, and the bodies that other rows share with them: those stay.
    2. Rows, attempts and bodies go, ROWS_AT_ONCE in a transaction, with pauses: a router that runs goes on writing.
    3. It begins again until nothing is left, as requests that ended before may still be written.
    4. What waits in the spool, what the cache has of these requests with its vectors, and rows of requests under way go
       as well.
    5. SQLite writes zeros over what is deleted; free pages are given back, and the write-ahead log is emptied.

Bodies that are kept in the memory of a router (BLOB_STORAGE_TYPE=memory) are out of reach from here: no row names them
any more, and they end with their process.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, func, or_, select

from switchman.addons.core.access.session import digests_meant, is_digest, session_digest
from switchman.addons.store.blobs import BlobStore
from switchman.addons.store.database import writing
from switchman.addons.store.figures.keeping import drop_unused_kinds
from switchman.addons.store.keeping.beside.sparing import again, spared
from switchman.addons.store.keeping.beside.words import overwrite_words
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.keeping.logsize import remove_bodies, remove_rows
from switchman.addons.store.tables import blobs, requests, underway

ROWS_AT_ONCE: Final = 100
SEEN_AT_ONCE: Final = 2_000  # rows that are looked at for the bodies they share
PAUSE_SECONDS: Final = 0.02
SETTLE_SECONDS: Final = 0.4  # a writer gathers records for less than that before it writes them
SWEEPS: Final = 20
PAGES_AT_ONCE: Final = 2_000
_LAST_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
EMPTY_SECONDS: Final = 10.0  # for readers to let the write-ahead log go

Told = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be forgotten: all conditions that are given must hold. `token`: a name or an id. `session`: a name, or
    the digest that the log has of it; a subagent's own name means what that one asked. `before`: epoch seconds, of a
    request's start.
    """

    token: str | None = None
    session: str | None = None
    before: float | None = None

    def __post_init__(self) -> None:
        if self.token is None and self.session is None and self.before is None:
            raise ValueError("say what is to be forgotten: a token, a session, a time, or several of them")

    def __str__(self) -> str:
        """Of a session its digest only."""
        found = [f"token {self.token}"] if self.token is not None else []
        if self.session is not None:
            text = self.session.strip()
            found.append(f"session {text if is_digest(text) else session_digest(text)}")
        if self.before is not None:
            at = datetime.fromtimestamp(min(max(0.0, self.before), _LAST_TIME), UTC)
            found.append(f"before {at:%Y-%m-%d %H:%M} UTC")
        return ", ".join(found)

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.token is not None:
            found.append(or_(requests.c.token == self.token, requests.c.token_id == self.token))
        if self.session is not None:
            meant = digests_meant(self.session)
            found.append(or_(requests.c.session.in_(meant), requests.c.branch.in_(meant)))
        if self.before is not None:
            found.append(requests.c.started_at < self.before)
        return found

    @property
    def _digests(self) -> tuple[str, ...]:
        return () if self.session is None else digests_meant(self.session)

    def holds(self, row: Any) -> bool:
        """Whether a row, as a mapping, is meant."""
        return (
            (self.token is None or self.token in (row.get("token"), row.get("token_id")))
            and (self.session is None or not {row.get("session"), row.get("branch")}.isdisjoint(self._digests))
            and (self.before is None or row["started_at"] < self.before)
        )


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much went. `waiting`: of `rows`, those that had waited to be written. `leftover`: why some bytes may still be
    in a file; "" where none are.
    """

    rows: int = 0
    bodies: int = 0
    elsewhere: int = 0  # answers in the cache, and targets of conversations
    waiting: int = 0
    leftover: str = ""


def count(engine: Engine, wanted: Wanted) -> int:
    """How many rows are meant. Raises DBAPIError."""
    with engine.connect() as conn:
        return conn.scalar(select(func.count()).select_from(requests).where(*wanted.conditions())) or 0


def forget(
    engine: Engine, store: BlobStore, wanted: Wanted, elsewhere: Elsewhere, tell: Told = lambda _: None
) -> Forgotten:
    """Forget all of it. Raises DBAPIError or OSError, some being forgotten then: begin again. `tell` gets a sentence
    now and then.
    """
    now = time.time()
    wanted = replace(wanted, before=min(now, wanted.before) if wanted.before is not None else now)
    done = Forgotten()
    for sweep in range(SWEEPS):
        waiting = elsewhere.forget_waiting(wanted.holds)
        rows, bodies, keys = _sweep(engine, store, wanted, tell)
        taken = elsewhere.forget_keys(keys)
        done = replace(
            done, rows=done.rows + rows + waiting, bodies=done.bodies + bodies, waiting=done.waiting + waiting,
            elsewhere=done.elsewhere + taken,
        )  # fmt: skip
        if sweep and not rows and not waiting:
            break
        time.sleep(SETTLE_SECONDS)
    if wanted.token is None and wanted.session is None:
        assert wanted.before is not None
        done = replace(done, elsewhere=done.elsewhere + elsewhere.forget_before(wanted.before))
    elsewhere.forget_vectors()
    with writing(engine) as conn:  # what runs comes again within a second
        conn.execute(delete(underway).where(underway.c.started_at < wanted.before))
        spared(conn, "figures", lambda: drop_unused_kinds(conn), lambda _: ())  # they do no harm
    tell("Overwriting what was there")
    overwrite_words(engine)
    return replace(done, leftover="; ".join(filter(None, (_overwrite(engine), elsewhere.overwrite()))))


def _sweep(engine: Engine, store: BlobStore, wanted: Wanted, tell: Told) -> tuple[int, int, set[str]]:
    """Rows and bodies that went, and the keys of what else was kept of them."""
    if not count(engine, wanted):
        return 0, 0, set()
    meant, shared, seen = _meant(engine, wanted)
    rows = bodies = 0
    keys: set[str] = set()
    for start in range(0, len(meant), ROWS_AT_ONCE):
        some = meant[start : start + ROWS_AT_ONCE]
        found, gone = again(partial(_remove, engine, store, some, shared, seen))
        bodies += gone
        rows += len(found)
        keys |= {key for row in found for key in (row.kept_as or "").split()}
        tell(f"{rows} of {len(meant)} requests are forgotten")
        time.sleep(PAUSE_SECONDS)
    return rows, bodies, keys


def _remove(
    engine: Engine, store: BlobStore, some: list[int], shared: set[str], seen: int
) -> tuple[Sequence[Row[Any]], int]:
    """These rows, as they were, and how many bodies went with them."""
    columns = [requests.c[name] for name in ("seq", "request_hash", "response_hash", "kept_as")]
    with writing(engine) as conn:
        found = conn.execute(select(*columns).where(requests.c.seq.in_(some))).all()
        digests = {digest for row in found for digest in (row.request_hash, row.response_hash) if digest} - shared
        these = select(requests.c.seq, requests.c.stored_size).where(requests.c.seq.in_(some))
        remove_rows(conn, these, oldest=False)
        return found, _remove_bodies(conn, store, digests - _new_uses(conn, digests, seen))


def _meant(engine: Engine, wanted: Wanted) -> tuple[list[int], set[str], int]:
    """The rows that are meant, the bodies of theirs that others have too, and the last row that was looked at."""
    rows: list[int] = []
    bodies: set[str] = set()
    others: set[str] = set()
    last = 0
    names = ("seq", "request_hash", "response_hash", "token", "token_id", "session", "branch", "started_at")
    query = select(*(requests.c[name] for name in names)).order_by(requests.c.seq).limit(SEEN_AT_ONCE)
    while True:
        with engine.connect() as conn:
            found = conn.execute(query.where(requests.c.seq > last)).mappings().all()
        for row in found:
            is_meant = wanted.holds(row)
            (bodies if is_meant else others).update({row["request_hash"], row["response_hash"]} - {None})
            if is_meant:
                rows.append(row["seq"])
        last = found[-1]["seq"] if found else last
        if len(found) < SEEN_AT_ONCE:
            return rows, bodies & others, last


def _new_uses(conn: Connection, digests: set[str], seen: int) -> set[str]:
    """Of these bodies those that rows have which came after all was looked at."""
    if not digests:
        return set()
    query = select(requests.c.request_hash, requests.c.response_hash).where(
        requests.c.seq > seen,
        or_(requests.c.request_hash.in_(digests), requests.c.response_hash.in_(digests)),
    )
    return {digest for row in conn.execute(query) for digest in row if digest}


def _remove_bodies(conn: Connection, store: BlobStore, digests: set[str]) -> int:
    if not store.accounted:
        store.delete(digests)
        return len(digests)
    listed = select(blobs.c.hash, blobs.c.stored_size, blobs.c.data.is_(None).label("is_file"))
    found = list(conn.execute(listed.where(blobs.c.hash.in_(digests)))) if digests else []
    remove_bodies(conn, store, found)
    return len(found)


def _overwrite(engine: Engine) -> str:
    """Give SQLite's free pages back, and empty its write-ahead log; why that was not possible, or ""."""
    if engine.dialect.name != "sqlite":
        return ""
    connection = engine.raw_connection()
    try:
        plain: Any = connection.driver_connection
        return overwrite(plain)
    finally:
        connection.close()


def overwrite(db: sqlite3.Connection) -> str:
    """Nothing that was deleted from this database is in its files afterwards; why not, or ""."""
    (kind,) = db.execute("PRAGMA auto_vacuum").fetchone()
    deadline = time.monotonic() + EMPTY_SECONDS
    problem = "the write-ahead log is in use: what it has goes with its next turns"
    while True:
        with contextlib.suppress(sqlite3.OperationalError):  # somebody writes
            for _ in _free_pages(db) if kind else ():
                db.executescript(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})")
                time.sleep(PAUSE_SECONDS)
            busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return ""
        if time.monotonic() > deadline:
            return problem
        time.sleep(SETTLE_SECONDS)


def _free_pages(db: sqlite3.Connection) -> Iterator[int]:
    """Yields until none are left, or they do not get fewer."""
    before = None
    while (free := db.execute("PRAGMA freelist_count").fetchone()[0]) and free != before:
        yield free
        before = free
