"""replace_file(): a file's new content, whole or not at all, as somebody may be reading it.

1. It is written beside the file, brought to the disk, given the file's mode, owner and attributes, and renamed over it.
   A link stays, and the file that it leads to is replaced.
2. Where that cannot be (the file is a mount of its own, as containers have them; its folder may not be written to; it
   has a second name; another user owns it), the file itself is written over, in one go: `in_place` says why.
3. OSError where neither can be done; the file is as it was then, unless the disk itself fails in between.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

# Why a file beside the file cannot be made, or not take its place.
_NOT_BESIDE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV)
USUAL_MODE = 0o644


def replace_file(file: Path, content: bytes) -> str:
    """Returns "" where the file was replaced, else why it was written over."""
    target = Path(os.path.realpath(file))
    found = target.stat() if target.exists() else None
    if found is not None:
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(target))
        if found.st_nlink > 1:
            return _written_over(target, content, "the file has a second name (a hard link)")
    try:
        _beside(target, content, found)
    except OSError as error:
        if found is None or error.errno not in _NOT_BESIDE:
            raise
        is_mount = error.errno == errno.EBUSY
        why = "the file is a mount of its own" if is_mount else f"no file can take its place ({error.strerror})"
        return _written_over(target, content, why)
    return ""


def _beside(target: Path, content: bytes, found: os.stat_result | None) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            if found is not None:
                if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(handle, found.st_uid, found.st_gid)  # EPERM: the file keeps its owner another way
                _copy_attributes(target, handle)
            os.fchmod(handle, stat.S_IMODE(found.st_mode) if found is not None else USUAL_MODE)
            os.fsync(handle)
        os.replace(name, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    with suppress(OSError):  # some file systems cannot; the file itself is on the disk
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _copy_attributes(source: Path, handle: int) -> None:
    """Access lists, and labels of SELinux, as far as they can be set."""
    with suppress(OSError):
        for name in os.listxattr(source):
            with suppress(OSError):
                os.setxattr(handle, name, os.getxattr(source, name))


def _written_over(target: Path, content: bytes, why: str) -> str:
    handle = os.open(target, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.ftruncate(handle, len(content))
        os.fsync(handle)
    finally:
        os.close(handle)
    return why
