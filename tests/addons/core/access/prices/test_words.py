"""A price in words."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.prices.price import FREE, MILLION, STATED, Price
from switchman.addons.core.access.prices.words import dollars, told


@pytest.mark.parametrize(
    ("price", "words"),
    [
        (None, "not known"),
        (Price(), "not known"),
        (FREE, "free"),
        (STATED, "as its answers say"),
        (Price({"input": 20_000}), "$0.02 in per million tokens"),
        (
            Price({"input": 1_250_000, "cached": 125_000, "output": 10**7}, bands=((200_000, Price()),)),
            "$1.25 in, $0.125 cached, $10 out per million tokens, another above 200,000",
        ),
        (Price({"audio_ms": 100_000}), "$0.006 per minute of audio"),
        (Price({"images": 40_000 * MILLION}), "$0.04 per picture"),
    ],
)
def test_a_price_is_told(price: Price | None, words: str) -> None:
    """The figures as they are published."""
    assert told(price) == words


@pytest.mark.parametrize(("amount", "text"), [(0, "0"), (713, "0.000713"), (2_500_000, "2.5"), (10**8, "100")])
def test_dollars_are_exact(amount: int, text: str) -> None:
    """No digit is lost, and none is added."""
    assert dollars(amount) == text
