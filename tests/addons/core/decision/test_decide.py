"""The decision: MODEL_MAP, then alias, then routes, then server/model, then DEFAULT_UPSTREAM, and why."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.decision.catalogue import read_models
from switchman.addons.core.decision.decide import LAYERS, RoutingQuery, decide
from switchman.addons.core.decision.names.known import KnownModels, server_models
from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset


def rules(text: str, **given_: object) -> Ruleset:
    environment: dict[str, object] = {
        "default_upstream": "http://localhost:8000", "default_upstream_set": True, "model_map": {},
        "request_timeout": 1.0, "strip_thinking": True, "strip_json_markdown": False, "disable_thinking": False,
    }  # fmt: skip
    return parse_ruleset(text, "routes.yaml", SimpleNamespace(**(environment | given_)))


FILE = """\
servers:
  fast-box: "http://192.168.1.100:8000"
  laptop: "http://localhost:11434"
aliases:
  coder: {instances: [fast-box/llama3-8b, {server: laptop, model: "llama3:3b"}]}
  same: {instances: [fast-box]}
routes:
  - {match: {model: "/-1.5b$/"}, route: {upstream: "http://gpu:8000"}}
  - {match: {model: renamed}, route: {upstream: laptop, model: qwen, fallbacks: [fast-box/big, laptop/qwen]}}
  - {match: {model: to-alias}, route: {model: coder}}
  - {match: {model: to-server}, route: {model: "laptop/a/b:c"}}
  - {match: {model: to-default}, route: {model: "org/unknown"}}
  - {match: {model: literal}, route: {upstream: fast-box, model: coder}}
  - {match: {source_host: "10.0.1.0/24"}, route: {upstream: fast-box}}
  - {name: Late but first, priority: 900, match: {model: vip}, route: {upstream: laptop}}
  - {match: {model: vip}, route: {upstream: fast-box}}
"""
RULES = rules(FILE)
MAPPED = rules(FILE, model_map={"gpt-4": "coder", "/old-(.*)/": r"laptop/\1", "claude": "new-name", "self": "self"})


def targets(plan: Plan) -> list[str]:
    return [candidate.target for candidate in plan.candidates]


@pytest.mark.parametrize(
    ("model", "layer", "route", "expected"),
    [
        ("coder", "alias", "coder", ["fast-box/llama3-8b", "laptop/llama3:3b"]),
        ("same", "alias", "same", ["fast-box"]),
        ("qwen-1.5b", "route", "route 1", ["gpu:8000"]),
        (
            "renamed",
            "route",
            "route 2",
            ["laptop/qwen", "fast-box/big"],
        ),  # a fallback that is there already is not doubled
        ("to-alias", "route", "route 3", ["fast-box/llama3-8b", "laptop/llama3:3b"]),
        ("to-server", "route", "route 4", ["laptop/a/b:c"]),
        ("to-default", "route", "route 5", ["default/org/unknown"]),
        ("literal", "route", "route 6", ["fast-box/coder"]),
        ("vip", "route", "Late but first", ["laptop"]),
        ("laptop/llama3:3b", "server", "laptop", ["laptop/llama3:3b"]),
        ("fast-box/org/model", "server", "fast-box", ["fast-box/org/model"]),
        ("fast-box/", "default", "default", ["default"]),
        ("fast-box", "default", "default", ["default"]),
        ("Fast-Box/x", "default", "default", ["default"]),
        ("fast-box-2/x", "default", "default", ["default"]),
        ("cod", "default", "default", ["default"]),
        ("coder-2", "default", "default", ["default"]),
        ("", "default", "coder", ["fast-box/llama3-8b", "laptop/llama3:3b"]),  # as `auto` does, without `default:`
    ],
)
def test_the_first_layer_that_knows_the_name_answers(model: str, layer: str, route: str, expected: list[str]) -> None:
    """Names are compared whole; a name that stays as it is leaves the candidate's model empty."""
    plan = decide(RoutingQuery(model), RULES)
    assert (plan.layer, plan.route, targets(plan)) == (layer, route, expected)


@pytest.mark.parametrize(
    ("model", "layer", "route", "expected"),
    [
        ("gpt-4", "alias", "coder", ["fast-box/llama3-8b", "laptop/llama3:3b"]),
        ("old-qwen", "server", "laptop", ["laptop/qwen"]),
        ("claude", "model_map", "claude", ["default/new-name"]),
        ("self", "model_map", "self", ["default"]),
        ("other", "default", "default", ["default"]),
    ],
)
def test_model_map_comes_first(model: str, layer: str, route: str, expected: list[str]) -> None:
    """All later layers go by the new name, and it is what the upstream is asked for."""
    plan = decide(RoutingQuery(model), MAPPED)
    assert (plan.layer, plan.route, targets(plan)) == (layer, route, expected)


