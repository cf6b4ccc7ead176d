"""Tell what the router itself lacks (file descriptors, memory for sockets) from what is wrong with a server.

Such an error says nothing of the server that was to be asked: it counts against none.
"""

from __future__ import annotations

import errno
import re
from typing import Final

# open(2), socket(2), accept(2): this process's limit, the system's limit, no buffers, no memory.
SCARCE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_NUMBER: Final = re.compile(r"\[Errno (\d+)\]")


def is_scarcity(error: BaseException | str) -> bool:
    """Whether an error, or one that it was raised from, or an OSError's text, tells of what the router lacks."""
    if isinstance(error, str):
        return any(int(number) in SCARCE for number in _NUMBER.findall(error[:1000]))
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, OSError) and (one.errno in SCARCE or is_scarcity(str(one))):
            return True  # asyncio tells several errors, one for each address, as the text of one
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return False
