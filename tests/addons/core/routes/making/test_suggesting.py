"""Which models are offered first."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchman.addons.core.access.prices.table import parse_prices
from switchman.addons.core.routes.making.answers import Model
from switchman.addons.core.routes.making.suggesting import DEAREST, offered, suggested, version_of

PRICES = parse_prices((Path(__file__).parents[5] / "rules/prices.json").read_text())


def table(provider: str) -> list[Model]:
    found = ((name, PRICES.find(owner, name)) for owner, name in PRICES.names() if owner == provider)
    return [Model(name, price.input, price.output) for name, price in found if price is not None]


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("gpt-5.1", (5, 1)), ("claude-opus-4-5", (4, 5)), ("gpt-4o", (4, 0)), ("o3-mini", (3, 0)),
        ("grok-4.20", (4, 20)),
        ("gpt-oss-120b", (0, 0)), ("qwen3.8-27b", (3, 8)), ("codestral-2508", (0, 0)), ("deepseek-chat", (0, 0)),
    ],
)  # fmt: skip
def test_a_version_is_the_number_in_a_name(name: str, version: tuple[int, int]) -> None:
    """A size or a date is none."""
    assert version_of(name) == version


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "deepseek", "mistral", "groq", "together"])
def test_of_a_provider_three_are_enough(provider: str) -> None:
    """Chat models with a price, none of them dated or dearer than what is for special work, and none that is old."""
    models = {one.name: one for one in table(provider)}
    found = suggested(list(models.values()), own=False)
    assert 1 <= len(found) <= 3
    for name in found:
        assert 0 < (models[name].output_cost or 0) < DEAREST and not name.startswith("ft:")
    assert found <= {one.name for one in offered(list(models.values()))}


def test_the_newest_of_each_price_is_suggested() -> None:
    """A strong one, a middling one and a small one, whatever they are called this year."""
    models = [
        Model("big-1", 1, 20_000_000), Model("big-2", 1, 20_000_000), Model("big-3-preview", 1, 20_000_000),
        Model("mid-2", 1, 5_000_000), Model("mid-2.5", 1, 4_000_000), Model("small-7", 1, 500_000),
        Model("special-9", 1, 90_000_000), Model("text-embedding-9", 1, 100_000),
    ]  # fmt: skip
    assert suggested(models, own=False) == {"big-2", "mid-2.5", "small-7"}
    assert [one.name for one in offered(models)][:2] == ["special-9", "small-7"]


def test_of_ones_own_all_that_answer_chats() -> None:
    """They were put there to be used; without a price or a version nothing tells providers' apart."""
    assert suggested([Model("a"), Model("nomic-embed-text"), Model("b")], own=True) == {"a", "b"}
    assert suggested([Model("a"), Model("b"), Model("c"), Model("d")], own=False) == {"a", "b", "c"}