@pytest.mark.parametrize(
    ("source", "expected"),
    [("10.0.1.7", ["fast-box"]), ("::ffff:10.0.1.7", ["fast-box"]), ("10.0.2.7", ["default"]), ("", ["default"])],
)
def test_a_route_may_go_by_the_clients_address(source: str, expected: list[str]) -> None:
    """IPv4 within IPv6 is the same address; no known address is in no range."""
    assert targets(decide(RoutingQuery("x", source), RULES)) == expected


def test_a_servers_own_name_in_front_is_not_part_of_the_models() -> None:
    """A route to the server that the client named anyway sends the rest as the model; to another, the whole name."""
    assert targets(decide(RoutingQuery("fast-box/m", "10.0.1.7"), RULES)) == ["fast-box/m"]
    assert targets(decide(RoutingQuery("laptop/m", "10.0.1.7"), RULES)) == ["fast-box"]


def test_all_conditions_of_a_match_must_hold() -> None:
    """Model and source together."""
    both = rules("routes: [{match: {model: a, source_host: 10.0.0.1}, route: {upstream: 'http://h'}}]")
    assert decide(RoutingQuery("a", "10.0.0.1"), both).layer == "route"
    assert decide(RoutingQuery("a", "10.0.0.2"), both).layer == "default"
    assert decide(RoutingQuery("b", "10.0.0.1"), both).layer == "default"


def test_exact_and_pattern_routes_keep_their_order() -> None:
    """The index of exact names does not let a later route go before an earlier one."""
    text = """\
routes:
  - {match: {model: /a/}, route: {upstream: "http://first"}}
  - {match: {model: ab}, route: {upstream: "http://second"}}
  - {match: {}, route: {upstream: "http://third"}}
  - {match: {model: c}, route: {upstream: "http://fourth"}}
"""
    loaded = rules(text)
    assert [targets(decide(RoutingQuery(model), loaded)) for model in ("ab", "b", "c")] == [
        ["first"],
        ["third"],
        ["third"],
    ]


def test_open_breakers_move_candidates_back_but_never_away() -> None:
    """The healthy ones first, each group in its own order; with all open, the order stays."""
    text = "servers: {a: 'http://a', b: 'http://b', c: 'http://c'}\naliases: {x: {instances: [a/m, b/m, c/m]}}"
    loaded = rules(text)
    plan = decide(RoutingQuery("x"), loaded, lambda candidate: candidate.server.name in "ab")
    assert targets(plan) == ["c/m", "a/m", "b/m"]
    assert plan.trace[-1].layer == "breaker"
    assert plan.trace[-1].detail == "Failed lately, and so tried after the others: a/m, b/m."
    everything = decide(RoutingQuery("x"), loaded, lambda candidate: True)
    assert targets(everything) == ["a/m", "b/m", "c/m"]
    assert "no other" in everything.trace[-1].detail


PLACES = """\
servers: {small: "http://small", big: "http://big"}
models: {small/m: {context: 1000, modalities: [text]}, small/hears: {modalities: [text, audio]}}
aliases: {x: {instances: [small/m, big/m]}, ears: {instances: [small/m, small/hears]}}
"""


def asked(model: str, **known: Any) -> RoutingQuery:
    return RoutingQuery(model, features=Features("openai", "chat", "hi", "", "chat", 1.0, **known))


@pytest.mark.parametrize(
    ("prompt", "output", "fits"),
    [(1000, None, True), (1001, None, False), (900, 100, True), (900, 101, False), (0, 1001, False), (1000, 0, True)],
)
def test_the_output_asked_for_needs_room_in_the_context_too(prompt: int, output: int | None, fits: bool) -> None:
    """Prompt and output together may fill the context to the last token, and no further."""
    plan = decide(asked("x", input_tokens=prompt, max_tokens=output), rules(PLACES))
    assert targets(plan) == (["small/m", "big/m"] if fits else ["big/m"])
    assert (plan.trace[-1].layer == "capability") is not fits
    if not fits:
        assert all(fact in plan.trace[-1].detail for fact in ("small/m", "1000", str(prompt + (output or 0))))


def test_sound_goes_to_who_can_hear() -> None:
    """A model that lists what it takes, and not sound, is passed over."""
    plan = decide(asked("ears", modalities=frozenset({"text", "audio"})), rules(PLACES))
    assert targets(plan) == ["small/hears"]
    assert "small/m" in plan.trace[-1].detail and "cannot hear" in plan.trace[-1].detail


