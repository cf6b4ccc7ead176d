"""Each backend keeps accounts in the same way: one that is one process's, SQLite's and Redis's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.access.limits.account import Held
from switchman.addons.core.access.limits.ledger import Batch, Claim, Entry, Line, Refused, Take, Taken
from switchman.addons.state.access.ledgers import Ledger, MemoryLedger, OwnerUnknown
from switchman.addons.state.access.redisledger import RedisLedger
from switchman.addons.state.access.sqliteledger import SQLiteLedger

PURSE = "usd/month/2027-01"
PLACE = Claim(
    "token:a", requests=100, tokens=1000, concurrent=2, reserve=10, lines=(Line(PURSE, 40, 100, None, (100,)),)
)
DONE = Entry("token:a", 1, 0, (0, 0), ((PURSE, 40, 7, (100,)),))


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


type Opened = Callable[[], Ledger]
type Story = Callable[[Opened, Clock], Coroutine[Any, Any, None]]


@pytest.fixture(params=["sqlite", "redis"])
def tell(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Story], None]:
    """Run a story of workers that share accounts: each of its ledgers is another worker's."""
    clock, made = Clock(), list[Ledger]()
    url = request.getfixturevalue("redis_server").url if request.param == "redis" else ""

    class Timed(RedisLedger):
        async def run(self, batch: Batch) -> Any:
            self.now = clock.now
            return await super().run(batch)

    def opened() -> Ledger:
        made.append(Timed(url) if url else SQLiteLedger(tmp_path / "limits.db", clock))
        return made[-1]

    @asynccontextmanager
    async def closing() -> AsyncIterator[None]:
        try:
            yield
        finally:
            for ledger in made:
                await ledger.close()

    async def run(story: Story) -> None:
        async with closing():
            await story(opened, clock)

    return lambda story: asyncio.run(run(story))


def first(owner: str, *takes: Take) -> Batch:
    return Batch(owner, 1, (), takes, {})


def test_workers_share_what_they_count(tell: Callable[[Story], None]) -> None:
    """What one takes, another cannot; what it settles is free for all."""

    async def story(opened: Opened, clock: Clock) -> None:
        one, two = opened(), opened()
        taken = await one.run(first("one", Take((PLACE,)), Take((PLACE,)), Take((PLACE,))))
        assert [type(result) for result in taken.takes] == [Taken, Taken, Refused]
        refused = (await two.run(first("two", Take((PLACE,))))).takes[0]
        assert isinstance(refused, Refused) and refused.what == "concurrent" and refused.limit == 2
        assert [(s.what, s.limit, s.remaining) for s in refused.standings] == [
            ("requests", 100, 98),
            ("tokens", 1000, 980),
        ]
        assert refused.standings[0].resets_in == 61.0
        await one.run(Batch("one", 2, ((DONE,),)))
        assert isinstance((await two.run(Batch("two", 2, (), (Take((PLACE,)),)))).takes[0], Taken)
        account = (await two.look(["token:a", "token:b"]))["token:a"]
        assert (account.running, account.reserved(PURSE), account.purses[PURSE].used) == (2, 80, 7)

    tell(story)


def test_a_worker_that_is_not_heard_of_holds_nothing(tell: Callable[[Story], None]) -> None:
    """Its places and reservations come back after its lease; one that is heard of keeps them for as long as it runs."""

    async def story(opened: Opened, clock: Clock) -> None:
        one, two = opened(), opened()
        await one.run(first("one", Take((PLACE,)), Take((PLACE,))))
        await two.run(first("two"))
        clock.now += 6
        await two.run(Batch("two", 2))
        clock.now += 3
        assert isinstance((await two.run(Batch("two", 3, (), (Take((PLACE,)),)))).takes[0], Refused)
        clock.now += 2
        assert isinstance((await two.run(Batch("two", 4, (), (Take((PLACE,)),)))).takes[0], Taken)
        for number in range(5, 25):
            clock.now += 9
            await two.run(Batch("two", number))
        assert (await one.look(["token:a"]))["token:a"].running == 1

    tell(story)


def test_a_worker_that_was_taken_for_gone_says_what_it_holds(tell: Callable[[Story], None]) -> None:
    """It may only have been stopped: nothing of its batch is applied before, and its settlements count once."""

    async def story(opened: Opened, clock: Clock) -> None:
        one, two = opened(), opened()
        await one.run(first("one", Take((PLACE,)), Take((PLACE,))))
        clock.now += 11
        await two.run(first("two"))
        with pytest.raises(OwnerUnknown):
            await one.run(Batch("one", 2, ((DONE,),)))
        assert (await two.look(["token:a"]))["token:a"].purses.get(PURSE) is None or (
            (await two.look(["token:a"]))["token:a"].purses[PURSE].used == 0
        )
        truth = {"token:a": Held(1, {PURSE: 40})}
        await one.run(Batch("one", 2, ((DONE,),), (), truth))
        await one.run(Batch("one", 2, ((DONE,),), (), truth))
        account = (await two.look(["token:a"]))["token:a"]
        assert (account.running, account.reserved(PURSE), account.purses[PURSE].used) == (1, 40, 7)

    tell(story)


def test_a_new_owner_says_that_it_holds_nothing(tell: Callable[[Story], None]) -> None:
    """The first batch of an owner is not applied without."""

    async def story(opened: Opened, clock: Clock) -> None:
        one = opened()
        with pytest.raises(OwnerUnknown):
            await one.run(Batch("one", 1, (), (Take((PLACE,)),)))
        assert await one.look(["token:a"]) == {}

    tell(story)


def test_alerts_go_to_one_worker(tell: Callable[[Story], None]) -> None:
    """The one whose settlement passes the mark, once."""

    async def story(opened: Opened, clock: Clock) -> None:
        one, two = opened(), opened()
        await one.run(first("one", Take((PLACE,))))
        await two.run(first("two", Take((PLACE,))))
        half = Entry("token:a", 1, 0, (0, 0), ((PURSE, 40, 50, (100,)),))
        told = (await one.run(Batch("one", 2, ((half,),)))).alerts
        assert [(a.account, a.purse, a.amount, a.used, a.percent) for a in told] == [("token:a", PURSE, 100, 50, 50)]
        assert (await two.run(Batch("two", 2, ((DONE,),)))).alerts == ()

    tell(story)


def test_in_memory_it_is_the_same() -> None:
    """One process needs no file."""

    async def story() -> None:
        ledger = MemoryLedger(Clock())
        taken = await ledger.run(Batch("one", 1, (), (Take((PLACE,)), Take((PLACE,)), Take((PLACE,)))))
        assert [type(result) for result in taken.takes] == [Taken, Taken, Refused]
        await ledger.run(Batch("one", 2, ((DONE,),)))
        assert (await ledger.look(["token:a"]))["token:a"].running == 1
        await ledger.close()

    asyncio.run(story())
