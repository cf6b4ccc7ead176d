"""A minute that slides, held to a plain list of what came and when."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.access.limits.window import CELLS, SECONDS, Window

NOW = 1_800_000_000.0

# Steps of a clock that goes forward, and what is wanted after each.
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.001, 0.4, 0.999, 1.0, 7.3, 30.0, 59.5, 60.0, 60.5, 61.0, 200.0]), st.integers(1, 5)
    ),
    max_size=60,
)


@dataclass
class Naive:
    """Each amount with its time."""

    came: list[tuple[float, int]] = field(default_factory=list)

    def within(self, now: float, seconds: float) -> int:
        return sum(amount for at, amount in self.came if at > now - seconds)


@settings(max_examples=50)
@given(STEPS, st.integers(1, 9))
def test_never_more_than_the_limit_in_any_minute_and_nothing_refused_that_a_minute_and_a_second_hold(
    steps: list[tuple[float, int]], limit: int
) -> None:
    """Admitted amounts never exceed the limit in 60 s, and one is refused only if 61 s hold too much."""
    window, naive, now = Window(), Naive(), NOW
    for passed, amount in steps:
        now += passed
        second = window.advance(now)
        wait = window.fits_in(now, amount, limit)
        if wait == 0:
            window.add(second, amount)
            naive.came.append((now, amount))
        else:
            assert naive.within(now, CELLS) + amount > limit
        assert naive.within(now, SECONDS) <= window.total <= naive.within(now, CELLS)
        assert window.total <= limit


@settings(max_examples=50)
@given(STEPS, st.integers(1, 9), st.integers(1, 9))
def test_what_it_says_to_wait_is_enough_and_not_a_second_too_long(
    steps: list[tuple[float, int]], limit: int, wanted: int
) -> None:
    """After the wait the amount fits; a second and a bit earlier it does not."""
    window, now = Window(), NOW
    for passed, amount in steps:
        now += passed
        second = window.advance(now)
        if window.fits_in(now, amount, limit) == 0:
            window.add(second, amount)
    wait = window.fits_in(now, wanted, limit)
    if wanted > limit:
        assert wait is None
        return
    assert wait is not None and 0 <= wait <= CELLS
    if wait > 0.01:
        window.advance(now + wait - 0.01)
        assert window.fits_in(now + wait - 0.01, wanted, limit) != 0
    window.advance(now + wait)
    assert window.fits_in(now + wait, wanted, limit) == 0


@settings(max_examples=50)
@given(STEPS)
def test_it_is_empty_when_it_says_so(steps: list[tuple[float, int]]) -> None:
    """Nothing is left after the time that it says, and something is until then."""
    window, now = Window(), NOW
    for passed, amount in steps:
        now += passed
        window.add(window.advance(now), amount)
    wait = window.empty_in(now)
    if wait > 0.01:
        window.advance(now + wait - 0.01)
        assert window.total > 0
    window.advance(now + wait)
    assert window.total == 0


@settings(max_examples=50)
@given(STEPS)
def test_packed_it_is_the_same(steps: list[tuple[float, int]]) -> None:
    """What is unpacked answers as what was packed."""
    window, now = Window(), NOW
    for passed, amount in steps:
        now += passed
        window.add(window.advance(now), amount)
        window = Window.unpack(window.pack())
        assert window.total == Window.unpack(window.pack()).total
        assert window.fits_in(now, 1, window.total) == Window.unpack(window.pack()).fits_in(now, 1, window.total)


def test_what_is_given_back_goes_out_of_its_own_second() -> None:
    """A settlement takes from the second of the reservation, never below nothing, and nothing once that is gone."""
    window = Window()
    first = window.advance(NOW)
    window.add(first, 100)
    window.add(window.advance(NOW + 30), 50)
    window.add(first, -60)
    assert window.total == 90
    window.add(first, -1_000)
    assert window.total == 50
    window.advance(NOW + 61)
    window.add(first, -10)
    window.add(first, 10)
    assert window.total == 50


@pytest.mark.parametrize("back", [0.0001, 1.0, 30.0, 59.0])
def test_a_clock_that_goes_back_a_little_frees_nothing(back: float) -> None:
    """Of two workers one reads the clock a moment before the other: what the other counted stays for its minute."""
    window = Window()
    window.add(window.advance(NOW), 5)
    window.add(window.advance(NOW - back), 1)
    window.advance(NOW + SECONDS - 0.01)
    assert window.total == 6
    window.advance(NOW + CELLS)
    assert window.total == 0


def test_a_clock_that_goes_back_a_day_does_not_lock_anybody_out_for_a_day() -> None:
    """What is in the window counts for a minute from then on."""
    window = Window()
    window.add(window.advance(NOW), 5)
    window.advance(NOW - 86_400)
    assert window.total == 5
    window.advance(NOW - 86_400 + SECONDS - 1)
    assert window.total == 5
    window.advance(NOW - 86_400 + CELLS)
    assert window.total == 0


def test_bytes_of_another_length_are_no_window() -> None:
    """A file that was written by something else is told, not taken for counts."""
    with pytest.raises(ValueError, match="61 cells"):
        Window.unpack(bytes(80))
