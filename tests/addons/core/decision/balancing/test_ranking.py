"""The strategies, simulated: who is asked, by figures that change as the requests go."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.decision.balancing.ranking import EXPLORES, Member, hangs_on, rank
from switchman.addons.core.routes.live import NO_FIGURES

World = Any  # of conftest.py
Make = Callable[[str], World]


def alias(strategy: str, instances: str = "[a/m, b/m]", more: str = "") -> str:
    return f"aliases: {{chat: {{strategy: {strategy}, instances: {instances}{more}}}}}"


def test_round_robin_asks_each_in_turn(world: Make) -> None:
    """Exactly, and a weight changes nothing."""
    one = world(alias("round_robin", "[{server: a, model: m, weight: 5}, b/m, c/m]"))
    assert "".join(one.first() for _ in range(7)) == "abcabca"


@pytest.mark.parametrize("down", ["", "c"])
def test_weighted_keeps_its_weights_within_two_percent(down: str, world: Make) -> None:
    """Also among those that are left when one rests."""
    weights = {"a": 70, "b": 25, "c": 5}
    listed = ", ".join(f"{{server: {name}, model: m, weight: {weight}}}" for name, weight in weights.items())
    one = world(alias("weighted", f"[{listed}]"))
    one.down = set(down)
    counts = Counter(one.first() for _ in range(1000))
    total = sum(weight for name, weight in weights.items() if name not in one.down)
    for name, weight in weights.items():
        assert abs(counts[name] / 1000 - (weight / total if name not in one.down else 0)) < 0.02


@pytest.mark.parametrize(("weight", "slow"), [(1, 1.0), (1, 4.0), (3, 1.0)])
def test_least_busy_keeps_servers_equally_busy(weight: int, slow: float, world: Make) -> None:
    """Whoever takes longer gets fewer; who weighs three times as much has three times as much to do."""
    one, dice = world(alias("least_busy", f"[{{server: a, model: m, weight: {weight}}}, b/m]")), random.Random(7)
    ends: list[tuple[float, str]] = []
    busy: Counter[str] = Counter()
    for step in range(2500):
        now = step * 0.01
        for end, target in [each for each in ends if each[0] <= now]:
            ends.remove((end, target))
            one.running[target] -= 1
        target = one.plan().candidates[0].target
        one.running[target] += 1
        ends.append((now + dice.expovariate(4.0) * (slow if target == "b/m" else 1.0), target))
        busy.update(one.running)
    assert busy["a/m"] / (busy["b/m"] * weight) == pytest.approx(1.0, abs=0.1)


def test_least_busy_does_not_ask_the_first_alone_where_nobody_is_busy(world: Make) -> None:
    """One request at a time: those that had the fewest lately."""
    one = world(alias("least_busy", "[a/m, b/m, c/m]"))
    assert Counter(one.first() for _ in range(300)) == {"a": 100, "b": 100, "c": 100}


class Servers:
    """Two servers that answer as fast as a test says, one request after the other; figures as state/speed.py has."""

    def __init__(self, one: World) -> None:
        self.world, self.took, self.answers = one, {"a/m": 50.0, "b/m": 60.0}, {"a/m": [50.0] * 5, "b/m": [60.0] * 5}
        self._tell()

    def _tell(self) -> None:
        self.world.ttft = {name: sorted(took[-5:])[len(took[-5:]) // 2] for name, took in self.answers.items()}
        self.world.last = {name: took[-1] for name, took in self.answers.items()}

    def ask(self) -> str:
        target = self.world.plan().candidates[0].target
        self.answers[target].append(self.took[target])
        self._tell()
        return target


def test_fastest_finds_who_became_slow_and_who_recovered_within_twenty_requests(world: Make) -> None:
    """And while it is slow, it is asked only once in EXPLORES requests: that is what finding out costs."""
    servers = Servers(world(alias("fastest")))
    assert {servers.ask() for _ in range(20)} == {"a/m", "b/m"}  # as fast as each other
    for _ in range(3):  # it becomes slow and recovers three times, at other turns
        servers.took["a/m"] = 900.0
        found = [servers.ask() for _ in range(20)]
        assert found.count("a/m") <= 8 and found[8:].count("a/m") <= 1
        later = [servers.ask() for _ in range(EXPLORES * 10)]
        assert later.count("a/m") == 10
        servers.took["a/m"] = 50.0
        found = [servers.ask() for _ in range(20)]
        assert servers.world.ttft["a/m"] == 50.0 and found.count("a/m") >= 3
        assert 60 < [servers.ask() for _ in range(200)].count("a/m") < 140


def test_fastest_asks_who_is_not_known_one_request_at_a_time(world: Make) -> None:
    """While its answer is waited for, the others go on."""
    one = world(alias("fastest", "[a/m, b/m, c/m]"))
    one.ttft = {"a/m": 100.0}
    first = one.plan()
    assert first.candidates[0].server.name == "b" and "finds out how fast b/m is now" in first.trace[-1].detail
    one.running.update({"b/m": 1})
    assert one.first() == "c"
    one.running.update({"c/m": 1})
    assert [one.first() for _ in range(5)] == ["a"] * 5


def test_fastest_asks_all_alike_before_anything_is_known(world: Make) -> None:
    """A start without figures does not begin with a crowd at the first."""
    one = world(alias("fastest", "[a/m, b/m, c/m]"))
    assert Counter(one.first() for _ in range(9)) == {"a": 3, "b": 3, "c": 3}


def test_cheapest_asks_by_the_price_of_the_request_and_says_what_is_not_known(world: Make) -> None:
    """What has no price comes last; equals share."""
    prices = "models: {a/m: {input_cost: 3, output_cost: 3}, c/m: {input_cost: 1, output_cost: 2}}\n"
    one = world(prices + alias("cheapest", "[a/m, b/m, c/m]"))
    plan = one.plan()
    assert [each.server.name for each in plan.candidates] == ["c", "a", "b"]
    assert plan.trace[-1].detail == (
        "The alias chat asks the cheapest: c/m (c/m $0.002, a/m $0.0045, b/m price not known)."
    )
    equal = world(
        "models: {a/m: {input_cost: 1, output_cost: 1}, b/m: {input_cost: 1, output_cost: 1}}\n" + alias("cheapest")
    )
    assert Counter(equal.first() for _ in range(10)) == {"a": 5, "b": 5}
    assert world(alias("cheapest")).first() == "a"  # of which nothing is known


def test_a_sentence_has_the_figures_of_a_few() -> None:
    """Of a pool of hundreds the first, and how many more there are."""
    ranking = rank("least_busy", [Member(f"s{number}/m") for number in range(200)], NO_FIGURES, lambda: 0)
    assert ranking.why.count("/m 0") == 5 and "and 195 more" in ranking.why
    whys = [rank(how, [Member("a"), Member("b")], NO_FIGURES, None).why for how in ("fastest", "cheapest", "weighted")]
    assert [hangs_on(why) for why in (ranking.why, *whys)] == ["moment", "moment", "request", ""]
