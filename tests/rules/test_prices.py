"""The shipped prices: readable, plausible, dated, and each with its source."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.configuration import shipped_prices, well_known
from switchman.addons.core.access.prices.price import Price

TABLE: dict[str, Any] = json.loads((Path(__file__).parents[2] / "rules/prices.json").read_text(encoding="utf-8"))
ENTRIES = [(provider, name) for provider, rows in TABLE["providers"].items() for name in rows["models"]]


def test_the_table_says_when_and_where_it_was_read() -> None:
    """A day, and the list with its version."""
    prices = shipped_prices()
    assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", prices.date)
    assert "model_prices_and_context_window.json (litellm-" in prices.source


def test_every_entry_can_be_read_and_says_where_it_is_from() -> None:
    """Each has a price of something."""
    prices = shipped_prices()
    assert sorted(prices.names()) == sorted(ENTRIES)
    assert len(ENTRIES) > 300
    for provider, name in ENTRIES:
        price = prices.find(provider, name)
        assert price is not None and price.parts, name
        source = TABLE["providers"][provider]["models"][name]["from"]
        assert source == "LiteLLM" or source.startswith("https://"), name
        assert name == name.lower(), name


def test_no_figure_is_out_of_place() -> None:
    """What is cached costs no more than what is not, and a longer prompt no less than a short one."""
    prices = shipped_prices()
    for provider, name in ENTRIES:
        price = prices.find(provider, name)
        assert price is not None
        for rate in (price, *(band for _, band in price.bands)):
            parts = rate.parts
            assert parts.get("cached", 0) <= parts.get("input", 10**9), name
            assert parts.get("cache_write_5m", 10**12) >= parts.get("input", 0), name
            assert parts.get("cache_write_1h", 10**12) >= parts.get("cache_write_5m", 0), name
        for _, band in price.bands:
            assert all(band.parts[part] >= each for part, each in price.parts.items()), name


@pytest.mark.parametrize(
    ("provider", "model", "parts"),
    [
        ("openai", "gpt-4o", {"input": 2_500_000, "cached": 1_250_000, "output": 10_000_000}),
        ("openai", "text-embedding-3-small", {"input": 20_000}),
        ("anthropic", "claude-sonnet-4-5-20250929", {"input": 3_000_000, "cached": 300_000, "output": 15_000_000,
                                                     "cache_write_5m": 3_750_000, "cache_write_1h": 6_000_000}),
        ("gemini", "models/gemini-2.5-pro", {"input": 1_250_000, "cached": 125_000, "output": 10_000_000}),
        ("deepseek", "deepseek-chat", {"input": 280_000, "cached": 28_000, "output": 420_000}),
        ("mistral", "mistral-small-latest", {"input": 150_000, "output": 600_000}),
        ("groq", "openai/gpt-oss-120b", {"input": 150_000, "output": 600_000}),
        ("together", "moonshotai/Kimi-K2-Instruct", {"input": 1_000_000, "output": 3_000_000}),
        ("openai", "whisper-1", {"audio_ms": 100_000}),
        ("openai", "gpt-image-1", {"input": 5_000_000, "image_in": 10_000_000, "image_out": 40_000_000}),
    ],
)  # fmt: skip
def test_figures_that_are_known_by_heart(provider: str, model: str, parts: dict[str, int]) -> None:
    """By names as people write them."""
    price = shipped_prices().find(provider, model)
    assert price is not None
    assert {part: price.parts.get(part) for part in parts} == parts


def test_providers_are_presets_where_there_are_such() -> None:
    """By the preset a server is known, or by its host."""
    prices, presets = shipped_prices(), well_known()
    assert set(TABLE["providers"]) - set(presets) == {"xai"}
    for provider, rows in TABLE["providers"].items():
        assert rows["hosts"] and all(prices.provider("", host) == provider for host in rows["hosts"])
        if provider in presets:
            assert re.search(r"//([^/]+)", presets[provider].url or "")[1] in rows["hosts"]  # type: ignore[index]


def test_local_servers_and_azure_have_none() -> None:
    """What these cost, only their owners know."""
    prices = shipped_prices()
    for preset in ("ollama", "vllm", "llama.cpp", "lm-studio", "azure"):
        assert prices.provider(preset, "localhost") is None
    assert prices.find("openrouter", "anthropic/claude-sonnet-4.5") == Price(states=True)
