"""Where a bare name goes that no alias and no rule knows, and what `auto` is where nothing says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, get_args

import pytest

from switchman.addons.core.decision.catalogue import read_models
from switchman.addons.core.decision.decide import RoutingQuery, decide, default_plan
from switchman.addons.core.decision.names.known import NOTHING_KNOWN, KnownModels, ServerModels, server_models
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.plan import Plan
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset

DIALECTS: tuple[DialectName, ...] = get_args(DialectName)
SERVERS = """\
servers:
  ollama: {url: "http://localhost:11434", dialect: ollama}
  vllm: {url: "http://box:8000", dialect: openai}
  any: "http://any:1"
"""
ABSENT = ServerModels(problem="refused", absent=True)


def rules(text: str = SERVERS, given: bool = False, **more: Any) -> Ruleset:
    environment = SimpleNamespace(
        **{
            "default_upstream": "http://localhost:8000", "default_upstream_set": given, "model_map": {},
            "request_timeout": 1.0, "strip_thinking": True, "strip_json_markdown": False, "disable_thinking": False,
        } | more
    )  # fmt: skip
    return parse_ruleset(text, "routes.yaml", environment)


def known(**servers: list[str] | ServerModels) -> KnownModels:
    """Lists by server; nothing listens on the assumed default, unless one is given for it."""
    lists = {
        name: one if isinstance(one, ServerModels) else server_models(read_models([{"id": model} for model in one]))
        for name, one in servers.items()
    }
    return KnownModels({"default": ABSENT, **lists})


LISTS = known(ollama=["llama3:latest", "qwen3:8b"], vllm=["gpt-oss", "shared"], any=["shared", "mistral:latest"])


def plan_of(model: str, lists: KnownModels = LISTS, own: Ruleset | None = None, **query: Any) -> Plan:
    return decide(RoutingQuery(model, **query), own or rules(), known=lists)


def asked_for(plan: Plan, model: str) -> list[str]:
    return [candidate.target_for(model) for candidate in plan.candidates]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("model", "targets", "words"),
    [
        ("gpt-oss", ["vllm/gpt-oss"], "gpt-oss is in the list of server vllm."),
        # to an Ollama server as the client wrote it
        ("llama3", ["ollama/llama3"], "llama3 is in the list of server ollama."),
        ("llama3:latest", ["ollama/llama3:latest"], "llama3:latest is in the list of server ollama."),
        # to any other as it lists it
        ("gpt-oss:latest", ["vllm/gpt-oss"], "gpt-oss:latest is in the list of server vllm."),
        ("mistral", ["any/mistral:latest"], "mistral is in the list of server any."),
        # in the order of the file
        ("shared", ["vllm/shared", "any/shared"], "shared is in the lists of servers vllm, then any."),
    ],
)
def test_a_bare_name_goes_to_the_servers_whose_lists_have_it(
    model: str, targets: list[str], words: str, dialect: DialectName
) -> None:
    """For clients of all dialects alike, and the trace says so."""
    plan = plan_of(model, dialect=dialect)
    assert (plan.layer, plan.lists, asked_for(plan, model)) == ("list", "used", targets)
    assert plan.trace[-1].detail == words


@pytest.mark.parametrize("lists", [LISTS, NOTHING_KNOWN])
def test_an_explicit_default_upstream_gets_all_that_no_rule_names(lists: KnownModels) -> None:
    """It was given for that, whatever the lists have; the trace tells who has it."""
    plan = plan_of("gpt-oss", lists, rules(given=True))
    assert (plan.layer, plan.lists, asked_for(plan, "gpt-oss")) == ("default", "", ["default/gpt-oss"])
    told = " (The list of server vllm has it too, as vllm/gpt-oss.)" if lists is LISTS else ""
    assert plan.trace[-1].detail == f"gpt-oss goes to DEFAULT_UPSTREAM, http://localhost:8000.{told}"


def test_the_assumed_default_comes_after_the_lists() -> None:
    """Who has a server on localhost:8000 and set nothing is served by it, for what nobody else lists."""
    there = known(vllm=["gpt-oss"], default=["own", "gpt-oss"])
    assert asked_for(plan_of("own", there), "own") == ["default/own"]
    assert asked_for(plan_of("gpt-oss", there), "gpt-oss") == ["vllm/gpt-oss", "default/gpt-oss"]
    other = plan_of("other", there)
    assert (other.layer, other.lists, asked_for(other, "other")) == ("default", "missed", ["default/other"])


@pytest.mark.parametrize("there", [ServerModels(problem="401"), ServerModels(problem="no answer within 2 s")])
def test_a_default_that_lists_nothing_is_tried_as_long_as_it_can_be_connected_to(there: ServerModels) -> None:
    """It may want a key for its list, or be busy."""
    assert asked_for(plan_of("m", known(default=there), rules("")), "m") == ["default/m"]
    assert plan_of("m", known(), rules("")).candidates == ()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_name_that_nothing_knows_is_refused_with_the_nearest(dialect: DialectName) -> None:
    """Where nothing answers on the assumed default."""
    plan = plan_of("gpt-os", dialect=dialect)
    assert (plan.candidates, plan.lists) == ((), "missed")
    assert plan.refusal == (
        "The model 'gpt-os' was not found: no alias, no rule and no server's list has it. "
        "The nearest names are: gpt-oss."
    )


def test_a_rule_may_name_a_bare_model() -> None:
    """It is found as a client's is; where nothing knows it, the rule's fallbacks follow, or there is a 404 for it."""
    text = SERVERS + "routes:\n  - {match: {model: mine}, route: {model: NAME, fallbacks: [FALLBACKS]}}\n"
    named = rules(text.replace("NAME", "gpt-oss").replace("FALLBACKS", ""))
    plan = plan_of("mine", own=named)
    assert (plan.layer, plan.lists, asked_for(plan, "mine")) == ("route", "used", ["vllm/gpt-oss"])
    assert "which is in the list of server vllm" in plan.trace[-1].detail
    unknown = rules(text.replace("NAME", "gpt-os").replace("FALLBACKS", "ollama/llama3"))
    assert asked_for(plan_of("mine", own=unknown), "mine") == ["ollama/llama3"]
    alone = plan_of("mine", own=rules(text.replace("NAME", "gpt-os").replace("FALLBACKS", "")))
    assert alone.candidates == () and "'gpt-os'" in (alone.refusal or "")


def test_model_map_and_the_lists() -> None:
    """The name after MODEL_MAP is the one that is looked for, and sent."""
    mapped = rules(model_map={"gpt-4": "gpt-oss", "/^o(.*)/": "llama3"})
    assert asked_for(plan_of("gpt-4", own=mapped), "gpt-4") == ["vllm/gpt-oss"]
    assert asked_for(plan_of("gpt-4:latest", own=mapped), "gpt-4:latest") == ["vllm/gpt-oss"]
    assert asked_for(plan_of("o1", own=mapped), "o1") == ["ollama/llama3"]


# `auto`


def auto(lists: KnownModels, own: Ruleset, **features: Any) -> Plan:
    facts = {"ask": "Hi", "system": "", "task": "chat", "task_confidence": 0.7, "language": "en"} | features
    return default_plan(RoutingQuery("auto", features=Features("openai", "chat", **facts)), own, known=lists)


def test_auto_is_the_first_alias_for_chats() -> None:
    """One for embeddings is none."""
    own = rules(SERVERS + "aliases: {embed: {instances: [ollama/nomic-embed-text]}, big: {instances: [vllm/gpt-oss]}}")
    plan = auto(LISTS, own)
    assert (plan.layer, plan.route, asked_for(plan, "auto")) == ("default", "big", ["vllm/gpt-oss"])
    assert "the first alias is big, which stands for vllm/gpt-oss" in plan.trace[-1].detail


def test_auto_is_the_first_chat_model_that_is_known() -> None:
    """Without an alias. Other servers that list it follow; the trace says where it is."""
    lists = known(ollama=["nomic-embed-text:latest", "qwen3:8b"], vllm=["qwen3:8b"])
    plan = auto(lists, rules())
    assert (plan.lists, asked_for(plan, "auto")) == ("used", ["ollama/qwen3:8b", "vllm/qwen3:8b"])
    assert "the first chat model that is known is qwen3:8b, in the lists of servers ollama, then vllm" in (
        plan.trace[-1].detail
    )


def test_auto_prefers_servers_that_are_there() -> None:
    """A list that is kept of one that is gone counts, if there is no other."""
    gone = ServerModels(known(x=["llama3"]).servers["x"].models, "refused", absent=True)
    assert asked_for(auto(known(ollama=gone, vllm=["gpt-oss"]), rules()), "auto") == ["vllm/gpt-oss"]
    assert asked_for(auto(known(ollama=gone), rules()), "auto") == ["ollama/llama3"]


def test_auto_takes_a_model_that_can_serve_the_request() -> None:
    """As far as `models:` tells: pictures want one that sees."""
    own = rules(SERVERS + "models: {vllm/blind: {modalities: [text]}, vllm/seer: {modalities: [text, vision]}}")
    lists = known(vllm=["blind", "seer"])
    assert asked_for(auto(lists, own), "auto") == ["vllm/blind"]
    assert asked_for(auto(lists, own, modalities=frozenset({"text", "vision"})), "auto") == ["vllm/seer"]


def test_auto_begins_with_an_explicit_default_upstream() -> None:
    """Its models are listed first; if it has an `auto` itself, that is asked for."""
    lists = known(ollama=["llama3"], default=["own"])
    assert asked_for(auto(lists, rules(given=True)), "auto") == ["default/own"]
    assert asked_for(auto(known(ollama=["llama3"], default=["x", "auto"]), rules(given=True)), "auto") == [
        "default/auto"
    ]


def test_auto_where_nothing_is_known() -> None:
    """An explicit DEFAULT_UPSTREAM is asked for `auto`, as before; without one, it is a 404."""
    assert asked_for(auto(NOTHING_KNOWN, rules(given=True)), "auto") == ["default/auto"]
    nothing = auto(known(), rules(""))
    assert (nothing.candidates, nothing.lists) == ((), "missed")
    assert "set DEFAULT_UPSTREAM" in (nothing.refusal or "")


def test_a_default_of_the_rules_may_be_a_bare_name() -> None:
    """It is found in the lists, or is the default upstream's, where that was given."""
    own = SERVERS + "default: gpt-oss"
    assert asked_for(auto(LISTS, rules(own)), "auto") == ["vllm/gpt-oss"]
    assert asked_for(auto(LISTS, rules(own, given=True)), "auto") == ["default/gpt-oss"]


