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
    counts,
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


def test_spreads_are_put_together_and_counted() -> None:
    """In any order, whoever wrote the pieces."""
    values = [1.0, 1.0, 50.0, 7000.0]
    counted = counts(["".join(map(character, values[:3])), "", character(7000.0)])
    assert sorted(counted.values()) == [1, 1, 2]
    assert percentile(counted, 50) == pytest.approx(1.0, rel=ERROR)
    assert percentile(counted, 99) == pytest.approx(7000.0, rel=ERROR)
    assert percentile({}, 50) is None


def test_values_are_taken_out_once_each() -> None:
    """A value that is there three times and goes once is there twice."""
    a, b = character(5.0), character(900.0)
    assert without(a + b + a + a, a + b) == a + a
