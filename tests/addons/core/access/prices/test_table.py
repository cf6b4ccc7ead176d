"""Whose entry of the table a server's model has, and what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.access.prices.price import FREE, MILLION, STATED, Price, Window
from switchman.addons.core.access.prices.table import NO_PRICES, Prices, parse_prices, per_million

MODELS: dict[str, dict[str, Any]] = {
    "big": {"input": 2.5, "cached": 1.25, "output": 10, "from": "x"},
    "big-2024-05-13": {"input": 5, "output": 15, "from": "x"},
    "claude-x-4-5": {"input": 3, "cache_write_5m": 3.75, "cache_write_1h": 6, "output": 15, "from": "x"},
    "gemini-x": {"input": 1.25, "output": 10, "bands": {"200000": {"input": 2.5}}, "from": "x"},
    "ft:big-2024-08-06": {"input": 3.75, "output": 15, "from": "x"},
    "tiny": {"input": 0.0375, "from": "x"},
    "moderation": {"input": 0, "output": 0, "from": "x"},
    "half-free": {"input": 0, "from": "x", "audio_s": 1},
}
TABLE = {
    "source": "here",
    "date": "2026-11-30",
    "providers": {
        "one": {"hosts": ["api.one.example"], "tools": {"web_search": 0.01}, "models": MODELS},
        "telling": {"hosts": ["telling.example"], "states": True, "models": {"known": {"input": 1, "from": "x"}}},
    },
}


@pytest.fixture
def prices() -> Prices:
    return parse_prices(json.dumps(TABLE))


@pytest.mark.parametrize(
    ("model", "figure"),
    [
        ("big", 2.5),
        ("Big", 2.5),
        ("big-2024-08-06", 2.5),
        ("big-20240806", 2.5),
        ("big@20240806", 2.5),
        ("big-latest", 2.5),
        ("big-2024-05-13", 5),
        ("claude-x-4-5-20250929", 3),
        ("models/gemini-x", 1.25),
        ("gemini-x-001", 1.25),
        ("ft:big-2024-08-06:acme:mine:abc", 3.75),
        ("ft:big-2024-09-09:acme::abc", None),
        ("big-mini", None),
        ("big-preview", None),
        ("bigger", None),
        ("big-2024", None),
        ("x/big", None),
        ("", None),
        ("-latest", None),
    ],
)
def test_names(model: str, figure: float | None, prices: Prices) -> None:
    """A version has its own price, else its model's; any other name is not guessed at."""
    found = prices.find("one", model)
    assert (found and found.input) == (None if figure is None else figure * MILLION)


@pytest.mark.parametrize(
    ("preset", "host", "provider"),
    [
        ("one", "127.0.0.1", "one"),
        ("", "api.one.example", "one"),
        ("", "api.one.example.", "one"),
        ("", "eu.api.one.example", None),
        ("", "one.example", None),
        ("", "localhost", None),
        ("ollama", "api.one.example", None),
        ("one", "api.one.example", "one"),
        ("one", "eu.api.one.example", None),
        ("one", "one.example", "one"),
        ("one", "gateway.company.example", "one"),
        ("telling", "api.one.example", None),
        ("azure", "x.openai.azure.com", None),
    ],
)
def test_whose_prices_a_server_has(preset: str, host: str, provider: str | None, prices: Prices) -> None:
    """Its preset says it, else its host; another host may have other prices."""
    assert prices.provider(preset, host) == provider


def test_what_is_not_said_is_not_known(prices: Prices) -> None:
    """But thoughts are output, and pictures input, where no price apart is said."""
    found = prices.find("one", "big-2024-05-13")
    assert found == Price(
        {"input": 5 * MILLION, "image_in": 5 * MILLION, "output": 15 * MILLION, "reasoning": 15 * MILLION},
        tools={"web_search": 10_000 * MILLION},
    )


def test_a_band_has_what_it_names_and_the_rest_of_below(prices: Prices) -> None:
    """Above 200,000 tokens the input is dearer, the output is not."""
    found = prices.find("one", "gemini-x")
    assert found is not None
    ((above, band),) = found.bands
    assert (above, band.input, band.output) == (200_000, 2_500_000, 10_000_000)


def test_what_costs_nothing_is_free(prices: Prices) -> None:
    """Also where its answers tell no usage."""
    assert prices.find("one", "moderation") == FREE
    half = prices.find("one", "half-free")
    assert half is not None and not half.is_free


def test_services_and_hours() -> None:
    """Of a service all figures are its own; a band without any is not known."""
    row = {
        "input": 4, "output": 8, "bands": {"10": {"input": 5}}, "from": "x",
        "services": {"flex": {"input": 2, "output": 4, "bands": {"10": {}}}},
        "off_peak": {"input": 1, "at": [{"days": [1, 2], "hours": "22:30-00:00"}]},
    }  # fmt: skip
    table = {"source": "", "date": "", "providers": {"p": {"hosts": [], "models": {"m": row}}}}
    found = parse_prices(json.dumps(table)).find("p", "m")
    assert found is not None and found.off_peak is not None
    flex = found.services["flex"]
    assert (flex.input, flex.for_length(11).input, flex.for_length(11).parts) == (2 * MILLION, None, {})
    assert (found.off_peak.input, found.off_peak.output) == (MILLION, 8 * MILLION)
    assert found.off_peak_at == (Window(frozenset({1, 2}), 1350, 1440),)


def test_providers_that_tell(prices: Prices) -> None:
    """A model that is not listed has a price all the same: the one that its answers say."""
    assert prices.find("telling", "anything") == STATED
    known = prices.find("telling", "known")
    assert known is not None and known.states and known.input == MILLION


def test_no_table_has_no_prices(prices: Prices) -> None:
    """Nor has a provider that is none."""
    assert NO_PRICES.find(NO_PRICES.provider("one", "api.one.example"), "big") is None
    assert prices.find(None, "big") is None and prices.find("three", "big") is None
    assert (prices.date, prices.source) == ("2026-11-30", "here")


@pytest.mark.parametrize(
    ("dollars", "units", "figure"),
    [(0.0375, 1, 37_500), (0.1 + 0.2, 1, 300_000), (0.01, MILLION, 10_000 * MILLION), (0, 1, 0), (1e-6, 1, 1)],
)
def test_figures_are_exact(dollars: float, units: int, figure: int) -> None:
    """As they are written, in whole micro-dollars per million."""
    assert per_million(dollars, units) == figure


@pytest.mark.parametrize("dollars", [-1, 2e6])
def test_what_is_no_price(dollars: float) -> None:
    """Below zero, or more than a dollar a token."""
    with pytest.raises(ValueError, match="a price of"):
        per_million(dollars)
