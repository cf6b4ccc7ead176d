"""The database's edge: what is made, prepared and refused, and who may write."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.exc import DBAPIError

from switchman.addons.store import Store, StoreError, open_store
from switchman.addons.store.database import database_url, insert_rows, is_passing, make_engine, upgrade, writing
from switchman.addons.store.tables import totals


def test_a_relative_path_is_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DB_PATH=requests.db is ./requests.db, readable by its owner only, in WAL mode."""
    monkeypatch.chdir(tmp_path)
    open_store().close()
    file = tmp_path / "requests.db"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_every_connection_is_prepared(tmp_path: Path) -> None:
    """Foreign keys are on, locks are waited for, and a commit does not wait for the disk."""
    with open_store(db_path=tmp_path / "log.db") as store, store.engine.connect() as conn:
        found = [
            conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("foreign_keys", "busy_timeout", "synchronous")
        ]
    assert found == [1, 10_000, 1]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "not an SQLAlchemy URL"),
        ("delphi://x", "not known: delphi"),
        ("sqlite://", "in-memory"),
        ("sqlite:////nonexistent/log.db", "cannot open the database /nonexistent/log.db"),
        ("postgresql://switchman:hunter2@127.0.0.1:1/none", "cannot use the database postgresql"),
    ],
)
def test_what_cannot_be_opened(url: str, sentence: str) -> None:
    """The message says what is wrong, and never the password."""
    with pytest.raises(StoreError, match=sentence) as caught:
        open_store(url=url)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A text file at DB_PATH is not overwritten."""
    file = tmp_path / "log.db"
    file.write_text("these are my notes" * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_store(db_path=file)
    assert file.read_text() == "these are my notes" * 100


def test_an_address_without_a_driver_gets_ours() -> None:
    """`postgres://` is what hosting services hand out; a path is taken from the working directory, once."""
    assert database_url("postgres://u:p@h/d", "x").drivername == "postgresql+psycopg"
    assert database_url("postgresql+other://h/d", "x").drivername == "postgresql+other"
    assert database_url(None, "log.db").database == str(Path("log.db").absolute())
    assert database_url("", "log.db").drivername == "sqlite"


def test_a_folder_with_odd_characters_is_a_folder(tmp_path: Path) -> None:
    """A percent sign, blanks and a question mark in DB_PATH are no syntax, neither of a URL nor of Alembic's."""
    folder = tmp_path / "50% of? logs #1"
    folder.mkdir()
    with open_store(db_path=folder / "log.db", blob_path=tmp_path / "blobs") as store:
        assert store.check() is None
    assert [path.name for path in folder.iterdir()] == ["log.db"]


def test_an_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    """Whoever lets a group read the log has decided so."""
    file = tmp_path / "log.db"
    file.touch(mode=0o640)
    file.chmod(0o640)
    open_store(db_path=file, blob_path=tmp_path / "blobs").close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_one_writer_at_a_time(store: Store) -> None:
    """The second waits for the first one's end, from its first moment, and sees what that wrote; readers go on."""
    begun, done = threading.Event(), threading.Event()
    seen: list[int | None] = []

    def second() -> None:
        begun.set()
        with writing(store.engine) as conn:
            seen.append(conn.scalar(select(totals.c.value).where(totals.c.name == "mine")))
        done.set()

    thread = threading.Thread(target=second)
    with writing(store.engine) as conn:
        conn.execute(totals.insert(), {"name": "mine", "value": 7})
        thread.start()
        assert begun.wait(30)
        with store.engine.connect() as reader:
            assert reader.scalar(select(totals.c.value).where(totals.c.name == "mine")) is None
        assert not done.wait(0.05)
    thread.join(30)
    assert seen == [7]


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    """And gives the lock back."""
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), writing(store.engine) as conn:
            conn.execute(totals.insert(), {"name": "mine", "value": 1})
            raise ZeroDivisionError
    with store.engine.connect() as conn:
        assert conn.scalar(select(totals.c.value).where(totals.c.name == "mine")) is None


