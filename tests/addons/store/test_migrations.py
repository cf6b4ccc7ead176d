"""The schema comes by migrations, whoever starts first, and says so when it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from switchman.addons.store import Store, StoreError, open_store
from switchman.addons.store.tables import metadata


def test_migrations_make_the_tables(store: Store) -> None:
    """After all migrations the database is what tables.py says, down to the indexes."""
    with store.engine.connect() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []


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
    open_store(url=url, blob_path=tmp_path).close()


def test_a_newer_database_is_refused(url: str, tmp_path: Path) -> None:
    """A schema this version does not know is named, with what to do, and left alone."""
    with open_store(url=url, blob_path=tmp_path) as store, store.engine.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer version of Switchman \(schema 9999, .*: upgrade Switchman"):
        open_store(url=url, blob_path=tmp_path)


def test_a_wheel_has_the_migrations() -> None:
    """Alembic loads the scripts by path, from where the package is installed."""
    import switchman.addons.store.migrations as package

    assert package.__file__
    assert list((Path(package.__file__).parent / "versions").glob("0001_*.py"))
