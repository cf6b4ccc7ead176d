"""Every test of the store runs on SQLite and on a PostgreSQL server of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, event, text

from switchman.addons.core.record import Record
from switchman.addons.store import Store, open_store
from switchman.addons.store.database import writing

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def _as_postgres(*command: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL, without a database's name, of a PostgreSQL server of our own on a Unix socket in a temporary folder."""
    if not BINARIES:
        reason = "no PostgreSQL binaries in /usr/lib/postgresql (Debian: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="switchman-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    initdb = _as_postgres(str(BINARIES[-1] / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "-E", "UTF8")
    subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, cwd="/")
    server = subprocess.Popen(
        _as_postgres(
            str(BINARIES[-1] / "postgres"),
            "-D",
            str(data),
            "-k",
            str(folder),
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    url = f"postgresql+psycopg://postgres@/%s?host={folder}"
    try:
        _wait_for(url % "postgres", server)
        yield url
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    engine = create_engine(url)
    deadline = time.monotonic() + 60
    while True:
        try:
            engine.connect().close()
            break
        except Exception:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    engine.dispose()


def _create(server: str, name: str, template: str) -> str:
    engine = create_engine(server % "postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
    return server % name


@pytest.fixture
def new_postgres_url(request: pytest.FixtureRequest) -> Callable[..., str]:
    """Makes an empty database, or a copy of `template`, and gives its URL."""

    def make(template: str = "template1") -> str:
        return _create(request.getfixturevalue("postgres"), f"t{uuid4().hex}", template)

    return make


@pytest.fixture(scope="session")
def postgres_template(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with the schema of the log, and nothing in it."""
    name = "empty_log"
    open_store(url=_create(postgres, name, "template1"), blob_path=tmp_path_factory.mktemp("none")).close()
    return name


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
