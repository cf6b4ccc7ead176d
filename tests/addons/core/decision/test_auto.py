"""`auto`: rules on what is asked, the default, and what holds for the candidates of every answer."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from switchman.addons.core.decision.decide import RoutingQuery, decide, default_plan, match_rules, plan_for_target
from switchman.addons.core.request.features import Features
from switchman.addons.core.request.tasktype import TaskType
from switchman.addons.core.routes.live import NoFigures
from switchman.addons.core.routes.plan import Plan, TraceLine
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset

PLAIN = Features("openai", "chat", ask="Hello", system="", task="chat", task_confidence=0.7, language="en")


def rules(text: str) -> Ruleset:
    environment = SimpleNamespace(
        default_upstream="http://up:8000", default_upstream_set=True, model_map={"mapped": "auto"}, request_timeout=1.0,
        strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
    )  # fmt: skip
    return parse_ruleset(text, "routes.yaml", environment)


SERVERS = """\
servers: {laptop: "http://localhost:11434", box: "http://box:8000", cloud: "https://cloud"}
aliases: {pair: {instances: [laptop/a, box/b]}}
"""
NO_ALIAS = SERVERS.partition("aliases")[0]
FILE = (
    SERVERS
    + """\
models:
  laptop/small: {context: 1000, modalities: [text]}
  box/tools: {modalities: [text, tools]}
  cloud/seer: {modalities: [text, vision], input_cost: 3}
routes:
  - {name: code, priority: 900, match: {model: auto, task: coding},
     route: {model: box/coder, thinking: disabled, stick: conversation}}
  - {name: pictures, match: {model: auto, modalities: vision}, route: {model: laptop/small, fallbacks: [cloud/seer]}}
  - {name: tools, match: {tools: true}, route: {model: laptop/small, fallbacks: [box/tools, pair]}}
  - {name: quick, match: {model: auto, max_latency: 500, keywords: [quick]}, route: {model: laptop/small}}
  - {name: cheap, match: {model: auto, keywords: [cheap], max_cost: 5}, route: {model: cloud/seer}}
  - {name: night, match: {model: smart, time: "22:00-06:00"}, route: {model: laptop/small}}
default: pair
fallbacks: [cloud/last]
auto_names: [auto, smart]
"""
)
RULES = rules(FILE)


def asking(model: str = "auto", now: LocalTime | None = None, **changed: Any) -> RoutingQuery:
    return RoutingQuery(model, features=replace(PLAIN, **changed), now=now)


def targets(plan: Plan) -> list[str]:
    return [candidate.target for candidate in plan.candidates]


def test_the_first_rule_that_matches_answers() -> None:
    """With its thinking strategy and stickiness, and the global fallbacks after its own."""
    plan = decide(asking(task="coding"), RULES)
    assert (plan.layer, plan.route, targets(plan)) == ("route", "code", ["box/coder", "cloud/last"])
    assert (plan.thinking, plan.stick) == ("disabled", "conversation")
    assert plan.trace[1].detail == "code (line 8) matches model auto and task coding; it leads to box/coder."


@pytest.mark.parametrize("model", ["auto", "smart", "", "mapped"])
def test_every_name_that_means_auto_meets_the_rules_for_auto(model: str) -> None:
    """No model, the other names of the file, and what MODEL_MAP makes auto."""
    assert decide(asking(model, task="coding"), RULES).route == "code"


def test_layers_of_auto_go_by_the_name_after_model_map() -> None:
    """The chain asks them with what the client sent."""
    hit = match_rules(asking("mapped", task="coding"), RULES)
    assert hit is not None
    assert hit.route.name == "code"
    plan = default_plan(asking("mapped"), rules(NO_ALIAS))
    assert [candidate.target for candidate in plan.candidates] == ["default/auto"]


def test_the_default_is_for_text() -> None:
    """An embedding or a picture without a model goes to DEFAULT_UPSTREAM, unless a rule knows better."""
    for operation in ("embedding", "image"):
        asked = replace(asking(""), operation=operation)
        assert (decide(asked, RULES).route, targets(decide(asked, RULES))) == ("default", ["default"])
        assert decide(replace(asking("", task="coding"), operation=operation), RULES).route == "code"


def test_a_rule_for_one_of_the_other_names_is_for_that_name_only() -> None:
    """`auto` itself does not meet it."""
    night = LocalTime(23 * 60, 2)
    assert decide(asking("smart", night), RULES).route == "night"
    assert decide(asking("auto", night), RULES).route == "default"


def test_explicit_models_meet_only_rules_that_are_not_for_auto() -> None:
    """A rule applies to whatever its match says."""
    assert decide(asking("laptop/x", task="coding"), RULES).layer == "server"
    assert decide(asking("laptop/x", tools=True), RULES).route == "tools"


def test_an_explicit_model_has_no_global_fallbacks() -> None:
    """Who names a server's model gets that or an error; so does who names an alias."""
    assert targets(decide(asking("laptop/x"), RULES)) == ["laptop/x"]
    assert targets(decide(asking("pair"), RULES)) == ["laptop/a", "box/b"]


