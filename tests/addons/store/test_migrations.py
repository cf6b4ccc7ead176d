"""The schema comes by migrations, whoever starts first, and says so when it cannot."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, text

from switchman.addons.store import Filters, Store, StoreError, open_store
from switchman.addons.store.database import _alembic_config, database_url, make_engine, writing
from switchman.addons.store.tables import metadata
from switchman.addons.testing.samples import make_record

WORDS = "request_words"  # on SQLite a virtual table, and those in which FTS5 keeps it; test_words.py looks at it
WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP")


def test_migrations_make_the_tables(store: Store) -> None:
    """After all migrations the database is what tables.py says, down to the indexes."""
    with store.engine.connect() as conn:
        options = {"include_name": lambda name, kind, parents: not (kind == "table" and name.startswith(WORDS))}
        assert compare_metadata(MigrationContext.configure(conn, opts=options), metadata) == []


def test_many_processes_start_at_once(url: str, tmp_path: Path) -> None:
    """Four processes that open an empty database together all find it ready."""
    code = (
        "import sys; from switchman.addons.store import open_store\n"
        "sys.stdin.readline(); store = open_store(url=sys.argv[1]); print(store.check()); store.close()"
    )
    starting = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in starting:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=120) for process in starting] == [("None\n", "")] * 4


def test_opening_again_changes_nothing(url: str, tmp_path: Path) -> None:
    """A database that is up to date is opened without a write."""
    open_store(url=url, blob_path=tmp_path).close()
    said: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        open_store(url=url, blob_path=tmp_path).close()
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    assert any("alembic_version" in statement for statement in said), "it looked"
    assert not [one for one in said if one.lstrip().upper().startswith(WRITES)]


def test_a_newer_database_is_refused(url: str, tmp_path: Path) -> None:
    """A schema this version does not know is named, with what to do, and left alone."""
    with open_store(url=url, blob_path=tmp_path) as store, store.engine.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer version of Switchman \(schema 9999, .*: upgrade Switchman"):
        open_store(url=url, blob_path=tmp_path)


def test_a_log_of_the_first_schema_is_taken_over(url: str, tmp_path: Path) -> None:
    """Rows that were there tell how often they were tried, and that they came from a cache."""
    engine = make_engine(database_url(url, tmp_path / "unused"))
    config = _alembic_config()
    with writing(engine) as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "0001")
        for name, outcome in (("tried", "ok"), ("kept", "cached")):
            conn.execute(text(OLD_REQUEST), {"id": name, "outcome": outcome, "no": False})
        for number in (1, 2):
            conn.execute(text(OLD_ATTEMPT), {"number": number})
    engine.dispose()
    with open_store(url=url, blob_path=tmp_path) as store:
        rows = {row.id: (row.attempt_count, row.cache, row.saved_ms) for row in store.queries.list_requests().rows}
        assert rows == {"tried": (2, None, None), "kept": (0, "hit", None)}
        detail = store.queries.get_request("tried")
        assert detail is not None and [attempt.changes for attempt in detail.attempts] == [(), ()]
        assert [attempt.cost_microdollars for attempt in detail.attempts] == [None, None]
        assert (detail.row.cost_microdollars, detail.row.saved_microdollars) == (None, None)


def test_a_log_of_the_first_release_is_what_a_new_one_is(url: str, tmp_path: Path) -> None:
    """After every migration, the newest too: each table and index is there, and rows of both times are in all of it."""
    engine = make_engine(database_url(url, tmp_path / "unused"))
    config = _alembic_config()
    with writing(engine) as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "0001")
        for number in range(30):
            conn.execute(
                text(OLD_REQUEST), {"id": f"old{number}", "outcome": ("ok", "failed")[number % 2], "no": False}
            )
    engine.dispose()
    with open_store(url=url, blob_path=tmp_path, max_age_days=None) as store:
        with store.engine.connect() as conn:
            revision = MigrationContext.configure(conn).get_current_revision()
            assert revision == ScriptDirectory.from_config(config).get_current_head()
            options = {"include_name": lambda name, kind, parents: not (kind == "table" and name.startswith(WORDS))}
            assert compare_metadata(MigrationContext.configure(conn, opts=options), metadata) == []
        store.writer().put(make_record("new", started_at=40.0, session="s" * 32, asked="zebras"))
        assert store.writer().close()
        assert store.writer().counts.written == 1
        assert store.queries.latency_summary().overall.count == 31
        assert store.queries.count_requests(Filters(outcome="error")) == 15
        assert store.queries.count_requests(Filters(error="upstream")) == 15
        assert [row.id for row in store.queries.list_requests(Filters(words="zebra")).rows] == ["new"]
        assert store.queries.get_session("s" * 32) is not None


def test_a_process_that_waits_for_the_upgrade_says_so(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits until the other one is done."""
    caplog.set_level(logging.INFO, logger="switchman")
    monkeypatch.setattr("switchman.addons.store.database.TOLD_SECONDS", 0.01)
    engine = make_engine(database_url(url, tmp_path / "unused"))
    waiting = threading.Thread(target=lambda: open_store(url=url, blob_path=tmp_path).close())
    try:
        with writing(engine):
            waiting.start()
            deadline = time.monotonic() + 60
            while "another process" not in caplog.text:
                assert time.monotonic() < deadline
                time.sleep(0.005)
    finally:
        waiting.join(60)
        engine.dispose()
    assert not waiting.is_alive()


OLD_REQUEST = (
    "INSERT INTO requests (id, started_at, duration_ms, method, path, client, requested_model, status, outcome,"
    " streamed, request_headers, response_headers, trace, request_truncated, response_truncated)"
    " VALUES (:id, 1.0, 1.0, 'POST', '/', 'c', 'm', 200, :outcome, :no, '[]', '[]', '[]', :no, :no)"
)
OLD_ATTEMPT = (
    "INSERT INTO attempts (request_id, number, server, model, url, started_at, duration_ms, outcome)"
    " VALUES ('tried', :number, 's', 'm', 'u', 1.0, 1.0, 'ok')"
)


def test_a_wheel_has_the_migrations() -> None:
    """Alembic loads the scripts by path, from where the package is installed."""
    import switchman.addons.store.migrations as package

    assert package.__file__
    assert list((Path(package.__file__).parent / "versions").glob("0001_*.py"))
