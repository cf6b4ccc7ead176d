"""The master key: from the environment, or from a file that nobody else can read."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from switchman.addons.config.secrets.masterkey import make_key_file, masters, read_key_file, settle
from switchman.addons.config.secrets.opening import coming, key_file
from switchman.addons.config.settings import Settings
from switchman.addons.store.access.vault import VaultError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "requests.key"


def test_a_file_is_made_for_its_owner_only(file: Path) -> None:
    """Whatever the umask is; nothing else is left in the folder."""
    before = os.umask(0)
    try:
        master = make_key_file(file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and os.listdir(file.parent) == [file.name]
    found = read_key_file(file)
    assert found is not None and (found.key, found.source) == (master.key, str(file)) and len(master.key) == 32


def test_a_file_that_is_there_is_never_written_over(file: Path) -> None:
    """Two processes that begin at once have the same key in the end."""
    first = make_key_file(file)
    assert make_key_file(file).key == first.key
    assert read_key_file(coming(file)) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o610])
def test_a_file_that_others_may_read(file: Path, mode: int) -> None:
    """It is refused, with the command that mends it."""
    make_key_file(file)
    file.chmod(mode)
    with pytest.raises(
        VaultError, match=rf"may be read by others \(mode {mode:04o}\), so it is refused: chmod 600 {file}"
    ):
        read_key_file(file)


def test_a_folder_that_everybody_may_write_to(file: Path) -> None:
    """Somebody could put another key there; with the sticky bit, as /tmp has it, nobody can."""
    make_key_file(file)
    file.parent.chmod(0o777)
    with pytest.raises(VaultError, match=r"may be written to by everybody .mode 0777."):
        read_key_file(file)
    with pytest.raises(VaultError, match="may be written to by everybody"):
        make_key_file(coming(file))
    file.parent.chmod(0o1777)
    assert read_key_file(file) is not None
    file.parent.chmod(0o700)


@pytest.mark.parametrize("content", [b"", b"secret\n", b"\xff\xfe", b"00" * 32])
def test_a_file_that_holds_no_key(file: Path, content: bytes) -> None:
    """It is named, and nothing of it is told."""
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(VaultError, match=f"the vault's master key {file} is none"):
        read_key_file(file)


def test_something_else_in_its_place(file: Path) -> None:
    """A pipe is not waited for."""
    os.mkfifo(file, 0o600)
    with pytest.raises(VaultError, match="is a pipe: expected a file"):
        read_key_file(file)


def test_the_environment_stands_alone(made: Callable[..., Settings]) -> None:
    """Where ENCRYPTION_KEY is set, the file opens nothing: a wrong one is wrong. Only who changes keys takes both."""
    settings = made()
    assert masters(settings) == []
    make_key_file(key_file(settings))
    text = secrets.token_hex(32)
    both = made(encryption_key=text)
    assert [master.source for master in masters(settings)] == [str(key_file(settings))]
    assert [master.key.hex() for master in masters(both)] == [text]
    assert [master.source for master in masters(both, changing=True)] == ["ENCRYPTION_KEY", str(key_file(settings))]


@pytest.mark.parametrize("sealed", ["old", "new", "both", "none"])
def test_a_change_that_was_interrupted(file: Path, sealed: str) -> None:
    """The database says which of the two files counts; while it has rows of either, both stay."""
    old, new = make_key_file(file), make_key_file(coming(file))
    used = {"old": {old.id}, "new": {new.id}, "both": {old.id, new.id}, "none": set[str]()}[sealed]
    settle(file, used)
    kept, beside = read_key_file(file), read_key_file(coming(file))
    assert kept is not None and kept.key == (new.key if sealed == "new" else old.key)
    assert (beside is not None) == (sealed == "both")
