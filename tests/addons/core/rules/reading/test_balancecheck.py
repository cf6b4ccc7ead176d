"""Warnings of strategies, weights and splits that have no effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.rules.reading.balancecheck import balance_warnings

SERVERS = "servers: {a: 'http://127.0.0.1:1', b: 'http://127.0.0.1:2', c: 'http://127.0.0.1:3'}\n"
WEIGHED = "[{server: a, model: m, weight: 2}, b/m]"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (f"aliases: {{x: {{instances: {WEIGHED}}}}}", "aliases.x: weight has no effect without a strategy"),
        (f"aliases: {{x: {{strategy: ordered, instances: {WEIGHED}}}}}", "aliases.x: weight has no effect without a"),
        (f"aliases: {{x: {{strategy: round_robin, instances: {WEIGHED}}}}}", "no effect under strategy: round_robin"),
        ("aliases: {x: {affinity: caller, instances: [a/m, b/m]}}", "affinity has no effect without a strategy"),
        ("aliases: {x: {strategy: fastest, instances: [a/m]}}", "strategy: fastest has no effect, as there is one"),
        ("aliases: {x: {strategy: weighted, instances: [a/m, b/m]}}", "strategy: weighted without a weight is as"),
        ("aliases: {x: {strategy: fastest, split: {a/m: 1, b/m: 1}}}", "strategy has no effect beside split"),
        (
            "aliases: {x: {strategy: fastest, instances: [y, a/z]}, y: {split: {a/m: 1, b/m: 1}}}",
            "aliases.x: the strategy here chooses among all instances, so that the strategy or split of y has",
        ),
        (
            "aliases: {y: {strategy: fastest, instances: [a/m, b/m]}}\n"
            "routes: [{route: {model: a/m, strategy: cheapest, fallbacks: [y]}}]",
            "routes[0].route: the strategy here chooses among all instances",
        ),
        ("routes: [{route: {model: a/m, strategy: cheapest}}]", "routes[0].route: strategy: cheapest has no effect"),
        ("routes: [{route: {model: a/m, weight: 2, fallbacks: [b/m]}}]", "routes[0].route: weight has no effect"),
        ("fallbacks: [{server: a, model: m, weight: 2}]", "fallbacks[0]: weight has no effect here"),
    ],
)
def test_what_has_no_effect_is_told(text: str, warning: str, rules: Callable[..., Any]) -> None:
    told = [str(one) for one in rules(SERVERS + text).warnings]
    assert any(warning in one for one in told), told


@pytest.mark.parametrize(
    "text",
    [
        f"aliases: {{x: {{strategy: weighted, instances: {WEIGHED}}}}}",
        f"aliases: {{x: {{strategy: least_busy, instances: {WEIGHED}, affinity: none}}}}",
        "aliases: {x: {split: {a/m: 90, y: 10}}, y: {strategy: fastest, instances: [b/m, c/m]}}",
        f"aliases: {{y: {{instances: {WEIGHED}, strategy: weighted}}}}\n"
        "routes: [{route: {model: y, fallbacks: [c/m]}}]",
        "routes: [{route: {model: a/m, weight: 3, strategy: weighted, fallbacks: [b/m]}}]",
    ],
)
def test_what_has_an_effect_is_not(text: str, rules: Callable[..., Any]) -> None:
    assert not rules(SERVERS + text).warnings
    assert callable(balance_warnings)
