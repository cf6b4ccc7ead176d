"""A rules file is compiled whole, or refused with every fault it has."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.rules.ruleset import RulesError, Ruleset
from switchman.addons.core.servers.urls import parse

type Rules = Callable[..., Ruleset]
type Faults = Callable[[str], list[str]]


A_FILE = """\
servers:
  fast-box: "http://192.168.1.100:8000"
  laptop: "http://localhost:11434"
aliases:
  git-commit-model:
    instances:
      - "fast-box/llama3-8b"
      - server: "laptop"
        model: "llama3:3b"
routes:
  - match:
      model: "/.*-1.5b/"
    route:
      upstream: "http://gpu-server:8000"
  - match:
      source_host: "10.0.1.100"
    route:
      upstream: "http://192.168.1.100:8000"
      model: "llama3-70b"
"""


def test_the_file_that_users_already_have_loads_unchanged(rules: Rules) -> None:
    """Servers by URL, aliases in both forms, routes by pattern and by source, without one warning."""
    loaded = rules(A_FILE)
    fast, laptop = loaded.servers["fast-box"], loaded.servers["laptop"]
    assert str(fast.url) == "http://192.168.1.100:8000"
    instances = loaded.aliases["git-commit-model"].instances
    assert [(i.server, i.model) for i in instances] == [(fast, "llama3-8b"), (laptop, "llama3:3b")]
    first, second = loaded.routes
    assert first.upstream is not None
    assert (first.name, first.upstream.name, first.model) == ("route 1", "gpu-server:8000", None)
    assert (second.upstream, second.model, second.line) == (fast, "llama3-70b", 15)
    assert loaded.warnings == ()


def test_the_same_as_json_is_the_same(rules: Rules) -> None:
    """Told by its content, not its name."""
    text = '{\n\t"servers": {"fast-box": "http://h"},\n\t"routes": [{"route": {"upstream": "fast-box"}}]\n}'
    assert rules(text).routes[0].upstream == rules(text).servers["fast-box"]


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "{}", "servers: {a: 'http://h'}", "routes:\n", "aliases: {}\nroutes: []"]
)
def test_every_section_may_be_missing_or_empty(rules: Rules, text: str) -> None:
    """No routes, no servers, no file at all."""
    assert rules(text).warnings == ()


def test_the_default_upstream_is_listed_where_it_was_asked_for_or_is_all_there_is(rules: Rules) -> None:
    """http://localhost:8000 is only an assumption: with servers in the file it is not asked for its models."""
    assert [server.name for server in rules("").upstreams] == ["default"]
    assert [server.name for server in rules("servers: {a: 'http://h'}").upstreams] == ["a"]
    asked = rules("servers: {a: 'http://h'}", default_upstream_set=True)
    assert [server.name for server in asked.upstreams] == ["a", "default"]


def test_all_faults_are_found_at_once(faults: Faults) -> None:
    """Shape, names, secrets, duplicate keys: in file order, each with its line, column and key."""
    text = """\
servers:
  fast box: "http://h"
  b: {ulr: "http://h"}
  c: {url: "http://http://h", retry_on: [400], timeout: {connect: 0}}
  d: {url: "http://h", api_key: "env:NOT_SET"}
  d: "http://i"
aliases:
  empty: {instances: []}
  unknown: {instances: [nowhere/x, {server: e, model: x}, d/x, 3]}
routes:
  - {match: {model: "/(/"}, route: {upstream: dd}}
  - {match: {source_host: "10.0.0.0/33"}, route: {upstream: "h:8000"}}
  - {priority: 1001, route: {}}
  - {match: {modle: x}, route: {model: x}}
  - {route: {upstream: cc, fallbacks: [nope/x]}}
routse: []
"""
    found = [line.removeprefix("r.yaml:") for line in faults(text)]
    places = [":".join(line.split(":")[:2]) for line in found]
    assert places == [
        "2:3", "3:7", "4:12", "4:41", "4:67", "5:33", "6:3", "8:22", "9:25", "9:45", "9:64", "11:21", "11:47",
        "12:27", "12:61", "13:16", "13:29", "14:14", "15:24", "15:40", "16:1",
    ]  # fmt: skip
    text = "\n".join(found)
    for words in (
        "letters, digits, dot, underscore and hyphen",
        "did you mean 'url'? Known here: preset, url, dialect",
        "http:// is written twice",
        "only 401, 403 and 404 can be added, not 400",
        "expected more than 0.0, not 0",
        "this key is already on line 5",
        "expected at least 1 entry",
        "no server is named 'nowhere'",
        "expected server/model, or a mapping with server and model, not 3",
        "expected an address or a range",
        "expected 1000 or less, not 1001",
        "a route needs upstream, model, or both",
        "did you mean 'model'?",
        "did you mean 'routes'?",
    ):
        assert words in text


