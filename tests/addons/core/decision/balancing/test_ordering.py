"""The order of candidates: pools, what stays where it was, splits, and what every strategy leaves as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from switchman.addons.core.decision.balancing.moment import NO_MOMENT
from switchman.addons.core.decision.balancing.ordering import balanced
from switchman.addons.core.decision.decide import RoutingQuery, decide

World = Any  # of conftest.py
Make = Callable[[str], World]
STRATEGIES = ["round_robin", "weighted", "least_busy", "fastest", "cheapest"]


def names(one: World, *args: object, **more: object) -> str:
    return "".join(each.server.name for each in one.plan(*args, **more).candidates)  # type: ignore[arg-type]


def alias(strategy: str, more: str = "") -> str:
    return f"aliases: {{chat: {{strategy: {strategy}, instances: [a/m, b/m, c/m]{more}}}}}\n"


def test_nothing_stands_nowhere() -> None:
    """No candidates, no line."""
    found = balanced([], NO_MOMENT, lambda one: None)
    assert (found.candidates, found.lines, found.settles) == ([], [], [])


@pytest.mark.parametrize("strategy", ["", "strategy: ordered, "])
def test_without_a_strategy_the_order_is_as_written_and_nothing_is_told(strategy: str, world: Make) -> None:
    one = world(f"aliases: {{chat: {{{strategy}instances: [c/m, a/m]}}}}")
    assert {names(one, key="k", goes_on=True) for _ in range(5)} == {"ca"}
    assert "balance" not in {line.layer for line in one.plan().trace} and not one.rules.affinities


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_conversation_stays_through_a_failover_and_back(strategy: str, world: Make) -> None:
    """Of 40 requests of each of 15 conversations more than 95 % go where it began, or while that is down to one other.

    Conversations begin all the while, so that turns, counts and figures change under those that go on.
    """
    one, kept = world(alias(strategy)), 0
    for number in range(15):
        key = f"conversation {number}"
        home = one.first(key=key)
        went = []
        for turn in range(39):
            one.down = {home} if 10 <= turn < 20 else set()
            one.first(key=f"{key} {turn}")
            went.append(one.first(key=key, goes_on=True))
        away = Counter(went[10:20])
        assert len(away) == 1 and home not in away
        assert {*went[:10], *went[20:]} == {home}
        moves = sum(before != after for before, after in pairwise(went))
        kept += len(went) - moves
    assert kept / (15 * 39) >= 0.94  # two moves of 39: there and back


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_conversations_that_begin_do_not_all_begin_at_the_first(strategy: str, world: Make) -> None:
    """Though they begin with the same words, and so have the same key. Without prices the first is the cheapest."""
    one = world(alias(strategy))
    counts = Counter(one.first(key="hello") for _ in range(30))
    assert counts == ({"a": 30} if strategy == "cheapest" else {"a": 10, "b": 10, "c": 10})


def test_without_affinity_every_request_goes_by_the_strategy(world: Make) -> None:
    one = world(alias("round_robin", ", affinity: none"))
    assert "".join(one.first(key="k", goes_on=True, caller="anna") for _ in range(6)) == "abcabc"


def test_a_caller_stays_whatever_the_conversation(world: Make) -> None:
    """affinity: caller."""
    one = world(alias("round_robin", ", affinity: caller"))
    assert "".join(one.first(key=f"k{turn}", caller="anna") for turn in range(3)) == "aaa"
    assert "".join(one.first(key=f"k{turn}", caller="ben") for turn in range(3)) == "bbb"


def test_a_conversation_of_which_nothing_is_remembered_has_the_same_place_in_every_process(world: Make) -> None:
    """After a restart, or where another machine answered before: by its key alone; and it is remembered there."""
    keys = [f"conversation {number}" for number in range(60)]
    one, other = world(alias("round_robin")), world(alias("round_robin"))
    for turn in range(7):
        other.first(key=f"another {turn}")
    places = [one.first(key=key, goes_on=True) for key in keys]
    assert places == [other.first(key=key, goes_on=True) for key in reversed(keys)][::-1] and set(places) == set("abc")
    assert (
        "by its key, its place in the alias chat is"
        in world(alias("least_busy")).plan(key="k", goes_on=True).trace[-1].detail
    )
    assert one.homes[keys[0]] == {"alias chat": f"{places[0]}/m"}


@pytest.mark.parametrize(
    ("strategy", "figures", "leaves"),
    [
        ("least_busy", {"running": {"a/m": 2}}, False),
        ("least_busy", {"running": {"a/m": 3}}, True),
        ("least_busy", {"running": {"a/m": 9, "b/m": 4, "c/m": 4}}, False),
        ("fastest", {"ttft": {"a/m": 190.0, "b/m": 100.0, "c/m": 100.0}}, False),
        ("fastest", {"ttft": {"a/m": 250.0, "b/m": 100.0, "c/m": 100.0}}, True),
        ("round_robin", {"running": {"a/m": 99}}, False),
    ],
)
def test_a_conversation_leaves_only_for_what_is_far_better(
    strategy: str, figures: dict[str, dict[str, float]], leaves: bool, world: Make
) -> None:
    """A prompt's cache is worth more than a tie, but not any price; where it goes then is its home from now on."""
    one = world(alias(strategy))
    assert one.first(key="k") == "a"
    for name, values in figures.items():
        getattr(one, name).update(values)
    plan = one.plan(key="k", goes_on=True)
    assert (plan.candidates[0].server.name != "a") is leaves
    assert ("leaves a/m, as another is far better" in plan.trace[-1].detail) is leaves
    if leaves:
        assert one.homes["k"]["alias chat"] == plan.candidates[0].target != "a/m"


