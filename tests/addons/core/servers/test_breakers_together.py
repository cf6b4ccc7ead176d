"""Breakers of several workers: one state for all, whoever saw what, and in whatever order they hear of each other."""

from __future__ import annotations

import random

import pytest

from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.core.servers.standing import pack, unpack

T = "up/m"
FRESH = 5.0


class Crew:
    """Workers whose clocks differ: `now` is the first one's; each one's own begins elsewhere."""

    def __init__(self, count: int = 2, skew: float = 0.0) -> None:
        self.now = 1000.0
        self.starts = [1e6 * number for number in range(count)]  # monotonic clocks of different machines
        self.workers = [Breakers(epoch=1.7e9 + skew * number - start) for number, start in enumerate(self.starts)]

    def at(self, worker: int) -> float:
        return self.now + self.starts[worker]

    def fail(self, worker: int, times: int = 1, retry_after: float | None = None, target: str = T) -> None:
        for _ in range(times):
            self.workers[worker].failure(target, self.at(worker), retry_after)

    def succeed(self, worker: int) -> None:
        self.workers[worker].success(T, self.at(worker))

    def tell(self, age: float = 0.0) -> None:
        """Each hears what all others said `age` seconds ago, as it travels."""
        told = [unpack(pack(one.standings(self.at(number)))) for number, one in enumerate(self.workers)]
        self.now += age
        for number, one in enumerate(self.workers):
            others = [(age, said) for other, said in enumerate(told) if other != number]
            one.hear(others, self.at(number), FRESH)

    def states(self) -> list[str]:
        return [one.state(T, self.at(number)) for number, one in enumerate(self.workers)]


@pytest.mark.parametrize("skew", [0.0, 3600.0, -3600.0])
def test_one_that_opens_and_closes_does_so_for_all(skew: float) -> None:
    """With the time that is left, whatever the clocks of the machines say; whose probe went well closes it for all."""
    crew = Crew(3, skew)
    crew.fail(1, 5)
    crew.tell(age=2.0)
    assert crew.states() == ["open"] * 3
    assert [one.resting(crew.at(n))[0][2] for n, one in enumerate(crew.workers)] == pytest.approx([28.0] * 3)
    crew.now += 28.0
    assert crew.states() == ["half_open"] * 3
    assert crew.workers[0].claim(T, crew.at(0))
    crew.succeed(0)
    crew.tell()
    assert crew.states() == ["closed"] * 3
    crew.fail(2, 5)
    crew.tell()
    crew.tell()
    assert crew.states() == ["open"] * 3


def test_retry_after_is_obeyed_by_all_and_may_be_made_longer() -> None:
    """Also by a worker that was told to wait for less."""
    crew = Crew()
    crew.fail(0, retry_after=10)
    crew.tell()
    crew.fail(1, retry_after=100)  # a last resort
    crew.tell()
    assert [round(one.resting(crew.at(n))[0][2]) for n, one in enumerate(crew.workers)] == [100, 100]


def test_a_failed_probe_doubles_the_rest_of_all() -> None:
    """From the cooldown that whoever opened it told."""
    crew = Crew()
    crew.fail(0, 5)
    crew.tell()
    crew.now += 31
    assert crew.workers[1].claim(T, crew.at(1))
    crew.fail(1)
    crew.tell()
    assert [one.resting(crew.at(n))[0][2] for n, one in enumerate(crew.workers)] == [60.0, 60.0]


def test_failures_add_up_over_the_workers() -> None:
    """Five in all open it, wherever the fifth was; one worker that is cut off opens it whatever the others got."""
    crew = Crew(3)
    crew.fail(0, 2)
    crew.fail(1, 2)
    crew.tell()
    crew.fail(2)
    assert crew.states() == ["closed", "closed", "open"]
    alone = Crew()
    for _ in range(100):
        alone.succeed(0)
    alone.tell()
    alone.fail(1, 5)
    assert alone.states() == ["closed", "open"]