def test_settings_of_a_model_win_over_its_servers_and_those_over_the_environment(rules: Rules) -> None:
    """For thinking output, JSON fences and asking not to think alike."""
    text = """
servers:
  s: {url: "http://h", thinking_output: reasoning, strip_json_markdown: true, disable_thinking: true}
  plain: "http://i"
models:
  s/m: {thinking_output: keep, strip_json_markdown: false, disable_thinking: false, context: 4096}
"""
    loaded = rules(text)
    server, plain = loaded.servers["s"], loaded.servers["plain"]

    def shown(candidate: Candidate, asked: str = "") -> tuple[str, bool, bool]:
        return (
            loaded.thinking_for(candidate, asked),
            loaded.strips_json_for(candidate, asked),
            loaded.disables_thinking_for(candidate, asked),
        )

    assert shown(Candidate(server, "m")) == ("keep", False, False)
    assert shown(Candidate(server, ""), "m") == ("keep", False, False)
    assert shown(Candidate(server, "other"), "m") == ("reasoning", True, True)
    assert shown(Candidate(plain, "m")) == ("strip", False, False)
    assert rules("", strip_thinking=False).thinking_for(Candidate(plain, "")) == "keep"
    assert loaded.facts(server, "m").context == 4096
    assert loaded.facts(server, "other").context is None


def test_the_digest_names_the_content(rules: Rules) -> None:
    """Equal texts have equal digests, others do not, and no text has none."""
    assert rules(A_FILE).digest == rules(A_FILE).digest != rules(A_FILE + "\n").digest
    assert rules("").digest == ""


def test_values_can_be_told_apart_and_used_as_keys(rules: Rules) -> None:
    """Servers are hashable, headers and all, so that candidates are."""
    loaded = rules("servers: {a: {url: 'http://h', headers: {x: y}}, b: 'http://h2'}")
    assert len({loaded.servers["a"], loaded.servers["b"], loaded.default}) == 3
    assert loaded.servers["b"].url == parse("http://h2")


WORDS = st.sampled_from([
    "servers", "aliases", "routes", "models", "match", "route", "model", "upstream", "instances", "fallbacks", "server",
    "url", "timeout", "idle", "api_key", "headers", "retry_on", "s", "s/m", "http://h", "/x/", "/(/", "env:NO", "a b",
])  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1001) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
ROUTE = st.fixed_dictionaries({"route": ANYTHING}, optional={"match": ANYTHING, "priority": ANYTHING})
FILES = st.fixed_dictionaries(
    {},
    optional={
        "servers": st.dictionaries(WORDS, ANYTHING, max_size=3) | ANYTHING,
        "aliases": st.dictionaries(WORDS, st.fixed_dictionaries({"instances": ANYTHING}), max_size=3) | ANYTHING,
        "routes": st.lists(ROUTE, max_size=3) | ANYTHING,
        "models": ANYTHING,
    },
)


@given(FILES)
@settings(max_examples=100, deadline=None)
def test_no_file_does_worse_than_be_refused(rules: Rules, value: Any) -> None:
    """Whatever stands where, the outcome is a Ruleset or a RulesError with at least one placed problem."""
    try:
        rules(json.dumps(value))
    except RulesError as error:
        assert error.problems
        assert all(problem.line >= 1 and problem.severity == "error" for problem in error.problems)