def test_cheapest_is_left_for_half_the_price(world: Make) -> None:
    """As when the cheap one was down while the conversation began."""
    prices = "models: {a/m: {input_cost: 1, output_cost: 1}, b/m: {input_cost: 1.8, output_cost: 1.8}, "
    prices += "c/m: {input_cost: 3, output_cost: 3}}\n"
    one = world(prices + alias("cheapest"))
    one.down = {"a"}
    assert one.first(key="k") == "b"
    one.down = {"a", "b"}
    assert one.first(key="l") == "c"
    one.down = set()
    assert (one.first(key="k", goes_on=True), one.first(key="l", goes_on=True)) == ("b", "a")


def test_shares_of_a_split_are_kept_and_conversations_stay_in_their_part(world: Make) -> None:
    """A canary: ten percent of what begins, within two percent, and all of what follows there."""
    one = world(
        "aliases: {chat: {split: {stable: 90, c/m: 10}}, stable: {strategy: round_robin, instances: [a/m, b/m]}}"
    )
    began = {f"k{number}": one.first(key=f"k{number}") for number in range(500)}
    counts = Counter(began.values())
    assert (counts["a"], counts["b"], counts["c"]) == pytest.approx((225, 225, 50), abs=10)
    assert all(one.first(key=key, goes_on=True) == home for key, home in began.items())


def test_failover_of_a_part_goes_on_within_it_then_to_the_others(world: Make) -> None:
    """Then to the rule's fallbacks, and to those of the whole file."""
    text = (
        "aliases: {stable: {instances: [a/m, b/m]}}\nfallbacks: [h/m]\n"
        "routes: [{match: {model: chat}, route: {split: {stable: 1, c/m: 1}, fallbacks: [d/m]}}]"
    )
    one = world(text)
    assert [names(one) for _ in range(3)] == ["abcdh", "cabdh", "abcdh"]
    one.down = {"a"}
    assert names(one, key="new") in ("bcdha", "cbdha")


def test_a_part_without_a_share_is_only_for_when_all_others_fail(world: Make) -> None:
    one = world("aliases: {chat: {split: {a/m: 1, b/m: 0, c/m: 1}}}")
    assert {names(one) for _ in range(10)} == {"acb", "cab"}


def test_a_rules_strategy_is_over_its_target_and_fallbacks(world: Make) -> None:
    """Those of the whole file follow; the target's weight stands beside upstream and model."""
    text = "fallbacks: [h/m]\nroutes: [{match: {model: chat}, route: %s}]"
    route = "{model: %s, weight: 3, strategy: weighted, fallbacks: [b/m]}"
    one = world(text % route % "a/m")
    assert [names(one) for _ in range(4)] == ["abh", "abh", "bah", "abh"]
    over = world("aliases: {x: {instances: [a/m, c/m]}}\n" + text % route.replace("weight: 3, ", "") % "x")
    assert "".join(over.first() for _ in range(6)) == "acbacb"


def test_an_alias_within_keeps_its_strategy_unless_the_outer_one_has_its_own(world: Make) -> None:
    """Written order: the whole inner pool, then what follows."""
    inner = "inner: {strategy: round_robin, instances: [a/m, b/m]}"
    one = world(f"aliases: {{chat: {{instances: [inner, c/m]}}, {inner}}}")
    assert [names(one) for _ in range(2)] == ["abc", "bac"]
    outer = world(f"aliases: {{chat: {{strategy: round_robin, instances: [inner, c/m]}}, {inner}}}")
    assert [names(outer) for _ in range(3)] == ["abc", "bca", "cab"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_leaves_as_they_are_breakers_local_only_and_whose_key_it_is(strategy: str, world: Make) -> None:
    """Who failed lately comes after the others, what leaves a local set is not tried, and the client's own key goes by
    the server that the rules name first, whoever is asked first.
    """
    one = world("local_only: [a, b]\n" + alias(strategy))
    for _ in range(6):
        plan = one.plan()
        assert {each.server.name for each in plan.candidates} == {"a", "b"} and plan.first_choice.name == "a"
    one.down = {"a"}
    for _ in range(6):
        assert names(one) == "ba"
    one.down = {"a", "b"}
    assert sorted(names(one)) == ["a", "b"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_dry_run_says_the_same_each_time(strategy: str, world: Make) -> None:
    one = world(alias(strategy))
    plans = [decide(RoutingQuery("chat"), one.rules) for _ in range(3)]
    assert plans[0] == plans[1] == plans[2] and plans[0].trace[-1].layer == "balance"
