"""Deadlines: what is waited for in each phase, until when, and how it is told."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from switchman.addons.core.servers.deadlines import LINGER, NOT_CONNECTED, Deadlines, not_connected
from switchman.addons.core.servers.servers import Timeouts

LIMITS = Timeouts(connect=5.0, first_byte=60.0, idle=30.0, total=1000.0)


def asking(
    now: float = 100.0,
    *,
    limits: Timeouts = LIMITS,
    started: float = 90.0,
    end: float = inf,
    ping_after: float = inf,
    early: bool = False,
) -> Deadlines:
    """A request that began at `started`, of which an attempt begins `now`."""
    deadlines = Deadlines()
    deadlines.begin_request(started, end)
    deadlines.begin_attempt(now, now, limits, ping_after, early)
    return deadlines


def asked(now: float = 100.0, **more: Any) -> Deadlines:
    """The same, sent at once."""
    deadlines = asking(now, **more)
    deadlines.await_answer(now)
    return deadlines


def held(now: float = 100.0, **more: Any) -> Deadlines:
    """The same; the head of a stream came at once."""
    deadlines = asked(now, **more)
    deadlines.head_arrived(now)
    deadlines.first_event_awaited(now)
    return deadlines


def streaming(now: float = 100.0, **more: Any) -> Deadlines:
    """The same; its first event came at once, too."""
    deadlines = held(now, **more)
    deadlines.stream_begins(now)
    return deadlines


def test_nobody_is_waited_for_at_first() -> None:
    """Nor does a sign of life begin to wait."""
    deadlines = Deadlines()
    assert (deadlines.due, deadlines.expired(1e9)) == (inf, None)
    deadlines.hear(5.0)
    assert (deadlines.due, deadlines.expired(1e9)) == (inf, None)


def test_each_piece_of_the_body_gives_the_client_more_time() -> None:
    """Silence counts, not size."""
    deadlines = Deadlines()
    deadlines.await_body(10.0, 3.0)
    assert deadlines.due == 13.0
    deadlines.await_body(12.5, 3.0)
    assert (deadlines.due, deadlines.expired(15.4), deadlines.expired(15.5)) == (15.5, None, "body")
    assert deadlines.message("body") == "The request's body did not arrive: nothing came for 3 s (BODY_TIMEOUT)."


def test_a_complete_request_waits_for_no_body() -> None:
    """The addons may take their time."""
    deadlines = Deadlines()
    deadlines.await_body(10.0, 3.0)
    deadlines.begin_request(9.0, 50.0)
    assert (deadlines.due, deadlines.expired(100.0)) == (inf, None)


@pytest.mark.parametrize(("end", "left"), [(inf, 5.0), (103.0, 3.0), (200.0, 5.0), (100.0, 0.0), (99.0, 0.0)])
def test_connecting_has_its_own_deadline_and_never_more_than_the_request_has_left(end: float, left: float) -> None:
    """A request whose time is over gets none, not a negative one."""
    assert asking(end=end).connect_left(100.0) == left


def test_connecting_is_watched_by_its_owner() -> None:
    """Nothing else is due meanwhile, not even a ping."""
    deadlines = asking(ping_after=1.0, early=True)
    assert (deadlines.due, deadlines.expired(1e9)) == (inf, None)


def test_an_answer_must_begin_by_the_first_byte_deadline() -> None:
    """Counted from when the request was sent, not from when its connection was opened."""
    deadlines = asking(100.0)
    deadlines.await_answer(104.0)
    assert (deadlines.due, deadlines.expired(163.9), deadlines.expired(164.0)) == (164.0, None, "first_byte")
    assert deadlines.message("first_byte") == "no answer within the first-byte deadline of 60 s"


def test_an_answer_that_has_begun_may_be_silent_for_the_idle_deadline() -> None:
    """Counted from its last sign."""
    deadlines = asked()
    deadlines.head_arrived(110.0)
    assert (deadlines.due, deadlines.expired(139.9), deadlines.expired(140.0)) == (140.0, None, "idle")
    deadlines.hear(139.0)
    assert (deadlines.due, deadlines.expired(168.0), deadlines.expired(169.0)) == (169.0, None, "idle")
    assert deadlines.message("idle") == "nothing came for 30 s, the idle deadline"


def test_a_stream_must_bring_its_first_event_by_the_first_byte_deadline() -> None:
    """Whatever comments come before it."""
    deadlines = asked()
    deadlines.head_arrived(110.0)
    deadlines.first_event_awaited(110.0)
    deadlines.hear(159.0)
    assert (deadlines.due, deadlines.expired(159.9), deadlines.expired(160.0)) == (160.0, None, "first_byte")


def test_a_stream_that_has_begun_is_past_the_first_byte_deadline() -> None:
    """Only its silence, and the ends of attempt and request, count from then on."""
    deadlines = held()
    deadlines.stream_begins(150.0)
    assert (deadlines.due, deadlines.expired(179.9), deadlines.expired(180.0)) == (180.0, None, "idle")
    deadlines.hear(161.0)
    assert (deadlines.due, deadlines.expired(190.9), deadlines.expired(191.0)) == (191.0, None, "idle")


@pytest.mark.parametrize("phase", [asked, held, streaming])
def test_the_attempt_ends_in_every_phase(phase: Any) -> None:
    """`total` counts from the attempt's start."""
    deadlines = phase(limits=Timeouts(5.0, 60.0, 30.0, 7.0))
    assert (deadlines.due, deadlines.expired(106.9), deadlines.expired(107.0)) == (107.0, None, "total")
    assert deadlines.message("total") == "no complete answer within the total deadline of 7 s"


