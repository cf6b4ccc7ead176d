"""BLOB_STORAGE_TYPE=memory under `switchman serve`: its processes share a folder in memory, which goes when they go."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - what we make there is ours alone  # nosec B108
PREFIX = "switchman-bodies-"
SHARE = 4  # bodies get a quarter of the room: each takes at least a page of memory


@dataclass(frozen=True, slots=True)
class Bodies:
    """The folder of the bodies, and the bytes it may hold. `in_memory` False: this system has no folder in memory."""

    folder: Path
    limit: int
    in_memory: bool

    def settings(self) -> dict[str, str]:
        """The settings of the processes that share the folder."""
        return {
            "BLOB_STORAGE_TYPE": "filesystem",
            "BLOB_STORAGE_PATH": str(self.folder),
            "MAX_TOTAL_STORAGE_SIZE": str(self.limit),
        }

    def __str__(self) -> str:
        where = "in memory" if self.in_memory else "on disk, as there is no /dev/shm"
        return f"{where} ({self.folder}), {self.limit // 2**20} MiB at most, until this stops"


def hold_bodies(max_total: int, held: ExitStack, memory: Path = MEMORY) -> Bodies:
    """Make a private folder that exists as long as `held` is open. Raises OSError."""
    in_memory = os.access(memory, os.W_OK | os.X_OK)
    folder = hold_folder(PREFIX, held, memory)
    room = os.statvfs(folder)
    return Bodies(folder, max(1, min(max_total, room.f_bavail * room.f_frsize // SHARE)), in_memory)


def hold_folder(prefix: str, held: ExitStack, memory: Path = MEMORY) -> Path:
    """Make a private folder, in memory where there is one, that exists as long as `held` is open. Raises OSError."""
    base = memory if os.access(memory, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    _remove_abandoned(base, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    held.callback(shutil.rmtree, folder, ignore_errors=True)
    lock = held.enter_context((folder / "lock").open("wb"))
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder


def _remove_abandoned(base: Path, prefix: str) -> None:
    """Remove the folders of a `serve` that was killed: nobody holds their locks any more."""
    for folder in base.glob(f"{prefix}*"):
        with suppress(OSError):
            if folder.stat().st_uid != os.geteuid():
                continue
            with (folder / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
