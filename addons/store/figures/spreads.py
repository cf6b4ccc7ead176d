"""Values on a logarithmic scale, a character each: a spread is a text, and two are put together by writing one behind
the other, which every database can do.

The scale goes from LEAST to MOST in STEPS steps, the characters U+0001 to U+00FF. A value is read back as the middle of
its step, at most ERROR beside the true one; what is beyond the ends counts as the ends. Milliseconds and tokens per
second go by the same scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, isfinite, log

LEAST, MOST = 0.05, 7_200_000.0  # milliseconds: two hours
STEPS = 255
_STEP = log(MOST / LEAST) / STEPS
_OFFSET = log(LEAST)
ERROR = exp(_STEP / 2) - 1  # 0.0375
MANY = 2_000  # values from which on percentiles are looked for together
SAMPLE = 4_096
MOST_STEPS = 4
_PORTION = 1 << 16
_BELOW = [int.from_bytes(b"\1" * code, "little") for code in range(257)]
_BITS = [int.from_bytes(bytes([1 << bit]) * _PORTION, "little") for bit in range(2 * MOST_STEPS)]
_CODES = bytes(range(256))
_CHARACTERS = tuple(chr(1 + step) for step in range(STEPS))


def character(value: float) -> str:
    """The character of a value; anything below LEAST has the first one."""
    if not value > LEAST:
        return _CHARACTERS[0]
    return _CHARACTERS[min(int((log(value) - _OFFSET) / _STEP), STEPS - 1)] if isfinite(value) else _CHARACTERS[-1]


def value_of(step: int) -> float:
    """The middle of a step, 0 to STEPS - 1."""
    return exp(_OFFSET + (step + 0.5) * _STEP)


def histogram(spread: bytes, together: int) -> list[tuple[float, float, int]]:
    """Lower and upper end, and how many values there are between them, for each `together` steps of the scale; from the
    first that has any to the last one. `spread`: in Latin-1."""
    if not spread:
        return []
    bars = spread.translate(bytes([max(0, code - 1) // together for code in range(256)]))
    most = (STEPS - 1) // together
    numbers: dict[int, int] = {}
    left, middle = len(bars), bars[len(bars) // 2]
    for bar in sorted(range(most + 1), key=lambda bar: abs(bar - middle)):  # most are near to any of them
        if not left:
            break
        if number := bars.count(bar):
            numbers[bar] = number
            left -= number
    return [
        (exp(_OFFSET + at * together * _STEP), exp(_OFFSET + (at + 1) * together * _STEP), numbers.get(at, 0))
        for at in range(min(numbers), max(numbers) + 1)
    ]


def percentile(spread: bytes, percent: int) -> float | None:
    """By nearest rank, within ERROR; None of nothing. `spread`: in Latin-1.

    Half of the steps that are left is deleted at a time, so each value is looked at about three times, in C.
    """
    rank = (len(spread) * percent + 99) // 100  # from 1
    low, high = 1, STEPS
    while low < high and spread:
        middle = (low + high) // 2
        below = spread.translate(None, _CODES[middle + 1 :])
        if rank <= len(below):
            spread, high = below, middle
        else:
            rank -= len(below)
            spread, low = spread.translate(None, _CODES[: middle + 1]), middle + 1
    return value_of(low - 1) if spread else None


def percentiles(spread: bytes, percents: Sequence[int]) -> list[float | None]:
    """Several at a time, as `percentile` gives each, which takes a fifth of the time where there are very many values:
    a sample says which step each is about at, and one look at all values which it is. `spread`: in Latin-1."""
    if len(spread) < MANY:
        return [percentile(spread, percent) for percent in percents]
    ranks = [(len(spread) * percent + 99) // 100 for percent in percents]
    sample = sorted(spread[:: max(8, len(spread) // SAMPLE)])
    steps = [sample[min(rank * len(sample) // len(spread), len(sample) - 1)] for rank in ranks]
    wrong = list(range(len(ranks)))
    while wrong:
        some = wrong[:MOST_STEPS]
        for at, (below, upto) in zip(some, _counted(spread, [steps[at] for at in some]), strict=True):
            if below < ranks[at] <= upto:
                wrong.remove(at)
            else:
                steps[at] += -1 if ranks[at] <= below else 1
    return [value_of(step - 1) for step in steps]


def _counted(spread: bytes, steps: Sequence[int]) -> list[tuple[int, int]]:
    """How many values are below each step, and how many are not above it. MOST_STEPS at most: each takes two bits of a
    byte, and bits are counted of many bytes together."""
    bits_of = 0
    for at, step in enumerate(steps):
        bits_of |= _BELOW[step] << 2 * at | _BELOW[step + 1] << 2 * at + 1
    table = bits_of.to_bytes(256, "little")
    found = [0] * (2 * len(steps))
    for first in range(0, len(spread), _PORTION):
        bits = int.from_bytes(spread[first : first + _PORTION].translate(table), "little")
        for bit in range(len(found)):
            found[bit] += (bits & _BITS[bit]).bit_count()
    return list(zip(found[::2], found[1::2], strict=True))


def without(spread: str, gone: str) -> str:
    """A spread without these values, once each."""
    for one in gone:
        spread = spread.replace(one, "", 1)
    return spread