def test_a_model_that_keeps_the_clients_name_is_known_by_it() -> None:
    """A route that names only a server is held to what the file says of the model that the client named there."""
    loaded = rules(PLACES + "routes: [{match: {model: m}, route: {upstream: small, fallbacks: [big/m]}}]")
    assert targets(decide(asked("m", input_tokens=2000), loaded)) == ["big/m"]
    assert targets(decide(asked("m", input_tokens=10), loaded)) == ["small", "big/m"]


def test_the_first_choice_is_whom_the_rules_name_first() -> None:
    """Be it at rest or unable: the client's key is for it, and not for who is asked in its place."""
    loaded = rules(PLACES)
    resting = decide(asked("x"), loaded, lambda candidate: candidate.server.name == "small")
    assert (targets(resting), resting.first_choice.name) == (["big/m", "small/m"], "small")
    unable = decide(asked("x", input_tokens=2000), loaded)
    assert (targets(unable), unable.first_choice.name) == (["big/m"], "small")


def test_local_servers_may_stand_in_for_each_other() -> None:
    """What goes to one of local_only is tried at the others of them, in order, and nowhere else."""
    loaded = rules(
        """
servers: {a: "http://a", b: "http://b", c: "http://c"}
aliases: {x: {instances: [a/m, c/m, b/m]}, y: {instances: [c/m, a/m]}}
local_only: [a, b]
"""
    )
    plan = decide(RoutingQuery("x"), loaded)
    assert targets(plan) == ["a/m", "b/m"]
    assert plan.trace[-1].layer == "local_only" and "c/m" in plan.trace[-1].detail
    assert targets(decide(RoutingQuery("y"), loaded)) == ["c/m", "a/m"]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [(None, "small/m"), ("chat", "small/m"), ("completion", "small/m"), ("responses", "small/m"),
     ("count_tokens", "small/m"), ("embedding", "default"), ("image", "default")],
)  # fmt: skip
def test_the_default_is_for_all_that_is_text(operation: str | None, expected: str) -> None:
    """Counting the tokens of a request goes where the request itself goes."""
    plan = decide(RoutingQuery("auto", operation=operation), rules(PLACES + "default: small/m"))
    assert targets(plan) == [expected]


def test_rules_may_look_at_who_asks() -> None:
    """A caller's token and a header lead where a rule says; nobody else goes there."""
    loaded = rules(
        """
servers: {a: "http://a"}
routes:
  - {name: team, match: {token: abc}, route: {upstream: a}}
  - {name: flag, match: {header: {x-flag: "on"}}, route: {upstream: a}}
"""
    )
    assert decide(RoutingQuery("m", token="abc"), loaded).route == "team"
    assert decide(RoutingQuery("m", headers={"x-flag": "on"}), loaded).route == "flag"
    assert decide(RoutingQuery("m", token="abd", headers={"x-flag": "off"}), loaded).layer == "default"


def test_a_clients_text_is_cut_in_the_trace() -> None:
    """A name of any length is shown by its beginning, in each line."""
    plan = decide(RoutingQuery("laptop/" + "x" * 10_000, "y" * 10_000), RULES)
    assert [line.layer for line in plan.trace] == ["alias", "route", "server"]
    for line in plan.trace:
        assert "laptop/" + "x" * 73 + "..." in line.detail
        assert "x" * 81 not in line.detail and "y" * 81 not in line.detail


def test_each_candidate_is_asked_about_once() -> None:
    """`is_open` may have a cost, and must give one answer per decision."""
    asked: list[Candidate] = []
    plan = decide(RoutingQuery("renamed"), RULES, lambda candidate: bool(asked.append(candidate)))
    assert asked == list(plan.candidates)


def test_the_trace_says_why_in_sentences() -> None:
    """Each layer that was asked leaves one line, the last of which is what happened."""
    trace = decide(RoutingQuery("laptop/qwen", "10.9.9.9"), MAPPED).trace
    assert [(line.layer, line.outcome, line.detail) for line in trace] == [
        ("model_map", "miss", "MODEL_MAP has no entry for laptop/qwen."),
        ("alias", "miss", "No alias is named laptop/qwen."),
        ("route", "miss", "None of the 9 routes matches laptop/qwen from 10.9.9.9."),
        ("server", "hit", "laptop/qwen names the server laptop and its model qwen."),
    ]
    trace = decide(RoutingQuery("renamed"), RULES).trace
    assert trace[-1].detail == (
        "route 2 (line 9) matches model renamed; it leads to laptop/qwen, then fast-box/big, then laptop/qwen."
    )
    trace = decide(RoutingQuery("gpt-4"), MAPPED).trace
    assert [line.detail for line in trace] == [
        "MODEL_MAP turns gpt-4 into coder by its entry gpt-4.",
        "The alias coder stands for fast-box/llama3-8b, then laptop/llama3:3b.",
    ]
    trace = decide(RoutingQuery(""), rules("")).trace
    assert [line.detail for line in trace] == [
        "There are no routes.",
        "No layer named a target, and there is no `default:` in the rules; (nothing) goes to DEFAULT_UPSTREAM, "
        "http://localhost:8000, which must know a model by this name.",
    ]


