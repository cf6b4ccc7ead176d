"""Answers to rules, over all combinations of answers: they load without a word, and keep what the answers ask."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from switchman.addons.config.configuration import well_known
from switchman.addons.core.access.prices.table import parse_prices
from switchman.addons.core.decision.decide import RoutingQuery, decide
from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.making.answers import (
    USES,
    Answers,
    Model,
    NotMakeable,
    Priority,
    ServerChoice,
    Spending,
    Use,
)
from switchman.addons.core.routes.making.drafting import NAMES, draft, free_name
from switchman.addons.core.routes.making.writing import written
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.core.servers.credentials import is_on_own_network

CLOUD = "https://api.openai.com/v1"
PRICES = parse_prices((Path(__file__).parents[5] / "rules/prices.json").read_text())
OLLAMA = ServerChoice(
    "ollama",
    {"preset": "ollama", "free": True},
    (Model("qwen3:8b"), Model("qwen2.5-coder:7b"), Model("llava:7b"), Model("gemma3:1b")),
    own=True,
    vendor="ollama",
)
BOX = ServerChoice(
    "gpu.box-1", {"url": "http://192.168.1.9:8000", "free": True}, (Model("qwen/qwen3-32b", context=32768),), own=True
)
OPENAI = ServerChoice(
    "openai",
    {"preset": "openai", "api_key": "env:OPENAI_API_KEY"},
    (Model("gpt-6.1-sol", 2_000_000, 10_000_000, pictures=True), Model("gpt-6-luna", 100_000, 500_000)),
    vendor="openai",
)
CLAUDE = ServerChoice(
    "anthropic", {"preset": "anthropic"}, (Model("claude-opus-5-5", 4_000_000, 20_000_000),), has_key=False,
    vendor="anthropic",
)  # fmt: skip
ODD = ServerChoice("odd", {"url": "https://llm.example.com", "api_key": "env:ODD_KEY"}, (Model("m"), Model("yes")))
ENV = {"OPENAI_API_KEY": "sk-a-tests-key", "ODD_KEY": "another-key"}
SETS: dict[str, tuple[ServerChoice, ...]] = {
    "one of one's own": (OLLAMA,),
    "one model": (ServerChoice("a", {"url": "http://127.0.0.1:9", "free": True}, (Model("m"),), own=True),),
    "two of one's own": (OLLAMA, BOX),
    "a provider": (OPENAI,),
    "a provider without a key": (CLAUDE,),
    "both": (OPENAI, OLLAMA),
    "all": (CLAUDE, OPENAI, BOX, OLLAMA, ODD),
}
USE_SETS: tuple[frozenset[Use], ...] = (frozenset(["chat"]), frozenset(["coding", "pictures"]), frozenset(USES))


def features(**more: Any) -> Features:
    values = {
        "dialect": "openai",
        "operation": "chat",
        "ask": "",
        "system": "",
        "task": "general",
        "task_confidence": 0.0,
    }
    return Features(**(values | more))


def loaded(text: str, **more: Any) -> Ruleset:
    """As the router reads it; a default upstream is a provider's, which private rules may not be led to."""
    environment = SimpleNamespace(
        default_upstream=CLOUD, default_upstream_set=True, model_map={}, request_timeout=60.0, strip_thinking=True,
        strip_json_markdown=False, disable_thinking=False, **more,
    )  # fmt: skip
    return parse_ruleset(text, "routes.yaml", environment, ENV, presets=well_known(), prices=PRICES)


def combinations() -> Iterator[tuple[str, Answers]]:
    for name, uses, spending, priority in product(SETS, USE_SETS, get_args(Spending), get_args(Priority)):
        yield name, Answers(uses, SETS[name], spending, 25, priority)


@pytest.mark.parametrize("name", SETS)
def test_all_combinations_of_answers(name: str) -> None:
    """Each loads without a warning, has an alias and a comment for each entry, and keeps what is private at home."""
    made = 0
    for answers in (one for key, one in combinations() if key == name):
        if answers.stays and not any(one.own for one in answers.servers):
            with pytest.raises(NotMakeable, match="no server of your own"):
                draft(answers)
            continue
        found = draft(answers)
        text = written(found)
        rules = loaded(text)
        assert rules.warnings == (), (answers, text)
        assert written(draft(answers)) == text
        assert {one.name for one in rules.routes} == {one.name for one in found.routes}
        assert all(one.model in rules.aliases for one in rules.routes) and rules.auto_default
        for entry in (*found.servers, *found.aliases, *found.routes):
            assert f"  # {entry.why}\n" in text
        check_fallbacks(answers, rules)
        check_money(answers, rules)
        if answers.stays:
            check_private(rules)
        made += 1
    assert made >= 24 or name.startswith("a provider")


def check_fallbacks(answers: Answers, rules: Ruleset) -> None:
    """Behind the first stands another server where there are two that may answer."""
    may = [one for one in answers.servers if (one.own or not answers.stays) and (one.own or one.has_key)]
    for use in ("chat", "coding"):
        alias = rules.aliases.get(use)
        if alias is not None and len(may) > 1 and answers.spending != "monthly":
            assert len({one.server.name for one in alias.instances}) > 1, (answers, alias)
        if alias is not None:
            assert len(alias.instances) == len(set(alias.instances))


def check_money(answers: Answers, rules: Ruleset) -> None:
    budgets = rules.limits.total.budgets
    assert bool(budgets) == (answers.spending == "monthly")
    if budgets:
        assert (budgets[0].amount, budgets[0].unit, budgets[0].period) == (25_000_000, "usd", "month")
        if any(one.own for one in answers.servers):
            downgrade = str(budgets[0].downgrade)
            assert is_on_own_network(rules.servers[downgrade.partition("/")[0]].url.host)
    if answers.spending == "cheapest" and any(one.own for one in answers.servers):
        assert is_on_own_network(rules.aliases["chat"].instances[0].server.url.host)


