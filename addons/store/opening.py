"""Opening the log: the database, its schema, the blob store, and the threads that write and age out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from switchman.addons.core.keys.known import NO_KEYS, KnownKeys
from switchman.addons.core.record import Resting, RulesInForce, Running
from switchman.addons.core.texts.redaction.atrest import Redactor
from switchman.addons.store.access.opening import Access, connect
from switchman.addons.store.blobs import BlobStorageType, BlobStore, open_blobs
from switchman.addons.store.keeping.beside.words import has_words
from switchman.addons.store.keeping.logsize import log_bytes
from switchman.addons.store.keeping.spool import Spool
from switchman.addons.store.reading.queries import Queries
from switchman.addons.store.retention import Retention
from switchman.addons.store.tables import totals
from switchman.addons.store.underway import write_resting, write_rules, write_underway
from switchman.addons.store.writer import Writer


class Store:
    """The log of one process. The dashboard only asks `queries`; a proxy worker also takes `writer()`."""

    def __init__(
        self,
        engine: Engine,
        blobs: BlobStore,
        *,
        max_body: int,
        max_total: int,
        max_age_days: float | None,
        max_log: int | None = None,
        spool: Spool | None = None,
        keys: Callable[[], KnownKeys] = lambda: NO_KEYS,
        redactor: Callable[[], Redactor] = Redactor,
        full_text: bool = False,
    ) -> None:
        self.engine = engine
        self.blobs = blobs
        self.spool = spool
        self.queries = Queries(engine, blobs, spool, searches=full_text)
        self._full_text = full_text
        self.access = Access(engine)
        self.retention = Retention(engine, blobs, max_age_days, max_log)
        self._max_body = max_body
        self._max_total = max_total
        self._max_log = max_log
        self._keys, self._redactor = keys, redactor
        self._writer: Writer | None = None

    def writer(self) -> Writer:
        """The writer of this process; the first call starts its thread, and the one that ages out."""
        if self._writer is None:
            self._writer = Writer(
                self.engine,
                self.blobs,
                max_body=self._max_body,
                max_total=self._max_total,
                max_log=self._max_log,
                spool=self.spool,
                keys=self._keys,
                redactor=self._redactor,
                searched=self._full_text,
            )
            self.retention.start()
        return self._writer

    def check(self) -> str | None:
        """None when the log works, else one sentence for /readyz. It asks the database: not on the event loop."""
        if self._writer is not None and not self._writer.alive:
            return "the log's writer has stopped"
        try:
            with self.engine.connect() as conn:
                conn.execute(select(totals.c.name).limit(1)).all()
        except DBAPIError as exc:
            return f"the log's database does not answer: {exc.orig!s:.200}"
        return None

    def backlog(self) -> str | None:
        """None while records reach the database; else why they wait. The router goes on either way."""
        return self._writer.problem if self._writer is not None else None

    def log_bytes(self) -> int:
        """What rows and bodies take. Raises DBAPIError."""
        with self.engine.connect() as conn:
            return log_bytes(conn)

    def write_underway(self, worker: str, running: Sequence[Running], now: float) -> str | None:
        """Write down the requests that run (underway.py). Returns None, or why it failed: nothing depends on it."""
        try:
            write_underway(self.engine, worker, self._keys().hide_in(tuple(running)), now)
        except DBAPIError as exc:
            return f"{exc.orig!s:.200}"
        return None

    def write_resting(self, worker: str, rests: Sequence[Resting], now: float) -> str | None:
        """Write down the targets that rest, likewise."""
        try:
            write_resting(self.engine, worker, self._keys().hide_in(tuple(rests)), now)
        except DBAPIError as exc:
            return f"{exc.orig!s:.200}"
        return None

    def write_rules(self, worker: str, rules: RulesInForce | None, now: float) -> str | None:
        """Write down which rules a worker has, likewise; None: it ends."""
        try:
            write_rules(self.engine, worker, rules, now)
        except DBAPIError as exc:
            return f"{exc.orig!s:.200}"
        return None

    def close(self, timeout: float = 10.0) -> bool:
        """Write what is queued, end the threads, let go of the database; False when records were lost."""
        self.retention.stop()
        complete = self._writer.close(timeout) if self._writer is not None else True
        self.engine.dispose()
        return complete

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(
    *,
    url: str | None = None,
    db_path: str | Path = "requests.db",
    blob_type: BlobStorageType = "filesystem",
    blob_path: str | Path = "blob_storage",
    max_blob_size: int = 10_485_760,
    max_total_size: int = 1_073_741_824,
    max_age_days: float | None = 7,
    max_log_size: int | None = None,
    spool_path: str | Path | None = None,
    max_spool_size: int = 268_435_456,
    keys: Callable[[], KnownKeys] = lambda: NO_KEYS,
    redactor: Callable[[], Redactor] = Redactor,
    full_text: bool = True,
) -> Store:
    """Connect, bring the schema up to date, and be ready. Starts no thread.

    `url` is DATABASE_URL; without it the SQLite file `db_path`. In bytes: `max_blob_size` of one body before, and
    `max_total_size` of all bodies after compression. `max_age_days` None: kept for ever. `max_log_size`
    of rows and bodies together, None: any. `spool_path`: the file where
    records wait while the database cannot be written, of `max_spool_size` bytes at most; None: they wait in memory.
    `keys`: those that are masked by value in all that is written. `redactor`:
    for what is captured `redacted`. `full_text`: prompts and answers are found by their words; never where bodies are
    in memory only, as the words would be on a disk.
    Raises StoreError with what to do.
    """
    engine = connect(url, db_path)
    blobs = open_blobs(blob_type, blob_path, max_total_size)
    spool = Spool(Path(spool_path), max_spool_size) if spool_path is not None and max_spool_size else None
    return Store(
        engine,
        blobs,
        max_body=max_blob_size,
        max_total=max_total_size,
        max_age_days=max_age_days,
        max_log=max_log_size,
        spool=spool,
        keys=keys,
        redactor=redactor,
        full_text=full_text and blobs.accounted and has_words(engine),
    )
