"""What of requests lies in Redis, for who removes or counts it: `switchman forget`, and the dashboard.

The same script as the workers' (shared.lua), asked by a client that waits. Every failure is an OSError, as of the files
(store/keeping/elsewhere.py): who has something forgotten is to hear that it is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from switchman.addons.state.together.redislink import PREFIX
from switchman.addons.state.together.redisshared import SCRIPT

TIMEOUT: Final = 5.0  # seconds to connect, and for an answer


class RedisKept:
    """A connection is made for each call, and closed after it."""

    def __init__(self, url: str, prefix: str = PREFIX) -> None:
        self._url, self._prefix = url, prefix

    def forget_keys(self, keys: Iterable[tuple[str, str]]) -> int:
        """Remove what is under these, each a space and a key; how many there were."""
        return self._asked(lambda call, _: sum(int(call("drop", space, key)) for space, key in keys))

    def forget_before(self, space: str, before: float | None) -> int:
        """Remove what was last used before this time; None: all of the space."""
        mark = "" if before is None else str(round(before * 1000))

        def work(call: Callable[..., Any], _: Any) -> int:
            gone = 0
            while some := call("forget", space, mark):
                gone += int(some)
            return gone

        return self._asked(work)

    def count(self, space: str) -> tuple[int, int]:
        """How many values there are, and their bytes."""
        entries, size = self._asked(lambda call, _: call("count", space))
        return int(entries), int(size)

    def keys(self, space: str) -> set[str]:
        """The keys of all values of a space."""
        return self._asked(
            lambda _, redis: {key.decode() for key in redis.zrange(f"{self._prefix}:used:{space}", 0, -1)}
        )

    def _asked[T](self, work: Callable[[Callable[..., Any], Any], T]) -> T:
        redis = Redis.from_url(
            self._url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0), protocol=2
        )
        script = redis.register_script(SCRIPT)
        try:
            return work(lambda *args: script(args=[self._prefix, "", *args]), redis)
        except RedisError as error:
            raise OSError(f"Redis: {error}") from None
        finally:
            with suppress(RedisError, OSError):
                redis.close()
