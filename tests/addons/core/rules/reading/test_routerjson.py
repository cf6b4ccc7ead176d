"""Rules as JSON: what comes in goes out again just as it was, and what the form cannot say is named."""

import json
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.request.tasktype import TaskType
from switchman.addons.core.rules.reading.routerjson import KEPT, routes_from, rules_from
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.core.rules.ruleset import parse_ruleset

RULE: dict[str, Any] = {
    "name": "Coding",
    "priority": 900,
    "enabled": True,
    "conditions": {
        "combinator": "AND",
        "items": [
            {"type": "taskType", "taskTypes": ["coding", "math"]},
            {"type": "keywords", "keywords": ["stack trace", "编程"]},
            {"type": "tokenCount", "minTokens": 10},
            {"type": "maxCost", "maxCostPerMillion": 2.5},
            {"type": "maxLatency", "maxLatencyMs": 3000},
            {"type": "providerHealth", "providerName": "openai", "healthStatus": "green"},
            {"type": "hasModality", "modalities": ["vision"]},
        ],
    },
    "targetModel": "openai/gpt-4o",
    "fallbackChain": ["claude/claude-sonnet", "laptop/org/qwen"],
    "thinkingStrategy": "disabled",
    "description": "for programmers",
}


def whole(*rules: Any) -> dict[str, Any]:
    return {"version": "1.1", "rules": [*rules]}


def back(data: dict[str, Any]) -> dict[str, Any]:
    """There and back, by way of a file's text."""
    imported = routes_from(data)
    file = {"routes": imported.routes, **({KEPT: imported.kept} if imported.kept else {})}
    exported = rules_from(load(json.dumps(file), "r").data)
    assert exported.lost == []
    return exported.data


def test_a_rule_with_everything_becomes_a_route() -> None:
    """In words of the rules file, for `auto` only, with keywords found within words."""
    (route,) = routes_from(whole(RULE)).routes
    assert route == {
        "name": "Coding",
        "description": "for programmers",
        "priority": 900,
        "match": {
            "model": "auto",
            "all": [
                {"task": ["coding", "math"]},
                {"keywords_substring": ["stack trace", "编程"]},
                {"tokens": {"min": 10}},
                {"max_cost": 2.5},
                {"max_latency": 3000},
                {"provider_health": {"openai": "green"}},
                {"modalities": ["vision"]},
            ],
        },
        "route": {
            "model": "openai/gpt-4o",
            "fallbacks": ["claude/claude-sonnet", "laptop/org/qwen"],
            "thinking": "disabled",
        },
    }