def test_the_default_answers_when_no_rule_does() -> None:
    """With the global fallbacks, and a trace that says so."""
    plan = decide(asking(), RULES)
    assert (plan.layer, plan.route) == ("default", "default")
    assert targets(plan) == ["laptop/a", "box/b", "cloud/last"]
    assert [line.layer for line in plan.trace] == ["model_map", "route", "default", "fallbacks"]
    assert default_plan(asking(), RULES).candidates == plan.candidates


def test_without_a_default_an_alias_and_a_known_model_it_is_the_default_upstream() -> None:
    """The name goes there as it is, and the trace says what that takes."""
    plan = default_plan(asking(), rules(NO_ALIAS))
    assert (plan.layer, plan.route, [c.target_for("auto") for c in plan.candidates]) == (
        "default",
        "default",
        ["default/auto"],
    )
    assert "there is no `default:` in the rules" in plan.trace[-1].detail


def test_an_alias_named_auto_is_what_the_user_says_it_is() -> None:
    """And no rule, no default is asked."""
    own = rules('servers: {s: "http://s"}\naliases: {auto: {instances: [s/m]}}\ndefault: s/other')
    assert targets(decide(RoutingQuery("auto"), own)) == ["s/m"]
    assert targets(decide(RoutingQuery(""), own)) == ["s/other"]


def test_unknown_figures_let_no_rule_match_and_are_named() -> None:
    """Until there is traffic."""

    class Quick(NoFigures):
        def p95_ms(self, target: str) -> float | None:
            return {"laptop/small": 400.0}.get(target)

    asked = asking(ask="be quick")
    plan = decide(asked, RULES)
    assert plan.route == "default"
    skipped = "Skipped, as a figure they need is not known (no traffic yet, no price, or the like): quick."
    assert skipped in plan.trace[1].detail
    assert decide(asked, RULES, live=Quick()).route == "quick"


def test_costs_come_from_the_file() -> None:
    """$ per million input tokens of the rule's own target."""
    assert decide(asking(ask="cheap!"), RULES).route == "cheap"


def test_candidates_that_cannot_see_are_passed_over() -> None:
    """On every hop, each with a line of its own; what is not known of a model is not held against it."""
    plan = decide(asking(modalities=frozenset({"text", "vision"})), RULES)
    assert targets(plan) == ["cloud/seer", "cloud/last"]
    assert TraceLine("capability", "skip", "laptop/small is passed over: it cannot see pictures.") in plan.trace


def test_candidates_without_tools_are_passed_over() -> None:
    """As some model of this file lists tools, those that list modalities without them have none."""
    assert targets(decide(asking(tools=True), RULES)) == ["box/tools", "laptop/a", "box/b", "cloud/last"]
    unsaid = rules(SERVERS + "models: {laptop/a: {modalities: [text]}}\ndefault: pair")
    assert targets(decide(asking(tools=True), unsaid)) == ["laptop/a", "box/b"]


def test_candidates_too_small_for_the_prompt_are_passed_over() -> None:
    """What was asked for as output counts too."""
    plan = decide(asking("laptop/x", tools=True, input_tokens=900, max_tokens=200), RULES)
    assert "laptop/small" not in targets(plan)


def test_if_no_candidate_can_serve_the_order_stays() -> None:
    """Better an upstream's own error than none at all; the trace says why it may fail."""
    own = rules(SERVERS + "models: {laptop/m: {context: 10}}\ndefault: laptop/m")
    plan = decide(asking(input_tokens=50), own)
    assert targets(plan) == ["laptop/m"]
    assert plan.trace[-1].outcome == "miss"
    assert "laptop/m: its context holds 10 tokens, and about 50 are needed" in plan.trace[-1].detail


def test_what_is_local_stays_local() -> None:
    """A target among local_only falls back to those only, by its route's list, the alias's and the global one."""
    own = rules(FILE.replace("default: pair", "default: laptop/x\nlocal_only: [laptop]"))
    plan = decide(asking(), own)
    assert targets(plan) == ["laptop/x"]
    assert plan.trace[-1].detail == "Requests to laptop are local_only, so these are not tried: cloud/last."
    assert targets(decide(asking("pair"), own)) == ["laptop/a"]


