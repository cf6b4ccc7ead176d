"""Descriptors: how many files and sockets this process may have open, and what is said when it has too few.

The system's default for a process is often 1024, and each request under way needs two. So the limit is raised to what
the system allows. Where that is too few, new connections wait until others are closed, and no server is blamed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import time
from collections.abc import Callable
from typing import Any

from switchman.addons.core.servers.scarcity import is_scarcity

logger = logging.getLogger(__name__)

ENOUGH = 1 << 20  # more than any machine can use; some systems allow "infinity", and then refuse to set it
TELL_EVERY = 60.0  # seconds


def raise_limit() -> int:
    """Raise the soft limit as far as the hard one allows, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, ENOUGH, 65_536, 10_240):  # macOS takes no more than 10,240, whatever it says
        if hard != resource.RLIM_INFINITY and wanted > hard:
            continue
        wanted = min(wanted, ENOUGH) if wanted != resource.RLIM_INFINITY else ENOUGH
        if wanted <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            continue
        return wanted
    return soft


def any_left() -> bool:
    """Whether one more descriptor can be had."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return not is_scarcity(error)
    return True


class Shortage:
    """Says that the router has too few descriptors, once a minute at most. `clock`: seconds, only forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: float | None = None

    def tell(self, error: object) -> None:
        now = self._clock()
        if self._told is not None and now - self._told < TELL_EVERY:
            return
        self._told = now
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        logger.warning(
            "The router cannot open more connections or files (%s); new ones wait. It may have %s open: raise the "
            "limit where it is started (`ulimit -n 65536`, or LimitNOFILE= of a systemd unit).",
            error, limit,
        )  # fmt: skip

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take over from the loop's handler of exceptions what is a shortage: for each connection that it cannot
        accept, it would write a traceback. It tries again by itself.
        """
        before = loop.get_exception_handler()

        def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, BaseException) and is_scarcity(error):
                self.tell(error)
            elif before is not None:
                before(loop, context)
            else:
                loop.default_exception_handler(context)

        loop.set_exception_handler(handle)
