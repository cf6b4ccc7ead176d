"""Every test of the store runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from switchman.addons.core.record import Record
from switchman.addons.store import Store, open_store
from switchman.addons.store.database import writing


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, new_postgres_url: Callable[..., str]) -> str:
    """The URL of an empty database, of either kind; for a test that has `store` the schema is there, as a copy."""
    has_schema = "store" in request.fixturenames
    if request.param == "postgresql":
        return new_postgres_url(request.getfixturevalue("postgres_template")) if has_schema else new_postgres_url()
    if has_schema:
        shutil.copy(request.getfixturevalue("empty_log"), tmp_path / "log.db")
    return f"sqlite:///{tmp_path / 'log.db'}"


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    """An empty store that keeps bodies of up to 100,000 bytes for ever."""
    with open_store(url=url, blob_path=tmp_path / "blobs", max_blob_size=100_000, max_age_days=None) as opened:
        yield opened


@pytest.fixture
def locked() -> Callable[[Store], AbstractContextManager[None]]:
    """While `locked(store)` holds, the store's database is locked for writers, by another connection."""
    return _locked


@contextmanager
def _locked(store: Store) -> Iterator[None]:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with writing(store.engine):
            held.set()
            release.wait(120)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(60)
        yield
    finally:
        release.set()
        holder.join(60)


@pytest.fixture
def write() -> Callable[..., None]:
    """write(store, record, ...) returns when the records are in the database (or were found to be bad)."""

    def write(store: Store, *records: Record) -> None:
        writer = store.writer()
        counts = writer.counts
        due = counts.written + counts.failed + len(records)
        for record in records:
            assert writer.put(record)
        deadline = time.monotonic() + 60
        while counts.written + counts.failed < due:
            assert time.monotonic() < deadline, counts
            time.sleep(0.005)

    return write


@pytest.fixture
def heard() -> Callable[[Engine], list[tuple[str, Any]]]:
    """The list that fills with the statements, and their values, of this thread: a store's own threads ask as well."""

    def hear(engine: Engine) -> list[tuple[str, Any]]:
        said: list[tuple[str, Any]] = []
        thread = threading.get_ident()

        def listen(conn: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
            if threading.get_ident() == thread:
                said.append((statement, values))

        event.listen(engine, "before_cursor_execute", listen)
        return said

    return hear
