"""What is special about Redis: keys that all expire, sizes that hold, values that Redis dropped by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from switchman.addons.state.together.redislink import PREFIX, RedisLink
from switchman.addons.state.together.redisshared import RedisShared
from switchman.addons.state.together.shared import Quota, SharedStoreError

ROOM = Quota(100, 1000)


def run(url: str, story: Callable[[RedisShared, Any], Awaitable[None]]) -> None:
    async def whole() -> None:
        link = RedisLink(url, patience=60)
        try:
            await story(RedisShared(link), link.redis)
        finally:
            await link.close()

    asyncio.run(whole())


def test_all_keys_have_our_prefix_and_an_end(redis_server: Any) -> None:
    """Whoever else uses the same Redis keeps its keys, and what nobody asks for any more goes by itself."""

    async def story(shared: RedisShared, redis: Any) -> None:
        await shared.put("a", "k", bytes(range(256)), 10, ROOM)
        assert await shared.get("a", "k") == bytes(range(256))
        assert await shared.claim("a", "k", "me", 10)
        await shared.post("a", "me", b"note", 10)
        keys = await redis.keys("*")
        assert len(keys) == 8 and all(key.decode().startswith(f"{PREFIX}:") for key in keys)
        assert all([0 < await redis.pttl(key) <= 10_000 for key in keys])

    run(redis_server.url, story)


def test_what_redis_dropped_or_lost_count_of_is_mended(redis_server: Any) -> None:
    """Redis may evict any key of ours when it is full: a value is then gone, and the sizes follow."""

    async def story(shared: RedisShared, redis: Any) -> None:
        for key in ("one", "two"):
            await shared.put("a", key, b"x" * 400, 1000, ROOM)
        await redis.delete(f"{PREFIX}:v:a:one")
        assert await shared.get("a", "one") is None
        assert await redis.get(f"{PREFIX}:bytes:a") == b"403"
        await redis.delete(f"{PREFIX}:used:a", f"{PREFIX}:size:a")  # the total alone is left, and too high
        for key in ("three", "four"):
            await shared.put("a", key, b"x" * 400, 1000, ROOM)
        await shared.put("a", "three", b"x" * 400, 1000, ROOM)
        assert await shared.get("a", "three") == b"x" * 400

    run(redis_server.url, story)


def test_a_value_of_megabytes_has_time(redis_server: Any) -> None:
    """The patience grows with what is to be sent."""

    async def story(shared: RedisShared, redis: Any) -> None:
        value = b"x" * 8_000_000
        await shared.put("a", "k", value, 10, Quota(10))
        assert await redis.get(f"{PREFIX}:v:a:k") == value

    run(redis_server.url, story)


def test_notes_that_no_worker_wrote_keep_none_from_being_heard(redis_server: Any) -> None:
    """An owner that is no text is only a name; a note of megabytes is not fetched."""

    async def story(shared: RedisShared, redis: Any) -> None:
        await shared.post("workers", "good", b"{}", 60)
        await redis.hset(f"{PREFIX}:n:workers", mapping={b"\xff": b"strange", b"long": b"x" * 1_000_001})
        await redis.zadd(f"{PREFIX}:at:workers", {b"\xff": time.time() * 1000, b"long": time.time() * 1000})
        said = {note.owner: note.text for note in await shared.post("workers", "me", None, 60)}
        assert said == {"good": b"{}", "\ufffd": b"strange"}

    run(redis_server.url, story)


def test_a_full_redis_takes_no_value(redis_server: Any) -> None:
    """It is not filled beyond its own bound; what was there before stays whole."""

    async def story(shared: RedisShared, redis: Any) -> None:
        await shared.put("a", "old", b"v", 60, ROOM)
        await redis.config_set("maxmemory", 1)
        for key in ("old", "new"):
            link = RedisLink(redis_server.url, patience=60)  # the one before is away from now on
            with pytest.raises(SharedStoreError, match="maxmemory"):
                await RedisShared(link).put("a", key, b"new", 60, ROOM)
            await link.close()
        await redis.config_set("maxmemory", 0)
        assert [await shared.get("a", key) for key in ("old", "new")] == [b"v", None]

    run(redis_server.url, story)
