"""Counters: batches for a ledger, and nothing lost or reserved for ever where it fails."""

from __future__ import annotations

import asyncio

import pytest

from switchman.addons.core.access.limits.account import Account
from switchman.addons.core.access.limits.ledger import Alert, Batch, Claim, Entry, Line, Outcome, Refused, Take, Taken
from switchman.addons.state.access import counters as module
from switchman.addons.state.access.counters import Counters, unused
from switchman.addons.state.access.ledgers import LedgerAway, MemoryLedger, OwnerUnknown

PURSE = "usd/month/2027-01"
CLAIM = Claim("a", requests=1000, concurrent=50, lines=(Line(PURSE, 10, 100, None, (100,)),))
TAKE = Take((CLAIM,))
DONE = (Entry("a", 1, 0, (0, 0), ((PURSE, 10, 3, (100,)),)),)


class Ledger(MemoryLedger):
    """One in memory that notes its batches, and fails as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Batch] = []
        self.numbers: set[int] = set()
        self.failures: list[str] = []  # for the next batches: before, after, unknown
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, batch: Batch) -> Outcome:
        self.batches.append(batch)
        await self.gate.wait()
        failure = self.failures.pop(0) if self.failures else ""
        if failure == "before":
            raise LedgerAway("away")
        if failure == "unknown" and batch.truth is None:
            raise OwnerUnknown
        if batch.number in self.numbers:
            batch = Batch(batch.owner, batch.number, (), batch.takes, batch.truth)
        self.numbers.add(batch.number)
        outcome = await super().run(batch)
        if failure == "after":
            raise LedgerAway("the connection broke")
        return outcome

    @property
    def account(self) -> Account:
        return self._accounts["a"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REST", 0.01)
    monkeypatch.setattr(module, "PATIENCE", 30.0)


async def until_settled(counters: Counters) -> None:
    for _ in range(2_000):
        if not counters.holds and not counters._settlements and counters._again is None:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("still held")


def test_what_comes_together_is_one_batch() -> None:
    """Two hundred requests at once are one step of the ledger, and each has its own answer."""

    async def story() -> None:
        ledger = Ledger()
        counters = Counters(ledger, "one")
        results = await asyncio.gather(*(counters.take(TAKE) for _ in range(200)))
        assert sum(isinstance(one, Taken) for one in results) == 10
        assert len(ledger.batches) == 1
        for _ in range(10):
            counters.settle(DONE)
        await until_settled(counters)
        assert (ledger.account.running, ledger.account.purses[PURSE].used) == (0, 30)
        await counters.close()

    asyncio.run(story())


def test_settlements_go_with_the_next_request() -> None:
    """Who asks again at once finds its place free, without waiting."""

    async def story() -> None:
        ledger = Ledger()
        counters = Counters(ledger, "one")
        one = Take((Claim("a", concurrent=1),))
        assert isinstance(await counters.take(one), Taken)
        assert isinstance(await counters.take(one), Refused)
        counters.settle((Entry("a"),))
        assert isinstance(await counters.take(one), Taken)
        assert len(ledger.batches) == 3
        counters.settle((Entry("a"),))
        await counters.flush()
        assert ledger.account.running == 0
        await counters.close()

    asyncio.run(story())


@pytest.mark.parametrize("failure", ["before", "after"])
def test_a_failure_costs_one_more_try_and_counts_once(failure: str) -> None:
    """A connection that broke is no news to the client; what the first try took is taken once."""

    async def story() -> None:
        ledger = Ledger()
        counters = Counters(ledger, "one")
        await counters.take(TAKE)
        counters.settle(DONE)
        ledger.failures = [failure]
        assert isinstance(await counters.take(TAKE), Taken)
        assert (ledger.account.running, ledger.account.reserved(PURSE), ledger.account.purses[PURSE].used) == (1, 10, 3)
        counters.settle(DONE)
        await counters.flush()
        assert (ledger.account.held, ledger.account.purses[PURSE].used) == ({}, 6)
        await counters.close()

    asyncio.run(story())


@pytest.mark.parametrize("failure", ["before", "after"])
def test_what_was_settled_while_the_ledger_was_away_is_settled_once_it_is_back(failure: str) -> None:
    """Requests are told that nobody can say; nothing of what ended meanwhile is lost or counted twice."""

    async def story() -> None:
        ledger = Ledger()
        counters = Counters(ledger, "one")
        for _ in range(3):
            await counters.take(TAKE)
        ledger.failures = [failure, failure, failure, failure]
        counters.settle(DONE)
        with pytest.raises(LedgerAway):
            await counters.take(TAKE)
        with pytest.raises(LedgerAway):
            await counters.take(TAKE)  # at once: it is not asked again for each
        counters.settle(DONE)
        counters.settle(DONE)
        await until_settled(counters)
        assert (ledger.account.held, ledger.account.purses[PURSE].used) == ({}, 9)
        await counters.close()

    asyncio.run(story())


def test_a_client_that_leaves_while_it_waits_holds_nothing() -> None:
    """Its place comes back, whether the ledger had answered or not."""

    async def story() -> None:
        ledger = Ledger()
        counters = Counters(ledger, "one")
        ledger.gate.clear()
        leaving = [asyncio.create_task(counters.take(TAKE)) for _ in range(5)]
        staying = asyncio.create_task(counters.take(TAKE))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for one in leaving:
            one.cancel()
        ledger.gate.set()
        await asyncio.wait([*leaving, staying])
        counters.settle(DONE)
        await until_settled(counters)
        assert ledger.account.held == {}
        assert ledger.account.requests.total == 6  # they stay counted as requests
        await counters.close()

    asyncio.run(story())


def test_an_owner_that_was_taken_for_gone_says_what_it_holds() -> None:
    """The batch goes once more, with the truth."""

    async def story() -> None:
        ledger = Ledger()
        counters = Counters(ledger, "one")
        await counters.take(TAKE)
        ledger._accounts.clear()
        ledger.failures = ["unknown"]
        await counters.take(TAKE)
        assert ledger.account.reserved(PURSE) == 20
        await counters.close()

    asyncio.run(story())


def test_what_is_held_is_renewed_and_what_is_not_is_let_lapse() -> None:
    """A stream of an hour keeps its place; an idle worker does not ask anything."""

    async def story() -> None:
        ledger = Ledger()
        counters = Counters(ledger, "one", renew_every=0.01)
        await counters.take(TAKE)
        for _ in range(2_000):
            if len(ledger.batches) > 3:
                break
            await asyncio.sleep(0.005)
        assert len(ledger.batches) > 3 and not ledger.batches[-1].takes
        counters.settle(DONE)
        await counters.flush()
        await asyncio.sleep(0.05)  # one that was under way
        asked = len(ledger.batches)
        await asyncio.sleep(0.1)
        assert len(ledger.batches) == asked
        await counters.close()

    asyncio.run(story())


def test_the_end_of_a_worker_leaves_nothing_held() -> None:
    """What was not settled by then comes back, and what was settled is written down."""

    async def story() -> None:
        ledger = Ledger()
        counters = Counters(ledger, "one")
        await counters.take(TAKE)
        await counters.take(TAKE)
        account = ledger.account
        counters.settle(DONE)
        await counters.close()
        assert (account.held, account.purses[PURSE].used) == ({}, 3)
        with pytest.raises(LedgerAway):
            await counters.take(TAKE)

    asyncio.run(story())


def test_alerts_are_passed_on() -> None:
    """Each to the one function."""

    async def story() -> None:
        told: list[Alert] = []
        counters = Counters(Ledger(), "one", told.append)
        await counters.take(TAKE)
        counters.settle((Entry("a", 1, 0, (0, 0), ((PURSE, 10, 60, (100,)),)),))
        await counters.flush()
        assert [alert.percent for alert in told] == [50]
        await counters.close()

    asyncio.run(story())


def test_unused_gives_all_back_but_the_request() -> None:
    """Tokens of the minute, the place and the money."""
    take = Take((Claim("a", requests=5, tokens=100, concurrent=1, reserve=30, lines=CLAIM.lines),))
    assert unused(take, Taken(7)) == (Entry("a", 1, 7, (30, 0), ((PURSE, 10, 0, (100,)),)),)
    cached = Take(take.claims, place=False)
    assert unused(cached, Taken(7)) == (Entry("a", 0, 7, (30, 0), ((PURSE, 0, 0, (100,)),)),)


def test_where_tasks_begin_at_once_one_that_had_nothing_to_send_stops_nothing() -> None:
    """As in mitmproxy's loop: after a failure the counts are asked again, though nobody waited meanwhile."""

    async def story() -> object:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        counters = Counters(MemoryLedger(), "one")
        counters._start()  # by a timer, with nothing to send
        async with asyncio.timeout(30):
            return await counters.take(Take((Claim("token:a", requests=1),)))

    assert isinstance(asyncio.run(story()), Taken)
