"""Shared: what the workers of one machine know together, behind one small interface.

Values are bytes under a space and a key, each with a time to live; a space has a size cap, and what was used longest
ago goes first. A claim is a value that only one can hold, for a time: who has it does the work for all.

    MemoryShared    one process; what there is with ENABLE_LOGGING=false
    SQLiteShared    the workers of one machine: a file of its own beside the log's database
    RedisShared     the workers of many machines: REDIS_URL (redisshared.py)

A note is what one owner says to all others, until it says something else. `SharedStoreError` is any backend's failure:
the callers go on as if nothing were there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Spaces of what belongs to a request: switchman forget takes it away with the request's row.
ANSWERS = "answers"
CONVERSATIONS = "conversations"  # the target that each is with
KEYS = "keys"  # and the key of the server's
HOMES = "homes"  # where conversations and callers stay among several that could answer

BUSY_TIMEOUT = 2.0  # seconds to wait for another worker's write; each takes well under a millisecond
USED_STEP = 60.0  # seconds: a value's last use is noted no more often than this, as noting it is a write


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a space may hold in all."""

    entries: int
    bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Note:
    """What another owner said, `age` seconds ago."""

    owner: str
    age: float
    text: bytes


PURGE_EVERY = 300.0  # seconds between two looks for what has expired: it is not to stay on disk

Clock = Callable[[], float]  # epoch seconds, as they are compared between processes


class SharedStoreError(Exception):
    """The backend failed. Nothing is lost but what it held."""


class Shared(Protocol):
    """All raise SharedStoreError, and nothing else, where the backend fails."""

    async def get(self, space: str, key: str) -> bytes | None: ...

    async def put(self, space: str, key: str, value: bytes, ttl: float, quota: Quota) -> None:
        """Keep a value for `ttl` seconds. A value larger than the whole quota is not kept."""

    async def claim(self, space: str, key: str, owner: str, ttl: float) -> bool:
        """Take the claim, unless another owner took it less than its `ttl` ago. Returns whether `owner` has it now."""

    async def release(self, space: str, key: str, owner: str) -> None:
        """Give a claim back; nothing if it is somebody else's by now."""

    async def post(self, space: str, owner: str, text: bytes | None, ttl: float) -> list[Note]:
        """Say something to all others, in place of what `owner` said before; None adds nothing. Returns what the others
        said less than `ttl` seconds ago.
        """

    def close(self) -> None: ...


class MemoryShared:
    """In this process only."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._spaces: dict[str, OrderedDict[str, tuple[bytes, float]]] = {}
        self._sizes: dict[str, int] = {}
        self._claims: dict[tuple[str, str], tuple[str, float]] = {}
        self._notes: dict[str, dict[str, tuple[bytes, float]]] = {}

    async def get(self, space: str, key: str) -> bytes | None:
        values = self._spaces.get(space)
        if values is None or key not in values:
            return None
        value, expires = values[key]
        if expires <= self._clock():
            self._drop(space, key)
            return None
        values.move_to_end(key)
        return value

    async def put(self, space: str, key: str, value: bytes, ttl: float, quota: Quota) -> None:
        self._drop(space, key)
        size = len(value) + len(key)
        if size > quota.bytes or ttl <= 0:
            return
        values = self._spaces.setdefault(space, OrderedDict())
        values[key] = (value, self._clock() + ttl)
        self._sizes[space] = self._sizes.get(space, 0) + size
        while self._sizes[space] > quota.bytes or len(values) > quota.entries:
            self._drop(space, next(iter(values)))

    async def claim(self, space: str, key: str, owner: str, ttl: float) -> bool:
        now = self._clock()
        holder, expires = self._claims.get((space, key), ("", 0.0))
        if holder not in ("", owner) and expires > now:
            return False
        self._claims[space, key] = (owner, now + ttl)
        return True

    async def release(self, space: str, key: str, owner: str) -> None:
        if self._claims.get((space, key), ("", 0.0))[0] == owner:
            del self._claims[space, key]

    async def post(self, space: str, owner: str, text: bytes | None, ttl: float) -> list[Note]:
        notes, now = self._notes.setdefault(space, {}), self._clock()
        if text is not None:
            notes[owner] = (text, now)
        for name in [name for name, (_, at) in notes.items() if at <= now - ttl]:
            del notes[name]
        return [Note(name, now - at, said) for name, (said, at) in notes.items() if name != owner]

    def close(self) -> None:
        self._spaces.clear()
        self._sizes.clear()
        self._claims.clear()
        self._notes.clear()

    def _drop(self, space: str, key: str) -> None:
        values = self._spaces.get(space, OrderedDict())
        if (found := values.pop(key, None)) is not None:
            self._sizes[space] -= len(found[0]) + len(key)


# The size of a space is kept by triggers, so that every worker sees the same one, and none has to add it up.
SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    space TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, size INTEGER NOT NULL,
    expires REAL NOT NULL, used REAL NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_used ON entries (space, used);
CREATE INDEX IF NOT EXISTS entries_expire ON entries (expires);
CREATE TABLE IF NOT EXISTS sizes (
    space TEXT PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS entries_added AFTER INSERT ON entries BEGIN
    INSERT INTO sizes VALUES (new.space, 1, new.size)
    ON CONFLICT (space) DO UPDATE SET entries = entries + 1, bytes = bytes + new.size; END;
CREATE TRIGGER IF NOT EXISTS entries_removed AFTER DELETE ON entries BEGIN
    UPDATE sizes SET entries = entries - 1, bytes = bytes - old.size WHERE space = old.space; END;
CREATE TABLE IF NOT EXISTS claims (
    space TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, expires REAL NOT NULL,
    PRIMARY KEY (space, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (
    space TEXT NOT NULL, owner TEXT NOT NULL, text BLOB NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (space, owner)) WITHOUT ROWID;
"""


