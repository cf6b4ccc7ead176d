"""The log's database is locked, full or gone: nothing is lost, nothing comes twice, and memory stays bounded."""

from __future__ import annotations

import random
import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from switchman.addons.core.record import Record
from switchman.addons.store import Store, open_store
from switchman.addons.store.keeping.backlog import Away, forget_frames
from switchman.addons.store.keeping.spool import Spool
from switchman.addons.store.rows import prepare, renamed
from switchman.addons.store.writer import Writer
from switchman.addons.testing.samples import make_record

Locked = Callable[[Store], AbstractContextManager[None]]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "log.spool.db", 20_000_000)


def make_writer(store: Store, spool: Spool | None, **options: Any) -> Writer:
    usual = {"max_body": 10**6, "max_total": 10**9, "gather_seconds": 0.001, "patience": 0.1, "spool": spool}
    return Writer(store.engine, store.blobs, **{**usual, **options})


def wait_until(what: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def records(count: int, first: int = 0, size: int = 2_000) -> list[Record]:
    generator = random.Random(first)
    return [
        make_record(id=f"r{n:04}", started_at=1_000.0 + n, request_body=generator.randbytes(size))
        for n in range(first, first + count)
    ]


def in_commit_order(store: Store) -> list[str]:
    with store.engine.connect() as conn:
        return list(conn.scalars(text("SELECT id FROM requests ORDER BY seq")))


def test_a_locked_database_costs_nothing(
    store: Store, spool: Spool, caplog: pytest.LogCaptureFixture, locked: Locked
) -> None:
    """What comes waits on disk, not in memory, and goes back in its order; said once at the beginning and the end."""
    writer = make_writer(store, spool)
    with locked(store):
        for record in records(400):
            assert writer.put(record)
        wait_until(lambda: spool.state().records == 400)
        assert writer.waiting == 0 and writer._waiting_bytes == writer._waiting_heads == 0
        assert "cannot be written" in (writer.problem or "")
    for record in records(50, first=400):
        assert writer.put(record)
    wait_until(lambda: writer.counts.written == 450)
    wait_until(lambda: writer.problem is None)
    assert writer.close(60)
    assert in_commit_order(store) == [f"r{n:04}" for n in range(450)]
    assert (writer.counts.dropped, writer.counts.failed, writer.counts.bodiless) == (0, 0, 0)
    last = store.queries.body("r0399", "request")
    assert last and last.data == records(400)[-1].request_body
    said = [record.getMessage() for record in caplog.records if "written" in record.getMessage()]
    assert len(said) == 2 and "requests wait in" in said[0] and "written again" in said[1]


def test_what_waits_is_written_after_a_restart(store: Store, spool: Spool, locked: Locked) -> None:
    """A router that stops while its log is locked loses nothing; the next one writes what it left."""
    writer = make_writer(store, spool)
    with locked(store):
        for record in records(30):
            writer.put(record)
        assert writer.close(30)
        assert in_commit_order(store) == [] and spool.state().records == 30
    following = make_writer(store, spool)
    wait_until(lambda: following.counts.written == 30)
    assert following.close(60)
    assert in_commit_order(store) == [f"r{n:04}" for n in range(30)]
    assert spool.state().records == 0


def test_what_was_written_just_before_a_crash_is_not_written_again(store: Store, spool: Spool) -> None:
    """Also a request whose id was taken, and which so got another one."""
    first = make_record(id="same", started_at=1.0)
    second = make_record(id="same", started_at=2.0)
    writer = make_writer(store, None)
    for record in (first, second, make_record(id="other")):
        writer.put(record)
    assert writer.close(60)
    spool.append([prepare(record, 10**6) for record in (first, second, make_record(id="other"), make_record(id="new"))])
    following = make_writer(store, spool)
    wait_until(lambda: spool.state().records == 0)
    assert following.close(60)
    assert sorted(in_commit_order(store)) == sorted(["same", renamed(prepare(second, 10)).row["id"], "other", "new"])
    assert following.counts.failed == 0


def test_two_workers_share_one_spool(store: Store, spool: Spool, locked: Locked) -> None:
    """Each gives back what is oldest, whoever left it; no row is lost or doubled."""
    writers = [make_writer(store, Spool(spool.path, 20_000_000)) for _ in range(2)]
    with locked(store):
        for number, record in enumerate(records(100)):
            writers[number % 2].put(record)
        wait_until(lambda: spool.state().records == 100)
    wait_until(lambda: spool.state().records == 0)
    assert all(writer.close(60) for writer in writers)
    assert sorted(in_commit_order(store)) == [f"r{n:04}" for n in range(100)]


def test_a_full_spool_drops_and_counts(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, locked: Locked
) -> None:
    """What neither the spool nor the bounded queue has room for is dropped: said once, and noted for the dashboard."""
    spool = Spool(tmp_path / "small.db", 400_000)
    writer = make_writer(store, spool, queue_records=100)
    with locked(store):
        put = 0
        deadline = time.monotonic() + 10
        while writer.counts.dropped < 50 and time.monotonic() < deadline:
            writer.put(records(1, first=put, size=9_000)[0])
            put += 1
            time.sleep(0.001)
        wait_until(lambda: spool.state().dropped > 0)
        assert spool.path.stat().st_size <= 400_000
    assert writer.close(60)
    kept = in_commit_order(store)
    assert kept == sorted(kept) and len(kept) == writer.counts.written == put - writer.counts.dropped
    assert len([r for r in caplog.records if "were not logged so far" in r.getMessage()]) <= 2


def test_a_spool_that_cannot_be_written_is_done_without(store: Store, tmp_path: Path, locked: Locked) -> None:
    """What comes waits in memory then, as long as there is room, and is written when the database is back."""
    (tmp_path / "file").touch()
    writer = make_writer(store, Spool(tmp_path / "file" / "spool.db", 10**6))
    with locked(store):
        for record in records(20):
            assert writer.put(record)
        wait_until(lambda: "file" in (writer.problem or ""))
    wait_until(lambda: writer.counts.written == 20)
    assert writer.close(60)
    assert in_commit_order(store) == [f"r{n:04}" for n in range(20)]


def test_bodies_that_are_kept_in_memory_only_do_not_get_to_the_disk(tmp_path: Path, locked: Locked) -> None:
    """BLOB_STORAGE_TYPE=memory says so; the rows wait without them."""
    secret = b"only in memory" * 10
    with open_store(db_path=tmp_path / "log.db", blob_type="memory", spool_path=tmp_path / "spool.db") as store:
        writer = make_writer(store, store.spool)
        with locked(store):
            writer.put(make_record(id="x", request_body=secret, response_body=None))
            assert store.spool is not None
            wait_until(lambda: store.spool.state().records == 1)
            with store.spool.oldest(1, 1) as (item,):
                assert item.bodies == [] and item.row["request_hash"]
            store.spool.append([item])
        wait_until(lambda: writer.counts.written == 1)
        assert writer.close(60)
        body = store.queries.body("x", "request")
        assert body and body.data == secret


def test_a_postgresql_that_is_gone_costs_nothing(
    new_postgres_url: Callable[[], str], spool: Spool, tmp_path: Path
) -> None:
    """No connection can be made for a while; what came meanwhile is in the log afterwards."""
    url = new_postgres_url()
    name = make_url(url).database
    admin = create_engine(make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with open_store(url=url, blob_path=tmp_path / "blobs", max_age_days=None) as store, admin.connect() as conn:
        writer = make_writer(store, spool)
        conn.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        conn.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))
        for record in records(40):
            writer.put(record)
        wait_until(lambda: spool.state().records == 40)
        conn.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        wait_until(lambda: writer.counts.written == 40)
        assert writer.close(60)
        assert in_commit_order(store) == [f"r{n:04}" for n in range(40)]
    admin.dispose()