@pytest.mark.parametrize("phase", [asked, held, streaming])
def test_the_request_ends_in_every_phase(phase: Any) -> None:
    """The message says how long the request had, from its own start."""
    deadlines = phase(started=90.0, end=105.0)
    assert (deadlines.due, deadlines.expired(104.9), deadlines.expired(105.0)) == (105.0, None, "total")
    assert deadlines.message("total") == "no complete answer within the total deadline of 15 s"


def test_another_attempt_has_its_own_end_and_the_same_request() -> None:
    """A first-byte deadline of the one before does not reach into it."""
    deadlines = asked(limits=Timeouts(5.0, 1.0, 30.0, 20.0), end=150.0)
    assert deadlines.expired(101.0) == "first_byte"
    deadlines.clear()
    assert deadlines.due == inf
    deadlines.begin_attempt(101.0, 101.0, Timeouts(9.0, 60.0, 30.0, 20.0), inf, False)
    assert (deadlines.due, deadlines.connect_left(101.0)) == (inf, 9.0)
    deadlines.await_answer(102.0)
    assert (deadlines.due, deadlines.expired(120.9), deadlines.expired(121.0)) == (121.0, None, "total")
    deadlines.begin_attempt(140.0, 140.0, LIMITS, inf, False)
    deadlines.await_answer(140.0)
    assert deadlines.due == 150.0


def test_the_end_of_all_is_told_before_silence() -> None:
    """Where several have passed at once."""
    deadlines = streaming(limits=Timeouts(5.0, 60.0, 30.0, 30.0), ping_after=1.0)
    assert deadlines.expired(130.0) == "total"
    assert streaming(ping_after=1.0).expired(130.0) == "idle"


def test_a_late_head_does_not_wake_what_is_over() -> None:
    """A stream whose attempt was given up waits for nothing."""
    deadlines = asked()
    deadlines.clear()
    deadlines.head_arrived(101.0)
    deadlines.stream_begins(101.0)
    assert (deadlines.due, deadlines.expired(1e9)) == (inf, None)


def test_a_silent_stream_is_pinged_again_and_again() -> None:
    """Counted from the last that the client was sent; a ping is no sign of the server."""
    deadlines = streaming(ping_after=10.0)
    assert (deadlines.due, deadlines.expired(109.9), deadlines.expired(110.0)) == (110.0, None, "ping")
    deadlines.sent(110.0)
    assert (deadlines.due, deadlines.expired(119.9), deadlines.expired(120.0)) == (120.0, None, "ping")
    deadlines.sent(125.0)
    assert (deadlines.due, deadlines.expired(130.0)) == (130.0, "idle")


def test_an_awaited_first_event_is_pinged_from_the_head_on() -> None:
    """The client waits for it as for any other."""
    deadlines = asked(ping_after=10.0)
    deadlines.head_arrived(120.0)
    deadlines.first_event_awaited(120.0)
    assert (deadlines.due, deadlines.expired(130.0)) == (130.0, "ping")


def test_pings_begin_with_the_answer_unless_they_are_early() -> None:
    """An error still has its status then."""
    assert asked(ping_after=10.0).expired(159.0) is None
    assert asked(ping_after=10.0, early=True).due == 110.0


def test_pings_that_have_begun_go_on_through_another_attempt() -> None:
    """A server with slower pings does not delay the one that is due."""
    deadlines = asked(ping_after=10.0, early=True)
    deadlines.sent(110.0)
    deadlines.begin_attempt(112.0, 112.0, LIMITS, 50.0, True)
    deadlines.await_answer(112.0)
    assert deadlines.due == 120.0
    deadlines.begin_attempt(112.0, 112.0, LIMITS, 3.0, True)
    deadlines.await_answer(112.0)
    assert deadlines.due == 115.0


def test_pings_that_have_not_begun_end_with_their_attempt() -> None:
    """The next server has none before its answer."""
    deadlines = asked(ping_after=10.0, early=True)
    deadlines.begin_attempt(105.0, 105.0, LIMITS, 10.0, False)
    deadlines.await_answer(105.0)
    assert deadlines.due == 165.0


