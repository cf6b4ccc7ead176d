"""One leader for identical requests; the others wait, boundedly, and never for nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.state.together import flights
from switchman.addons.state.together.flights import Flight, Flights
from switchman.addons.state.together.shared import MemoryShared, Quota, Shared, SharedStoreError, SQLiteShared

ROOM = Quota(100)


class Crew:
    """Requests of one process for one key, and what they ended with."""

    def __init__(self, shared: Shared, owner: str = "w1", patience: float = 20.0) -> None:
        self.shared = shared
        self.flights = Flights(shared, owner, patience)

    async def look(self) -> bytes | None:
        return await self.shared.get("answers", "k")

    def join(self) -> asyncio.Task[bytes | Flight | None]:
        return asyncio.create_task(self.flights.join("k", self.look))

    async def store(self) -> None:
        await self.shared.put("answers", "k", b"answer", 60, ROOM)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def lead(task: asyncio.Task[bytes | Flight | None]) -> Flight:
    found = await task
    assert isinstance(found, Flight)
    return found


async def settle() -> None:
    """Let everybody who can go on do so."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_one_goes_and_the_others_get_its_answer() -> None:
    """Of twenty identical requests one leads; the rest take what it stored."""

    async def story() -> None:
        crew = Crew(MemoryShared())
        tasks = [crew.join() for _ in range(20)]
        flight = await lead(tasks[0])
        await settle()
        assert not any(task.done() for task in tasks[1:])
        await crew.store()
        await crew.flights.finish(flight, "stored")
        assert await asyncio.gather(*tasks[1:]) == [b"answer"] * 19

    run(story())


def test_a_failed_leader_lets_one_follower_go_on() -> None:
    """After a failure one of those who waited leads, and the others wait for it."""

    async def story() -> None:
        crew = Crew(MemoryShared())
        tasks = [crew.join() for _ in range(5)]
        first = await lead(tasks[0])
        await settle()
        await crew.flights.finish(first, "failed")
        await settle()
        leaders = [task for task in tasks[1:] if task.done()]
        assert len(leaders) == 1
        second = await lead(leaders[0])
        await crew.store()
        await crew.flights.finish(second, "stored")
        results = await asyncio.gather(*tasks[1:])
        assert results.count(b"answer") == 3

    run(story())


def test_an_answer_that_cannot_be_kept_lets_all_go() -> None:
    """Nobody queues behind an answer that will never be stored."""

    async def story() -> None:
        crew = Crew(MemoryShared())
        tasks = [crew.join() for _ in range(4)]
        flight = await lead(tasks[0])
        await settle()
        await crew.flights.finish(flight, "unfit")
        assert await asyncio.gather(*tasks[1:]) == [None] * 3

    run(story())


def test_waiting_is_bounded_in_time() -> None:
    """A follower that waited long enough goes alone."""

    async def story() -> None:
        crew = Crew(MemoryShared(), patience=0.02)
        flight = await lead(crew.join())
        assert await crew.join() is None
        await crew.flights.finish(flight, "stored")

    run(story())


def test_waiting_is_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds the queue full goes alone at once."""
    monkeypatch.setattr(flights, "MAX_FOLLOWERS", 2)

    async def story() -> None:
        crew = Crew(MemoryShared())
        flight = await lead(crew.join())
        waiting = [crew.join() for _ in range(2)]
        await settle()
        assert await crew.join() is None
        await crew.flights.finish(flight, "unfit")
        assert await asyncio.gather(*waiting) == [None, None]

    run(story())


def test_a_leader_that_is_gone_blocks_nobody_new() -> None:
    """A flight whose request is gone without a word is forgotten with it."""

    async def story() -> None:
        crew = Crew(MemoryShared())
        flight: Flight | None = await lead(crew.join())
        assert flight is not None
        del flight
        gc.collect()
        await lead(crew.join())

    run(story())


def test_a_cancelled_follower_leaves_no_trace() -> None:
    """A request that is cancelled while it waits gives its place back."""

    async def story() -> None:
        crew = Crew(MemoryShared())
        flight = await lead(crew.join())
        follower = crew.join()
        await settle()
        assert flight.followers == 1
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        assert flight.followers == 0

    run(story())


def test_two_workers_have_one_leader(tmp_path: Path) -> None:
    """A second process waits for the first one's claim, and takes what it stored."""

    async def story() -> None:
        one = Crew(SQLiteShared(tmp_path / "c.db"), "w1")
        two = Crew(SQLiteShared(tmp_path / "c.db"), "w2")
        flight = await lead(one.join())
        other = two.join()
        await asyncio.sleep(0.05)
        assert not other.done()
        await one.store()
        await one.flights.finish(flight, "stored")
        assert await other == b"answer"
        one.shared.close()
        two.shared.close()

    run(story())


def test_a_look_that_is_given_up_does_not_ask_again() -> None:
    """On a busy machine looks into the store may come to nothing; who waited for an answer looks again."""

    async def story() -> None:
        crew = Crew(MemoryShared())
        looks = 0

        async def look() -> bytes | None:
            nonlocal looks
            looks += 1
            return b"answer" if looks > 2 else None

        flight = await lead(crew.join())
        follower = asyncio.create_task(crew.flights.join("k", look))
        await settle()
        await crew.flights.finish(flight, "stored")
        assert await follower == b"answer"

    run(story())


def test_without_a_store_each_process_is_on_its_own(tmp_path: Path) -> None:
    """A store that is down costs no request its leader."""

    async def story() -> None:
        crew = Crew(SQLiteShared(tmp_path))

        async def look() -> bytes | None:
            try:
                return await crew.shared.get("answers", "k")
            except SharedStoreError:
                return None

        found = await crew.flights.join("k", look)
        assert isinstance(found, Flight)
        await crew.flights.finish(found, "failed")
        crew.shared.close()

    run(story())
