"""What workers share: values that expire, a cap that holds, claims that one has at a time."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import stat
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.state.together.redislink import RedisLink
from switchman.addons.state.together.redisshared import RedisShared
from switchman.addons.state.together.shared import (
    PURGE_EVERY,
    MemoryShared,
    Note,
    Quota,
    Shared,
    SharedStoreError,
    SQLiteShared,
)

ROOM = Quota(100, 1000)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Redis(RedisShared):
    """One that opens its link for each loop."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.link = RedisLink(url, patience=60)
        super().__init__(self.link, clock)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Shared]:
    made: Shared
    match request.param:
        case "memory":
            made = MemoryShared(clock)
        case "sqlite":
            made = SQLiteShared(tmp_path / "c.db", clock)
        case _:
            made = Redis(request.getfixturevalue("redis_server").url, clock)
    yield made
    made.close()


def run[T](work: Coroutine[Any, Any, T], shared: Shared | None = None) -> T:
    async def whole() -> T:
        try:
            return await work
        finally:
            if isinstance(shared, Redis):
                await shared.link.close()

    return asyncio.run(whole())


def test_a_value_until_it_expires(shared: Shared, clock: Clock) -> None:
    """A value is there for its time to live, under its own space and key only."""

    async def story() -> None:
        await shared.put("a", "k", b"one", 10, ROOM)
        assert await shared.get("a", "k") == b"one"
        assert await shared.get("b", "k") is None
        await shared.put("a", "k", b"two", 10, ROOM)
        assert await shared.get("a", "k") == b"two"
        clock.now += 10
        assert await shared.get("a", "k") is None

    run(story(), shared)


def test_the_cap_holds(shared: Shared, clock: Clock) -> None:
    """Over the cap, what was used longest ago goes; a value larger than the cap is not kept at all."""

    async def story() -> None:
        for number in range(10):
            await shared.put("a", str(number), b"x" * 99, 1e6, ROOM)
            clock.now += 100
        await shared.get("a", "0")  # used just now
        await shared.put("b", "0", b"x" * 99, 1e6, ROOM)  # another space does not count
        await shared.put("a", "new", b"x" * 97, 1e6, ROOM)
        kept = {str(n) for n in range(10) if await shared.get("a", str(n)) is not None}
        assert kept == {"0", *map(str, range(2, 10))}
        await shared.put("a", "big", b"x" * 2000, 1e6, ROOM)
        assert await shared.get("a", "big") is None
        assert await shared.get("a", "new") is not None

    run(story(), shared)


def test_the_number_of_entries_is_bounded(shared: Shared, clock: Clock) -> None:
    """Small values count too: no more of them than there is room for."""

    async def story() -> None:
        for number in range(5):
            await shared.put("a", str(number), b"x", 1e6, Quota(3))
            clock.now += 1
        assert [n for n in range(5) if await shared.get("a", str(n)) is not None] == [2, 3, 4]

    run(story(), shared)


def test_expired_values_go_first(tmp_path: Path, clock: Clock) -> None:
    """Where room is needed in the file, what has expired is thrown out before anything that has not."""

    async def story(shared: Shared) -> None:
        await shared.put("a", "lasting", b"x" * 400, 1e6, ROOM)
        clock.now += 1
        await shared.put("a", "brief", b"x" * 400, 5, ROOM)
        clock.now += 10
        await shared.put("a", "new", b"x" * 400, 1e6, ROOM)
        assert await shared.get("a", "lasting") is not None

    shared = SQLiteShared(tmp_path / "c.db", clock)
    run(story(shared))
    shared.close()


def test_what_has_expired_leaves_the_disk(tmp_path: Path, clock: Clock) -> None:
    """An expired value is deleted within minutes, though nobody asks for it and there is room."""
    path = tmp_path / "c.db"
    shared = SQLiteShared(path, clock)

    async def story() -> None:
        await shared.put("a", "k", b"v", 10, ROOM)
        await shared.claim("a", "k", "me", 10)
        clock.now += PURGE_EVERY
        await shared.get("a", "other")

    run(story())
    shared.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        left = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("entries", "claims")]
        assert left == [0, 0]
        assert db.execute("SELECT entries, bytes FROM sizes").fetchall() == [(0, 0)]


