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
    percentile,
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
