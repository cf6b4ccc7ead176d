"""Takes note of servers that a person has reset on the dashboard, in every worker within a second.

The database is asked in a thread; what is done then belongs to the event loop. What was reset before the start is none
of a worker's business. Where the database does not answer, nothing is reset, and nothing else is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from switchman.addons.store.access.generations import Generation
from switchman.addons.store.access.resets import Resets, reset_name

logger = logging.getLogger(__name__)

EVERY = 0.5  # seconds between two looks

Reset = Callable[[Callable[[str], bool]], None]


class Resetting:
    """`reset` is called with a test for the names of the servers that were reset since the last look."""

    def __init__(self, store: Resets, reset: Reset) -> None:
        self._store, self._reset = store, reset
        self._seen: Mapping[str, Generation] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="switchman resets")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def look(self) -> None:
        """Act on what is new. Raises SQLAlchemyError where the database does not answer."""
        latest = await asyncio.to_thread(self._store.latest)
        if (seen := self._seen) is not None and latest != seen:
            fresh = {name for name, value in latest.items() if seen.get(name) != value}
            self._reset(lambda server: reset_name(server) in fresh)
        self._seen = latest

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except SQLAlchemyError as error:
                logger.debug("whether a server was reset could not be looked up: %s", error)
            except Exception:  # the boundary: the next look may succeed
                logger.exception("A reset of a server failed.")
            await asyncio.sleep(EVERY)