def test_a_claim_is_held_by_one(shared: Shared, clock: Clock) -> None:
    """Who has a claim keeps it until it is given back or its time is over; nobody else can give it back."""

    async def story() -> None:
        assert await shared.claim("a", "k", "me", 10)
        assert await shared.claim("a", "k", "me", 10)
        assert not await shared.claim("a", "k", "you", 10)
        await shared.release("a", "k", "you")
        assert not await shared.claim("a", "k", "you", 10)
        await shared.release("a", "k", "me")
        assert await shared.claim("a", "k", "you", 10)
        clock.now += 10
        assert await shared.claim("a", "k", "me", 10)

    run(story(), shared)


def test_a_note_is_for_all_others(shared: Shared, clock: Clock) -> None:
    """The last one of each owner, with its age, until its time is over; who has nothing new to say only listens."""

    async def story() -> None:
        assert await shared.post("a", "me", b"one", 60) == []
        assert await shared.post("b", "you", None, 60) == []
        assert await shared.post("a", "you", None, 60) == [Note("me", 0.0, b"one")]
        clock.now += 30
        await shared.post("a", "me", b"two", 60)
        clock.now += 10
        assert await shared.post("a", "you", b"three", 60) == [Note("me", 10.0, b"two")]
        assert await shared.post("a", "me", None, 60) == [Note("you", 0.0, b"three")]
        clock.now += 50
        assert await shared.post("a", "they", None, 60) == [Note("you", 50.0, b"three")]

    run(story(), shared)


def test_two_workers_see_the_same(tmp_path: Path) -> None:
    """What one connection to the file has put or claimed, another one sees at once."""

    async def story(one: Shared, two: Shared) -> None:
        await one.put("a", "k", b"v", 10, ROOM)
        assert await two.get("a", "k") == b"v"
        assert await one.claim("a", "k", "one", 10)
        assert not await two.claim("a", "k", "two", 10)

    one, two = SQLiteShared(tmp_path / "c.db"), SQLiteShared(tmp_path / "c.db")
    run(story(one, two))
    one.close()
    two.close()


def test_it_outlives_the_process_and_is_private(tmp_path: Path) -> None:
    """The file is there after a restart, and no other user of the machine can read it."""
    path = tmp_path / "c.db"

    async def written(shared: Shared) -> None:
        await shared.put("a", "k", b"v", 1000, ROOM)

    async def read(shared: Shared) -> bytes | None:
        return await shared.get("a", "k")

    shared = SQLiteShared(path)
    run(written(shared))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shared.close()
    again = SQLiteShared(path)
    assert run(read(again)) == b"v"
    again.close()


def test_a_broken_file_is_begun_anew(tmp_path: Path) -> None:
    """A file that is no database is trouble once, and works after that."""
    path = tmp_path / "c.db"
    path.write_bytes(b"this is no database at all " * 100)
    shared = SQLiteShared(path)

    async def story() -> None:
        with pytest.raises(SharedStoreError):
            await shared.get("a", "k")
        await shared.put("a", "k", b"v", 10, ROOM)
        assert await shared.get("a", "k") == b"v"

    run(story())
    shared.close()


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm")])
def test_a_deleted_file_is_begun_anew(tmp_path: Path, suffixes: tuple[str, ...]) -> None:
    """Workers go on to share what they know, and no worker writes where nobody reads."""
    one, two = SQLiteShared(tmp_path / "c.db"), SQLiteShared(tmp_path / "c.db")

    async def story() -> None:
        await one.put("a", "k", b"v", 10, ROOM)
        assert await two.get("a", "k") == b"v"
        for suffix in suffixes:
            (tmp_path / f"c.db{suffix}").unlink()
        assert await two.get("a", "k") is None
        await one.put("a", "k", b"w", 10, ROOM)
        assert await two.get("a", "k") == b"w"

    run(story())
    one.close()
    two.close()


@pytest.mark.parametrize("make", [lambda folder: folder, lambda folder: folder / ("n" * 300)], ids=["folder", "long"])
def test_trouble_is_one_kind_of_error(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """Whatever is wrong with the place, the caller sees SharedStoreError."""
    shared = SQLiteShared(make(tmp_path))

    async def story() -> None:
        with pytest.raises(SharedStoreError):
            await shared.get("a", "k")

    run(story())
    shared.close()
    run(story())
