"""What is forgotten is in no table, no file and no write-ahead log; what others share stays; others go on writing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from sqlalchemy import func, select

from switchman.addons.core.access.session import session_digest
from switchman.addons.store import Store, open_store
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.keeping.forgetting import Wanted, count, forget
from switchman.addons.store.keeping.logsize import log_bytes
from switchman.addons.store.tables import attempts, blobs, requests, totals
from switchman.addons.testing.samples import make_attempt, make_record

Write = Callable[..., None]
SECRET = "zq-planted-text-71"
LARGE = bytes(range(256)) * 390  # incompressible enough to be a file of its own


def asked(number: int, token: str, **fields: Any) -> Any:
    body = f"{SECRET} of {token} {number}".encode()
    return make_record(**{
        "id": f"{token}-{number}", "token": token, "token_id": f"id-{token}", "started_at": 1_000.0 + number,
        "request_body": body, "response_body": b"to all alike", "error": f"{SECRET} error",
        "attempts": (make_attempt(error=f"{SECRET} attempt {token}"),), **fields,
    })  # fmt: skip


def ids(store: Store) -> set[str]:
    with store.engine.connect() as conn:
        return set(conn.scalars(select(requests.c.id)))


def bodies(store: Store) -> set[bytes]:
    """All that are in the table, unpacked."""
    with store.engine.connect() as conn:
        packed = conn.scalars(select(blobs.c.data).where(blobs.c.data.is_not(None)))
        return {zstandard.ZstdDecompressor().decompress(one) for one in packed}


def in_files(folder: Path, text: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.parametrize(("wanted", "left"), [
    (Wanted(token="anna"), {"bert-1", "bert-2"}),
    (Wanted(token="id-anna"), {"bert-1", "bert-2"}),
    (Wanted(session="s1"), {"anna-2", "bert-2"}),
    (Wanted(token="anna", session="s1"), {"anna-2", "bert-1", "bert-2"}),
    (Wanted(before=1_001.5), {"anna-2", "bert-2"}),
    (Wanted(token="bert", before=1_001.5), {"anna-1", "anna-2", "bert-2"}),
    (Wanted(token="nobody"), {"anna-1", "anna-2", "bert-1", "bert-2"}),
])  # fmt: skip
def test_all_conditions_hold_together(
    store: Store, write: Write, tmp_path: Path, wanted: Wanted, left: set[str]
) -> None:
    """A token by name or id, a session, a time, and any of them together."""
    sessions = {1: session_digest("s1"), 2: None}
    write(store, *(asked(number, token, session=sessions[number]) for token in ("anna", "bert") for number in (1, 2)))
    assert count(store.engine, wanted) == 4 - len(left)
    done = forget(store.engine, store.blobs, wanted, Elsewhere(tmp_path / "log.db"))
    assert (ids(store), done.rows, done.leftover) == (left, 4 - len(left), "")
    with store.engine.connect() as conn:
        assert set(conn.scalars(select(attempts.c.request_id))) == left


def test_bodies_that_others_share_stay(store: Store, write: Write, tmp_path: Path) -> None:
    """Only the bodies go that no other row has, small ones and files, and the totals stay true."""
    write(store, asked(1, "anna", response_body=LARGE), asked(2, "anna", response_body=LARGE[1:]))
    write(store, asked(1, "bert", response_body=LARGE))
    done = forget(store.engine, store.blobs, Wanted(token="anna"), Elsewhere(tmp_path / "log.db"))
    assert (done.rows, done.bodies) == (2, 3)
    shared = store.queries.body("bert-1", "response")
    assert shared is not None and shared.data == LARGE[:100_000]
    with store.engine.connect() as conn:
        kept = conn.scalar(select(func.sum(blobs.c.stored_size)))
        assert conn.scalar(select(totals.c.value).where(totals.c.name == "blob_bytes")) == kept
        assert log_bytes(conn) > 0


def test_no_byte_is_left_in_the_files(tmp_path: Path) -> None:
    """Neither database, write-ahead log, spool nor folder of bodies has the text any more, while others keep theirs."""
    path = tmp_path / "log.db"
    with open_store(db_path=path, blob_path=tmp_path / "blobs", max_age_days=None) as store:
        writer = store.writer()
        for number in range(300):
            writer.put(asked(number, "anna" if number % 3 else "bert", path=f"/v1/{SECRET}/{number}"))
        deadline = time.monotonic() + 60
        while writer.counts.written < 300 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert in_files(tmp_path, SECRET)
        done = forget(store.engine, store.blobs, Wanted(before=2_000.0, token="anna"), Elsewhere(path))
        assert (done.rows, done.leftover) == (200, "")
        assert in_files(tmp_path, "attempt anna") == []
        assert in_files(tmp_path, "attempt bert") == ["log.db"]
        assert not {body for body in bodies(store) if b"anna" in body}
        forget(store.engine, store.blobs, Wanted(before=2_000.0), Elsewhere(path))
        assert in_files(tmp_path, SECRET) == [] and ids(store) == set()


def test_others_go_on_writing(store: Store, write: Write, tmp_path: Path) -> None:
    """A writer beside it is never held up for long, and what it writes meanwhile with a shared body keeps that body."""
    write(store, *(asked(number, "anna") for number in range(400)))
    writer, told = store.writer(), []
    stop = threading.Event()

    def go_on() -> None:
        number = 0
        while not stop.is_set():
            writer.put(asked(number, "bert"))
            number += 1
            time.sleep(0.005)

    beside = threading.Thread(target=go_on)
    beside.start()
    try:
        done = forget(store.engine, store.blobs, Wanted(token="anna"), Elsewhere(tmp_path / "log.db"), told.append)
    finally:
        stop.set()
        beside.join(60)
    assert done.rows == 400 and any("of 400 requests" in sentence for sentence in told)
    assert writer.close() and writer.counts.failed == writer.counts.dropped == 0
    assert {name.partition("-")[0] for name in ids(store)} == {"bert"}
    for name in ids(store):
        body = store.queries.body(name, "response")
        assert body is not None and body.data == b"to all alike"


def test_what_waits_in_the_spool_is_forgotten(tmp_path: Path, locked: Callable[[Store], Any]) -> None:
    """Records that wait on disk are looked through, too."""
    path = tmp_path / "log.db"
    with open_store(
        db_path=path, blob_path=tmp_path / "blobs", spool_path=tmp_path / "log.spool.db", max_age_days=None
    ) as store:
        writer = store.writer()
        with locked(store):
            writer.put(asked(1, "anna"))
            writer.put(asked(1, "bert"))
            deadline = time.monotonic() + 60
            while (store.spool is None or store.spool.state().records < 2) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert Elsewhere(path).count_waiting(Wanted(token="anna").holds) == 1
            assert Elsewhere(path).forget_waiting(Wanted(token="anna").holds) == 1
            assert Elsewhere(path).count_waiting(Wanted(token="anna").holds) == 0
            assert in_files(tmp_path, "of anna") == []
        # A writer that ends leaves the spool as it is: so this waits for the row.
        while not ids(store) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert writer.close(60)
        assert ids(store) == {"bert-1"}


def test_something_must_be_named() -> None:
    """Nothing is ever forgotten by a call that says nothing."""
    with pytest.raises(ValueError, match="say what is to be forgotten"):
        Wanted()