def check_private(rules: Ruleset) -> None:
    """Whatever is asked, by whatever name: nobody but the servers of one's own is a candidate."""
    own = set(rules.servers)
    assert all(is_on_own_network(one.url.host) for one in rules.servers.values())
    asked = (
        features(),
        features(modalities=frozenset({"text", "vision"})),
        features(task="coding", task_confidence=0.9),
        features(input_tokens=90_000, tools=True),
        features(input_tokens=90_000),
    )
    names = ("auto", "", "gpt-4o", "claude-opus-5-5", "claude-haiku-5-5", "openai/gpt-4o", "x/y", "qwen3:8b", "m", "o3")
    for name, one in product((*names, *(f"{server}/other" for server in own)), asked):
        plan = decide(RoutingQuery(name, features=one), rules)
        assert {candidate.server.name for candidate in plan.candidates} <= own, (name, one, plan)


def test_each_use_has_its_model() -> None:
    """A model made for code answers code, one that sees pictures, the smallest what is asked by the way."""
    found = draft(Answers(frozenset(USES), (OLLAMA,)))
    first = {use: picks[0].target for use, picks in found.picks.items()}
    assert first == {
        "chat": "ollama/qwen3:8b",
        "coding": "ollama/qwen2.5-coder:7b",
        "long": "ollama/qwen3:8b",
        "pictures": "ollama/llava:7b",
        "translation": "ollama/qwen3:8b",
        "background": "ollama/gemma3:1b",
    }


def test_the_rules_lead_as_they_say() -> None:
    """By what is in the request, through decide()."""
    rules = loaded(written(draft(Answers(frozenset(USES), (OLLAMA, BOX)))))

    def route(name: str, **more: Any) -> str:
        return decide(RoutingQuery(name, features=features(**more)), rules).route

    assert route("auto", modalities=frozenset({"text", "vision"})) == NAMES["pictures"]
    assert route("auto", input_tokens=40_000) == NAMES["long"]
    assert route("auto", input_tokens=40_000, tools=True) == NAMES["coding"]
    assert route("auto", task="coding", task_confidence=0.9) == NAMES["coding"]
    assert route("auto", task="summarization", task_confidence=0.9) == NAMES["background"]
    assert route("auto", ask="a short title for this conversation") == NAMES["background"]
    assert route("auto", task="translation", task_confidence=0.9) == NAMES["translation"]
    assert route("claude-opus-5-5") == route("gpt-6.1-sol") == route("o3") == "Agents' models"
    assert route("claude-haiku-5-5") == route("gpt-6-mini") == route("o4-mini") == "Agents' small models"
    assert route("gemini-4-pro") == "Agents' models" and route("gemini-4-flash-lite") == "Agents' small models"
    assert route("background") == "background"  # the alias, by its own name


def test_agents_reach_a_vendor_that_is_there() -> None:
    """Names of a vendor's models are left alone where its own server is among those chosen."""
    found = draft(Answers(frozenset(["chat", "coding"]), (OPENAI, OLLAMA)))
    pattern = next(one for one in found.routes if one.name == "Agents' models").value["match"]["model"]
    assert "claude" in pattern and "gpt" not in pattern


def test_no_name_is_used_twice() -> None:
    """What is taken has a number behind it."""
    taken = frozenset({"coding", "Coding", "chat", "Agents' models"})
    found = draft(Answers(frozenset(["chat", "coding"]), (OLLAMA,), taken=taken))
    assert [one.name for one in found.aliases] == ["chat-2", "coding-2"]
    assert [one.name for one in found.routes] == ["Agents' models-2", "Coding-2"]
    assert found.routes[1].value["route"]["model"] == "coding-2" and found.default.value == "chat-2"
    assert free_name("a", frozenset({"a", "a-2"})) == "a-3"


def test_what_cannot_be_had_is_said() -> None:
    """Pictures without a model that sees, a provider that is left out, one without a key, and a price nobody knows."""
    blind = ServerChoice("a", "http://127.0.0.1:9", (Model("m"),), own=True)

    def notes(*servers: ServerChoice, **more: Any) -> list[tuple[str, str]]:
        return [(one.kind, one.name) for one in draft(Answers(frozenset(USES), servers, **more)).notes]

    assert notes(blind) == [("pictures", "")]
    assert notes(blind, OPENAI, priority="privacy") == [("pictures", ""), ("left_out", "openai")]
    assert ("no_key", "anthropic") in notes(OLLAMA, CLAUDE)
    assert ("no_price", "odd/m") in notes(ODD, spending="monthly", dollars=5)
    assert "left out" in str(draft(Answers(frozenset(USES), (OLLAMA, OPENAI), "own")).notes[0])


def test_a_known_server_of_ones_own_costs_a_budget_nothing() -> None:
    """It is not `free` in the file, where it stays as it is: `models:` says so, or a budget would refuse it."""
    known = ServerChoice("a", "http://127.0.0.1:9", (Model("m"),), own=True, known=True)
    found = draft(Answers(frozenset(["chat"]), (known,), "monthly", 5))
    assert [(one.name, one.value) for one in found.models] == [("a/m", {"input_cost": 0, "output_cost": 0})]
    rules = loaded(written(found))
    price = rules.price_for(rules.servers["a"], "m")
    assert price is not None and price.input == price.output == 0
