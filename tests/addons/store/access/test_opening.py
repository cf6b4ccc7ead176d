"""The database says who may also where nothing is logged."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from switchman.addons.core.access.caller import Terms
from switchman.addons.store import StoreError, open_store
from switchman.addons.store.access.opening import open_access


def test_it_is_the_logs_own_database(tmp_path: Path) -> None:
    """What one has made the other has, and nobody else may read the file."""
    access = open_access(None, tmp_path / "requests.db")
    token, _ = access.tokens.create(Terms("a"), 1.0)
    access.close()
    assert stat.S_IMODE((tmp_path / "requests.db").stat().st_mode) == 0o600
    with open_store(db_path=tmp_path / "requests.db", blob_path=tmp_path / "blobs") as store:
        assert store.access.tokens.list() == (token,)


@pytest.mark.parametrize("path", [":memory:", "nowhere/requests.db"])
def test_what_cannot_be_used_is_said(path: str, tmp_path: Path) -> None:
    """In words, as of the log."""
    with pytest.raises(StoreError, match=r"in-memory|cannot open"):
        open_access(None, path if path == ":memory:" else tmp_path / path)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """It is named, and left as it is."""
    (tmp_path / "requests.db").write_bytes(b"no database, but words " * 100)
    with pytest.raises(StoreError, match=r"requests\.db"):
        open_access(None, tmp_path / "requests.db")
