"""A file's new content, whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from switchman.addons.config.editing import replacing
from switchman.addons.config.editing.replacing import replace_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "routes.yaml"
    found.write_text("old and longer\n")
    found.chmod(0o640)
    return found


def test_mode_and_owner_stay_and_the_file_is_another(file: Path) -> None:
    """A reader that has the old one open reads that to its end."""
    before = file.stat()
    with file.open() as reader:
        assert replace_file(file, b"new\n") == ""
        assert reader.read() == "old and longer\n"
    after = file.stat()
    assert file.read_bytes() == b"new\n" and stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid) and after.st_ino != before.st_ino
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_another_users_file_stays_theirs(file: Path) -> None:
    os.chown(file, 1234, 4321)
    assert replace_file(file, b"new\n") == ""
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 4321)


def test_a_new_file(tmp_path: Path) -> None:
    assert replace_file(tmp_path / "new.yaml", b"x") == ""
    assert stat.S_IMODE((tmp_path / "new.yaml").stat().st_mode) == 0o644


def test_a_link_stays_and_what_it_leads_to_is_replaced(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = folder / "link.yaml"
    link.symlink_to(file)
    assert replace_file(link, b"new\n") == ""
    assert link.is_symlink() and file.read_bytes() == b"new\n"
    assert list(folder.iterdir()) == [link]


def test_a_second_name_keeps_the_content(file: Path, tmp_path: Path) -> None:
    """A hard link would be left with the old one."""
    os.link(file, tmp_path / "second")
    assert "hard link" in replace_file(file, b"new\n")
    assert (tmp_path / "second").read_bytes() == file.read_bytes() == b"new\n"


def test_a_file_that_is_a_mount_is_written_over(file: Path, tmp_path: Path) -> None:
    """As a container's volume of one file; a rename over it is EBUSY."""
    other = tmp_path / "mounted"
    other.write_text("old and longer\n")
    code = (
        "import sys; from pathlib import Path; from switchman.addons.config.editing.replacing import replace_file\n"
        "print(replace_file(Path(sys.argv[1]), b'new'), Path(sys.argv[1]).read_bytes())"
    )
    script = f'mount --bind "{other}" "{file}" && exec "$0" -c "$1" "{file}"'
    python = Path(replacing.__file__).parents[3] / ".venv/bin/python"
    command = ["unshare", "-m", "sh", "-c", script, str(python), code]
    done = subprocess.run(command, capture_output=True, text=True)
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mounts here: {done.stderr.strip()[:100]}")
    assert done.stdout == "the file is a mount of its own b'new'\n", done.stderr
    assert other.read_bytes() == b"new" and file.read_text() == "old and longer\n"


def test_a_folder_that_is_not_to_be_written_to(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file itself is."""

    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(replacing.tempfile, "mkstemp", refused)
    assert replace_file(file, b"new\n") == "no file can take its place (Permission denied)"
    assert file.read_bytes() == b"new\n"


def test_a_full_disk_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing beside it."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(replacing.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(file, b"new\n")
    assert file.read_text() == "old and longer\n" and list(file.parent.iterdir()) == [file]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no regular file"):
        replace_file(tmp_path, b"x")
