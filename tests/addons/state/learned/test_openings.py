"""What was learned of servers and models, in one worker and between workers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from switchman.addons.state.learned.openings import LOOK_EVERY, MOST, Openings
from switchman.addons.state.together.shared import MemoryShared, Shared, SharedStoreError, SQLiteShared

CHAT = "/v1/chat/completions"


class Broken(MemoryShared):
    async def get(self, space: str, key: str) -> bytes | None:
        raise SharedStoreError("broken")

    async def put(self, space: str, key: str, value: bytes, ttl: float, quota: object) -> None:
        raise SharedStoreError("broken")


def test_what_is_learned_is_known_at_once() -> None:
    """Of this server, model and API, until a reply shows otherwise; also where the others cannot be told."""

    async def run(shared: Shared) -> None:
        openings = Openings(shared)
        assert openings.known("a/m", CHAT) is None
        openings.learn("a/m", CHAT, True)
        assert openings.known("a/m", CHAT) is True
        assert openings.known("a/m", "/api/chat") is None and openings.known("b/m", CHAT) is None
        openings.learn("a/m", CHAT, False)
        assert openings.known("a/m", CHAT) is False
        openings.look("b/m", CHAT)
        await openings.settled()
        assert openings.known("b/m", CHAT) is None

    asyncio.run(run(MemoryShared()))
    asyncio.run(run(Broken()))


def test_the_workers_of_a_machine_learn_from_each_other(tmp_path: Path) -> None:
    """By the time the next request has been sent; the last one that learned something is right."""

    async def run() -> None:
        now = 0.0
        stores = [SQLiteShared(tmp_path / "shared.db") for _ in range(2)]
        one, two = (Openings(store, lambda: now) for store in stores)
        for opens in (True, False, True):
            one.learn("a/m", CHAT, opens)
            await one.settled()
            now += LOOK_EVERY
            two.look("a/m", CHAT)
            await two.settled()
            assert two.known("a/m", CHAT) is opens
        one.learn("a/m", CHAT, False)
        await one.settled()
        two.look("a/m", CHAT)  # too early: one look in LOOK_EVERY seconds
        await two.settled()
        assert two.known("a/m", CHAT) is True
        for store in stores:
            store.close()

    asyncio.run(run())


def test_what_is_learned_meanwhile_is_not_overwritten() -> None:
    """A look that began before brings older news."""

    async def run() -> None:
        shared = MemoryShared()
        before = Openings(shared)
        before.learn("a/m", CHAT, True)
        await before.settled()
        openings = Openings(shared)
        openings.look("a/m", CHAT)
        openings.learn("a/m", CHAT, False)
        await openings.settled()
        assert openings.known("a/m", CHAT) is False

    asyncio.run(run())


def test_it_remembers_no_more_than_so_many() -> None:
    """Names come from clients."""

    async def run() -> None:
        openings = Openings(MemoryShared())
        for number in range(MOST + 1):
            openings.look(f"a/{number}", CHAT)
            openings.learn(f"a/{number}", CHAT, True)
        await openings.settled()
        assert openings.known("a/0", CHAT) is None and openings.known(f"a/{MOST}", CHAT) is True
        assert len(openings._looked) <= MOST

    asyncio.run(run())