def test_imported_routes_load() -> None:
    """With the servers that they name."""
    file = {
        "servers": {"openai": "http://a", "claude": "http://b", "laptop": "http://c"},
        "models": {"openai/gpt-4o": {"input_cost": 2}},
        "routes": routes_from(whole(RULE, {**RULE, "note": 1})).routes,
    }
    environment = SimpleNamespace(
        default_upstream="http://u", default_upstream_set=True, model_map={}, request_timeout=1.0,
        strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
    )  # fmt: skip
    loaded = parse_ruleset(json.dumps(file), "r", environment)
    assert [route.thinking for route in loaded.routes] == ["disabled", "disabled"]


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
ITEMS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("taskType"), "taskTypes": st.lists(st.sampled_from(get_args(TaskType)), min_size=1)}
    ),
    st.fixed_dictionaries({"type": st.just("keywords"), "keywords": st.lists(WORDS, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"type": st.just("tokenCount"), "minTokens": st.integers(0, 99)}),
    st.fixed_dictionaries({"type": st.just("tokenCount"), "maxTokens": st.integers(0, 99), "minTokens": st.none()}),
    st.fixed_dictionaries({"type": st.just("maxCost"), "maxCostPerMillion": st.floats(0, 100)}),
    st.fixed_dictionaries({"type": st.just("maxLatency"), "maxLatencyMs": st.integers(1, 9999)}),
    st.fixed_dictionaries(
        {
            "type": st.just("providerHealth"),
            "providerName": WORDS,
            "healthStatus": st.sampled_from(["green", "yellow", "red"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("hasModality"),
            "modalities": st.lists(st.sampled_from(["vision", "image", "audio"]), min_size=1),
        }
    ),
)
CONDITIONS = st.recursive(
    st.fixed_dictionaries({"combinator": st.sampled_from(["AND", "OR"]), "items": st.lists(ITEMS, max_size=4)}),
    lambda inner: st.fixed_dictionaries(
        {"combinator": st.sampled_from(["AND", "OR"]), "items": st.lists(inner | ITEMS, max_size=3)}
    ),
    max_leaves=4,
)
RULES = st.fixed_dictionaries(
    {"name": WORDS, "conditions": CONDITIONS, "targetModel": WORDS},
    optional={
        "priority": st.integers(0, 1000),
        "enabled": st.booleans(),
        "fallbackChain": st.lists(WORDS, max_size=3),
        "thinkingStrategy": st.sampled_from(["auto", "enabled", "disabled"]),
        "description": st.text(max_size=5),
        "id": st.integers(),
        "createdAt": st.text(max_size=5),
    },
)


@settings(max_examples=40, deadline=None)
@given(st.lists(RULES, max_size=4), st.sampled_from(["1.0", "1.1"]), st.booleans())
def test_importing_and_exporting_is_the_identity(rules: list[Any], version: str, more: bool) -> None:
    """Unknown fields, missing ones and nested conditions included."""
    data: dict[str, Any] = {"version": version, "rules": rules, **({"exportedAt": "today"} if more else {})}
    assert back(data) == data


def test_an_edited_route_keeps_the_fields_that_are_not_known() -> None:
    """The rule that is kept beside it no longer says what the route says, but its own fields stay."""
    file = {"routes": routes_from(whole({**RULE, "id": 7})).routes}
    file["routes"][0]["priority"] = 1
    assert rules_from(file).data["rules"] == [{**RULE, "id": 7, "priority": 1}]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"conditions": {"combinator": "XOR", "items": []}},
            r"rule 1 \(Coding\): conditions.combinator: expected AND or OR",
        ),
        ({"conditions": {"combinator": "AND", "items": [{"type": "mood"}]}}, "a condition of type 'mood' is not known"),
        (
            {"conditions": {"combinator": "AND", "items": [{"type": "keywords", "keywords": ["a"], "not": True}]}},
            "keywords: not is not known",
        ),
        (
            {"conditions": {"combinator": "AND", "items": [{"type": "tokenCount"}]}},
            "expected minTokens, maxTokens, or both",
        ),
        ({"targetModel": None}, "targetModel: expected text"),
        ({"thinkingStrategy": "maybe"}, "expected auto, enabled or disabled"),
        ({"priority": "high"}, "priority: expected a whole number"),
        ({"fallbackChain": "a/b"}, "fallbackChain: expected a list"),
    ],
)
def test_what_cannot_be_taken_is_explained(changed: Any, message: str) -> None:
    """With the number and the name of the rule; nothing of a condition is passed over."""
    with pytest.raises(ValueError, match=message):
        routes_from(whole({**RULE, **changed}))


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ("{match: {model: gpt}, route: {model: a/b}}", "it is not for the model auto alone"),
        ("{route: {model: a/b}}", "it is not for the model auto alone"),
        ("{match: {model: auto, keywords: [x]}, route: {model: a/b}}", "the condition keywords"),
        ("{match: {model: auto, not: {task: chat}}, route: {model: a/b}}", "the condition not"),
        ("{match: {model: auto, task: {types: chat, min_confidence: 0.5}}, route: {model: a/b}}", "min_confidence"),
        ("{match: {model: auto}, route: {model: pair}}", "its target pair is an alias, not provider/model"),
        ("{match: {model: auto}, route: {upstream: 'http://x', model: b}}", "its target is not provider/model"),
        ("{match: {model: auto}, route: {model: a/b, fallbacks: [a/1, a/2, a/3, a/4]}}", "4 fallbacks, of which 3"),
        ("{match: {model: auto}, route: {model: a/b, local_only: true}}", "local_only"),
    ],
)
def test_what_the_form_cannot_say_is_listed(route: str, reason: str) -> None:
    """And not exported in part: it would match more, or lead elsewhere."""
    exported = rules_from(load(f"routes: [{route}]", "r").data)
    assert exported.data["rules"] == []
    assert exported.lost[0].startswith(f"route 1: not exported: {reason}")


def test_routes_written_by_hand_are_exported() -> None:
    """In short forms, several keys under one match, and by upstream."""
    text = (
        "routes: ["
        "{match: {model: auto, task: chat, tokens: {max: 9}}, route: {upstream: a, model: b, stick: conversation}},"
        "{name: any, match: {model: auto, any: [{task: chat}, {tokens: {min: 1}, max_cost: 2}]}, route: {model: a/b}}]"
    )
    exported = rules_from(load(text, "r").data)
    assert exported.lost == ["route 1: exported without stick"]
    first, second = exported.data["rules"]
    assert (first["name"], first["targetModel"], first["priority"]) == ("route 1", "a/b", 500)
    assert first["conditions"] == {
        "combinator": "AND",
        "items": [{"type": "taskType", "taskTypes": ["chat"]}, {"type": "tokenCount", "maxTokens": 9}],
    }
    assert second["conditions"]["items"][1]["combinator"] == "AND"
