"""What the same tokens would have cost at another model."""

from __future__ import annotations

import json

import pytest

from switchman.addons.core.access.prices.table import Prices, parse_prices
from switchman.addons.store.figures.reading import Figures
from switchman.webui.pages.overview.savings import baselines, find_baseline

MODELS = {
    "big": {"input": 2, "cached": 0.5, "output": 10, "from": "x"},
    "plain": {"input": 1, "output": 3, "from": "x"},
    "picture": {"images": 0.04, "from": "x"},
}


@pytest.fixture
def prices() -> Prices:
    providers = {
        "one": {"hosts": ["one.example"], "models": MODELS},
        "two": {"hosts": [], "models": {"small": MODELS["plain"]}},
    }
    return parse_prices(json.dumps({"date": "2026-01-01", "source": "x", "providers": providers}))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("one/big", "one/big"),
        (" big ", "one/big"),
        ("small", "two/small"),
        ("two/big", None),
        ("picture", None),
        ("no", None),
    ],
)
def test_a_model_is_found_by_its_name(prices: Prices, wanted: str, found: str | None) -> None:
    """With its provider or without; one that has no price of text is none to compare with."""
    baseline = find_baseline(prices, wanted)
    assert (baseline and baseline.name) == found


def test_the_formula(prices: Prices) -> None:
    """Cached tokens at their own price, or at that of input where the table has none; rounded up once."""
    figures = Figures(compared=2, compared_cost=100, compared_input=1000, compared_cached=400, compared_output=50)
    big, plain = find_baseline(prices, "big"), find_baseline(prices, "plain")
    assert big is not None and plain is not None
    assert big.cost(figures) == 600 * 2 + 400 * 0.5 + 50 * 10
    assert plain.cost(figures) == 1000 * 1 + 50 * 3
    assert baselines(prices) == ["one/big", "one/plain", "two/small"]
