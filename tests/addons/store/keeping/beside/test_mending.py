"""What was missed beside the rows is made good from the rows, also where its table is damaged."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from switchman.addons.store import Filters, Store, open_store
from switchman.addons.store.database import writing
from switchman.addons.store.figures.columns.tables import request_columns
from switchman.addons.store.figures.tables import figures
from switchman.addons.store.keeping.beside.mending import mend
from switchman.addons.store.keeping.beside.sparing import ALL
from switchman.addons.store.tables import missed, sessions
from tests.addons.store.figures.test_keeping import counted, made, said
from tests.addons.store.keeping.beside.test_sessions import counted as summed
from tests.addons.store.keeping.beside.test_sessions import kept
from tests.addons.store.keeping.beside.test_sparing import asked, notes, without

Write = Callable[..., None]


def mended(store: Store) -> set[tuple[str, str]]:
    """What is still noted afterwards."""
    mend(store.engine, threading.Event())
    return notes(store)


def cells(store: Store) -> dict[Any, Any]:
    """All figures by their keys; a spread's characters have no order."""
    with store.engine.connect() as conn:
        rows = conn.execute(select(figures)).mappings().all()
    return {
        (row["width"], row["bucket"], row["kind"]): [
            "".join(sorted(value)) if isinstance(value, str) else value for value in list(row.values())[3:]
        ]
        for row in rows
    }


@pytest.mark.parametrize("days", [0.01, 4.0])
def test_figures_are_counted_again(store: Store, write: Write, caplog: pytest.LogCaptureFixture, days: float) -> None:
    """Of hours that are summed up already, and of those that are not; the others stay as they were."""
    caplog.set_level(logging.INFO, logger="switchman")
    now = time.time()
    some, others = made(40, now, days), made(40, now, days, seed=6)
    write(store, *some)
    with without(store, "figures"):
        write(store, *others)
    assert said(store) != counted(store)
    assert mended(store) == set()
    for start in (None, now - 3_600, now - days * 43_200):
        assert said(store, start=start) == counted(store, start=start)
    assert "whole again" in caplog.text


def test_what_is_counted_again_is_what_was_there(store: Store, write: Write) -> None:
    """Each cell, to the last number, whether it was counted with its rows or from them."""
    write(store, *made(60, time.time(), 4.0))
    before = cells(store)
    with writing(store.engine) as conn:
        hours = {bucket // 3600 * 3600 for width, bucket, _ in before if width <= 3600}
        conn.execute(insert(missed), [{"kind": "figures", "name": str(hour), "at": 1.0} for hour in hours])
    assert mended(store) == set()
    assert cells(store) == {key: pytest.approx(value) for key, value in before.items()}


def test_columns_begin_anew(store: Store, write: Write) -> None:
    """What is in them goes; they fill from the rows."""
    write(store, asked(1))
    with writing(store.engine) as conn:
        conn.execute(insert(request_columns).values(number=0, made=1.0, data=b"with rows that went"))
        conn.execute(insert(missed).values(kind="columns", name=ALL, at=1.0))
    assert mended(store) == set()
    assert store.queries.latency_summary(Filters(status="2xx")).overall.count == 1
    with store.engine.connect() as conn:
        assert conn.execute(select(request_columns)).all() == []


def test_figures_begin_anew(store: Store, write: Write) -> None:
    """While they are counted hour by hour, and afterwards, pages say what the rows say."""
    now = time.time()
    write(store, *made(80, now, 3.0))
    with writing(store.engine) as conn:
        conn.execute(insert(missed).values(kind="figures", name=ALL, at=1.0))
    stop = threading.Event()
    turns = 0

    class Few(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            nonlocal turns
            turns += 1
            if turns % 7 == 0:
                assert said(store, start=now - 200_000) == counted(store, start=now - 200_000)
            return stop.is_set()

    mend(store.engine, Few())
    assert turns > 7 and notes(store) == set()
    write(store, *made(10, now, 0.01, seed=9))
    for start in (None, now - 3_600, now - 100_000):
        assert said(store, start=start) == counted(store, start=start)


def test_sessions_are_summed_up_again(store: Store, write: Write) -> None:
    """One that was missed, and all of them where the table is damaged."""
    write(store, *(asked(n) for n in range(3)))
    with without(store, "sessions"):
        write(store, *(asked(n, outcome="failed") for n in range(3, 5)))
    assert mended(store) == set()
    assert kept(store) == summed(store) and kept(store)["s" * 32][4:6] == (5, 2)
    with writing(store.engine) as conn:
        conn.execute(sessions.update().values(requests=99))
        conn.execute(insert(missed).values(kind="sessions", name=ALL, at=1.0))
    assert mended(store) == set()
    assert kept(store) == summed(store)


def test_a_damaged_index_of_words_is_made_anew(tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """It is told that older requests are not found by it; newer ones are."""
    with open_store(db_path=tmp_path / "log.db", blob_path=tmp_path / "blobs", max_age_days=None) as store:
        write(store, asked(1))
        with writing(store.engine) as conn:
            conn.exec_driver_sql("UPDATE request_words_data SET block = x'ffff'")
        write(store, asked(2))
        assert mended(store) == set()
        write(store, asked(3))
        found = [store.queries.list_requests(Filters(words=f"zebra{n}")).rows for n in (1, 2, 3)]
        assert list(map(len, found)) == [0, 0, 1]
        assert "no longer found by the words" in caplog.text


def test_pages_of_figures_that_cannot_be_read(tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """Rows are written meanwhile; the table is put aside, and all is counted again."""
    path = tmp_path / "log.db"
    now = time.time()
    with open_store(db_path=path, blob_path=tmp_path / "blobs", max_age_days=None) as store:
        write(store, *made(200, now, 2.0))
        with store.engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            root = conn.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'figures'").scalar_one()
            size = conn.exec_driver_sql("PRAGMA page_size").scalar_one()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    with open_store(db_path=path, blob_path=tmp_path / "blobs", max_age_days=None) as store:
        write(store, *made(20, now, 0.01, seed=7))
        assert store.writer().counts.failed == 0
        assert mended(store) == set()
        assert said(store) == counted(store)
        assert "figures begin anew" in caplog.text


def test_what_cannot_be_mended_holds_nothing_up(store: Store, write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, and what comes after it is mended."""
    write(store, asked(1))
    with writing(store.engine) as conn:
        conn.execute(insert(missed).values(kind="figures", name="no hour", at=1.0))
        conn.execute(sessions.delete())
        conn.execute(insert(missed).values(kind="sessions", name="s" * 32, at=2.0))
    assert mended(store) == set()
    assert kept(store) == summed(store) != {}
    assert "figures no hour could not be made good" in caplog.text


@pytest.fixture
def may_mend(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The thread of a store that is opened after this looks all the time, and mends nothing until it may."""
    may = threading.Event()
    monkeypatch.setattr("switchman.addons.store.retention.MEND_SECONDS", 0.02)
    monkeypatch.setattr("switchman.addons.store.retention.mend", lambda *args: may.is_set() and mend(*args))
    return may


def test_a_router_mends_by_itself(may_mend: threading.Event, store: Store, write: Write) -> None:
    """The thread that ages out looks for what is noted."""
    with without(store, "figures"):
        write(store, asked(1))
    assert notes(store)
    may_mend.set()
    deadline = time.monotonic() + 60
    while notes(store):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert said(store) == counted(store)
