"""Places where the log cannot be written are told at the start, each in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.configuration import SettingsError
from switchman.addons.config.folders import check_folders
from switchman.addons.config.settings import Settings


def settings(folder: Path, **more: Any) -> Settings:
    return Settings(**{"db_path": str(folder / "r.db"), "blob_storage_path": str(folder / "blobs"), **more})


def test_good_places(tmp_path: Path) -> None:
    """The bodies' folder is made, for its owner only, and nothing else."""
    check_folders(settings(tmp_path, blob_storage_path=str(tmp_path / "a/blobs")))
    check_folders(settings(tmp_path, blob_storage_path=str(tmp_path / "a/blobs")))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a/blobs").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ("DB_PATH", "file/r.db"),
        ("DB_PATH", "absent/r.db"),
        ("DB_PATH", "folder"),
        ("BLOB_STORAGE_PATH", "file"),
        ("BLOB_STORAGE_PATH", "file/blobs"),
        ("BLOB_STORAGE_PATH", "/proc/nowhere"),
    ],
)
def test_bad_places(variable: str, place: str, tmp_path: Path) -> None:
    """The variable, the place, and what to do."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(SettingsError) as error:
        check_folders(settings(tmp_path, **{variable.lower(): str(tmp_path / place)}))
    (problem,) = error.value.problems
    assert problem.startswith(f"{variable}='{tmp_path / place}': nothing can be kept there: ")
    assert "--data-dir" in problem and "\n" not in problem


def test_all_are_told_at_once(tmp_path: Path) -> None:
    """Both, where both are wrong."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as error:
        check_folders(settings(tmp_path / "file"))
    assert len(error.value.problems) == 2


def test_what_is_not_used_is_not_looked_at(tmp_path: Path) -> None:
    """No log, no place; bodies in memory and a database elsewhere need no folder."""
    (tmp_path / "file").touch()
    check_folders(settings(tmp_path / "file", enable_logging=False))
    check_folders(settings(tmp_path / "file", blob_storage_type="memory", database_url="postgresql://h/d"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