def test_a_route_may_be_local_by_itself() -> None:
    """Then its own server is all there is."""
    own = rules(SERVERS + "routes: [{route: {model: box/m, fallbacks: [box/n, cloud/m], local_only: true}}]")
    assert targets(decide(RoutingQuery("x"), own)) == ["box/m", "box/n"]


def test_a_rule_that_is_not_enabled_is_not_there() -> None:
    """Nothing else changes."""
    own = rules(FILE.replace("{name: code,", "{name: code, enabled: false,"))
    assert decide(asking(task="coding"), own).route == "default"


@pytest.mark.parametrize("task", get_args(TaskType))
def test_each_type_of_task_can_be_reached_by_a_rule(task: TaskType) -> None:
    """From the file's text to the target."""
    lines = "".join(
        f"  - {{match: {{model: auto, task: {one}}}, route: {{model: box/{one}}}}}\n" for one in get_args(TaskType)
    )
    assert targets(decide(asking(task=task), rules(f"{SERVERS}routes:\n{lines}"))) == [f"box/{task}"]


def test_equal_priorities_decide_the_same_a_thousand_times() -> None:
    """File order tells: each time the rules are loaded, and each time they are asked."""
    match = "{any: [{task: chat}, {tools: true}]}"
    lines = "".join(
        f"  - {{name: r{n}, priority: 700, match: {match}, route: {{model: box/m{n}}}}}\n" for n in range(20)
    )
    text = f"{SERVERS}routes:\n{lines}"
    loaded = [rules(text) for _ in range(10)]
    assert {decide(asking(), one).route for one in loaded for _ in range(100)} == {"r0"}


def test_match_rules_answers_alone() -> None:
    """A hit has the rule and its plan; a miss leaves its line in the trace that is handed in."""
    hit = match_rules(asking(task="coding"), RULES)
    assert hit is not None
    assert (hit.route.name, targets(hit.plan)) == ("code", ["box/coder", "cloud/last"])
    trace: list[TraceLine] = []
    assert match_rules(asking(), RULES, trace=trace) is None
    assert [(line.layer, line.outcome) for line in trace] == [("route", "miss")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("laptop/qwen", ["laptop/qwen", "cloud/last"]),
        ("pair", ["laptop/a", "box/b", "cloud/last"]),
        ("seer", ["cloud/seer", "cloud/last"]),
        ("nowhere/m", None),
        ("unknown", None),
        ("laptop/", None),
        ("", None),
    ],
)
def test_a_layers_target_is_found_or_a_miss(name: str, expected: list[str] | None) -> None:
    """An alias, server/model, or a model that the file knows of."""
    plan = plan_for_target(name, RULES, "semantic", "code")
    assert (None if plan is None else targets(plan)) == expected
    if plan is not None:
        assert (plan.layer, plan.route) == ("semantic", "code")


def test_a_layers_target_is_held_to_the_same_checks() -> None:
    """Capabilities and breakers."""
    plan = plan_for_target("laptop/small", RULES, "arbiter", "x", query=asking(input_tokens=2000))
    assert plan is not None
    assert targets(plan) == ["cloud/last"]
    plan = plan_for_target("pair", RULES, "arbiter", "x", is_open=lambda candidate: candidate.target == "laptop/a")
    assert plan is not None
    assert targets(plan) == ["box/b", "cloud/last", "laptop/a"]


def test_the_designs_sample_file_has_its_layers() -> None:
    """As values that the layers read."""
    known = rules(
        SERVERS
        + "cache: {exact: {ttl: 24h}, semantic: {mode: off, threshold: 0.9}, models: ['gpt-*']}\n"
        + "semantic_routes: {threshold: 0.8, categories: {code: {target: box/c, utterances: [fix it]}, talk: pair}}\n"
        + "arbiter: {url: 'http://localhost:11434', model: tiny, timeout_ms: 90, targets: {coding: box/c}}\n"
    )
    assert (known.cache.exact.ttl, known.cache.semantic.mode, known.cache.models) == (86_400.0, "off", ["gpt-*"])
    assert known.semantic_routes is not None
    assert {name: c.target for name, c in known.semantic_routes.categories.items()} == {"code": "box/c", "talk": "pair"}
    assert known.arbiter is not None
    assert (known.arbiter.server.name, known.arbiter.timeout_ms) == ("laptop", 90)
    assert known.arbiter.targets == {"coding": "box/c"}
    plain = rules("")
    assert (plain.semantic_routes, plain.arbiter, plain.cache.semantic.mode) == (None, None, "shadow")
