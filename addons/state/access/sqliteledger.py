"""Accounts in a SQLite file, for the workers of one machine.

A batch is one transaction, and a thread of its own runs it: one hop from the event loop and back, whatever the number
of requests in it. What was committed outlasts the process; a power cut may take the last moments, and nothing else
(WAL, synchronous=NORMAL). A file that cannot be read is not thrown away, as budgets would begin anew: it is told.

    accounts    two windows, packed, and the rest as JSON
    owners      until when a worker counts as there (0: it is gone, and what it held came back), and its last batch
    holdings    in which accounts an owner holds something
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from switchman.addons.core.access.limits.account import Account
from switchman.addons.core.access.limits.ledger import Batch, Outcome, abandon, apply
from switchman.addons.state.access.ledgers import KEPT, LEASE, Clock, LedgerAway, OwnerUnknown

BUSY_TIMEOUT = 5.0  # seconds to wait for another worker's transaction; each takes well under a millisecond
REAP_EVERY = 1.0  # seconds between two looks for owners that are gone

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    name TEXT PRIMARY KEY, requests BLOB NOT NULL, tokens BLOB NOT NULL, rest TEXT NOT NULL, touched REAL NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (
    owner TEXT PRIMARY KEY, expires REAL NOT NULL, number INTEGER NOT NULL, seen REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holdings (owner TEXT, account TEXT, PRIMARY KEY (owner, account)) WITHOUT ROWID;
"""
_READ = "SELECT requests, tokens, rest FROM accounts WHERE name = ?"
_WRITE = "INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?)"

type Work[T] = Callable[[sqlite3.Connection], T]


class SQLiteLedger:
    """One file for all workers. `lease`: seconds without a word after which an owner is gone."""

    def __init__(self, path: Path, clock: Clock = time.time, lease: float = LEASE) -> None:
        self._path, self._clock, self._lease = path, clock, lease
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # which file the connection is of
        self._reaped = float("-inf")
        self._noted: set[tuple[str, str]] = set()  # holdings that are in the table
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, batch: Batch) -> Outcome:
        return await self._do(lambda db: self._run(db, batch))

    async def look(self, accounts: Sequence[str]) -> dict[str, Account]:
        return await self._do(lambda db: _load(db, accounts))

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(thread.join)

    async def _do[T](self, work: Work[T]) -> T:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="switchman limits", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._queue.put((loop, done, work))
        return await done

    def _serve(self) -> None:
        """The thread. A cheaper hop than an executor's, which makes two futures and a lock for each."""
        while (job := self._queue.get()) is not None:
            loop, done, work = job
            result: Any = None
            problem: Exception | None = None
            try:
                result = work(self._opened())
            except OwnerUnknown as error:
                problem = error
            except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
                self._close()
                problem = LedgerAway(f"{self._path}: {error}")
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(_finish, done, result, problem)
        self._close()

    def _run(self, db: sqlite3.Connection, batch: Batch) -> Outcome:
        db.execute("BEGIN IMMEDIATE")
        try:
            outcome = self._in_transaction(db, batch, self._clock())
        except BaseException:
            db.execute("ROLLBACK")
            self._noted.clear()
            raise
        db.execute("COMMIT")
        return outcome

    def _in_transaction(self, db: sqlite3.Connection, batch: Batch, now: float) -> Outcome:
        owner = batch.owner
        row = db.execute("SELECT expires, number FROM owners WHERE owner = ?", (owner,)).fetchone()
        if batch.truth is None and (row is None or not row[0]):
            raise OwnerUnknown
        if now - self._reaped >= REAP_EVERY or now < self._reaped:
            self._reaped = now
            self._reap(db, owner, now)
        names = batch.accounts()
        if batch.truth is not None:
            names.update(name for (name,) in db.execute("SELECT account FROM holdings WHERE owner = ?", (owner,)))
        accounts = {name: Account() for name in names} | _load(db, names)
        outcome = apply(batch, accounts, now, settled=row is not None and row[1] >= batch.number)
        _save(db, accounts, now)
        holds = [(owner, name) for name, one in accounts.items() if owner in one.held]
        if fresh := [one for one in holds if one not in self._noted]:
            db.executemany("INSERT OR IGNORE INTO holdings VALUES (?, ?)", fresh)
            self._noted.update(fresh)
        number = max(batch.number, row[1] if row is not None else 0)
        db.execute("INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?)", (owner, now + self._lease, number, now))
        return outcome

    def _reap(self, db: sqlite3.Connection, owner: str, now: float) -> None:
        """Give back what owners held that are gone. The number of their last batch is kept: one may only have been
        stopped."""
        gone = db.execute("SELECT owner FROM owners WHERE expires <= ? AND expires > 0 AND owner != ?", (now, owner))
        for (one,) in gone.fetchall():
            names = [name for (name,) in db.execute("SELECT account FROM holdings WHERE owner = ?", (one,))]
            accounts = _load(db, names)
            abandon(one, accounts)
            _save(db, accounts, now)
            db.execute("DELETE FROM holdings WHERE owner = ?", (one,))
            db.execute("UPDATE owners SET expires = 0 WHERE owner = ?", (one,))

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None and self._file != _identity(self._path):
            self._close()  # deleted, or replaced: other workers would not see what is written
        if self._db is None:
            self._db = self._open()
        return self._db

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        db = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(SCHEMA)
            now = self._clock()
            db.execute("DELETE FROM accounts WHERE touched < ?", (now - KEPT,))
            db.execute("DELETE FROM owners WHERE expires = 0 AND seen < ?", (now - 86_400.0,))
        except sqlite3.Error:
            db.close()
            raise
        self._file = _identity(self._path)
        self._noted.clear()
        return db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _load(db: sqlite3.Connection, names: Sequence[str] | set[str]) -> dict[str, Account]:
    found = {}
    for name in names:
        if (row := db.execute(_READ, (name,)).fetchone()) is not None:
            found[name] = Account.unpack(*row)
    return found


def _save(db: sqlite3.Connection, accounts: dict[str, Account], now: float) -> None:
    for name, account in accounts.items():
        db.execute(_WRITE, (name, *account.pack(), now))


def _finish(done: asyncio.Future[Any], result: Any, problem: Exception | None) -> None:
    if done.cancelled():
        return
    if problem is not None:
        done.set_exception(problem)
    else:
        done.set_result(result)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def look_into(path: Path, accounts: Sequence[str]) -> dict[str, Account]:
    """The accounts in a file that others may be writing, for the command line. Raises LedgerAway."""
    if _identity(path) is None:
        return {}
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2)) as db:
            return _load(db, accounts)
    except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerAway(f"{path}: {error}") from error
