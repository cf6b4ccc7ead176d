"""The folder in memory that `switchman serve` keeps bodies in: private, bounded, and gone afterwards."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from switchman.addons.serving.bodies import PREFIX, hold_bodies


def test_it_is_there_as_long_as_it_is_held(tmp_path: Path) -> None:
    """Its owner's only, with what is in it removed at the end."""
    with ExitStack() as held:
        bodies = hold_bodies(1000, held, tmp_path)
        assert bodies.folder.parent == tmp_path and bodies.in_memory
        assert bodies.folder.stat().st_mode & 0o777 == 0o700
        (bodies.folder / "ab").mkdir()
        (bodies.folder / "ab/body").write_bytes(b"x")
        assert bodies.settings() == {
            "BLOB_STORAGE_TYPE": "filesystem",
            "BLOB_STORAGE_PATH": str(bodies.folder),
            "MAX_TOTAL_STORAGE_SIZE": "1000",
        }
    assert list(tmp_path.iterdir()) == []


def test_it_never_takes_all_the_room(tmp_path: Path) -> None:
    """Whatever MAX_TOTAL_STORAGE_SIZE allows."""
    with ExitStack() as held:
        assert hold_bodies(2**60, held, tmp_path).limit < 2**60


def test_what_a_killed_one_left_is_removed_by_the_next(tmp_path: Path) -> None:
    """But nothing that is in use, and nothing that is not ours."""
    left = tmp_path / f"{PREFIX}left"
    left.mkdir()
    (left / "lock").touch()
    (tmp_path / "other").mkdir()
    with ExitStack() as first, ExitStack() as second:
        one, two = hold_bodies(9, first, tmp_path), hold_bodies(9, second, tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"other", one.folder.name, two.folder.name}


def test_without_a_folder_in_memory_it_is_on_disk(tmp_path: Path) -> None:
    """And says so."""
    with ExitStack() as held:
        bodies = hold_bodies(9, held, tmp_path / "absent")
        assert bodies.folder.is_dir() and "on disk" in str(bodies)
    assert not bodies.folder.exists()
