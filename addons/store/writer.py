"""The one thread of a process that writes to the log.

    put(record)  on the event loop: appends to a bounded queue; never waits, never raises
    the thread   takes what has gathered, hashes and compresses the bodies, writes one transaction
    close()      writes what is still queued

What can go wrong, the likeliest first: the database is locked, full or away -> after PATIENCE seconds what comes goes
to the spool on disk, and back from it in its order when the database can be written again (keeping/backlog.py); the
spool is full, too -> the queue fills, and then drops (counted, logged once a minute, shown by the dashboard); one
record cannot be stored -> it alone is left out, with a line in the log; a body cannot be written, or figures, sessions
or words cannot be kept up -> the row is written without them (keeping/bodies.py, keeping/beside/).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from switchman.addons.core.keys.known import NO_KEYS, KnownKeys
from switchman.addons.core.record import Record
from switchman.addons.core.texts.redaction.atrest import Redactor
from switchman.addons.store.blobs import BlobStore, pack
from switchman.addons.store.database import insert_rows, is_passing, writing
from switchman.addons.store.keeping.backlog import Away, Backlog, forget_frames
from switchman.addons.store.keeping.beside.adding import add_beside
from switchman.addons.store.keeping.bodies import BodyKeeper
from switchman.addons.store.keeping.capture import as_kept
from switchman.addons.store.keeping.limits import Limits
from switchman.addons.store.keeping.logsize import ROW_BYTES, add_to_total
from switchman.addons.store.keeping.packing import packed_rows
from switchman.addons.store.keeping.spool import Spool
from switchman.addons.store.rows import Prepared, body_bytes, head_bytes, renamed, without_bodies
from switchman.addons.store.tables import attempts, requests

log = logging.getLogger(__name__)

BATCH = 200  # records in one transaction at most
BATCH_BYTES = 32 * 1024 * 1024  # of bodies, likewise: their files are written under the write lock
GATHER_SECONDS = 0.08  # how long the first record of a batch waits for others
QUEUE_RECORDS = 10_000
QUEUE_BYTES = 64 * 1024 * 1024  # of bodies waiting; beyond that, rows are queued without theirs
QUEUE_HEAD_BYTES = 32 * 1024 * 1024  # of heads waiting: they are cut only by the thread
PATIENCE = 2.0  # seconds that a batch waits for the database before it goes to the spool
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0  # seconds between tries of a batch
TELL_SECONDS = 60.0  # the same problem is logged at most this often


@dataclass(slots=True)
class Counts:
    """Counts the records by what became of them. `bodiless` were written without a body that should have been kept."""

    written: int = 0
    dropped: int = 0  # the queue and the spool were full, or the database stayed away until the end
    failed: int = 0  # could not be stored
    bodiless: int = 0


class Writer:
    """Starts its thread at once. Threads do not survive a fork: make one per process, after forking."""

    def __init__(
        self,
        engine: Engine,
        store: BlobStore,
        *,
        max_body: int,
        max_total: int,
        max_log: int | None = None,
        spool: Spool | None = None,
        patience: float = PATIENCE,
        queue_records: int = QUEUE_RECORDS,
        queue_bytes: int = QUEUE_BYTES,
        gather_seconds: float = GATHER_SECONDS,
        keys: Callable[[], KnownKeys] = lambda: NO_KEYS,
        redactor: Callable[[], Redactor] = Redactor,
        searched: bool = False,
    ) -> None:
        self.counts = Counts()
        self._engine = engine
        self._blobs = store
        self._max_body = max_body
        self._limits = Limits(engine, store, max_total, max_log, self._warn)
        self._queue_records = queue_records
        self._queue_bytes = queue_bytes
        self._gather = gather_seconds
        self._keys, self._redactor, self._searched = keys, redactor, searched
        self._queue: deque[Record] = deque()
        self._waiting_bytes = self._waiting_heads = 0
        self._lock = threading.Lock()  # guards _waiting_bytes and _closed against put() from several threads
        self._some = threading.Event()
        self._stop = threading.Event()
        self._closed = False
        self._deadline: float | None = None
        self._drops_logged = 0
        self._logged_at: dict[str, float] = {}
        self._bodies = BodyKeeper(store, self._lost_body)
        self._patience = patience
        self._backlog = Backlog(spool, self._store, log.warning, BATCH) if spool is not None else None
        self._thread = threading.Thread(target=self._run, name="switchman-writer", daemon=True)
        self._thread.start()

    def put(self, record: Record) -> bool:
        """Queue a record; False when it was dropped because the queue is full or closed. Never blocks, never raises."""
        size, head = body_bytes(record), head_bytes(record)
        with self._lock:
            full = len(self._queue) >= self._queue_records or self._waiting_heads + head > QUEUE_HEAD_BYTES
            if self._closed or full:
                self.counts.dropped += 1
                return False
            if size and self._waiting_bytes + size > self._queue_bytes:
                record, size = without_bodies(record), 0
                self.counts.bodiless += 1
            self._waiting_bytes += size
            self._waiting_heads += head
            self._queue.append(record)
        if not self._some.is_set():
            self._some.set()
        return True

    def close(self, timeout: float = 10.0) -> bool:
        """Write what is queued and end the thread; False when `timeout` seconds were too few and records were lost."""
        with self._lock:
            self._closed = True
        self._deadline = time.monotonic() + timeout
        self._stop.set()
        self._some.set()
        self._thread.join(timeout + 1.0)
        self._warn_of_drops(at_once=True)
        return not self._thread.is_alive() and not self._queue

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Records in the queue."""
        return len(self._queue)

    @property
    def waiting_bytes(self) -> int:
        """Of the bodies of these records."""
        return self._waiting_bytes

    @property
    def spooled(self) -> int:
        """Records that went through the spool."""
        return self._backlog.kept if self._backlog is not None else 0

    @property
    def problem(self) -> str | None:
        return self._backlog.problem if self._backlog is not None else None

    def _run(self) -> None:
        backlog = self._backlog
        while True:
            self._some.wait(backlog.wait if backlog is not None else None)
            self._stop.wait(self._gather)
            self._some.clear()
            while not (backlog and backlog.held) and (batch := self._take()):
                self._write(batch)
                if backlog is not None:
                    backlog.step(BATCH_BYTES)
            if backlog is not None:
                backlog.step(BATCH_BYTES)
                if self._queue and not backlog.held:
                    self._some.set()  # what was left in the queue meanwhile
            self._warn_of_drops()
            if self._stop.is_set() and self._is_done():
                return

    def _is_done(self) -> bool:
        held = self._backlog.held if self._backlog is not None else ()
        if (self._queue or held) and self._late():
            self._drop_all()
            self.counts.dropped += len(held)
            return True
        return not self._queue and not held

    def _take(self) -> list[Record]:
        if self._late():
            self._drop_all()
            return []
        batch: list[Record] = []
        size = heads = 0
        with self._lock:
            while self._queue and len(batch) < BATCH and size + heads < BATCH_BYTES:
                batch.append(self._queue.popleft())
                size += body_bytes(batch[-1])
                heads += head_bytes(batch[-1])
            self._waiting_bytes -= size
            self._waiting_heads -= heads
        return batch

    def _write(self, batch: Sequence[Record]) -> None:
        """To the database, or to the spool where that cannot be written or others wait there already."""
        prepared = [item for record in batch if (item := self._prepare(record)) is not None]
        if not prepared:
            return
        if self._backlog is not None and self._backlog.active:
            self._backlog.add(self._for_the_spool(prepared))
            return
        try:
            self._store(prepared)
        except Away as away:
            assert self._backlog is not None
            forget_frames(away)
            self._backlog.begin(self._for_the_spool(prepared), str(away))

    def _for_the_spool(self, prepared: list[Prepared]) -> list[Prepared]:
        """Bodies that are only ever kept in memory do not get to a disk by this."""
        if not self._blobs.accounted:
            for item in prepared:
                for body in item.bodies:
                    self._bodies.keep_file(body)
                item.bodies = []
        return prepared

    def _store(self, prepared: Sequence[Prepared]) -> None:
        """Write all in one transaction; where that is refused for a reason that stays, write each in its own.

        Raises Away, where there is a spool.
        """
        self._limits.make_room(prepared, self._bodies.recent, self._patience if self._backlog is not None else None)
        try:
            self._commit(prepared)
        except Away:
            raise
        except Exception:
            if len(prepared) > 1:
                log.debug("a batch of %d was refused; writing one by one", len(prepared), exc_info=True)
            for item in prepared:
                try:
                    self._commit_one(item)
                except Away:
                    raise
                except Exception as exc:  # noqa: BLE001 - the same boundary: this one is left out
                    self._leave_out(item.row["id"], exc)
        self._limits.prune()

    def _prepare(self, record: Record) -> Prepared | None:
        try:
            return as_kept(record, self._keys(), self._redactor, self._max_body, self._searched)
        except Exception as exc:  # noqa: BLE001 - the same boundary, for a record that cannot even become rows
            self._leave_out(getattr(record, "id", "?"), exc)
            return None

    def _leave_out(self, name: object, exc: Exception) -> None:
        self.counts.failed += 1
        reason = f"{type(exc).__name__}: {getattr(exc, 'orig', None) or exc!s:.300}"
        self._warn("failed", f"request {name!s:.100} is left out of the log ({self.counts.failed} so far): {reason}")

    def _commit_one(self, item: Prepared) -> None:
        try:
            self._commit([item])
        except IntegrityError:
            if self._is_written(item):  # the connection broke just after a commit, and the batch came again
                self.counts.written += 1
                return
            # Callers may choose ids (x-request-id) and choose one twice; the second request leaves a row too. Its id
            # follows from what it is: it may come again from the spool, after a crash.
            item = renamed(item)
        else:
            return
        try:
            self._commit([item])
        except IntegrityError:
            if not self._is_written(item):
                raise
            self.counts.written += 1

    def _is_written(self, item: Prepared) -> bool:
        with self._engine.connect() as conn:
            known = conn.scalar(select(requests.c.started_at).where(requests.c.id == item.row["id"]))
        return known is not None and known == item.row["started_at"]

    def _commit(self, prepared: Sequence[Prepared]) -> None:
        """Write these rows, trying again for as long as what is in the way may pass."""
        bodies = {body.digest: body for item in prepared for body in item.bodies}
        pack([body for body in bodies.values() if body.digest not in self._bodies.recent])
        pause, began = FIRST_PAUSE, time.monotonic()
        patience = self._patience if self._backlog is not None else None
        while True:
            try:
                with writing(self._engine, patience) as conn:
                    self._bodies.keep(conn, prepared, bodies)
                    rows = [item.row for item in prepared]
                    rows = packed_rows(rows) if conn.dialect.name == "sqlite" else rows
                    insert_rows(conn, requests, rows)
                    add_beside(conn, prepared, time.time())
                    add_to_total(conn, ROW_BYTES, sum(row["stored_size"] for row in rows))
                    if tries := [attempt for item in prepared for attempt in item.attempts]:
                        insert_rows(conn, attempts, tries)
            except DBAPIError as exc:
                if not is_passing(exc):
                    raise
                if patience is not None and time.monotonic() - began + pause > patience:
                    raise Away(f"{exc.orig!s:.300}") from exc
                if self._late():
                    self.counts.dropped += len(prepared)
                    return
                self._warn("database", f"the log's database does not answer, trying again: {exc.orig!s:.300}")
                self._warn_of_drops()
                if self._stop.is_set():
                    time.sleep(FIRST_PAUSE)
                else:
                    self._stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self.counts.written += len(prepared)
                self._bodies.remember(bodies)
                return

    def _lost_body(self, error: OSError) -> None:
        self.counts.bodiless += 1
        self._warn("blobs", f"a body cannot be stored, its request is logged without it: {error}")

    def _late(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline

    def _drop_all(self) -> None:
        with self._lock:
            self.counts.dropped += len(self._queue)
            self._queue.clear()
            self._waiting_bytes = self._waiting_heads = 0

    def _warn_of_drops(self, at_once: bool = False) -> None:
        if (dropped := self.counts.dropped) > self._drops_logged:
            sentence = f"{dropped} requests were not logged so far: the log's queue was full or closed"
            if self._warn("dropped", sentence, at_once):
                self._drops_logged = dropped
                if self._backlog is not None:
                    self._backlog.note_drops(dropped)

    def _warn(self, problem: str, sentence: str, at_once: bool = False) -> bool:
        """Log it, unless the same problem was logged within the last minute."""
        now = time.monotonic()
        if not at_once and now - self._logged_at.get(problem, -math.inf) < TELL_SECONDS:
            return False
        self._logged_at[problem] = now
        log.warning(sentence)
        return True