def test_a_default_that_nothing_knows_is_named() -> None:
    """`auto` is not what was not found."""
    plan = auto(LISTS, rules(SERVERS + "default: gpt-osss"))
    assert plan.refusal is not None and plan.refusal.startswith("The model 'gpt-osss' was not found")
    assert "The nearest names are: gpt-oss" in plan.refusal


# `name` and `name:latest`

NAMES = (
    SERVERS
    + """\
aliases: {small: {instances: [vllm/a]}, "tiny:latest": {instances: [vllm/b]}}
routes:
  - {match: {model: plain}, route: {upstream: vllm, model: c}}
  - {match: {model: "tagged:latest"}, route: {upstream: vllm, model: d}}
  - {match: {model: "/^begin/"}, route: {upstream: vllm, model: e}}
  - {match: {model: "/^whole$/"}, route: {upstream: vllm, model: f}}
  - {match: {any: [{model: inner}]}, route: {upstream: vllm, model: g}}
  - {match: {model: "/^[^/]+:/"}, route: {upstream: ollama}}
"""
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("small", "vllm/a"), ("small:latest", "vllm/a"), ("tiny", "vllm/b"), ("tiny:latest", "vllm/b"),
        ("plain", "vllm/c"), ("plain:latest", "vllm/c"), ("tagged", "vllm/d"), ("tagged:latest", "vllm/d"),
        ("begin", "vllm/e"), ("begin:latest", "vllm/e"), ("whole", "vllm/f"), ("whole:latest", "vllm/f"),
        ("inner", "vllm/g"), ("inner:latest", "vllm/g"),
        ("ollama/llama3", "ollama/llama3"), ("ollama/llama3:latest", "ollama/llama3:latest"),
        ("vllm/gpt-oss", "vllm/gpt-oss"), ("vllm/gpt-oss:latest", "vllm/gpt-oss"), ("other:8b", "ollama/other:8b"),
    ],
)  # fmt: skip
def test_a_name_and_its_twin_are_one_model(model: str, target: str, dialect: DialectName) -> None:
    """In aliases, rules, `server/model`."""
    assert asked_for(plan_of(model, own=rules(NAMES), dialect=dialect), model) == [target]


