"""Paces: until when a server is better not asked, as its answers tell."""

from __future__ import annotations

import random

import pytest

from switchman.addons.core.servers.pacing.paces import LONGEST, MAX_ACCOUNTS, Paces, Told


def requests(remaining: float, resets_in: float, limit: float | None = 60, window: bool = False) -> dict[str, Told]:
    return {"requests": Told("requests", remaining, resets_in, limit, window)}


def learned(told: dict[str, Told], began: float = 0.0, now: float = 1.0) -> Paces:
    paces = Paces()
    paces.learn("s/m", "", told, began, now)
    return paces


def test_nothing_known_is_no_reason_to_wait() -> None:
    """Of another model, or another key, nothing is known either."""
    paces = learned(requests(0, 60))
    assert Paces().ready_in("s/m", "", 9, 0.0) == 0.0
    assert (paces.ready_in("s/n", "", 9, 1.0), paces.ready_in("s/m", "key", 9, 1.0)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("told", "at", "seconds"),
    [
        (requests(1, 59), 1.0, 0.0),
        (requests(0, 60), 1.0, 1.0),  # one comes back each second
        (requests(0, 60), 1.5, 0.5),
        (requests(0, 60), 2.0, 0.0),
        (requests(0, 18), 1.0, 0.3),
        (requests(0, 60, limit=None), 1.0, 60.0),  # nobody knows how many come back meanwhile
        (requests(0, 60, window=True), 31.0, 30.0),
        (requests(0, 60, window=True), 61.0, 0.0),
        (requests(0, LONGEST + 1), 1.0, 0.0),  # not to be believed
        (requests(0, -1), 1.0, 0.0),
    ],
)
def test_one_that_is_used_up_is_waited_for(told: dict[str, Told], at: float, seconds: float) -> None:
    """As long as it takes until there is one of it again."""
    assert learned(told).ready_in("s/m", "", 0, at) == pytest.approx(seconds)


def test_tokens_wait_for_as_many_as_are_wanted() -> None:
    """A request that is larger than all there can be waits until it is whole."""
    paces = learned({"tokens": Told("tokens", 100, 54, 1000)})
    assert paces.ready_in("s/m", "", 100, 1.0) == 0.0
    assert paces.ready_in("s/m", "", 200, 1.0) == pytest.approx(6.0)
    assert paces.ready_in("s/m", "", 5000, 1.0) == pytest.approx(54.0)
    both = {"tokens": Told("tokens", 100, 54, 1000), **requests(0, 600)}
    assert learned(both).ready_in("s/m", "", 200, 1.0) == pytest.approx(10.0)


def test_requests_that_went_out_since_are_taken_off() -> None:
    """Those after the one whose answer it is, before and after it came."""
    paces = Paces()
    for began in (0.0, 0.1, 0.2):
        paces.begin("s/m", "", 0, began)
    paces.learn("s/m", "", requests(3, 57), 0.0, 1.0)
    assert paces.ready_in("s/m", "", 0, 1.0) == 0.0
    paces.begin("s/m", "", 0, 1.0)
    assert paces.ready_in("s/m", "", 0, 1.0) == pytest.approx(1.0)


def test_an_answer_to_an_earlier_request_tells_nothing_new() -> None:
    """It came late."""
    paces = learned(requests(0, 60), began=5.0, now=6.0)
    paces.learn("s/m", "", requests(50, 10), 4.0, 6.0)
    assert paces.ready_in("s/m", "", 0, 6.0) == pytest.approx(1.0)
    paces.learn("s/m", "", {}, 9.0, 9.0)
    paces.learn("s/m", "", requests(50, 10), 7.0, 6.5)
    assert paces.ready_in("s/m", "", 0, 6.5) == 0.0


def test_who_keeps_to_it_never_exceeds_a_bucket_that_fills_evenly() -> None:
    """A server of 20 a minute, answers in any order, by whoever asks as soon as it may: no request is too many."""
    dice, paces, limit, minute = random.Random(7), Paces(), 20.0, 60.0
    level, at, now = limit, 0.0, 0.0
    answers: list[tuple[float, float, float, float]] = []
    made = 0
    while now < 600:
        for answer in [one for one in answers if one[0] <= now]:
            answers.remove(answer)
            _, began, remaining, resets_in = answer
            paces.learn("s/m", "", requests(remaining, resets_in - (now - began), limit), began, now)
        wait = paces.ready_in("s/m", "", 0, now)
        if wait > 0:
            now += min(wait + 0.001, 0.5)
            continue
        level, at = min(limit, level + (now - at) * limit / minute), now
        assert level > 0.95 or made < 25, f"request {made} at {now:.2f} is one too many: {level:.2f}"
        level = max(0.0, level - 1)
        paces.begin("s/m", "", 0, now)
        made += 1
        answers.append((now + dice.uniform(0.01, 0.2), now, int(level), (limit - level) * minute / limit))
        now += dice.uniform(0.001, 0.3)
    assert made > 190


def test_memory_is_bounded() -> None:
    """Names of models come from clients: what was used longest ago is forgotten."""
    paces = Paces()
    for nth in range(MAX_ACCOUNTS + 5):
        paces.learn(f"s/{nth}", "", requests(0, 60), 0.0, 1.0)
    assert paces.ready_in("s/0", "", 0, 1.0) == 0.0 and paces.ready_in(f"s/{MAX_ACCOUNTS}", "", 0, 1.0) > 0
