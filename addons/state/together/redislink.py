"""The connection to Redis for what workers know together: bounded in time, and left alone while Redis is away.

    answers     each call waits for PATIENCE at most
    in doubt    a call failed or took too long: a write of our own is tried, and meanwhile nobody asks Redis anything
    away        that failed, too: one line in the log, `problem` for /readyz, and one more try every few seconds
    answers     a try went well: one line, where there was one before

A Redis that takes a write but fails call after call (a user without scripts, a key that is not ours, a network that is
too slow) is told of, too, every few minutes.

So a Redis that hangs costs the requests of one moment PATIENCE each, and no request after them anything; a call that
was late because this process was busy costs nothing but that call. redis-py connects anew by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from switchman.addons.state.together.shared import SharedStoreError

logger = logging.getLogger(__name__)

PREFIX: Final = "switchman:{shared}"  # the braces keep all keys on one node of a cluster
PATIENCE: Final = 0.05  # seconds that a request waits for Redis
TRY_PATIENCE: Final = 1.0  # seconds for a try of our own, for which no request waits
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two tries
CONNECTIONS: Final = 32
MANY, WITHIN = 20, 60.0  # calls that fail within so many seconds, though a write goes well, are told of ...
TELL_EVERY: Final = 300.0  # ... once in so many
TROUBLE: Final = (RedisError, OSError, TimeoutError)


class RedisLink:
    """`redis` is asked through `run`. Belongs to the event loop; nothing is connected before it is used.

    `patience`: seconds that a request waits; None: PATIENCE.
    """

    def __init__(self, url: str, patience: float | None = None, prefix: str = PREFIX) -> None:
        self.patience = PATIENCE if patience is None else patience
        longest = max(TRY_PATIENCE, self.patience)
        pool = BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS, timeout=None, socket_timeout=longest, socket_connect_timeout=longest,
            retry=Retry(NoBackoff(), 0), protocol=2,
        )  # fmt: skip
        self.redis: Redis = Redis.from_pool(pool)
        self.prefix = prefix
        self.problem: str | None = None  # why Redis is away
        self._mending: asyncio.Task[None] | None = None
        self._closed = False
        self._doubts: deque[float] = deque(maxlen=MANY)  # when calls failed: monotonic seconds
        self._told_at = float("-inf")

    async def run[T](self, work: Callable[[], Awaitable[T]], more: float = 0.0) -> T:
        """What `work` gets from Redis within its patience and `more` seconds. Raises SharedStoreError."""
        if self._mending is not None or self._closed:
            raise SharedStoreError("Redis is away")
        try:
            async with asyncio.timeout(self.patience + more):
                return await work()
        except TROUBLE as error:
            self._count(error)
            self._doubt()
            raise SharedStoreError(f"Redis: {_said(error)}") from None

    async def close(self) -> None:
        self._closed = True
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.gather(self._mending, return_exceptions=True)
        await self.redis.aclose()

    def _count(self, error: BaseException) -> None:
        """While Redis is known to be away no call comes here: these failed in between."""
        now = time.monotonic()
        self._doubts.append(now)
        if len(self._doubts) < MANY or now - self._doubts[0] > WITHIN or now - self._told_at < TELL_EVERY:
            return
        self._told_at = now
        why = f"no answer within {self.patience:g} s" if isinstance(error, TimeoutError) else str(error)
        logger.warning("Redis can be written, but call after call fails (%s): much of it is not shared.", why)

    def _doubt(self) -> None:
        if self._mending is None and not self._closed:
            task = asyncio.create_task(self._mend(), name="switchman redis")
            # mitmproxy's loop runs a task at once: one that is over by now would be taken for one that runs for ever.
            self._mending = None if task.done() else task

    async def _mend(self) -> None:
        pause = FIRST_PAUSE
        try:
            while (problem := await self._tried()) is not None:
                if self.problem is None:
                    logger.warning("Redis is away (%s): the router goes on with what this machine knows.", problem)
                self.problem = problem
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            if self.problem is not None:
                logger.warning("Redis is back: what the machines know together is shared again.")
            self.problem = None
        finally:
            self._mending = None

    async def _tried(self) -> str | None:
        """Why nothing can be written, or None: a replica and a full Redis answer a PING, too."""
        try:
            async with asyncio.timeout(TRY_PATIENCE):
                await self.redis.set(f"{self.prefix}:alive", b"", px=60_000)
        except TROUBLE as error:
            return _said(error)
        return None


def _said(error: BaseException) -> str:
    """In words without a URL, and so without a password."""
    return f"it does not answer within {TRY_PATIENCE:g} s" if isinstance(error, TimeoutError) else str(error)