def test_a_pattern_for_tags_is_not_for_names_without_one() -> None:
    """Only an Ollama client means `name:latest` by `name`."""
    openai = plan_of("gpt-oss", own=rules(NAMES), dialect="openai")
    assert (openai.layer, asked_for(openai, "gpt-oss")) == ("list", ["vllm/gpt-oss"])
    ollama = plan_of("gpt-oss", own=rules(NAMES), dialect="ollama")
    assert (ollama.layer, asked_for(ollama, "gpt-oss")) == ("route", ["ollama/gpt-oss"])


def test_an_exact_alias_wins_over_its_twin() -> None:
    """Whoever names both means two."""
    own = rules(SERVERS + 'aliases: {a: {instances: [vllm/x]}, "a:latest": {instances: [vllm/y]}}')
    assert asked_for(plan_of("a", own=own), "a") == ["vllm/x"]
    assert asked_for(plan_of("a:latest", own=own), "a:latest") == ["vllm/y"]


def test_auto_with_a_tag_is_auto() -> None:
    """Open WebUI adds one to every name."""
    own = rules(
        SERVERS
        + "default: vllm/gpt-oss\nroutes: [{match: {model: auto, source_host: 10.0.0.1}, route: {upstream: any}}]"
    )
    assert asked_for(plan_of("auto:latest", own=own, dialect="ollama"), "auto:latest") == ["vllm/gpt-oss"]
    assert plan_of("auto:latest", own=own, dialect="ollama", source="10.0.0.1").layer == "route"


@pytest.mark.parametrize(
    ("dialect", "server", "sent"),
    [
        ("ollama", "vllm", "new"),  # what Ollama's clients add means nothing there
        ("openai", "vllm", "new:latest"),  # its own words
        ("ollama", "any", "new:latest"),  # it may be an Ollama
        ("ollama", "ollama", "new:latest"),
    ],
)
def test_what_is_sent_while_no_list_is_known(dialect: DialectName, server: str, sent: str) -> None:
    """Only an Ollama client's tag is left out, for a server that is declared to be none."""
    plan = plan_of(f"{server}/new:latest", NOTHING_KNOWN, dialect=dialect)
    assert asked_for(plan, f"{server}/new:latest") == [f"{server}/{sent}"]


def test_facts_of_a_model_are_those_of_its_twin() -> None:
    """`models:` may be written either way."""
    own = rules(SERVERS + "models: {ollama/llama3: {context: 8}, 'vllm/gpt-oss:latest': {context: 9}}")
    assert own.facts(own.servers["ollama"], "llama3:latest").context == 8
    assert own.facts(own.servers["vllm"], "gpt-oss").context == 9
    assert own.facts(own.servers["vllm"], "gpt-oss:20b").context is None