class SQLiteShared:
    """One file for all workers of a machine, in WAL mode. Every statement runs in one thread of its own.

    The file is only a cache: one that cannot be read is thrown away and begun anew.
    """

    def __init__(self, path: Path, clock: Clock = time.time) -> None:
        self._path, self._clock = path, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="switchman shared")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # which file the connection is of
        self._purged = float("-inf")

    async def get(self, space: str, key: str) -> bytes | None:
        return await self._run(lambda db: self._get(db, space, key))

    async def put(self, space: str, key: str, value: bytes, ttl: float, quota: Quota) -> None:
        await self._run(lambda db: self._put(db, space, key, value, ttl, quota))

    async def claim(self, space: str, key: str, owner: str, ttl: float) -> bool:
        now = self._clock()
        taken = (
            "INSERT INTO claims VALUES (?, ?, ?, ?) ON CONFLICT (space, key) DO UPDATE "
            "SET owner = excluded.owner, expires = excluded.expires WHERE claims.owner = excluded.owner "
            "OR claims.expires <= ?"
        )
        return await self._run(lambda db: db.execute(taken, (space, key, owner, now + ttl, now)).rowcount > 0)

    async def release(self, space: str, key: str, owner: str) -> None:
        given_back = "DELETE FROM claims WHERE space = ? AND key = ? AND owner = ?"
        await self._run(lambda db: db.execute(given_back, (space, key, owner)))

    async def post(self, space: str, owner: str, text: bytes | None, ttl: float) -> list[Note]:
        return await self._run(lambda db: self._post(db, space, owner, text, ttl))

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # closed before
            self._thread.submit(self._close)
        self._thread.shutdown(wait=True)

    async def _run[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` in the thread; it is done even if nobody waits for it any more."""
        try:
            return await asyncio.wrap_future(self._thread.submit(self._guarded, work))
        except RuntimeError as error:  # the thread is closed
            raise SharedStoreError(str(error)) from None

    def _guarded[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is not None and self._file != _identity(self._path):
                self._close()  # deleted, or replaced: what is written goes nowhere, and other workers do not see it
            if self._connection is None:
                self._connection = self._open()
            if self._clock() - self._purged >= PURGE_EVERY:
                self._purge(self._connection)
            return work(self._connection)
        except (sqlite3.Error, OSError) as error:
            broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
            self._close()
            if broken:
                self._remove("", "-wal", "-shm")
            raise SharedStoreError(str(error)) from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if _identity(self._path) is None:
            self._remove("-wal", "-shm")  # of the one before
        # Answers are private: the file is created for its owner only, before SQLite writes into it.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        db = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = OFF")  # after a power cut the cache may be gone; nothing else is
            db.executescript(SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        self._file = _identity(self._path)
        return db

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _remove(self, *suffixes: str) -> None:
        for suffix in suffixes:
            with contextlib.suppress(OSError):
                self._path.with_name(self._path.name + suffix).unlink()

    def _get(self, db: sqlite3.Connection, space: str, key: str) -> bytes | None:
        now = self._clock()
        found = "SELECT value, used FROM entries WHERE space = ? AND key = ? AND expires > ?"
        row = db.execute(found, (space, key, now)).fetchone()
        if row is None:
            return None
        if row[1] < now - USED_STEP:
            db.execute("UPDATE entries SET used = ? WHERE space = ? AND key = ?", (now, space, key))
        return bytes(row[0])

    def _put(self, db: sqlite3.Connection, space: str, key: str, value: bytes, ttl: float, quota: Quota) -> None:
        now, size = self._clock(), len(value) + len(key)
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute("DELETE FROM entries WHERE space = ? AND key = ?", (space, key))
            if size <= quota.bytes and ttl > 0:
                row = (space, key, value, size, now + ttl, now)
                db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)
                self._evict(db, space, quota, now)
        except sqlite3.Error:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def _post(self, db: sqlite3.Connection, space: str, owner: str, text: bytes | None, ttl: float) -> list[Note]:
        now = self._clock()
        if text is not None:  # else nothing is written: this is asked several times a second
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?)", (space, owner, text, now))
            db.execute("DELETE FROM notes WHERE space = ? AND at <= ?", (space, now - ttl))
        others = "SELECT owner, at, text FROM notes WHERE space = ? AND owner <> ? AND at > ?"
        found = db.execute(others, (space, owner, now - ttl))
        return [Note(name, max(0.0, now - at), bytes(said)) for name, at, said in found]

    def _purge(self, db: sqlite3.Connection) -> None:
        self._purged = now = self._clock()
        db.execute("DELETE FROM entries WHERE expires <= ?", (now,))
        db.execute("DELETE FROM claims WHERE expires <= ?", (now,))

    def _evict(self, db: sqlite3.Connection, space: str, quota: Quota, now: float) -> None:
        if not _overfull(db, space, quota):
            return
        db.execute("DELETE FROM entries WHERE space = ? AND expires <= ?", (space, now))
        oldest = (
            "DELETE FROM entries WHERE space = ?1 AND key = (SELECT key FROM entries WHERE space = ?1 ORDER BY used)"
        )
        while _overfull(db, space, quota):
            db.execute(oldest, (space,))


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file that the name means now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _overfull(db: sqlite3.Connection, space: str, quota: Quota) -> bool:
    entries, size = db.execute("SELECT entries, bytes FROM sizes WHERE space = ?", (space,)).fetchone()
    return bool(entries > quota.entries or size > quota.bytes)
