"""Workers tell each other how breakers and figures stand: when there is something to say, and no more often."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.state.live import LiveFigures, Sample
from switchman.addons.state.together.shared import MemoryShared, Note, SharedStoreError
from switchman.addons.state.together.standings import FRESH, KEPT, RENEW, RENEW_IDLE, SPACE, Standings


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counting(MemoryShared):
    """Knows what was posted; fails while `away`."""

    away = False

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.said: list[bytes | None] = []

    async def post(self, space: str, owner: str, text: bytes | None, ttl: float) -> list[Note]:
        if self.away:
            raise SharedStoreError("away")
        self.said.append(text)
        return await super().post(space, owner, text, ttl)


class Worker:
    """One of those on `shared`."""

    def __init__(self, shared: MemoryShared, name: str, clock: Clock, machine: str = "") -> None:
        self.clock = clock
        self.breakers = Breakers()
        self.live = LiveFigures(self.breakers, clock)
        self.standings = Standings(shared, name, self.breakers, self.live, clock, machine, lambda: frozenset({"own"}))

    def step(self) -> None:
        asyncio.run(self.standings.step())

    def state(self) -> str:
        return self.breakers.state("up/m", self.clock.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shared(clock: Clock) -> Counting:
    return Counting(clock)


def test_breakers_and_figures_reach_the_other_workers(shared: Counting, clock: Clock) -> None:
    """With the next two looks: what one saw holds for the other."""
    one, two = Worker(shared, "one", clock), Worker(shared, "two", clock)
    one.breakers.failure("up/m", clock.now, retry_after=60)
    one.live.observe("up", "up/m", Sample(clock.now, 100.0))
    one.step()
    two.step()
    assert two.state() == "open" and two.live.health("up") == "red"
    assert two.live.p95_ms("up/m") == pytest.approx(100, rel=0.021)
    two.breakers.success("up/m", clock.now)
    two.step()
    one.step()
    assert one.state() == "closed"


def test_a_server_of_each_machine_is_no_matter_of_the_others(shared: Counting, clock: Clock) -> None:
    """A dead one of one machine is left alone there, by all its workers, and nowhere else."""
    names = {"one": "here", "beside": "here", "two": "there"}
    one, beside, two = (Worker(shared, name, clock, machine) for name, machine in names.items())
    for target in ("own/m", "own", "owner/m"):
        one.breakers.failure(target, clock.now, retry_after=60)
        one.live.observe(target.partition("/")[0], target, Sample(clock.now, None))
    one.step()
    for worker in (beside, two):
        worker.step()
    assert {target for target, _, _ in beside.breakers.resting(clock.now)} == {"own/m", "own", "owner/m"}
    assert {target for target, _, _ in two.breakers.resting(clock.now)} == {"owner/m"}
    assert [worker.live.health("own") for worker in (beside, two)] == ["red", None]
    two.breakers.success("own/m", clock.now)
    two.step()
    one.step()
    assert one.breakers.state("own/m", clock.now) == "open"


def test_nothing_is_written_while_there_is_nothing_to_say(shared: Counting, clock: Clock) -> None:
    """What goes on is said again each second, so that it is believed; what is over, now and then."""
    one = Worker(shared, "one", clock)
    for _ in range(5):
        one.step()
        clock.now += 10
    assert shared.said == [None] * 5
    one.breakers.failure("up/m", clock.now, retry_after=60)
    one.step()
    one.step()
    clock.now += RENEW
    one.step()
    assert [text is not None for text in shared.said[5:]] == [True, False, True]
    one.breakers.success("up/m", clock.now)
    clock.now += 0.25
    one.step()
    for _ in range(4):
        clock.now += RENEW
        one.step()
    assert [text is not None for text in shared.said[8:]] == [True, False, False, False, False]
    clock.now += RENEW_IDLE
    one.step()
    assert shared.said[-1] is not None


def test_a_worker_that_died_is_believed_for_a_while(shared: Counting, clock: Clock) -> None:
    """Its counts and figures for seconds, what it left alone for a minute: so a restart finds it."""
    one, two, late = (Worker(shared, name, clock) for name in ("one", "two", "late"))
    one.breakers.failure("up/m", clock.now, retry_after=600)
    one.live.observe("up", "up/other", Sample(clock.now, 100.0))
    one.step()
    clock.now += FRESH + 1
    two.step()
    assert two.state() == "open" and two.live.p95_ms("up/other") is None
    clock.now += KEPT
    late.step()  # `two` has not said anything, either
    assert late.state() == "closed"
    two.step()
    late.step()
    assert late.state() == "open"


def test_who_probes_is_believed_no_longer_than_others_are_heard(shared: Counting, clock: Clock) -> None:
    """While nobody can be heard, a breaker is not left half open for ever."""
    one, two = Worker(shared, "one", clock), Worker(shared, "two", clock)
    one.breakers.failure("up/m", clock.now, retry_after=1)
    one.live.observe("up", "up/m", Sample(clock.now, 100.0))
    one.step()
    two.step()
    clock.now += 2
    assert one.breakers.claim("up/m", clock.now)
    one.step()
    two.step()
    assert not two.breakers.claim("up/m", clock.now) and two.live.p95_ms("up/m") is not None
    shared.away = True
    for _ in range(2):
        clock.now += FRESH / 2 + 0.1
        assert not two.breakers.claim("up/m", clock.now)
        with pytest.raises(SharedStoreError):
            two.step()
    assert two.live.p95_ms("up/m") is None and two.breakers.claim("up/m", clock.now)


def test_what_could_not_be_said_is_said_again(shared: Counting, clock: Clock) -> None:
    """As soon as somebody listens."""
    one, two = Worker(shared, "one", clock), Worker(shared, "two", clock)
    one.breakers.failure("up/m", clock.now, retry_after=600)
    shared.away = True
    with pytest.raises(SharedStoreError):
        one.step()
    shared.away = False
    one.step()
    two.step()
    assert two.state() == "open"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no JSON",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        b'{"breakers": 7, "figures": []}',
        b'{"breakers": {"a": "b"}}',
        b'{"breakers": {"up/m": [1' + b"0" * 400 + b", 1, 1, 1, 1, 1, 1]}}",
    ],
)
def test_a_note_that_is_none_says_nothing(shared: Counting, clock: Clock, text: bytes) -> None:
    """Whoever wrote it; the others are heard."""
    one, two = Worker(shared, "one", clock), Worker(shared, "two", clock)
    one.breakers.failure("up/m", clock.now, retry_after=60)
    asyncio.run(shared.post(SPACE, "stranger", text, KEPT))
    one.step()
    two.step()
    assert two.state() == "open"


def test_a_note_says_no_more_targets_than_there_is_room_for(shared: Counting, clock: Clock) -> None:
    """Those that rest before those that do not."""
    one = Worker(shared, "one", clock)
    one.breakers.failure("up/resting", clock.now, retry_after=600)
    for number in range(1000):
        one.breakers.failure(f"up/{number}", clock.now + 1, retry_after=1)
        one.breakers.success(f"up/{number}", clock.now + 1)
    one.step()
    said: Any = json.loads(shared.said[-1] or b"")
    assert len(said["breakers"]) == 256 and "up/resting" in said["breakers"]
