"""Values as characters of a scale, and percentiles of them."""

from __future__ import annotations

import math
import random

import pytest

from switchman.addons.store.figures.spreads import (
    ERROR,
    LEAST,
    MOST,
    STEPS,
    character,
    histogram,
    percentile,
    percentiles,
    value_of,
    without,
)


def test_a_value_comes_back_within_the_stated_error() -> None:
    """For every value of the scale; the bound is below 4 %."""
    numbers = random.Random(3)
    assert ERROR < 0.04
    for _ in range(5000):
        value = math.exp(numbers.uniform(math.log(LEAST), math.log(MOST)))
        assert value_of(ord(character(value)) - 1) == pytest.approx(value, rel=ERROR + 1e-9)


@pytest.mark.parametrize(
    ("value", "step"), [(0.0, 0), (-1.0, 0), (LEAST, 0), (MOST, STEPS - 1), (1e300, STEPS - 1), (math.inf, STEPS - 1)]
)
def test_what_is_beyond_the_ends_counts_as_the_ends(value: float, step: int) -> None:
    """Also what is no duration at all."""
    assert ord(character(value)) - 1 == step


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 100, 137, 2000])
def test_percentiles_of_a_spread(count: int) -> None:
    """By nearest rank, whoever wrote the pieces; of nothing there is none."""
    numbers = random.Random(count)
    values = [numbers.lognormvariate(6, 2) for _ in range(count)]
    spread = "".join(map(character, values)).encode("latin-1")
    for percent in (1, 50, 95, 99, 100):
        true = sorted(values)[math.ceil(count * percent / 100) - 1]
        assert percentile(spread, percent) == pytest.approx(true, rel=ERROR + 1e-9)
    assert percentile(b"", 50) is None


def test_values_are_taken_out_once_each() -> None:
    """A value that is there three times and goes once is there twice."""
    a, b = character(5.0), character(900.0)
    assert without(a + b + a + a, a + b) == a + a


@pytest.mark.parametrize("count", [0, 1, 1_999, 2_000, 65_537, 150_000])
@pytest.mark.parametrize("width", [0.01, 2.0, 9.0])
def test_several_percentiles_are_each_the_same(count: int, width: float) -> None:
    """However many values there are, and however near to each other; also more than fit into one look."""
    numbers = random.Random(count)
    spread = "".join(character(numbers.lognormvariate(6, width)) for _ in range(count)).encode("latin-1")
    percents = (50, 95, 99, 1, 100, 75)
    assert percentiles(spread, percents) == [percentile(spread, percent) for percent in percents]


def test_a_sample_that_is_wrong_is_set_right() -> None:
    """Every eighth value is taken first; here those are unlike all others."""
    spread = b"".join(b"\x05" + b"\x80\x90\xa0\xb0\xb1\xb2\xff" for _ in range(400))
    assert percentiles(spread, (50, 99, 1)) == [percentile(spread, percent) for percent in (50, 99, 1)]


@pytest.mark.parametrize("together", [1, 5, 300])
def test_a_histogram_has_each_value_once(together: int) -> None:
    """From the first step that has any to the last."""
    numbers = random.Random(together)
    codes = [numbers.choice([1, 3, 128, 255, numbers.randrange(90, 140)]) for _ in range(3_000)]
    bars = histogram(bytes(codes), together)
    steps = [(code - 1) // together for code in codes]
    assert [number for _, _, number in bars] == [steps.count(at) for at in range(min(steps), max(steps) + 1)]
    assert histogram(b"", together) == []