@given(st.text(max_size=200), st.text(max_size=30))
@settings(max_examples=100, deadline=None)
def test_whatever_a_client_sends_there_is_a_plan(model: str, source: str) -> None:
    """Never empty, never an exception; the trace is bounded, one line each, and names known layers."""
    plan = decide(RoutingQuery(model, source), MAPPED)
    assert plan.candidates
    assert all(line.layer in LAYERS and line.detail.isprintable() and len(line.detail) < 1000 for line in plan.trace)


def test_a_thousand_routes_cost_next_to_nothing() -> None:
    """Exact names are one lookup: under 0.3 ms, where the best of many runs tells the code from the machine's load."""
    lines = "".join(f"  - {{match: {{model: m{n}}}, route: {{upstream: 'http://h'}}}}\n" for n in range(1000))
    loaded = rules("routes:\n" + lines)
    durations = []
    for _ in range(200):
        began = time.perf_counter()
        plan = decide(RoutingQuery("m999", "10.0.0.1"), loaded)
        durations.append(time.perf_counter() - began)
    assert plan.route == "route 1000"
    assert min(durations) < 0.0003


OFF = """\
servers:
  cloud: {url: "http://cloud:8000", enabled: false}
  laptop: "http://localhost:11434"
  gone: {url: "http://gone:8000", enabled: false}
local_only: [gone]
aliases:
  both: {instances: [cloud/big, laptop/small]}
  none: {instances: [cloud/big, gone/x]}
routes:
  - {match: {model: one}, route: {upstream: cloud, model: big, fallbacks: [laptop/small]}}
  - {match: {model: private}, route: {upstream: gone, model: x, fallbacks: [laptop/small]}}
  - {match: {model: auto}, route: {upstream: cloud, model: big}}
"""


@pytest.mark.parametrize(
    ("model", "expected"),
    [("both", ["laptop/small"]), ("one", ["laptop/small"]), ("laptop/x", ["laptop/x"]), ("other", ["default"])],
)
def test_a_server_that_is_off_is_no_candidate(model: str, expected: list[str]) -> None:
    """By an alias, by a rule; the others are tried in their order, and the trace says so where one was left out."""
    plan = decide(RoutingQuery(model), rules(OFF))
    assert targets(plan) == expected and plan.refusal is None
    off = [line.detail for line in plan.trace if line.layer == "off"]
    assert off == (
        ["Their server is off (enabled: false), so they are not tried: cloud/big."] if model in ("both", "one") else []
    )


@pytest.mark.parametrize(
    ("model", "names"), [("none", "cloud, gone"), ("cloud/big", "cloud"), ("private", "gone"), ("auto", "cloud")]
)
def test_where_all_servers_are_off_nobody_else_is_asked(model: str, names: str) -> None:
    """Not even a fallback where the first was local_only, nor the layers after the rule."""
    plan = decide(RoutingQuery(model), rules(OFF))
    assert plan.candidates == () and plan.is_off and not plan.moves_on and not plan.forbidden
    assert plan.refusal == f"All servers that this request could go to are off (enabled: false): {names}."


def test_a_server_that_is_off_lists_nothing() -> None:
    """A bare name that only its list has is not found there, and `auto` takes no model of it."""
    found = rules(
        'servers: {cloud: {url: "http://cloud:1", enabled: false}, up: "http://up:1"}', default_upstream_set=False
    )
    known = KnownModels(
        {
            "cloud": server_models(read_models({"data": [{"id": "big"}]})),
            "up": server_models(read_models([{"id": "small"}])),
        }
    )
    assert targets(decide(RoutingQuery("big"), found, known=known)) == ["default"]
    assert targets(decide(RoutingQuery("auto"), found, known=known)) == ["up/small"]


def test_an_arbiter_on_a_server_that_is_off_is_none() -> None:
    """It would be asked about each prompt."""
    found = rules(
        'servers: {a: {url: "http://a:1", enabled: false}}\narbiter: {server: a, model: m, targets: {x: a/y}}'
    )
    assert found.arbiter is None
    assert any("is off (enabled: false), so there is no arbiter" in one.message for one in found.warnings)
