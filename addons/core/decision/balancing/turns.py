"""Turns by weight: in which order those of one round come, each as evenly spread over it as its weight allows.

Of weights 3 and 1 a round is a, a, b, a: who is due for the n-th time of w comes at (n + 1/2) / w of the round.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import gcd
from typing import Final

LONGEST: Final = 1000  # turns of a round; finer shares are rounded to it


@lru_cache(maxsize=256)
def round_of(weights: tuple[float, ...]) -> tuple[int, ...]:
    """The indexes in their order over one round. One of weight 0 has no turn, unless all are 0."""
    counts = _counts(weights)
    due = sorted(((2 * time + 1) / (2 * count), index) for index, count in enumerate(counts) for time in range(count))
    return tuple(index for _, index in due)


def by_turn(weights: Sequence[float], turn: int) -> list[int]:
    """All indexes: whose turn it is, those whose turns follow, and those that have none."""
    order = round_of(tuple(weights))
    start = turn % len(order)
    found = dict.fromkeys((*order[start:], *order[:start]))
    return [*found, *(index for index in range(len(weights)) if index not in found)]


def _counts(weights: Sequence[float]) -> list[int]:
    total = sum(weights)
    if total <= 0:
        return [1] * len(weights)
    whole = [int(weight) for weight in weights]
    if whole == list(weights) and sum(whole) // (divisor := gcd(*whole)) <= LONGEST:
        return [weight // divisor for weight in whole]
    return [max(1, round(weight / total * LONGEST)) if weight > 0 else 0 for weight in weights]
