"""The database's edge: what is made, prepared and refused, and who may write."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from switchman.addons.store import StoreError, open_store


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
