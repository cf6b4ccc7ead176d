"""What is one conversation, and when it stays where it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.decision.decide import RoutingQuery, never
from switchman.addons.core.decision.stickiness import Held, conversation_key, held_by, held_plan, pack, unpack
from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call
from switchman.addons.core.request.features import features_of
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset

RULES = """
servers: {one: "http://one:1", two: "http://two:1", three: "http://three:1"}
models: {one/small: {context: 100}, three/blind: {modalities: [text]}}
"""
OPENING = [{"role": "system", "content": "s"}, {"role": "user", "content": "first"}]
NEXT = [{"role": "assistant", "content": "answer"}, {"role": "user", "content": "second"}]


@pytest.fixture
def rules() -> Ruleset:
    return parse_ruleset(RULES, "routes.yaml", Settings())


def key(
    messages: Any, path: str = "/v1/chat/completions", caller: str = "c", policy: str = "p", **more: Any
) -> str | None:
    text = json.dumps({"model": "auto", "messages": messages, **more})
    body, spans = jsonedit.parse(text)
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    return conversation_key(Call(endpoint, "", text, body, spans, "auto", False), policy, caller)


def test_later_turns_are_the_same_conversation() -> None:
    """More turns, other parameters and tools make no other conversation."""
    assert key(OPENING) is not None
    assert key(OPENING) == key(OPENING + NEXT) == key(OPENING + NEXT, temperature=1, tools=[])


def test_what_makes_another() -> None:
    """Another system text, another first message, another caller, another policy."""
    other_system = [{"role": "system", "content": "t"}, OPENING[1]]
    other_first = [OPENING[0], {"role": "user", "content": "other"}]
    keys = {key(OPENING), key(other_system), key(other_first), key(OPENING, caller="d"), key(OPENING, policy="q")}
    assert len(keys) == 5


def test_a_developers_text_makes_another_too() -> None:
    """It is the newer name of a system text."""
    said = [{"role": "developer", "content": "s"}, OPENING[1]]
    assert key(said) != key([{"role": "developer", "content": "t"}, OPENING[1]])
    assert key(said) != key(OPENING[1:])


def test_a_strategy_that_is_none_is_left_to_the_model() -> None:
    """What a store gives back is not taken for a word of the rules."""
    held = unpack(b'[["a/b"], "r", "s", "sometimes"]')
    assert held == Held(("a/b",), "r", "s", "auto")
    assert unpack(b'[["a/b"], "r", "s", "disabled"]') == Held(("a/b",), "r", "s", "disabled")


def test_what_is_none() -> None:
    """Without a message of a user there is no conversation; nor in what cannot be read."""
    assert key([{"role": "system", "content": "s"}]) is None
    assert key("nonsense") is None


def ask(text: str = "hi", **more: Any) -> RoutingQuery:
    body = {"messages": [{"role": "user", "content": text}], **more}
    return RoutingQuery("auto", features=features_of(body))


def targets(plan: Plan | str) -> list[str]:
    assert isinstance(plan, Plan), plan
    return [candidate.target for candidate in plan.candidates]


def test_it_stays_with_its_fallbacks(rules: Ruleset) -> None:
    """The target that answered is first, then the others of its plan; the rule's strategy holds on."""
    plan = held_plan(Held(("two/b", "one/small"), "r", "one", "disabled"), ask(), rules, never)
    assert targets(plan) == ["two/b", "one/small"]
    assert isinstance(plan, Plan)
    assert (plan.layer, plan.route, plan.thinking, plan.stick) == ("conversation", "r", "disabled", "conversation")


def test_whom_the_rule_names_first_stays_known(rules: Ruleset) -> None:
    """The client's key was for the rule's first choice; no later turn makes it one for who answered in its place."""
    plan = held_plan(Held(("two/b", "one/small"), "r", "one"), ask(), rules, never)
    assert isinstance(plan, Plan)
    assert plan.first_choice is rules.servers["one"]
    assert held_by(plan, plan.candidates[0]).first == "one"
    assert "no longer in the rules" in str(held_plan(Held(("two/b",), "r", "gone"), ask(), rules, never))


def test_it_leaves_what_cannot_serve_it(rules: Ruleset) -> None:
    """A target that is gone, resting, or too small is left, and a reason is given."""
    assert "no longer a known target" in str(held_plan(Held(("gone/x", "two/b"), "r", "one"), ask(), rules, never))
    assert "failed lately" in str(held_plan(Held(("two/b",), "r", "one"), ask(), rules, lambda candidate: True))
    assert "context" in str(held_plan(Held(("one/small",), "r", "one"), ask("word " * 500), rules, never))


def test_fallbacks_that_rest_go_last(rules: Ruleset) -> None:
    """Of the others, those that cannot serve go, and those that failed lately move back."""
    held = Held(("two/b", "one/small", "one/a", "three/c"), "r", "one")

    def is_open(candidate: Candidate) -> bool:
        return candidate.target == "one/a"

    assert targets(held_plan(held, ask("word " * 500), rules, is_open)) == ["two/b", "three/c", "one/a"]


def test_what_is_held(rules: Ruleset) -> None:
    """Who answered comes first, even where it was a fallback; it is packed and unpacked whole."""
    candidates = tuple(Candidate(rules.servers[name], "m") for name in ("one", "two"))
    held = held_by(Plan(candidates, "route", "r", thinking="enabled"), candidates[1])
    assert held == Held(("two/m", "one/m"), "r", "one", "enabled")
    assert unpack(pack(held)) == held


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"5", b'["a"]', b'[[], "r", "s", "auto"]', b'[[1], "r", "s", "auto"]', b"\xff"]
)
def test_what_is_not_understood_is_nothing(value: bytes) -> None:
    """What another version has kept is a miss."""
    assert unpack(value) is None
