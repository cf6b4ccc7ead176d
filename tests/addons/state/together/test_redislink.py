"""The connection to Redis: what it costs when Redis hangs, is away or takes nothing, and how it comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from switchman.addons.state.together import redislink
from switchman.addons.state.together.redislink import RedisLink
from switchman.addons.state.together.shared import SharedStoreError

PATIENCE = 60.0


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == redislink.__name__]


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not what():
            await asyncio.sleep(0.01)


def run(url: str, story: Callable[[RedisLink], Awaitable[None]]) -> None:
    async def whole() -> None:
        link = RedisLink(url)
        try:
            await story(link)
        finally:
            await link.close()

    asyncio.run(whole())


@pytest.mark.parametrize("how", ["hang", "stop"])
def test_redis_away_is_one_line_and_one_wait_and_it_comes_back(
    redis_server: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Whether it is gone or hangs: nobody asks it meanwhile but the link itself, and one line each says so."""
    monkeypatch.setattr(redislink, "TRY_PATIENCE", 0.2)
    monkeypatch.setattr(redislink, "LONGEST_PAUSE", 0.1)
    caplog.set_level(logging.WARNING)

    async def story(link: RedisLink) -> None:
        assert await link.run(lambda: link.redis.get("k"), PATIENCE) is None
        getattr(redis_server, how)()
        with pytest.raises(SharedStoreError, match=r"Redis: "):
            await link.run(lambda: link.redis.get("k"))
        asked = []
        for _ in range(100):
            with pytest.raises(SharedStoreError, match="Redis is away"):
                await link.run(lambda: asked.append(1) or link.redis.get("k"))  # type: ignore[func-returns-value]
        await until(lambda: link.problem is not None)
        first = link.problem
        assert asked == [] and first is not None and len(told(caplog)) == 1 and first in told(caplog)[0]
        (redis_server.wake if how == "hang" else redis_server.start)()
        await until(lambda: link.problem is None)
        assert await link.run(lambda: link.redis.get("k"), PATIENCE) is None
        away, back = told(caplog)
        assert "Redis is away" in away and "Redis is back" in back

    run(redis_server.url, story)


def test_a_call_that_was_late_once_is_no_trouble(
    redis_server: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy process may miss the time; Redis is asked once more by the link, and nothing is said."""
    monkeypatch.setattr(redislink, "TRY_PATIENCE", PATIENCE)

    async def story(link: RedisLink) -> None:
        with pytest.raises(SharedStoreError, match="does not answer"):
            await link.run(lambda: asyncio.sleep(PATIENCE))

        async def answers() -> bool:
            try:
                return await link.run(link.redis.ping, PATIENCE) is True
            except SharedStoreError:
                return False

        async with asyncio.timeout(PATIENCE):
            while not await answers():
                await asyncio.sleep(0.01)
        assert link.problem is None and told(caplog) == []

    run(redis_server.url, story)


def test_one_that_takes_no_writes_is_away(redis_server: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A replica answers a PING, and keeps nothing; the link says why, in Redis's own words."""

    async def story(link: RedisLink) -> None:
        await link.redis.replicaof("127.0.0.1", "9")
        with pytest.raises(SharedStoreError, match="read only"):
            await link.run(lambda: link.redis.set("k", "v"), PATIENCE)
        await until(lambda: link.problem is not None)
        assert "read only" in (link.problem or "") and "read only" in told(caplog)[0]
        await link.redis.replicaof("NO", "ONE")
        await until(lambda: link.problem is None)

    run(redis_server.url, story)


def test_one_that_fails_call_after_call_is_told_of(redis_server: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Though a write of the link's own goes well each time, as with a user who may run no scripts."""

    async def story(link: RedisLink) -> None:
        failed = 0
        while failed < 2 * redislink.MANY:
            try:
                await link.run(lambda: link.redis.execute_command("NONSENSE"), PATIENCE)
            except SharedStoreError as error:
                failed += "unknown command" in str(error)
                assert len(told(caplog)) == (failed >= redislink.MANY)
            await asyncio.sleep(0)
        assert link.problem is None and "unknown command" in told(caplog)[0]

    run(redis_server.url, story)


def test_a_password_is_in_no_message(redis_server: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Neither one that is wrong, nor one of a Redis that is not there."""
    caplog.set_level(logging.DEBUG)

    async def story(link: RedisLink) -> None:
        with pytest.raises(SharedStoreError) as caught:
            await link.run(link.redis.ping, PATIENCE)
        await until(lambda: link.problem is not None)
        assert "hush-hush" not in f"{caught.value} {link.problem} {caplog.text}"

    path = redis_server.url.removeprefix("unix://")
    run(f"unix://:hush-hush@{path}", story)
    run("redis://:hush-hush@127.0.0.1:9", story)
    assert "hush-hush" not in caplog.text and "127.0.0.1:9" in caplog.text


def test_a_link_that_is_closed_is_away(redis_server: Any) -> None:
    """Nothing is begun any more by requests that end late."""

    async def story(link: RedisLink) -> None:
        await link.close()
        with pytest.raises(SharedStoreError):
            await link.run(link.redis.ping)

    run(redis_server.url, story)