def test_a_connection_that_did_not_stand_says_for_how_long_it_was_waited() -> None:
    """The classification of errors knows the words."""
    message = not_connected(2.5)
    assert message == "timed out: no connection within the connect deadline of 2.5 s"
    assert message.startswith(NOT_CONNECTED)


def test_the_body_need_not_be_waited_for_after_the_last_word() -> None:
    """A moment, in which the connection may become free; no ping comes in it, and nothing puts it off."""
    deadlines = streaming(100.0, ping_after=0.1)
    deadlines.last_word(110.0)
    assert (deadlines.due, deadlines.expired(110.2)) == (110.0 + LINGER, None)
    deadlines.hear(110.2)
    deadlines.last_word(110.2)
    assert deadlines.expired(110.0 + LINGER) == "last"
    deadlines.clear()
    assert (deadlines.due, deadlines.expired(1e9)) == (inf, None)


def test_only_a_stream_that_has_begun_has_a_last_word() -> None:
    """Before that, the deadlines of its start hold."""
    deadlines = held(100.0)
    deadlines.last_word(101.0)
    assert deadlines.due == 160.0


def test_what_comes_in_one_piece_is_waited_for_by_the_idle_deadline() -> None:
    """It should have been a stream; only a client that was pinged before is pinged on."""
    for is_pinged, due in ((True, 106.0), (False, 130.0)):
        deadlines = Deadlines()
        deadlines.begin_attempt(100.0, 100.0, Timeouts(5.0, 60.0, 30.0, 1000.0), 6.0, False)
        deadlines.await_answer(100.0)
        deadlines.head_arrived(100.0)
        deadlines.first_event_awaited(100.0)
        deadlines.whole_awaited(100.0, is_pinged)
        assert (deadlines.phase, deadlines.due) == ("rest", due)
    deadlines.clear()
    deadlines.whole_awaited(100.0, True)
    assert deadlines.phase == "nothing"


def test_a_body_has_to_come_with_some_rate() -> None:
    """Each byte gives it more time, with two silences to spare; and it is over with the request in any case."""
    deadlines = Deadlines()
    deadlines.await_body(100.0, 10.0)
    for second in range(1, 30):
        deadlines.await_body(100.0 + second, 10.0)
        deadlines.body_came(second * 100, 100.0, 1000.0)
        assert deadlines.expired(100.0 + second) is None
    deadlines.await_body(130.0, 10.0)
    deadlines.body_came(100, 100.0, 1000.0)
    assert (deadlines.due, deadlines.expired(120.9), deadlines.expired(121.0)) == (121.0, None, "slow_body")
    assert "MIN_BODY_RATE" in deadlines.message("slow_body")
    deadlines.body_came(100, 0.0, 135.0)
    assert (deadlines.due, deadlines.expired(134.9), deadlines.expired(135.0)) == (135.0, None, "slow_body")
    deadlines.body_came(100, 0.0, 1000.0)
    assert deadlines.due == 140.0


def test_the_time_that_a_body_waits_for_room_is_not_its_clients() -> None:
    """Neither its silence nor its rate counts meanwhile; afterwards both go on where they were."""
    deadlines = Deadlines()
    deadlines.await_body(100.0, 10.0)
    deadlines.body_came(100, 100.0, 1000.0)
    deadlines.body_waits(True, 109.0)
    assert (deadlines.due, deadlines.expired(118.9), deadlines.expired(119.0)) == (119.0, None, "body")
    deadlines.await_body(115.0, 10.0)  # a piece that was on its way
    deadlines.body_came(200, 100.0, 1000.0)
    assert (deadlines.due, deadlines.expired(124.9)) == (125.0, None)
    deadlines.body_waits(False, 124.0)
    assert (deadlines.due, deadlines.expired(133.9), deadlines.expired(134.0)) == (134.0, None, "body")
    deadlines.await_body(133.0, 10.0)
    deadlines.body_came(300, 100.0, 1000.0)
    assert (deadlines.due, deadlines.expired(137.9), deadlines.expired(138.0)) == (138.0, None, "slow_body")
    deadlines.body_waits(False, 500.0)
    assert deadlines.due == 138.0


def test_white_space_is_no_first_token() -> None:
    """A whole answer that is nothing else has the first-byte deadline; with the first of its text it has begun."""
    deadlines = Deadlines()
    deadlines.begin_request(0.0, 1000.0)
    deadlines.begin_attempt(0.0, 0.0, Timeouts(5.0, 60.0, 30.0, 500.0), inf, False)
    deadlines.await_answer(0.0)
    deadlines.head_arrived(1.0)
    assert deadlines.due == 31.0
    for now in (20.0, 40.0, 59.0):
        deadlines.hear(now)
        deadlines.whole_came(now, True)
    assert (deadlines.due, deadlines.expired(60.0)) == (60.0, "first_byte")
    deadlines.whole_came(59.5, False)
    assert deadlines.due == 89.5