def test_many_rows_are_few_statements(store: Store, heard: Callable[[Engine], list[tuple[str, Any]]]) -> None:
    """All of them arrive, whatever their number; each statement holds a power of two of them, 64 at most."""
    said = heard(store.engine)
    for count in (1, 2, 63, 64, 65, 200):
        rows = [{"name": f"{count}-{number}", "value": number} for number in range(count)]
        said.clear()
        with writing(store.engine) as conn:
            insert_rows(conn, totals, rows)
        inserts = [statement for statement, _ in said if statement.startswith("INSERT")]
        assert len(inserts) == count // 64 + (count % 64).bit_count()
        with store.engine.connect() as conn:
            query = select(totals.c.name, totals.c.value).where(totals.c.name.startswith(f"{count}-"))
            assert {tuple(row) for row in conn.execute(query)} == {(row["name"], row["value"]) for row in rows}


def test_a_lock_passes_and_bad_data_does_not(tmp_path: Path) -> None:
    """What passes is tried again; what does not would be tried for ever."""
    engine = make_engine(database_url(None, tmp_path / "log.db"))
    with engine.connect() as conn, pytest.raises(DBAPIError) as missing:
        conn.exec_driver_sql("SELECT * FROM nothing")
    assert not is_passing(missing.value)
    impatient = create_engine(f"sqlite:///{tmp_path / 'log.db'}", connect_args={"timeout": 0})
    with writing(engine) as conn:
        conn.exec_driver_sql("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        with impatient.connect() as other, pytest.raises(DBAPIError) as locked:
            other.exec_driver_sql("BEGIN IMMEDIATE")
    assert is_passing(locked.value)
    with pytest.raises(DBAPIError) as twice, writing(engine) as conn:
        conn.exec_driver_sql("INSERT INTO t VALUES (1), (1)")
    assert not is_passing(twice.value)
    engine.dispose()
    impatient.dispose()


def test_a_server_that_is_away_passes() -> None:
    """A connection that was never made has no error class of its own."""
    engine = make_engine(database_url("postgresql://127.0.0.1:1/none", ""))
    with pytest.raises(DBAPIError) as away:
        engine.connect()
    assert is_passing(away.value)
    engine.dispose()


def test_a_database_of_an_unknown_style_is_refused() -> None:
    """Rows are written by statements of our own, in the styles that are known here."""
    with pytest.raises(StoreError, match=r"not supported: oracle|needs the Python package"):
        make_engine(database_url("oracle+oracledb://h/d", ""))


def test_opening_a_database_again_leaves_its_locks(tmp_path: Path) -> None:
    """A second engine in one process must not have another process, as it leaves, take the write-ahead log away."""
    path = tmp_path / "requests.db"
    first = make_engine(database_url(None, path))
    with writing(first) as conn:
        conn.exec_driver_sql("CREATE TABLE t (a)")
    second = make_engine(database_url(None, path))
    second.dispose()
    code = (
        f"import sqlite3; db = sqlite3.connect({str(path)!r}); db.execute('INSERT INTO t VALUES (1)'); db.commit()\n"
        "db.close()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert path.with_name("requests.db-wal").exists()
    with first.connect() as conn:
        assert conn.exec_driver_sql("SELECT a FROM t").scalar() == 1
    first.dispose()


def test_a_long_upgrade_by_another_process_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million rows take minutes, and all workers and the dashboard start at once."""
    monkeypatch.setattr("switchman.addons.store.database.BUSY_SECONDS", 0.05)
    engines = [make_engine(database_url(None, tmp_path / "log.db")) for _ in range(2)]
    done: list[bool] = []
    waiting = threading.Thread(target=lambda: done.append(upgrade(engines[1]) is None))
    with writing(engines[0], 10.0):
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join(60.0)
    assert done == [True]
    for engine in engines:
        engine.dispose()
