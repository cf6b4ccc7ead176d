"""Who comes without a good token: bounded by address, told once a minute."""

from __future__ import annotations

import logging

import pytest

from switchman.addons.state.access.failures import BURST, MOST, REFILL, Failures


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_a_trickle() -> None:
    """An address has its burst; after that, one in two seconds; another address has its own."""
    clock = Clock()
    failures = Failures(clock)
    assert [failures.count("192.0.2.1") for _ in range(BURST + 5)] == [True] * BURST + [False] * 5
    assert failures.count("192.0.2.2")
    clock.now += 1 / REFILL
    assert [failures.count("192.0.2.1") for _ in range(2)] == [True, False]
    clock.now += 10_000
    assert [failures.count("192.0.2.1") for _ in range(BURST + 1)] == [True] * BURST + [False]


def test_addresses_of_one_ipv6_network_are_one() -> None:
    """Else each of 2 ** 64 would have a burst."""
    failures = Failures(Clock())
    assert [failures.count(f"2001:db8::{n:x}") for n in range(BURST + 1)] == [True] * BURST + [False]
    assert failures.count("2001:db8:0:1::1")
    assert failures.count("fe80::1%eth0") and failures.count("no address")


def test_it_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """The first at once, all others of the minute in one line, with the addresses that did it most."""
    clock = Clock()
    failures = Failures(clock)
    with caplog.at_level(logging.WARNING):
        failures.count("192.0.2.1")
        for n in range(500):
            failures.count(f"192.0.2.{n % 100}")
        assert caplog.messages == [
            "1 request came without a token that holds (CLIENT_AUTH=TOKENS), from 192.0.2.1 (1)."
        ]
        clock.now += 60
        failures.count("192.0.2.7")
        assert len(caplog.messages) == 2 and caplog.messages[1].startswith("501 requests came without")
        assert "192.0.2.7 (6)" in caplog.messages[1] and caplog.messages[1].endswith("and 95 more.")
        failures.tell()
        assert len(caplog.messages) == 2


def test_the_last_ones_are_told_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """What came after the last line is not lost when the router stops."""
    failures = Failures(Clock())
    failures.count("192.0.2.1")
    failures.count("192.0.2.1")
    failures.tell()
    assert [message.split()[0] for message in caplog.messages] == ["1", "1"]


def test_memory_is_bounded() -> None:
    """Whoever has many addresses fills no memory."""
    failures = Failures(Clock())
    for n in range(MOST + 500):
        failures.count(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(failures._left) == MOST and len(failures._counts) <= MOST
