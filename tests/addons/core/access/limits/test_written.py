"""Amounts in words."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.limits.written import in_words


@pytest.mark.parametrize(
    ("amount", "unit", "words"),
    [
        (20_000_000, "usd", "$20"),
        (500_000, "usd", "$0.50"),
        (713, "usd", "$0.000713"),
        (0, "usd", "$0"),
        (1_234_500_000, "usd", "$1,234.50"),
        (2_000_000, "tokens", "2,000,000 tokens"),
    ],
)
def test_money_to_the_micro_dollar(amount: int, unit: str, words: str) -> None:
    """Exact, and with two decimals where there are any."""
    assert in_words(amount, unit) == words
