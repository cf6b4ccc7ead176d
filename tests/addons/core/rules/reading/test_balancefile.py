"""strategy, affinity, split and weight as they are written, and what they are compiled to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.rules.reading.balancefile import BalanceFile, placed, written_instances

SERVERS = "servers: {a: 'http://a', b: 'http://b', c: 'http://c'}\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("aliases: {x: {}}", "aliases.x: expected instances, or split"),
        ("aliases: {x: {instances: []}}", "aliases.x.instances: expected at least 1 entry"),
        ("aliases: {x: {instances: [a/m], split: {a/m: 1}}}", "aliases.x: expected either instances or split"),
        (
            "aliases: {x: {instances: [a/m], strategy: random}}",
            "aliases.x.strategy: expected 'ordered', 'round_robin'",
        ),
        (
            "aliases: {x: {instances: [a/m], affinity: user}}",
            "aliases.x.affinity: expected 'conversation', 'caller'",
        ),
        (
            "aliases: {x: {instances: [{server: a, weight: 0}]}}",
            "instances[0].weight: expected 1 or more, not 0",
        ),
        ("aliases: {x: {instances: [{server: a, weight: 1.5}]}}", "weight: expected a whole number, not 1.5"),
        (
            "aliases: {x: {split: {a/m: 0, b/m: 0}}}",
            "aliases.x.split: the shares of a split add up to 0",
        ),
        ("aliases: {x: {split: {}}}", "aliases.x.split: expected at least 1 entry"),
        ("aliases: {x: {split: {a/m: -1}}}", "aliases.x.split.a/m: expected 0.0 or more, not -1"),
        ("aliases: {x: {split: {a/m: many}}}", "aliases.x.split.a/m: expected a number, not 'many'"),
        ("aliases: {x: {split: {nobody/m: 1}}}", "aliases.x.split.nobody/m: no server is named 'nobody'"),
        (
            "aliases: {x: {split: {y: 1}}, y: {split: {x: 1}}}",
            "x.split.y: this alias leads back to itself: y -> x -> y",
        ),
        ("routes: [{route: {split: {nobody/m: 1}}}]", "routes[0].route.split.nobody/m: no server is named 'nobody'"),
        ("routes: [{route: {upstream: a, split: {b/m: 1}}}]", "routes[0].route: split takes the place of upstream and"),
        ("routes: [{route: {strategy: fastest}}]", "routes[0].route: a route needs upstream, model, or both; or split"),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_was_expected(
    text: str, fault: str, faults: Callable[[str], list[str]]
) -> None:
    assert any(fault in one for one in faults(SERVERS + text)), faults(SERVERS + text)


def test_what_is_written_has_its_place(rules: Callable[..., Any]) -> None:
    """Weights and pools tell no instances apart; a split keeps the pools of its parts, a strategy does not."""
    found = rules(
        SERVERS + "aliases:\n"
        "  inner: {strategy: weighted, affinity: caller, instances: [{server: a, model: m, weight: 3}, b/m]}\n"
        "  outer: {strategy: least_busy, instances: [inner, c/m]}\n"
        "  canary: {split: {inner: 90, c/m: 9.5}, affinity: none}\n"
        "  plain: {instances: [inner, c/m]}\n"
        "routes: [{name: r, route: {split: {canary: 1, a/z: 2}, fallbacks: [b/z]}}]"
    )

    def places(name: str) -> list[list[tuple[str, str, float]]]:
        return [[(p.pool.name, p.part, p.share) for p in one.places] for one in found.aliases[name].instances]

    inner = [("alias inner", "", 1.0)]
    assert places("inner") == [inner, inner] and places("plain") == [inner, inner, []]
    assert places("outer") == [[("alias outer", "", 1.0)]] * 3
    assert places("canary") == [
        [("alias canary", "inner", 90), *inner],
        [("alias canary", "inner", 90), *inner],
        [("alias canary", "c/m", 9.5)],
    ]
    assert [one.weight for one in found.aliases["outer"].instances] == [3, 1, 1]
    (route,) = found.routes
    assert [[p.part for p in one.places] for one in route.parts] == [
        ["canary", "inner", ""], ["canary", "inner", ""], ["canary", "c/m"], ["a/z"],
    ]  # fmt: skip
    assert [one.places for one in route.fallbacks] == [()]
    assert found.affinities == {"conversation", "caller", "none"} and not found.needs_features


@pytest.mark.parametrize(("strategy", "needs"), [("cheapest", True), ("fastest", False)])
def test_only_what_goes_by_the_requests_size_has_it_read(strategy: str, needs: bool, rules: Callable[..., Any]) -> None:
    found = rules(SERVERS + f"aliases: {{x: {{strategy: {strategy}, instances: [a/m, b/m]}}}}")
    assert found.needs_features is needs


def test_without_a_strategy_nothing_is_placed() -> None:
    """The parts of an alias come with their keys, for faults to be told by."""
    assert BalanceFile(strategy="ordered").pool("alias x") is BalanceFile().pool("alias x") is None
    assert placed([], None) == ()
    assert list(written_instances(["a"], {"b": 1})) == [(("instances", 0), "a"), (("split", "b"), "b")]
