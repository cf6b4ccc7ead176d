"""Records on disk while the log's database cannot be written: a small SQLite file beside it, first in, first out.

1. What is in it is ready for the tables: masked, cut, bodies compressed. The file is for its owner only.
2. It is bounded by SQLite itself (max_page_count), and gives its pages back as it empties (auto_vacuum).
3. A record is in it whole or not at all: a process that dies in the middle of one leaves the others (a rollback
   journal). It is removed only when it is in the database; one that was written just before a crash comes again, and
   the writer knows it by its id.
4. All workers share it. Each operation opens it anew, so that a file that was deleted meanwhile is made again.
5. A file that is damaged is set aside (`.broken`), and a new one begins. A record that cannot be read, as another
   version may have written it, counts as dropped.

persist-queue and diskcache were looked at: both unpickle what is on disk, neither has a bound that refuses rather than
removes, nor a file mode; and this is one table.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from switchman.addons.core.decision.verdicts.errorclass import error_class
from switchman.addons.core.record import AttemptRecord
from switchman.addons.store.blobs import Body, pack, unpack
from switchman.addons.store.rows import Prepared
from switchman.addons.store.tables import attempts, requests

PAGE = 4096  # bytes
FEWEST_PAGES = 8  # what the empty tables take, and a little
BUSY_SECONDS = 5.0  # for another worker's turn
BROKEN = ".broken"

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    n INTEGER PRIMARY KEY AUTOINCREMENT, rows TEXT NOT NULL, size INTEGER NOT NULL, request BLOB, response BLOB);
CREATE TABLE IF NOT EXISTS drops (
    one INTEGER PRIMARY KEY CHECK (one = 1), dropped INTEGER NOT NULL, last REAL NOT NULL);
INSERT OR IGNORE INTO drops VALUES (1, 0, 0);
"""


class SpoolError(Exception):
    """The spool cannot be used now; the message says why."""


class SpoolState(NamedTuple):
    """`dropped`: requests that found no room here either, ever; the last of them at `dropped_at` (epoch seconds)."""

    records: int = 0
    dropped: int = 0
    dropped_at: float = 0.0


class Spool:
    """`most`: bytes of the file at most. Nothing is opened or made before it is needed."""

    def __init__(self, path: Path, most: int) -> None:
        self.path = path.absolute()
        self._pages = max(FEWEST_PAGES, most // PAGE)

    def append(self, items: Sequence[Prepared]) -> int:
        """Keep the first so many of these as there is room for; how many. Raises SpoolError."""
        rows = [_packed(item) for item in items]
        with self._open() as db:
            if _inserted(db, rows):
                return len(rows)
            for at, row in enumerate(rows):
                if not _inserted(db, [row]):
                    return at
        return len(rows)

    @contextmanager
    def oldest(self, count: int, size: int) -> Iterator[list[Prepared]]:
        """The oldest records, `count` at most and about `size` bytes; removed when the block ends without an error.

        No other worker can use the spool meanwhile. Raises SpoolError, where that is not the block's own.
        """
        if not self.path.exists():
            yield []
            return
        with self._open() as db:
            with _told():
                db.execute("BEGIN IMMEDIATE")
                found, last = _read(db, count, size)
            try:
                yield found
            except BaseException:
                db.execute("ROLLBACK")
                raise
            with _told():
                db.execute("DELETE FROM records WHERE n <= ?", (last,))
                db.execute("COMMIT")

    def state(self) -> SpoolState:
        """Raises SpoolError."""
        if not self.path.exists():
            return SpoolState()
        with self._open() as db, _told():
            (records,) = db.execute("SELECT count(*) FROM records").fetchone()
            dropped, last = db.execute("SELECT dropped, last FROM drops").fetchone()
        return SpoolState(records, dropped, last)

    def count_dropped(self, number: int, now: float) -> None:
        """Note for the dashboard that so many records were dropped. Raises SpoolError."""
        with self._open() as db, _told():
            db.execute("UPDATE drops SET dropped = dropped + ?, last = ?", (number, now))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with _told():
            try:
                db = self._connect()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._set_aside()
                db = self._connect()
        try:
            yield db
        except SpoolError as error:
            if _is_damage(error.__cause__):
                db.close()
                with _told():
                    self._set_aside()
            raise
        finally:
            db.close()

    def _set_aside(self) -> None:
        """It is no database (any more): begin anew, and leave it to look at."""
        os.replace(self.path, f"{self.path}{BROKEN}")

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            db.execute(f"PRAGMA page_size = {PAGE}")
            db.execute("PRAGMA auto_vacuum = FULL")  # for a new file; both have no effect on one that has tables
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA max_page_count = {self._pages}")
            if db.execute("PRAGMA schema_version").fetchone() == (0,):
                db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        except sqlite3.Error:
            db.close()
            raise
        return db


def _is_damage(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise SpoolError(str(error)) from error


def _inserted(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> bool:
    """All in one transaction; False where there is no room for them."""
    try:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO records (rows, size, request, response) VALUES (?, ?, ?, ?)", rows)
        db.execute("COMMIT")
    except sqlite3.OperationalError as error:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
            return False
        raise SpoolError(str(error)) from error
    return True


def _packed(item: Prepared) -> tuple[Any, ...]:
    pack(item.bodies)
    kept = {body.digest: body.packed for body in item.bodies}
    bodies = [kept.get(item.row[f"{side}_hash"]) for side in ("request", "response")]
    text = json.dumps([item.row | {"words": item.words}, item.attempts])
    return (text, len(text) + sum(len(body or b"") for body in bodies), *bodies)


def _read(db: sqlite3.Connection, count: int, size: int) -> tuple[list[Prepared], int]:
    """The records, and the number of the last one."""
    found, last, unreadable = [], 0, 0
    for number, text, taken, *bodies in db.execute("SELECT n, rows, size, request, response FROM records ORDER BY n"):
        last = number
        try:
            found.append(_unpacked(text, bodies))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            unreadable += 1
            continue
        size -= taken
        if len(found) >= count or size <= 0:
            break
    if unreadable:
        db.execute("UPDATE drops SET dropped = dropped + ?, last = strftime('%s', 'now')", (unreadable,))
    return found, last


def _unpacked(text: str, bodies: Sequence[bytes | None]) -> Prepared:
    row, tried = json.loads(text)
    columns = _of_columns(requests.columns, row)
    tries = [_of_columns(attempts.columns, one) for one in tried]
    if "error_class" not in row:  # of a version that did not know it
        columns["error_class"] = error_class(row["outcome"], row["status"], [*map(_attempt, tries)], row["error"])
    return Prepared(columns, tries, [*_bodies(row, bodies)], str(row.get("words", "")))


def _bodies(row: Mapping[str, Any], packed: Sequence[bytes | None]) -> Iterator[Body]:
    for side, content in zip(("request", "response"), packed, strict=True):
        digest = row[f"{side}_hash"]
        if content is not None and (data := unpack(digest, content)) is not None:
            yield Body(digest, data, row[f"{side}_size"], row[f"{side}_truncated"], content)


def _attempt(row: Mapping[str, Any]) -> AttemptRecord:
    names = ("number", "server", "model", "url", "started_at", "duration_ms", "status", "outcome")
    return AttemptRecord(*(row[name] for name in names))


def _of_columns(columns: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with the columns of this version: another one may have written it."""
    return {
        column.name: row[column.name] if column.name in row else _default(column)
        for column in columns
        if column.name != "seq"
    }


def _default(column: Any) -> Any:
    given = column.server_default
    if given is None:
        return None
    text = str(given.arg)
    return int(text) if text.isdecimal() else text
