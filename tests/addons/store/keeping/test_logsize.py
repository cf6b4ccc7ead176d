"""MAX_LOG_SIZE holds while the log grows, rows and bodies together, on disk and not only by our own count."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from switchman.addons.core.record import Record
from switchman.addons.store import Store, open_store
from switchman.addons.store.keeping.logsize import RESERVE, keep_within, log_bytes
from switchman.addons.store.retention import Retention
from switchman.addons.store.tables import blobs, requests, totals
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]
LIMIT = 5_000_000


def odd_words(number: int, length: int) -> str:
    """Short words of no language: hardly to be packed, and no secret to look at."""
    letters = random.Random(number).choices("abcdefghijklmnopqrstuvwxyz", k=length)
    return "".join(" " if at % 6 == 5 else letter for at, letter in enumerate(letters))


HEAD = tuple((f"x-header-{n}", odd_words(n, 900)) for n in range(70))


def full(number: int, body: int = 3_000) -> Record:
    """A request whose two heads are 64 kB each, with bodies that are nobody else's."""
    generator = random.Random(number)
    return make_record(
        id=f"r{number:05}", started_at=1_000.0 + number, request_headers=HEAD, response_headers=HEAD,
        request_body=generator.randbytes(body), response_body=generator.randbytes(body),
    )  # fmt: skip


def on_disk(*files: Path) -> int:
    size = 0
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            size += file.stat().st_size if file.is_file() else 0
    return size


def ids(store: Store) -> list[str]:
    with store.engine.connect() as conn:
        return list(conn.scalars(select(requests.c.id).order_by(requests.c.started_at)))


def write_all(store: Store, records: list[Record], look: Callable[[], None]) -> None:
    """In portions, with a look at the disk after each."""
    writer = store.writer()
    for at in range(0, len(records), 20):
        due = writer.counts.written + len(records[at : at + 20])
        for record in records[at : at + 20]:
            assert writer.put(record)
        deadline = time.monotonic() + 60
        while writer.counts.written < due:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        look()


@pytest.mark.parametrize("body", [3_000, 40_000])
def test_the_file_does_not_grow_beyond_the_limit(tmp_path: Path, body: int) -> None:
    """SQLite and the folder of bodies, as the disk has them: the newest rows are there, in full."""
    sizes: list[int] = []
    with open_store(
        db_path=tmp_path / "log.db", blob_path=tmp_path / "blobs", max_age_days=None, max_log_size=LIMIT
    ) as store:

        def look() -> None:
            sizes.append(on_disk(tmp_path / "log.db", *(tmp_path / "blobs").rglob("*")))

        write_all(store, [full(n, body) for n in range(160)], look)
        kept = ids(store)
        assert kept == [f"r{n:05}" for n in range(160 - len(kept), 160)]
        last = store.queries.body("r00159", "response")
        assert last and last.data == full(159, body).response_body
        assert store.log_bytes() <= LIMIT
    assert max(sizes) <= LIMIT
    assert max(sizes[len(sizes) // 2 :]) > LIMIT / 2  # it is used
    with sqlite3.connect(tmp_path / "log.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_the_totals_stay_true(store: Store, write: Write) -> None:
    """What was added and what went, by rows, bodies and files, is what is there."""
    for n in range(60):  # one by one: bodies of one batch go together
        write(store, full(n, 40_000 if n % 2 else 500))
    with store.engine.connect() as conn:
        size = log_bytes(conn)
    assert 5 < keep_within(store.engine, store.blobs, size // 2) < 58
    with store.engine.connect() as conn:
        kept = dict(conn.execute(select(totals.c.name, totals.c.value)).all())
        of_blobs = select(func.coalesce(func.sum(blobs.c.stored_size), 0))
        assert kept == {
            "row_bytes": conn.scalar(select(func.coalesce(func.sum(requests.c.stored_size), 0))),
            "blob_bytes": conn.scalar(of_blobs),
            "file_bytes": conn.scalar(of_blobs.where(blobs.c.data.is_(None))),
        }
        assert log_bytes(conn) <= size // 2 - size // 2 // RESERVE
        files = [file for file in store.blobs.root.rglob("*") if file.is_file()]  # type: ignore[attr-defined]
        assert sum(file.stat().st_size for file in files) == kept["file_bytes"]


def test_the_estimate_is_near_what_postgresql_takes(
    new_postgres_url: Callable[[], str], tmp_path: Path, write: Write
) -> None:
    """Without dead rows, which its own vacuum clears: not less than a third too small, nor three times too large."""
    with open_store(url=new_postgres_url(), blob_path=tmp_path / "blobs", max_age_days=None) as store:
        generator = random.Random(5)
        head = tuple((f"x-{n}", generator.randbytes(300).hex()) for n in range(10))
        write(store, *(make_record(id=f"r{n}", started_at=float(n), request_headers=head) for n in range(300)))
        with store.engine.connect() as conn:
            tables = ("requests", "attempts", "blobs")
            taken = sum(conn.scalar(text(f"SELECT pg_total_relation_size('{name}')")) or 0 for name in tables)
            assert taken / 1.5 < log_bytes(conn) < 3 * taken


def test_a_lower_limit_shrinks_the_file(tmp_path: Path) -> None:
    """At the next start, in small steps; the newest rows stay."""
    with open_store(db_path=tmp_path / "log.db", blob_path=tmp_path / "blobs", max_age_days=None) as store:
        write_all(store, [full(n) for n in range(120)], lambda: None)
    before = (tmp_path / "log.db").stat().st_size
    limit = before // 4
    with open_store(db_path=tmp_path / "log.db", blob_path=tmp_path / "blobs", max_age_days=None) as store:
        removed = Retention(store.engine, store.blobs, None, limit).run_once(2_000.0)
        assert removed is not None and removed.rows > 50
        assert ids(store)[-1] == "r00119"
        with store.engine.connect() as conn:
            conn.exec_driver_sql("COMMIT")
            conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            conn.exec_driver_sql("BEGIN")
    assert (tmp_path / "log.db").stat().st_size <= limit


def test_bodies_that_no_row_has_go_too(store: Store, write: Write) -> None:
    """A body whose last use lies ahead of every row does not keep the log above its limit."""
    write(store, full(1, 40_000))
    with store.engine.begin() as conn:
        conn.execute(text("UPDATE blobs SET last_used = 9999999999"))
    keep_within(store.engine, store.blobs, 100, stop=threading.Event())
    with store.engine.connect() as conn:
        assert conn.scalar(select(func.count()).select_from(blobs)) == 0
    assert ids(store) == []


def test_a_log_within_its_limit_is_left_alone(store: Store, write: Write) -> None:
    """Nothing is removed, and no lock is taken."""
    write(store, full(1))
    assert keep_within(store.engine, store.blobs, 10**9) == 0
    assert ids(store) == ["r00001"]
