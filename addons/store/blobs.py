"""Where bodies are kept: compressed with zstd, named by the SHA-256 of their content, each content once.

    <root>/ab/cd/abcd...64 hex digits

A file appears whole or not at all (written aside, then renamed). It is not synced to disk one by one: after a power
cut a body may be missing or broken; reading notices (the hash does not fit) and says "no longer kept".
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import zstandard

BlobStorageType = Literal["filesystem", "memory"]

LEVEL = 3  # zstd's own default: JSON of a chat shrinks 3 to 10 times at some 300 MB/s
TOUCH_SECONDS = 6 * 3600.0  # a body that is used again has its file's time renewed at most this often


class BlobStore(Protocol):
    """Content by hash. `packed` is zstd-compressed; a hash that is not there is None or False, never an error."""

    accounted: bool  # whether the blobs table lists what is here (else it keeps within its size by itself)

    def put(self, digest: str, packed: bytes) -> None: ...

    def refresh(self, digest: str) -> bool:
        """Whether it is here; if so, it counts as used now."""

    def get(self, digest: str) -> bytes | None: ...

    def delete(self, digests: Iterable[str]) -> None: ...

    def sweep(self, before: float) -> int:
        """Remove what was last used before this time (epoch seconds), listed or not; how many went."""


@dataclass(slots=True)
class Body:
    """A body on its way into the store. `data` is cut to the size kept; `size` is the whole one's."""

    digest: str
    data: bytes
    size: int
    truncated: bool
    packed: bytes | None = None


def sha256(data: bytes) -> str:
    """hashlib gives the interpreter away for 2048 bytes or more, and a busy event loop is slow to give it back: bodies
    that are hashed in less time than that takes go in smaller pieces."""
    if len(data) > 65_536:
        return hashlib.sha256(data).hexdigest()
    digest, view = hashlib.sha256(), memoryview(data)
    for at in range(0, len(data), 2_000):
        digest.update(view[at : at + 2_000])
    return digest.hexdigest()


def pack(bodies: Sequence[Body]) -> None:
    """Compress those that are not yet, all in one call."""
    if waiting := [body for body in bodies if body.packed is None]:
        done = zstandard.ZstdCompressor(level=LEVEL).multi_compress_to_buffer([body.data for body in waiting])
        for at, body in enumerate(waiting):
            body.packed = done[at].tobytes()


def make_body(data: bytes, size: int | None, max_size: int) -> Body:
    """`size`: the whole body's where `data` is only its beginning, else None."""
    kept = data[:max_size]
    whole = max(size or 0, len(data))
    return Body(sha256(kept), kept, whole, len(kept) < whole)


def unpack(digest: str, packed: bytes) -> bytes | None:
    """The content, or None where it is broken: not zstd, or not what the hash says."""
    try:
        data = zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError:
        return None
    return data if hashlib.sha256(data).hexdigest() == digest else None


def open_blobs(kind: BlobStorageType, root: str | Path, max_total: int) -> BlobStore:
    return FileBlobs(Path(root)) if kind == "filesystem" else MemoryBlobs(max_total)


class FileBlobs:
    """Files under `root`, which is made when the first body comes. Other processes may use the same root."""

    accounted = True

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest[2:4] / digest

    def put(self, digest: str, packed: bytes) -> None:
        """Raises OSError when the disk is full or the folder may not be written."""
        path = str(self.path(digest))
        aside = f"{path}.{os.getpid()}-{threading.get_ident()}.tmp"
        try:
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with open(handle, "wb", buffering=0) as file:
                view = memoryview(packed)
                while view:
                    view = view[file.write(view) :]
            os.replace(aside, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise

    def refresh(self, digest: str) -> bool:
        path = self.path(digest)
        try:
            if time.time() - path.stat().st_mtime > TOUCH_SECONDS:
                os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def get(self, digest: str) -> bytes | None:
        try:
            return self.path(digest).read_bytes()
        except FileNotFoundError:
            return None

    def delete(self, digests: Iterable[str]) -> None:
        for digest in digests:
            with contextlib.suppress(FileNotFoundError):
                self.path(digest).unlink()

    def sweep(self, before: float) -> int:
        """One walk over the tree: what a crash, another machine or a deleted database left behind."""
        removed = 0
        for entry in _files(self.root):
            with contextlib.suppress(FileNotFoundError):
                if entry.stat().st_mtime < before:
                    os.unlink(entry.path)
                    removed += 1
        return removed


class MemoryBlobs:
    """Bodies of this process only, gone when it ends; beyond `max_total` bytes the least recently used go first."""

    accounted = False

    def __init__(self, max_total: int) -> None:
        self.max_total = max_total
        self.total = 0
        self._kept: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, digest: str, packed: bytes) -> None:
        with self._lock:
            self._forget(digest)
            self._kept[digest] = packed, time.time()
            self.total += len(packed)
            while self.total > self.max_total:
                self._forget(next(iter(self._kept)))

    def refresh(self, digest: str) -> bool:
        with self._lock:
            if digest not in self._kept:
                return False
            self._kept[digest] = self._kept[digest][0], time.time()
            self._kept.move_to_end(digest)
            return True

    def get(self, digest: str) -> bytes | None:
        with self._lock:
            kept = self._kept.get(digest)
        return kept[0] if kept else None

    def delete(self, digests: Iterable[str]) -> None:
        with self._lock:
            for digest in digests:
                self._forget(digest)

    def sweep(self, before: float) -> int:
        with self._lock:
            old = [digest for digest, (_, used) in self._kept.items() if used < before]
            for digest in old:
                self._forget(digest)
        return len(old)

    def _forget(self, digest: str) -> None:
        if kept := self._kept.pop(digest, None):
            self.total -= len(kept[0])


def _files(root: Path) -> Iterator[os.DirEntry[str]]:
    """Every file two folders below `root`; folders that vanish meanwhile are passed over."""
    pending = [(str(root), 0)]
    while pending:
        folder, depth = pending.pop()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
            for entry in entries:
                if depth < 2 and entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, depth + 1))
                elif depth == 2 and entry.is_file(follow_symlinks=False):
                    yield entry
