"""Queues: places at servers over one ledger, taken, waited for, given back, however waiting ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.servers.pacing.limits import ServerLimits
from switchman.addons.core.servers.pacing.paces import Told
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.state.access.counters import Counters
from switchman.addons.state.access.ledgers import Ledger, LedgerAway, MemoryLedger
from switchman.addons.state.access.sqliteledger import SQLiteLedger
from switchman.addons.state.queues.queues import Held, Place, Queues, Waited, Wanted

LONG = 60.0


class Away(MemoryLedger):
    """A ledger that does not answer."""

    async def run(self, batch: Any) -> Any:
        raise LedgerAway("it is away")


class Gated(MemoryLedger):
    """A ledger that does not answer while it is shut."""

    is_shut = was_asked = False

    async def run(self, batch: Any) -> Any:
        self.was_asked = self.is_shut
        while self.is_shut:
            await asyncio.sleep(0.001)
        return await super().run(batch)


class Desk:
    """The queues of one worker."""

    def __init__(self, ledger: Ledger, name: str = "worker") -> None:
        self.counters = Counters(ledger, name)
        self.queues = Queues(lambda: self.counters)
        self.leaves: list[Callable[[], None]] = []

    def waits(self, *wanted: Wanted, seconds: float = LONG) -> asyncio.Task[Waited]:
        return asyncio.ensure_future(self.queues.wait(wanted, seconds, self.leaves.append))

    async def enter(self, wanted: Wanted) -> Place:
        place = await self.queues.enter(wanted)
        assert isinstance(place, Place)
        return place


def wanted(caller: str = "a", name: str = "s", tokens: int = 0, **limits: Any) -> Wanted:
    server = Server(name, parse("http://h"), limits=ServerLimits(**(limits or {"max_concurrent": 1})))
    return Wanted(server, f"{name}/m", caller, tokens)


def run(scene: Callable[[Desk], Coroutine[Any, Any, None]], ledger: MemoryLedger | None = None) -> None:
    """Play a scene; nothing of it may be left behind."""

    async def played() -> None:
        desk = Desk(ledger or MemoryLedger())
        await scene(desk)
        await settled(lambda: desk.queues.depths() == {} and desk.queues.held("s") == 0)
        await settled(lambda: not desk.queues._lines)
        await desk.counters.close()

    asyncio.run(played())


async def settled(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not what():
            await asyncio.sleep(0.001)


def test_who_comes_when_all_places_are_taken_is_told_why() -> None:
    """A place that is given back twice comes back once."""

    async def scene(desk: Desk) -> None:
        first = await desk.enter(wanted())
        assert await desk.queues.enter(wanted("b")) == Held("max_concurrent")
        assert desk.queues.held("s") == 1
        desk.queues.leave(first)
        desk.queues.leave(first)
        desk.queues.leave(None)
        assert desk.queues.held("s") == 0
        desk.queues.leave(await desk.enter(wanted("b")))

    run(scene)


def test_those_that_wait_get_places_in_turn_and_nobody_passes_them() -> None:
    """A caller's hundred do not hold up another's one."""

    async def scene(desk: Desk) -> None:
        place = await desk.enter(wanted("z"))
        many = [desk.waits(wanted("a")) for _ in range(99)]
        await asyncio.sleep(0)
        one = desk.waits(wanted("b"))
        await settled(lambda: desk.queues.waiting("s") == 100)
        full = await desk.waits(wanted("c"))
        assert (full.place, full.ended) == (None, "full")
        desk.queues.leave(place)
        got = await many[0]
        assert got.place is not None and not one.done()
        assert await desk.queues.enter(wanted("c")) == Held("max_concurrent")  # they come first
        desk.queues.leave(got.place)
        got = await one
        assert got.place is not None and got.before == 99
        assert not any(task.done() for task in many[1:])
        desk.queues.leave(got.place)
        for task in many[1:]:
            desk.queues.leave((await task).place)

    run(scene)


@pytest.mark.parametrize("how", ["left", "stopped", "time", "cancelled"])
def test_however_waiting_ends_the_queue_is_left_at_once(how: str) -> None:
    """And the place goes to the next one."""

    async def scene(desk: Desk) -> None:
        place = await desk.enter(wanted())
        waiting = desk.waits(wanted("b"), seconds=0.01 if how == "time" else LONG)
        await settled(lambda: bool(desk.leaves) or waiting.done())
        if how == "left":
            desk.leaves[0]()
            desk.leaves[0]()
        elif how == "stopped":
            desk.queues.stop()
        elif how == "cancelled":
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        if how != "cancelled":
            found = await waiting
            assert (found.place, found.ended) == (None, how)
        assert desk.queues.waiting("s") == 0
        desk.queues.leave(place)
        desk.queues.leave(await desk.enter(wanted("c")))
        if how == "stopped":
            assert (await desk.waits(wanted())).ended == "stopped"

    run(scene)


def test_a_place_that_comes_when_who_waited_is_cancelled_is_given_back() -> None:
    """The ledger was asked for it before, and answers only then."""
    ledger = Gated()

    async def scene(desk: Desk) -> None:
        place = await desk.enter(wanted())
        waiting = desk.waits(wanted("b"))
        await settled(lambda: desk.queues.waiting("s") == 1)
        ledger.is_shut = True
        desk.queues.leave(place)
        await settled(lambda: ledger.was_asked)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        ledger.is_shut = False

    run(scene, ledger)


def test_who_waits_at_several_servers_gets_the_first_place_and_holds_no_other() -> None:
    """Even where both come free at once."""

    async def scene(desk: Desk) -> None:
        places = [await desk.enter(wanted(name=name)) for name in ("s", "t")]
        waiting = desk.waits(wanted(name="s"), wanted(name="t"))
        await settled(lambda: desk.queues.depths() == {"s": 1, "t": 1})
        for place in reversed(places):
            desk.queues.leave(place)
        found = await waiting
        assert found.place is not None and found.place.server == ("s", "t")[found.nth]
        other = ("t", "s")[found.nth]
        await settled(lambda: desk.queues.held(other) == 0)
        desk.queues.leave(await desk.enter(wanted(name=other)))
        desk.queues.leave(found.place)

    run(scene)


def test_requests_and_tokens_of_a_minute() -> None:
    """With the time until there is room; a place that was given back unused counts for nothing."""

    async def scene(desk: Desk) -> None:
        paced = wanted(rpm=2)
        desk.queues.leave(await desk.enter(paced), unused=True)
        for _ in range(2):
            desk.queues.leave(await desk.enter(paced))
        held = await desk.queues.enter(paced)
        assert isinstance(held, Held) and held.why == "rpm" and held.retry_in is not None and 0 < held.retry_in <= 61
        desk.queues.leave(await desk.enter(wanted(name="t", tpm=100, tokens=500)), 20)  # as many as there are, at most
        await desk.counters.flush()
        desk.queues.leave(await desk.enter(wanted(name="t", tpm=100, tokens=80)))
        held = await desk.queues.enter(wanted(name="t", tpm=100, tokens=1))
        assert isinstance(held, Held) and held.why == "tpm"

    run(scene)


def test_a_server_that_told_that_it_is_used_up_is_held_for_as_long() -> None:
    """Who waits for another of its models is not held up by it."""

    async def scene(desk: Desk) -> None:
        one = wanted(queue_wait=9.0)
        loop = asyncio.get_running_loop()
        desk.queues.paces.learn("s/m", "", {"": Told("requests", 0, 0.2, None, window=True)}, 0.0, loop.time())
        held = await desk.queues.enter(one)
        assert isinstance(held, Held) and held.why == "pace" and held.retry_in is not None and held.retry_in <= 0.2
        waiting = desk.waits(one)
        other = desk.waits(one._replace(target="s/other", caller="b"))
        found = await other
        assert found.place is not None and not waiting.done()
        desk.queues.leave(found.place)
        desk.queues.leave((await waiting).place)

    run(scene)


def test_a_reset_forgets_what_answers_told_for_those_that_wait_too() -> None:
    """Of this server alone, whatever the model."""

    async def scene(desk: Desk) -> None:
        told = {"": Told("requests", 0, 3600.0, window=True)}
        for target in ("s/m", "s/other", "server/m"):
            desk.queues.paces.learn(target, "", told, time.monotonic(), time.monotonic())
        waiting = desk.waits(wanted())
        await settled(lambda: desk.queues.waiting("s") == 1)
        assert desk.queues.reset("s") == 2
        desk.queues.leave((await waiting).place)
        assert desk.queues.reset("s") == 0 and desk.queues.reset("server") == 1

    run(scene)


def test_without_the_ledger_each_worker_keeps_to_max_concurrent_itself() -> None:
    """Others go on; nobody is refused for what cannot be counted."""

    async def scene(desk: Desk) -> None:
        place = await desk.enter(wanted(max_concurrent=1, rpm=1))
        assert await desk.queues.enter(wanted(max_concurrent=1, rpm=1)) == Held("max_concurrent")
        desk.queues.leave(place)
        desk.queues.leave(await desk.enter(wanted(max_concurrent=1, rpm=1)))

    run(scene, Away())


def test_workers_with_one_ledger_do_not_exceed_a_limit_together(tmp_path: Path) -> None:
    """A place that one gives back goes to the other's who waits, over the file that they share."""

    async def scene() -> None:
        one, two = Desk(SQLiteLedger(tmp_path / "limits.db")), Desk(SQLiteLedger(tmp_path / "limits.db"), "other")
        place = await one.enter(wanted())
        assert await two.queues.enter(wanted()) == Held("max_concurrent")
        waiting = two.waits(wanted())
        await settled(lambda: two.queues.waiting("s") == 1)
        one.queues.leave(place)
        found = await waiting
        assert found.place is not None
        two.queues.leave(found.place)
        await one.counters.close()
        await two.counters.close()

    asyncio.run(scene())


def test_time_that_passes_is_ended_by_the_client() -> None:
    """None: it passed."""

    async def scene(desk: Desk) -> None:
        assert await desk.queues.pause(0.001, desk.leaves.append) is None
        waiting = asyncio.ensure_future(desk.queues.pause(LONG, desk.leaves.append))
        await settled(lambda: len(desk.leaves) == 2)
        desk.leaves[1]()
        assert await waiting == "left"

    run(scene)
