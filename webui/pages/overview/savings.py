"""What the same tokens would have cost at another model. Pure.

    baseline = (input - cached) x its price of input + cached x its price of cached input + output x its price of output
    savings  = baseline - cost

Only requests count whose tokens and cost are known. The price is that of the published table (rules/prices.json) for
prompts of usual length, without discounts by the hour. Writes to a cache count as input. Where the table has no price
of cached input, it counts as input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from switchman.addons.core.access.prices.price import MILLION, Price
from switchman.addons.core.access.prices.table import Prices
from switchman.addons.store.figures.reading import Figures


@dataclass(frozen=True, slots=True)
class Baseline:
    """A model whose prices are known. Prices are micro-dollars per million tokens."""

    name: str
    input: int
    cached: int
    output: int

    def cost(self, figures: Figures) -> int:
        """Of the requests of these figures that can be compared, in micro-dollars."""
        fresh = figures.compared_input - figures.compared_cached
        total = fresh * self.input + figures.compared_cached * self.cached + figures.compared_output * self.output
        return -(-total // MILLION)


def find_baseline(prices: Prices, wanted: str) -> Baseline | None:
    """`provider/model`, or a model by its name alone: that of the first provider in the table that has it."""
    provider, _, model = wanted.strip().partition("/")
    if provider in prices.providers and (found := _baseline(prices, provider, model)):
        return found
    return next(filter(None, (_baseline(prices, each, wanted.strip()) for each in prices.providers)), None)


def baselines(prices: Prices) -> list[str]:
    """The names of those that can be compared with."""
    return sorted(f"{provider}/{model}" for provider, model in _text_models(prices))


def _text_models(prices: Prices) -> Iterator[tuple[str, str]]:
    return ((provider, model) for provider, model in prices.names() if _baseline(prices, provider, model))


def _baseline(prices: Prices, provider: str, model: str) -> Baseline | None:
    price: Price | None = prices.find(provider, model) if model else None
    if price is None or not price.input or not price.output:
        return None
    return Baseline(f"{provider}/{model}", price.input, price.parts.get("cached", price.input), price.output)
