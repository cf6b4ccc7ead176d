"""Whose token came with a request decides what may be used: in every layer, and in what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.decision.catalogue import Model, merge
from switchman.addons.core.decision.circumstances import Circumstances
from switchman.addons.core.decision.decide import (
    RoutingQuery,
    decide,
    default_plan,
    match_rules,
    never,
    plan_for_target,
)
from switchman.addons.core.decision.names.known import KnownModels, server_models
from switchman.addons.core.decision.names.unknown import nearest
from switchman.addons.core.decision.stickiness import Held, held_plan
from switchman.addons.core.routes.plan import Plan
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset

FILE = """
servers: {home: "http://home:1", cloud: "http://cloud:1", spare: "http://spare:1"}
aliases: {fast: {instances: [home/llama3, cloud/gpt-4o-mini]}, best: {instances: [cloud/o3, spare/o3]}}
routes:
  - {name: Lab, match: {model: auto, token: "lab-*"}, route: {model: best}}
  - {name: Staff, match: {model: auto, group: staff}, route: {model: fast}}
  - {name: Mapped, match: {model: legacy}, route: {model: cloud/o3, fallbacks: [home/llama3]}}
fallbacks: [spare/any]
default: best
local_only: [home]
"""
KNOWN = KnownModels({
    "home": server_models([Model("llama3:latest"), Model("qwen3")]),
    "cloud": server_models([Model("o3"), Model("gpt-4o-mini")]),
    "spare": server_models([Model("o3"), Model("any")]),
})  # fmt: skip


def rules(text: str = FILE, **settings: Any) -> Ruleset:
    return parse_ruleset(text, "routes.yaml", Settings(**settings))


def token(*models: str, name: str = "bo", servers: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> Caller:
    return Caller("0123456789ab", name, frozenset(groups), models, servers)


def plan(model: str, caller: Caller | None, ruleset: Ruleset | None = None) -> Plan:
    return decide(RoutingQuery(model, caller=caller), ruleset or rules(), known=KNOWN)


def targets(found: Plan | str | None) -> list[str]:
    assert isinstance(found, Plan), found
    return [one.target for one in found.candidates]


@pytest.mark.parametrize(
    ("model", "caller", "expected"),
    [
        ("fast", None, ["home/llama3"]),  # local_only
        ("best", None, ["cloud/o3", "spare/o3"]),
        ("best", token(), ["cloud/o3", "spare/o3"]),
        ("best", token("o3"), ["cloud/o3", "spare/o3"]),
        ("best", token("best"), ["cloud/o3", "spare/o3"]),
        ("best", token("spare/*"), ["spare/o3"]),
        ("best", token(servers=("spare",)), ["spare/o3"]),
        ("best", token("o3", servers=("cloud", "home")), ["cloud/o3"]),
        ("cloud/o3", token("o3"), ["cloud/o3"]),
        ("legacy", token("llama3", "any"), ["home/llama3", "spare/any"]),
        ("legacy", token("o3"), ["cloud/o3"]),
    ],
)
def test_candidates(model: str, caller: Caller | None, expected: list[str]) -> None:
    """Those that the token may not use are left out, fallbacks among them, with a line that names it."""
    found = plan(model, caller)
    assert targets(found) == expected
    skipped = [line.detail for line in found.trace if line.layer == "token"]
    assert bool(skipped) is (len(expected) < len(plan(model, None).candidates))
    assert all("The token bo may not use these" in line for line in skipped)


def test_local_only_holds_for_what_was_meant_to_be_local() -> None:
    """Where the token may not use the local one, nothing goes to the others in its place."""
    found = plan("fast", token("gpt-4o-mini"))
    assert found.candidates == () and found.refusal is not None and not found.forbidden


@pytest.mark.parametrize("model", ["cloud/o3", "best", "o3", "nothing-like-it"])
def test_a_name_that_may_not_be_used_is_as_one_that_is_not_there(model: str) -> None:
    """The same sentence, whether an alias, a server or a list has it; near names are those that may be used."""
    found = plan(model, token("llama3", "qwen3"))
    assert found.candidates == () and not found.forbidden
    assert found.refusal is not None
    assert found.refusal.startswith(f"The model {model} was not found, or the token bo may not use it.")
    assert "cloud" not in found.refusal.removeprefix(f"The model {model}") and "spare" not in found.refusal


def test_near_names_are_those_that_may_be_used() -> None:
    """A typo in a name that may not be used brings none of them up."""
    assert nearest("lama3", rules(), KNOWN, token("llama3"))[:1] == ["llama3:latest"]
    assert nearest("o33", rules(), KNOWN, token("llama3")) == []
    assert nearest("besst", rules(), KNOWN) == ["best"]
    assert nearest("besst", rules(), KNOWN, token("llama3")) == []
    assert "llama3:latest" in (plan("lama3", token("llama3")).refusal or "")


def test_auto_goes_by_the_first_that_may_be_used() -> None:
    """`default:` where the token may use it; else the first alias, else the first known chat model."""
    assert targets(plan("auto", token("o3"))) == ["cloud/o3", "spare/o3"]
    assert targets(plan("auto", token("any"))) == ["spare/any"]
    assert targets(plan("auto", token("llama3"))) == ["home/llama3"]
    assert targets(plan("auto", token("qwen3"))) == ["home/qwen3"]
    assert targets(default_plan(RoutingQuery("auto", caller=token("qwen3")), rules(), known=KNOWN)) == ["home/qwen3"]


def test_auto_without_anything_that_may_be_used() -> None:
    """It is forbidden, and said so: 403."""
    found = plan("auto", token("nothing"))
    assert found.candidates == () and found.forbidden
    assert found.refusal == "The token bo may use none of the models that this request could go to."


def test_a_rule_that_leads_to_what_may_not_be_used_is_no_plan() -> None:
    """The next layer of `auto` is asked."""
    query = RoutingQuery("auto", caller=token("llama3", name="lab-1"))
    hit = match_rules(query, rules(), known=KNOWN)
    assert hit is not None and hit.plan.candidates == () and hit.plan.refusal is not None
    named = plan_for_target("best", rules(), "semantic", "x", query=query)
    assert named is not None and named.candidates == () and named.refusal is not None
    assert targets(plan_for_target("fast", rules(), "semantic", "x", query=query)) == ["home/llama3"]


def test_rules_match_tokens_and_groups() -> None:
    """By name, glob and id; by any of its groups; nobody without one."""
    lab, staff = token(name="lab-7"), token(name="eve", groups=("other", "staff"))
    assert plan("auto", lab).route == "Lab" and plan("auto", staff).route == "Staff"
    assert plan("auto", token()).layer == "default" and plan("auto", None).layer == "default"
    by_id = rules(FILE.replace('"lab-*"', '"0123456789ab"'))
    assert plan("auto", token(), by_id).route == "Lab"


def test_a_conversation_does_not_stay_where_its_token_may_not_go() -> None:
    """Globs may have been narrowed since."""
    held = Held(("cloud/o3", "home/llama3", "spare/o3"), "r", "cloud")
    stays = held_plan(held, RoutingQuery("auto", caller=token("o3")), rules(), never)
    assert targets(stays) == ["cloud/o3", "spare/o3"]
    assert "its token may not use" in str(held_plan(held, RoutingQuery("auto", caller=token("llama3")), rules(), never))


def test_lists_have_what_may_be_used() -> None:
    """Aliases, the default upstream's models, every server's; `auto` always."""
    lists = {name: tuple((known.models or {}).values()) for name, known in KNOWN.servers.items()}
    every = [entry.id for entry in merge(rules(), lists)]
    assert [entry.id for entry in merge(rules(), lists, caller=token())] == every
    assert [entry.id for entry in merge(rules(), lists, caller=token("o3"))] == ["auto", "best", "cloud/o3", "spare/o3"]
    assert [entry.id for entry in merge(rules(), lists, caller=token("fast", servers=("home",)))] == [
        "auto", "fast", "home/llama3:latest",
    ]  # fmt: skip
    assert [entry.id for entry in merge(rules(), lists, caller=token("nothing"))] == ["auto"]


def test_an_alias_named_auto_is_not_listed_for_whom_it_leads_nowhere() -> None:
    """It stands in the place of `auto`."""
    ruleset = rules('servers: {a: "http://a:1"}\naliases: {auto: {instances: [a/x]}}\n')
    assert [entry.id for entry in merge(ruleset, {}, caller=token("y"))] == []
    assert [entry.id for entry in merge(ruleset, {}, caller=token("x"))] == ["auto"]


def test_answers_of_those_whom_rules_treat_differently_are_apart() -> None:
    """By the name and by the groups of their tokens."""
    of = Circumstances(rules()).of

    def ask(caller: Caller | None) -> str:
        return of(RoutingQuery("auto", caller=caller))

    assert len({ask(token(name="lab-1")), ask(token(groups=("staff",))), ask(token())}) == 3
    assert ask(token(name="lab-1")) == ask(token(name="lab-2")) and ask(token()) == ask(None)
