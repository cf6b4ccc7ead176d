"""Read a file that the configuration names: only a regular file, and only so much of it.

A link may lead to a device or a pipe by mistake or malice: /dev/zero has no end, and opening a FIFO waits for a writer.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip


class Unreadable(ValueError):
    """The file cannot be used. The message says why, as in `is a pipe: expected a file`, without its name."""


def read_file(path: Path, most: int) -> bytes:
    """The content of a file that has at most `most` bytes; links are followed. Never waits.

    Raises FileNotFoundError where there is none, Unreadable for all else.
    """
    try:
        # Without O_NONBLOCK a FIFO would be waited for; a terminal must not become ours.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise Unreadable(_why(path, error)) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable(f"is {_kind(found.st_mode)}: expected a file")
        if found.st_size > most:
            raise Unreadable(f"larger than {most} bytes")
        parts, left = [], most + 1  # it may grow meanwhile; some of /proc say that they are empty
        while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if left <= 0:
        raise Unreadable(f"larger than {most} bytes")
    return b"".join(parts)


def _why(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return "cannot be read: its name has a NUL character"
    try:
        mode = path.stat().st_mode
    except OSError:
        mode = stat.S_IFREG
    if not stat.S_ISREG(mode):  # a socket cannot even be opened
        return f"is {_kind(mode)}: expected a file"
    return f"cannot be read: {error.strerror}"


def _kind(mode: int) -> str:
    return next((name for test, name in _KINDS if test(mode)), "no file")
