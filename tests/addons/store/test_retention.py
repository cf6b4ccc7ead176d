"""What is too old, or too much, leaves; what is still used stays."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, func, insert, select

from switchman.addons.store import Store, open_store, retention
from switchman.addons.store.database import writing
from switchman.addons.store.retention import DAY, LEASE, ROWS_AT_ONCE, Removed, Retention, prune_to_size
from switchman.addons.store.tables import attempts, blobs, leases, requests
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]
NOW = 1_700_000_000.0
OLD, NEW = NOW - 8 * DAY, NOW - DAY


@pytest.fixture
def week(store: Store) -> Retention:
    return Retention(store.engine, store.blobs, 7)


def noise(seed: int, size: int = 40_000) -> bytes:
    return random.Random(seed).randbytes(size)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def ids(store: Store) -> set[str]:
    return {row.id for row in store.queries.list_requests(limit=500).rows}


def test_old_rows_and_bodies_go(store: Store, week: Retention, write: Write, tmp_path: Path) -> None:
    """Rows, attempts, small bodies and files older than MAX_LOG_AGE_DAYS are removed; newer ones stay."""
    write(store, make_record(id="old", started_at=OLD, request_body=noise(1), response_body=b"old"))
    write(store, make_record(id="new", started_at=NEW, request_body=noise(2), response_body=b"new"))
    assert week.run_once(NOW) == Removed(rows=1, bodies=2)
    assert ids(store) == {"new"}
    assert files(tmp_path / "blobs") == {hashlib.sha256(noise(2)).hexdigest()}
    with store.engine.connect() as conn:
        assert conn.scalar(select(func.count()).select_from(attempts)) == 1
        assert conn.scalar(select(func.sum(blobs.c.stored_size))) == store.queries.stored_bytes()


@pytest.mark.parametrize("order", [(OLD, NEW), (NEW, OLD)])
@pytest.mark.parametrize("body", [b"shared", noise(3)])
def test_a_shared_body_outlives_the_older_row(
    store: Store, week: Retention, write: Write, order: tuple[float, float], body: bytes
) -> None:
    """Two rows share a body; deleting the older one leaves it to the newer, whichever was written first."""
    for started in order:
        write(store, make_record(id=f"at-{started}", started_at=started, request_body=body))
    assert week.run_once(NOW) is not None
    assert ids(store) == {f"at-{NEW}"}
    content = store.queries.body(f"at-{NEW}", "request")
    assert content and content.data == body


def test_many_rows_go_in_small_steps(store: Store, week: Retention) -> None:
    """More rows than one step takes are all removed by one run."""
    columns = {c.name: "x" for c in requests.columns if not (c.nullable or c.server_default or c.name == "seq")}
    fixed = {"started_at": OLD, "duration_ms": 1, "status": 200, "streamed": False, "attempt_count": 0} | {
        f"{which}_truncated": False for which in ("request", "response")
    }
    with writing(store.engine) as conn:
        conn.execute(insert(requests), [{**columns, **fixed, "id": f"r{n}"} for n in range(2 * ROWS_AT_ONCE + 1)])
    assert week.run_once(NOW) == Removed(rows=2 * ROWS_AT_ONCE + 1)


def test_without_an_age_nothing_goes(store: Store, write: Write) -> None:
    """MAX_LOG_AGE_DAYS unset keeps everything."""
    write(store, make_record(id="old", started_at=1.0))
    assert Retention(store.engine, store.blobs, None).run_once(NOW) == Removed()
    assert ids(store) == {"old"}


def test_one_process_at_a_time(store: Store, week: Retention, write: Write) -> None:
    """While another one holds the lease we leave it to them; a lease that ran out (a crash) is taken over."""
    write(store, make_record(id="old", started_at=OLD))
    with writing(store.engine) as conn:
        conn.execute(insert(leases).values(name=LEASE, holder="another", expires_at=NOW + 1))
    assert week.run_once(NOW) is None
    assert ids(store) == {"old"}
    assert week.run_once(NOW + 2) == Removed(rows=1, bodies=2)
    assert week.run_once(NOW + 3) == Removed()


def test_it_runs_at_start(url: str, tmp_path: Path, write: Write) -> None:
    """A proxy that starts with an old log removes what is too old, without being asked."""
    with open_store(url=url, blob_path=tmp_path / "blobs", max_age_days=None) as store:
        write(store, make_record(id="old", started_at=time.time() - 8 * DAY))
    with open_store(url=url, blob_path=tmp_path / "blobs", max_age_days=7) as store:
        store.writer()
        deadline = time.monotonic() + 60
        while ids(store):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_files_nobody_lists_are_swept(store: Store, week: Retention, tmp_path: Path) -> None:
    """What a crash or a deleted database left in the folder goes when it is older than any row could be."""
    for name, age in (("aa" * 32, 9), ("bb" * 32, 1), ("aa" * 32 + ".1-2.tmp", 9)):
        path = tmp_path / "blobs" / name[:2] / name[2:4] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (NOW - age * DAY,) * 2)
    assert week.run_once(NOW) == Removed()
    assert files(tmp_path / "blobs") == {"bb" * 32}


@pytest.fixture
def small_store(url: str, tmp_path: Path) -> Iterator[Store]:
    """A store that keeps 100,000 bytes of bodies in all."""
    with open_store(url=url, blob_path=tmp_path / "blobs", max_total_size=100_000, max_age_days=None) as opened:
        yield opened


def test_beyond_the_total_size_the_oldest_bodies_go(small_store: Store, write: Write, tmp_path: Path) -> None:
    """MAX_TOTAL_STORAGE_SIZE holds after each write: oldest bodies first, rows stay and say what is missing."""
    for n in range(5):
        write(small_store, make_record(id=f"r{n}", started_at=NOW + n, request_body=noise(n), response_body=None))
    deadline = time.monotonic() + 60
    while small_store.queries.stored_bytes() > 100_000:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    details = [small_store.queries.get_request(f"r{n}") for n in range(5)]
    assert [detail and detail.request_body.state for detail in details] == ["gone", "gone", "gone", "kept", "kept"]
    assert len(files(tmp_path / "blobs")) == 2


def test_small_bodies_count_too(store: Store, write: Write) -> None:
    """Bodies in the table are part of the total, and leave it by age of use."""
    write(store, *(make_record(id=f"r{n}", started_at=NOW, request_body=noise(n, 1_000)) for n in range(10)))
    before = store.queries.stored_bytes()
    assert prune_to_size(store.engine, store.blobs, 5_000) > 0
    assert store.queries.stored_bytes() <= 5_000 < before


def test_memory_ages_out_in_every_process(url: str, write: Write) -> None:
    """Bodies in memory go by age even while another process holds the lease: nobody else can reach them."""
    with open_store(url=url, blob_type="memory", max_age_days=None) as store:
        write(store, make_record(id="r", request_body=b"x"))
        with writing(store.engine) as conn:
            conn.execute(insert(leases).values(name=LEASE, holder="another", expires_at=4e9))
        assert Retention(store.engine, store.blobs, 7).run_once(time.time() + 8 * DAY) is None
        content = store.queries.body("r", "request")
        assert content and content.info.state == "gone"


def test_a_store_that_does_not_wait_leaves_no_connection_open(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its thread still held when the database was let go of is closed when the thread ends."""
    held, release = threading.Event(), threading.Event()
    opened: list[object] = []
    closed: list[object] = []

    def mend(engine: Engine, stop: threading.Event) -> None:
        event.listen(engine, "checkout", lambda connection, *_: opened.append(connection))
        event.listen(engine, "close", lambda connection, _: closed.append(connection))
        with engine.connect():
            held.set()
            assert release.wait(60)

    monkeypatch.setattr(retention, "mend", mend)
    thread = Retention(store.engine, store.blobs, None)
    thread.start()
    assert held.wait(60)
    thread.stop(timeout=0)
    store.engine.dispose()
    assert opened and opened[0] not in closed
    release.set()
    thread.stop(timeout=60)
    assert opened[0] in closed
