"""The script in Redis does what the pure ledger does, to the last number."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switchman.addons.core.access.limits.account import Account, Held
from switchman.addons.core.access.limits.ledger import Batch, Claim, Entry, Line, Take, apply
from switchman.addons.state.access.ledgers import LedgerAway
from switchman.addons.state.access.redisledger import RedisLedger

NOW = 1_800_000_000.0
ACCOUNTS = ("token:a", "group:b:c", "all*")
PURSES = ("usd/month/2027-01", "tokens/day/2027-01-15")
MAYBE = st.none() | st.integers(0, 6) | st.just(40)

lines = st.builds(
    lambda purse, reserve, most, soft: Line(purse, reserve, most, soft, tuple(a for a in (most, soft) if a)),
    st.sampled_from(PURSES), st.integers(0, 60), st.none() | st.integers(1, 200), st.none() | st.integers(1, 200),
)  # fmt: skip
claims = st.builds(
    Claim, st.sampled_from(ACCOUNTS), MAYBE, st.none() | st.integers(0, 300), MAYBE, st.integers(0, 100),
    st.lists(lines, max_size=2, unique_by=lambda line: line.purse).map(tuple),
)  # fmt: skip
takes = st.builds(
    Take,
    st.lists(claims, min_size=1, max_size=3, unique_by=lambda claim: claim.account).map(tuple),
    st.booleans(),
    st.sampled_from([0, 0, 2, 7]),
)
entries = st.builds(
    Entry, st.sampled_from(ACCOUNTS), st.integers(0, 3), st.integers(-70, 0).map(lambda ago: int(NOW) + ago),
    st.tuples(st.integers(0, 60), st.integers(0, 60)),
    st.lists(
        st.tuples(st.sampled_from(PURSES), st.integers(0, 60), st.integers(0, 80), st.just((100, 200))),
        max_size=2, unique_by=lambda one: one[0],
    ).map(tuple),
    st.integers(0, 2),
    st.integers(0, 2),
)  # fmt: skip
helds = st.builds(
    Held,
    st.integers(0, 3),
    st.dictionaries(st.sampled_from(PURSES), st.integers(1, 50), max_size=2),
    st.integers(0, 1),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["one", "two"]),
        st.sampled_from([0.0, 0.125, 0.25, 1.0, 20.0, 59.5, 61.0, 90.0, -0.5, -30.0, -60.0, -100.0]),
        st.lists(st.lists(entries, min_size=1, max_size=2).map(tuple), max_size=2).map(tuple),
        st.lists(takes, max_size=3).map(tuple),
        st.none() | st.dictionaries(st.sampled_from(ACCOUNTS), helds, max_size=2),
    ),
    max_size=8,
)


def figures(account: Account) -> dict[str, Any]:
    """What is kept of an account, windows aside."""
    held = {owner: (one.running, one.reserved, one.lent) for owner, one in account.held.items() if not one.is_empty}
    return {"held": held, "purses": {name: (p.used, p.told) for name, p in account.purses.items() if p.used or p.told}}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps, st.integers(0, 2**60))
def test_the_script_does_what_the_pure_ledger_does(redis_server: Any, steps: list[Any], number: int) -> None:
    """Every answer, alert and figure is the same, whatever is asked in whatever order."""

    async def run() -> None:
        ledger = RedisLedger(redis_server.url, lease=10_000, prefix=f"{{{number}}}")
        accounts = {name: Account() for name in ACCOUNTS}
        now, known = NOW, set[str]()
        for place, (owner, passed, settlements, taking, truth) in enumerate(steps, 1):
            now += passed
            ledger.now = now
            batch = Batch(owner, place, settlements, taking, {} if truth is None and owner not in known else truth)
            known.add(owner)
            assert await ledger.run(batch) == apply(batch, accounts, now)
            found = await ledger.look(ACCOUNTS)
            for name, account in accounts.items():
                assert figures(found.get(name, Account())) == figures(account)
        await ledger._redis.flushall()
        await ledger.close()

    asyncio.run(run())


def test_large_amounts_stay_whole_numbers(redis_server: Any) -> None:
    """A budget of a billion dollars is counted to the micro-dollar."""
    amount = 10**15

    async def run() -> None:
        ledger = RedisLedger(redis_server.url)
        take = Take((Claim("token:a", lines=(Line(PURSES[0], amount - 1, amount, None, (amount,)),)),))
        await ledger.run(Batch("one", 1, (), (take,), {}))
        done = Entry("token:a", 1, 0, (0, 0), ((PURSES[0], amount - 1, amount - 1, (amount,)),))
        alerts = (await ledger.run(Batch("one", 2, ((done,),)))).alerts
        assert [(alert.amount, alert.used, alert.percent) for alert in alerts] == [(amount, amount - 1, 80)]
        assert (await ledger.look(["token:a"]))["token:a"].purses[PURSES[0]].used == amount - 1
        await ledger.close()

    asyncio.run(run())


def test_its_own_clock_is_the_one_that_counts(redis_server: Any) -> None:
    """Two machines' clocks need not agree."""

    async def run() -> None:
        ledger = RedisLedger(redis_server.url)
        take = Take((Claim("token:a", requests=1),))
        outcome = await ledger.run(Batch("one", 1, (), (take, take), {}))
        assert [type(one).__name__ for one in outcome.takes] == ["Taken", "Refused"]
        await ledger.close()

    asyncio.run(run())


def test_without_redis_it_says_so(redis_server: Any) -> None:
    """The failure is told as one of the ledger, whatever redis-py calls it."""

    async def run() -> None:
        ledger = RedisLedger(redis_server.url)
        redis_server.stop()
        with pytest.raises(LedgerAway, match="Redis: "):
            await ledger.run(Batch("one", 1, (), (), {}))
        with pytest.raises(LedgerAway, match="Redis: "):
            await ledger.look(["token:a"])
        await ledger.close()

    asyncio.run(run())


def test_nobody_waits_for_one_that_is_known_to_be_away() -> None:
    """It says why, and is not asked."""
    ledger = RedisLedger("redis://127.0.0.1:9", away=lambda: "it hangs")

    async def story() -> None:
        with pytest.raises(LedgerAway, match="Redis: it hangs"):
            await ledger.run(Batch("one", 1))
        await ledger.close()

    asyncio.run(story())
