"""The master key of the vault: from ENCRYPTION_KEY, or from a file that is made beside the database at the first use.

The file is for its owner only, and so is trusted only while that is so: other users who could read it, or put another
one in its place, are a reason to refuse. A change of it (`switchman key rekey`) goes over a second file, FILE.new, as
no transaction spans a database and a file:

    1. FILE.new is written          2. the database is sealed anew, in one transaction          3. FILE.new becomes FILE

Interrupted after 1 the old key opens all, after 2 the new one; so both are given to whoever opens the vault, and the id
in each row says which it takes.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from switchman.addons.config.regular import Unreadable, read_file
from switchman.addons.config.secrets.keytext import parse_key
from switchman.addons.config.secrets.opening import coming, key_file
from switchman.addons.config.settings import Settings
from switchman.addons.store.access.sealing import MasterKey, new_master
from switchman.addons.store.access.vault import VaultError

VARIABLE: Final = "ENCRYPTION_KEY"


def parse_master(text: str, source: str = VARIABLE) -> MasterKey:
    """Raises ValueError with a sentence that has nothing of the text."""
    return MasterKey(parse_key(text), source)


def masters(settings: Settings, *, changing: bool = False) -> list[MasterKey]:
    """The master keys that may open the vault, the one that seals first: ENCRYPTION_KEY alone where it is set, else the
    key file's. `changing`: also the file's beside ENCRYPTION_KEY, which is about to take its place. Raises VaultError
    for a file that is not to be used.
    """
    found = [from_environment(settings)]
    if found == [None] or changing:
        file = key_file(settings)
        new = read_key_file(coming(file))  # first: where it is gone by now, it has become FILE
        found += [read_key_file(file), new]
    return [master for master in found if master is not None]


def from_environment(settings: Settings) -> MasterKey | None:
    return parse_master(settings.encryption_key.get_secret_value()) if settings.encryption_key is not None else None


def read_key_file(file: Path) -> MasterKey | None:
    """None where there is no such file. Raises VaultError for one that others may read or replace, or that is none."""
    try:
        content = read_file(file, 1024)
        mode, folder = file.stat(), file.parent.stat()
    except FileNotFoundError:
        return None
    except Unreadable as error:
        raise VaultError(f"the vault's master key {file} {error}") from None
    except OSError as error:
        raise VaultError(f"the vault's master key {file}: {error.strerror}") from None
    if mode.st_mode & 0o077:
        raise VaultError(
            f"the vault's master key {file} may be read by others (mode {stat.S_IMODE(mode.st_mode):04o}), so it is "
            f"refused: chmod 600 {file}, and `switchman key rekey` makes another one if others may have seen it"
        )
    if mode.st_uid not in (0, os.geteuid()):
        raise VaultError(f"the vault's master key {file} belongs to another user: it is not used")
    _check_folder(file.parent, folder)
    try:
        return parse_master(content.decode("ascii", "replace"), str(file))
    except ValueError as fault:
        raise VaultError(f"the vault's master key {file} is none: {fault}") from None


def _check_folder(folder: Path, found: os.stat_result) -> None:
    if found.st_mode & 0o002 and not found.st_mode & stat.S_ISVTX:
        raise VaultError(
            f"the folder {folder} may be written to by everybody (mode {stat.S_IMODE(found.st_mode):04o}), who could "
            f"put another master key there: chmod o-w {folder}, or set {VARIABLE}"
        )


def make_key_file(file: Path, *, fresh: MasterKey | None = None) -> MasterKey:
    """Write a new master key, for its owner only, and on the disk when this returns. Never over one that is there.

    Where another process was faster, that one's key is returned.
    """
    try:
        _check_folder(file.parent, file.parent.stat())
        master = fresh or new_master(str(file))
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, master.key.hex().encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(draft, file)  # unlike a rename it fails where the name is taken
        except FileExistsError:
            if (found := read_key_file(file)) is not None:
                return found
            raise
        finally:
            draft.unlink()
        sync_folder(file.parent)
    except OSError as error:
        raise VaultError(f"the vault's master key {file} cannot be made: {error.strerror}; or set {VARIABLE}") from None
    return MasterKey(master.key, str(file))


def settle(file: Path, used: set[str]) -> None:
    """End a change of the key file that was interrupted. `used`: ids of the master keys that the rows have."""
    new = coming(file)
    if (fresh := read_key_file(new)) is None:
        return
    if used and used <= {fresh.id}:
        os.replace(new, file)
        sync_folder(file.parent)
    elif fresh.id not in used:
        with suppress(FileNotFoundError):
            new.unlink()


def sync_folder(folder: Path) -> None:
    """Have a change of names in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
