"""FairQueue: whose turn it is."""

from __future__ import annotations

import random
from collections import Counter

from switchman.addons.core.servers.pacing.fairqueue import FairQueue


def served(queue: FairQueue[tuple[str, int]], running: Counter[str] | None = None, most: int = 1000) -> list[str]:
    """Who goes, one after another, where each is over before the next one."""
    gone = []
    while len(queue) and len(gone) < most:
        entry = next(queue.in_turn(running or Counter()))
        assert queue.take(entry[0], entry)
        gone.append(f"{entry[0]}{entry[1]}")
    return gone


def filled(*names: str) -> FairQueue[tuple[str, int]]:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    numbers: Counter[str] = Counter()
    for name in names:
        numbers[name] += 1
        queue.add(name, (name, numbers[name]))
    return queue


def test_those_of_one_caller_go_in_their_order() -> None:
    """First come, first served."""
    assert served(filled(*"aaaa")) == ["a1", "a2", "a3", "a4"]


def test_a_hundred_of_one_caller_do_not_hold_up_another() -> None:
    """The other's one goes second, and callers take turns."""
    assert served(filled(*["a"] * 100, "b"))[:3] == ["a1", "b1", "a2"]
    assert served(filled(*"aaabbc")) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_who_has_the_fewest_running_goes_first() -> None:
    """A caller whose requests hold all places waits for one that holds none."""
    queue = filled(*"aab")
    assert served(queue, Counter(a=3), most=1) == ["b1"]
    assert [entry[0] for entry in filled(*"abc").in_turn(Counter(a=2, b=1))] == ["c", "b", "a"]


def test_who_leaves_takes_nobodys_turn() -> None:
    """Entries are told apart by their identity; one that is gone cannot be taken."""
    queue = filled(*"aab")
    first = next(queue.in_turn(Counter()))
    assert queue.remove("a", first) and not queue.remove("a", first) and not queue.take("a", first)
    assert not queue.remove("b", ("b", 1)) and not queue.remove("nobody", first)
    assert len(queue) == 2 and served(queue) == ["a2", "b1"]
    assert (len(queue), queue.entries(), list(queue.in_turn(Counter()))) == (0, [], [])


def test_however_they_come_and_go_turns_stay_even() -> None:
    """5,000 steps: while two callers wait, neither goes twice before the other has gone."""
    dice, queue, numbers = random.Random(5), FairQueue[tuple[str, int]](), iter(range(10_000))
    waits: Counter[str] = Counter()
    last, waited = "", False  # who went last, and whether the other one waited then
    for _ in range(5_000):
        if dice.random() < 0.55 or not len(queue):
            name = dice.choice("aaaab")
            queue.add(name, (name, next(numbers)))
            waits[name] += 1
        else:
            entry = next(queue.in_turn(Counter()))
            queue.take(entry[0], entry)
            waits[entry[0]] -= 1
            assert not (waited and entry[0] == last)
            last, waited = entry[0], waits["a"] > 0 and waits["b"] > 0
        assert len(queue) == sum(waits.values()) == len(queue.entries())
