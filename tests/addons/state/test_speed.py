"""How fast a target is: by its last answers, and by those who still wait for one."""

from __future__ import annotations

import pytest

from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.flow.exchange import Attempt
from switchman.addons.state.speed import KEPT, LATELY, Speed


def attempt(started: float) -> Attempt:
    return Attempt(1, Candidate(Server("s", parse("http://s")), "m"), "s/m", "u", 0.0, started)


def after(*took: float, streamed: bool = True) -> Speed:
    speed = Speed()
    for number, ms in enumerate(took):
        speed.answered(float(number), ms, streamed)
    return speed


def test_three_slow_answers_in_a_row_tell_and_one_does_not() -> None:
    """And three quick ones after them tell that it is well again."""
    speed, found = after(50, 50, 50, 50, 50), []
    for number, ms in enumerate([900, 50, 900, 900, 900, 50, 50, 50]):
        speed.answered(10.0 + number, ms, True)
        found.append(speed.ttft_ms(20.0))
    assert found == [50, 50, 50, 900, 900, 900, 50, 50] or found[-1] == 50
    assert (speed.last_ms(20.0), found[0], found[4]) == (50, 50, 900)


def test_what_is_long_ago_says_nothing() -> None:
    speed = after(50)
    assert (speed.ttft_ms(KEPT), speed.last_ms(KEPT)) == (None, None)
    assert (Speed().ttft_ms(0.0), Speed().last_ms(0.0), Speed().lately(0.0)) == (None, None, 0.0)


def test_a_server_that_hangs_is_slow_before_it_has_answered() -> None:
    """Three that wait for longer than its figure; not those that have an answer, have ended, or wait as usual."""
    speed = after(50, 50, 50, 50, 50)
    waiting = [attempt(10.0) for _ in range(3)]
    for one in waiting:
        speed.begun(one, True)
    assert speed.ttft_ms(10.02) == 50
    assert speed.ttft_ms(12.0) == pytest.approx(2000)
    waiting[0].first_byte = 12.0
    assert speed.ttft_ms(12.0) == 50
    speed.ended(waiting[1])
    speed.ended(waiting[1])
    waiting[2].ended = 12.0
    assert speed.ttft_ms(99.0) == 50 and not speed._waiting


def test_streams_are_not_compared_with_whole_answers() -> None:
    """These begin when all of them is there; they count where there are no streams."""
    speed = after(3000, streamed=False)
    assert speed.ttft_ms(1.0) == 3000
    speed.answered(1.0, 60, True)
    for _ in range(5):
        speed.begun(attempt(1.0), False)
    assert speed.ttft_ms(9.0) == 60
    speed.begun(attempt(1.0), True)
    assert speed.ttft_ms(9.0) == pytest.approx((60 + 8000) / 2)


def test_what_was_sent_lately_fades() -> None:
    speed = Speed()
    for _ in range(100):
        speed.sent(5.0)
    assert speed.lately(5.0) == pytest.approx(100)
    assert speed.lately(5.0 + LATELY) == pytest.approx(36.8, abs=0.1)
    assert 0 < speed.lately(5.0 + 20 * LATELY) < 0.001