def test_the_good_answers_of_others_count_too() -> None:
    """Of five failures among a hundred answers none is one too many."""
    crew = Crew()
    for _ in range(95):
        crew.succeed(0)
    crew.fail(0)
    crew.tell()
    crew.fail(1, 4)
    assert crew.states() == ["closed", "closed"]


def test_failures_of_before_a_change_or_of_a_silent_worker_do_not_count() -> None:
    """A note that is old, or of who has not heard that it was closed."""
    crew = Crew()
    crew.fail(0, 4)
    told = crew.workers[0].standings(crew.at(0))
    crew.workers[1].hear([(FRESH + 1, told)], crew.at(1), FRESH)
    crew.fail(1)
    assert crew.states() == ["closed", "closed"]
    crew.fail(1, retry_after=1)
    crew.succeed(1)  # 4 failures are from before that
    crew.workers[1].hear([(0.0, told)], crew.at(1), FRESH)
    crew.fail(1)
    assert crew.states() == ["closed", "closed"]


def test_one_probes_for_all() -> None:
    """While a worker's probe is under way no other one tries; it may once the probe is over without a word."""
    crew = Crew()
    crew.fail(0, 5)
    crew.tell()
    crew.now += 30
    assert crew.workers[0].claim(T, crew.at(0))
    crew.tell()
    assert crew.workers[1].is_open(T, crew.at(1)) and not crew.workers[1].claim(T, crew.at(1))
    crew.workers[0].release(T)
    crew.tell()
    assert crew.workers[1].claim(T, crew.at(1))


def test_who_comes_late_hears_what_holds() -> None:
    """Also from the note of a worker that is gone, less the time since."""
    crew = Crew()
    crew.fail(0, retry_after=100)
    told = crew.workers[0].standings(crew.at(0))
    late = Breakers()
    late.hear([(40.0, told)], 5.0, FRESH)
    assert late.resting(5.0) == [(T, "open", pytest.approx(60.0))]


def test_a_reset_holds_against_what_others_still_say() -> None:
    """The note of a worker that was not reset, or is gone, does not open it again; a new failure may."""
    crew = Crew()
    crew.fail(0, 5)
    crew.tell()
    told = crew.workers[0].standings(crew.at(0))
    assert crew.workers[1].reset("up") == 1
    crew.workers[1].hear([(0.0, told)], crew.at(1), FRESH)
    assert crew.states() == ["open", "closed"]
    crew.tell()
    assert crew.states() == ["closed", "closed"]
    crew.fail(0, retry_after=5)
    crew.tell()
    assert crew.states() == ["open", "open"]


def test_whatever_happens_all_agree_once_they_have_heard() -> None:
    """Any order of failures, answers, probes and hearing, over clocks that differ."""
    for seed in range(200):
        chance = random.Random(seed)
        crew = Crew(3, skew=chance.choice([0, 10, -10]))
        for _ in range(30):
            worker = chance.randrange(3)
            match chance.randrange(7):
                case 0 | 1:
                    crew.fail(worker, chance.choice([1, 5]))
                case 2:
                    crew.fail(worker, retry_after=chance.uniform(0.1, 50))
                case 3:
                    crew.succeed(worker)
                case 4:
                    crew.workers[worker].claim(T, crew.at(worker))
                case 5:
                    crew.workers[worker].reset("up")
                case _:
                    crew.tell()
            crew.now += chance.uniform(0.01, 20)
        crew.tell()
        crew.tell()
        assert len(set(crew.states())) == 1, seed


def test_what_is_told_is_bounded() -> None:
    """Names of models come from clients."""
    crew = Crew()
    for number in range(10_000):
        crew.fail(0, retry_after=1, target=f"up/{number}")
    told = crew.workers[0].standings(crew.at(0))
    assert len(told) <= 4096 and "up/9999" in told
