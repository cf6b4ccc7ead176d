"""Turns: shares that are exact over a round, and evenly spread in it."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from switchman.addons.core.decision.balancing.turns import LONGEST, by_turn, round_of


@pytest.mark.parametrize(
    ("weights", "order"),
    [
        ((1, 1, 1), (0, 1, 2)),
        ((3, 1), (0, 0, 1, 0)),
        ((2, 4), (1, 0, 1)),
        ((0, 0), (0, 1)),
        ((90, 0), (0,)),
        ((5,), (0,)),
    ],
)
def test_a_round_has_each_as_often_as_it_weighs(weights: tuple[int, ...], order: tuple[int, ...]) -> None:
    """It is as short as it can be, and nobody of weight 0 has a turn where others have one."""
    assert round_of(weights) == order


def test_random_weights_are_kept_within_two_percent_at_every_moment() -> None:
    """Not only at the end of a round: after any number of turns nobody is more than one turn before its share."""
    dice = random.Random(5)
    for _ in range(60):
        weights = tuple(float(dice.randint(1, 100)) for _ in range(dice.randint(2, 6)))
        order, total, seen = round_of(weights), sum(weights), Counter[int]()
        for turn in range(1500):
            seen[order[turn % len(order)]] += 1
            if turn >= 400:
                shares = [seen[index] / (turn + 1) for index in range(len(weights))]
                assert max(abs(a - b / total) for a, b in zip(shares, weights, strict=True)) < 0.02


def test_fine_shares_are_rounded_to_a_round_that_is_not_endless() -> None:
    """A share of a hundredth of a percent has a turn all the same."""
    order = round_of((99.99, 0.01))
    assert len(order) <= LONGEST + 1 and order.count(1) == 1


def test_who_follows_is_whose_turn_is_next() -> None:
    """Everyone is in the order once, those without a turn at its end."""
    assert [by_turn((1, 1, 1), turn) for turn in (0, 1, 5)] == [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    assert by_turn((2, 0, 1), 1) == [2, 0, 1]