def test_a_table_that_somebody_locks_costs_nothing(
    new_postgres_url: Callable[[], str], spool: Spool, tmp_path: Path
) -> None:
    """PostgreSQL would wait for ever; a batch waits for its patience only."""
    with open_store(url=new_postgres_url(), blob_path=tmp_path / "blobs", max_age_days=None) as store:
        writer = make_writer(store, spool)
        with store.engine.begin() as conn:
            conn.execute(text("LOCK TABLE requests IN EXCLUSIVE MODE"))
            for record in records(10):
                writer.put(record)
            wait_until(lambda: spool.state().records == 10)
        wait_until(lambda: writer.counts.written == 10)
        assert writer.close(60)
        assert in_commit_order(store) == [f"r{n:04}" for n in range(10)]


def test_a_handled_error_holds_no_record() -> None:
    """SQLAlchemy's errors are parts of cycles: what their frames hold must not wait for the collector."""

    class Batch:
        pass

    seen: list[weakref.ref[Batch]] = []
    kept: list[BaseException] = []

    def store() -> None:
        batch = Batch()
        seen.append(weakref.ref(batch))
        try:
            raise OSError("locked")
        except OSError as error:
            raise Away("locked") from error

    try:
        store()
    except Away as error:
        kept += (error, error.__cause__ or error)
        forget_frames(error)
    assert seen[0]() is None and [str(error) for error in kept] == ["locked", "locked"]
