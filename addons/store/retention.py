"""Retention: removes what is older than MAX_LOG_AGE_DAYS, the oldest bodies beyond MAX_TOTAL_STORAGE_SIZE, and
what is beyond MAX_LOG_SIZE (keeping/logsize.py).

Everything goes in small transactions with pauses between, so writers are never held up for long. A body is removed by
its `last_used`, which no request that is still here is newer than: a body that a newer row shares stays.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from switchman.addons.store.blobs import BlobStore
from switchman.addons.store.database import writing
from switchman.addons.store.figures.columns.keeping import make_pieces
from switchman.addons.store.figures.keeping import drop_unused_kinds
from switchman.addons.store.keeping.beside.mending import mend
from switchman.addons.store.keeping.beside.sparing import again, spared
from switchman.addons.store.keeping.logsize import (
    BLOB_BYTES,
    keep_within,
    oldest_bodies,
    remove_bodies,
    remove_rows,
    total,
)
from switchman.addons.store.tables import blobs, leases, requests

log = logging.getLogger(__name__)

LEASE = "retention"
EVERY_SECONDS = 3600.0
MEND_SECONDS = 30.0  # between looks for what was missed beside the rows
LEASE_SECONDS = 300.0  # renewed with every step; after a crash, others take over this much later
ROWS_AT_ONCE = 500
PAUSE_SECONDS = 0.02
DAY = 86400.0
SWEEP_MARGIN = DAY  # files are swept this much later than rows, for file times are renewed only now and then


@dataclass(frozen=True, slots=True)
class Removed:
    rows: int = 0
    bodies: int = 0


class Retention:
    """Removes at the start and then hourly, in a thread of its own, which also mends (keeping/beside/mending.py), and
    packs what requests are filtered by (figures/columns/).

    `max_age_days` None: nothing is ever too old.
    """

    def __init__(
        self, engine: Engine, store: BlobStore, max_age_days: float | None, max_log: int | None = None
    ) -> None:
        self._engine = engine
        self._blobs = store
        self._max_log = max_log
        self._max_age = max_age_days * DAY if max_age_days is not None else None
        self._holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="switchman-retention", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(timeout)

    def run_once(self, now: float) -> Removed | None:
        """Remove what is too old at `now`. None when another process is doing that. Raises DBAPIError or OSError."""
        before = now - self._max_age if self._max_age is not None else -math.inf
        if not self._blobs.accounted:  # each process has its own, and nobody else can clear it
            self._blobs.sweep(before)
        if not self._claim(now):
            return None
        try:
            rows = self._repeat(lambda conn: _delete_rows(conn, before), now)
            bodies = self._repeat(lambda conn: self._delete_bodies(conn, before), now)
            self._repeat(_drop_unused_kinds, now)
            if self._blobs.accounted:
                self._blobs.sweep(before - SWEEP_MARGIN)
                if self._max_log is not None:
                    rows += keep_within(self._engine, self._blobs, self._max_log, stop=self._stop)
        finally:
            self._release()
        return Removed(rows, bodies)

    def _run(self) -> None:
        pool = self._engine.pool
        try:
            self._repeatedly()
        finally:
            if self._engine.pool is not pool:  # disposed by a store that waited no longer: what came back since is ours
                pool.dispose()

    def _repeatedly(self) -> None:
        due = 0.0
        while not self._stop.is_set():
            if time.monotonic() >= due:
                due = time.monotonic() + EVERY_SECONDS
                self._remove()
            try:
                mend(self._engine, self._stop)
            except (DBAPIError, OSError) as exc:
                log.warning("what was missed beside the requests could not be made good yet: %.300s", exc)
            try:
                make_pieces(self._engine, self._stop)
            except (DBAPIError, OSError) as exc:
                log.warning("what requests are filtered by could not be packed yet: %.300s", exc)
            self._stop.wait(MEND_SECONDS)

    def _remove(self) -> None:
        if self._max_age is None and self._max_log is None and self._blobs.accounted:
            return  # nothing is ever too much
        try:
            removed = self.run_once(time.time())
            if removed and (removed.rows or removed.bodies):
                log.info(
                    "removed %d requests and %d bodies beyond MAX_LOG_AGE_DAYS or MAX_LOG_SIZE",
                    removed.rows,
                    removed.bodies,
                )
        except (DBAPIError, OSError) as exc:
            log.warning("old requests could not be removed, next try in an hour: %.300s", exc)

    def _repeat(self, step: Callable[[Connection], int], now: float) -> int:
        """Run a step, each time in a transaction of its own, until it finds less than a full portion; how many went."""
        began, removed = time.monotonic(), 0
        while not self._stop.is_set():
            found = again(lambda: self._one(step, now + time.monotonic() - began))
            removed += found
            if found < ROWS_AT_ONCE:
                break
            self._stop.wait(PAUSE_SECONDS)
        return removed

    def _one(self, step: Callable[[Connection], int], now: float) -> int:
        with writing(self._engine) as conn:
            self._renew(conn, now)
            return step(conn)

    def _delete_bodies(self, conn: Connection, before: float) -> int:
        found = list(conn.execute(oldest_bodies(ROWS_AT_ONCE).where(blobs.c.last_used < before)))
        remove_bodies(conn, self._blobs, found)
        return len(found)

    def _claim(self, now: float) -> bool:
        with writing(self._engine) as conn:
            held = conn.execute(select(leases).where(leases.c.name == LEASE)).one_or_none()
            if held is None:
                conn.execute(insert(leases).values(name=LEASE, holder=self._holder, expires_at=now + LEASE_SECONDS))
            elif held.holder == self._holder or held.expires_at <= now:
                self._renew(conn, now)
            else:
                return False
        return True

    def _renew(self, conn: Connection, now: float) -> None:
        mine = {"holder": self._holder, "expires_at": now + LEASE_SECONDS}
        conn.execute(update(leases).where(leases.c.name == LEASE).values(mine))

    def _release(self) -> None:
        with writing(self._engine) as conn:
            conn.execute(delete(leases).where(leases.c.name == LEASE, leases.c.holder == self._holder))


def stored_bytes(conn: Connection) -> int:
    """What all bodies take, compressed, in bytes."""
    return total(conn, BLOB_BYTES)


def prune_to_size(engine: Engine, store: BlobStore, max_total: int) -> int:
    """Remove the longest unused bodies until all together take `max_total` bytes or less; how many went."""
    with engine.connect() as conn:
        if stored_bytes(conn) <= max_total:
            return 0
    removed = 0
    while True:
        with writing(engine) as conn:
            excess = stored_bytes(conn) - max_total
            going = []
            for row in conn.execute(oldest_bodies(ROWS_AT_ONCE)) if excess > 0 else ():
                if excess <= 0:
                    break
                going.append(row)
                excess -= row.stored_size
            remove_bodies(conn, store, going)
        removed += len(going)
        if excess <= 0 or not going:
            return removed


def _drop_unused_kinds(conn: Connection) -> int:
    spared(conn, "figures", lambda: drop_unused_kinds(conn), lambda _: ())  # they do no harm
    return 0


def _delete_rows(conn: Connection, before: float) -> int:
    """Delete the oldest rows."""
    old = select(requests.c.seq, requests.c.stored_size).where(requests.c.started_at < before)
    return remove_rows(conn, old.order_by(requests.c.started_at).limit(ROWS_AT_ONCE), oldest=True)