THE_DESIGNS = """\
servers:                                  # a URL, or a mapping
  fast-box: "http://192.168.1.100:8000"
  openai: {url: "https://api.openai.com/v1", dialect: openai, api_key: "env:OPENAI_API_KEY"}   # or "vault:openai"
  claude: {url: "https://api.anthropic.com", dialect: anthropic, api_key: "env:OPENAI_API_KEY", timeout: {connect: 5, first_byte: 60, idle: 30}}
  laptop: {url: "http://localhost:11434", dialect: ollama}
models:                                   # optional facts: $ per million tokens, context, what it can do
  openai/gpt-4o-mini: {input_cost: 0.15, output_cost: 0.60, context: 128000, modalities: [text, vision]}
aliases:
  git-commit-model: {instances: ["fast-box/llama3-8b", {server: laptop, model: llama3:3b}]}
routes:                                   # first match wins; `priority` (0-1000, default 500) sorts first, then file order
  - match: {model: "/.*-1.5b/"}
    route: {upstream: "http://gpu-server:8000"}
  - match: {source_host: "10.0.1.0/24"}
    route: {upstream: "fast-box"}
  - name: Coding Rule
    priority: 900
    match: {model: auto, any: [{task: coding}, {keywords: ["stack trace"]}]}
    route: {model: openai/gpt-4o, fallbacks: [claude/claude-sonnet, laptop/qwen], thinking: disabled}
default: laptop/llama3                    # where `auto` goes when every layer misses
cache: {exact: {ttl: 24h}, semantic: {mode: shadow, threshold: 0.95}}
semantic_routes: {threshold: 0.85, categories: {code: {target: openai/gpt-4o, utterances: [...]}}}
arbiter: {url: "http://localhost:11434", model: "...", timeout_ms: 140, targets: {coding: openai/gpt-4o}}
"""  # noqa: E501


def test_the_designs_sample_loads_without_a_warning(rules: Rules) -> None:
    """Word for word, but for its list of modes and the key vault, which is not there yet."""
    loaded = rules(THE_DESIGNS)
    assert loaded.warnings == ()
    assert [route.name for route in loaded.routes] == ["Coding Rule", "route 1", "route 2"]
    assert [(i.server.name, i.model) for i in loaded.auto_default] == [("laptop", "llama3")]
    assert loaded.routes[0].thinking == "disabled"


def test_what_a_rule_redacts_is_in_the_place_of_what_the_file_does(rules: Rules) -> None:
    """By the name of the rule that decided; an empty list of patterns is none."""
    text = """
servers: {s: "http://h"}
redact: {patterns: [ip]}
routes:
  - {name: mine, match: {model: a}, route: {model: s/m}, redact: {patterns: [email, card]}}
  - {name: none, match: {model: b}, route: {model: s/m}, redact: {patterns: []}}
  - {name: plain, match: {model: c}, route: {model: s/m}}
"""
    found = rules(text)

    def kinds(route: str, layer: str = "route") -> list[set[str]]:
        return [set(one.kinds) for one in found.redact_for(Plan((), layer, route))]

    assert (kinds("mine"), kinds("none"), kinds("plain")) == ([{"email", "card"}], [], [{"ip"}])
    assert kinds("none", "conversation") == []
    assert kinds("none", "alias") == kinds("none", "arbiter") == kinds("none", "limits") == [{"ip"}]
    assert len(found.redactions()) == 2


def test_faults_of_what_is_redacted(faults: Callable[[str], list[str]]) -> None:
    """A pattern that there is not is told with the nearest one; a file that is not there, by its key."""
    found = faults("redact: {patterns: [emial], words: gone.txt}")
    assert "r.yaml:1:" in found[0] and "did you mean 'email'?" in found[0]
    found = faults("redact: {patterns: [email], words: gone.txt}")
    assert "redact.words" in found[0] and "gone.txt" in found[0]
