"""A rules file is compiled whole, or refused with every fault it has."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.rules.ruleset import RulesError, Ruleset, Timeouts, parse_ruleset
from switchman.addons.core.servers.urls import parse


@dataclass(frozen=True)
class Environment:
    """The defaults that rules take from the environment."""

    default_upstream: str = "http://localhost:8000"
    default_upstream_set: bool = False
    model_map: dict[str, str] = field(default_factory=dict)
    request_timeout: float = 3000.0
    strip_thinking: bool = True
    strip_json_markdown: bool = False
    disable_thinking: bool = False


KEYS = {"OPENAI_API_KEY": "sk-hunter2", "EMPTY": " "}


def rules(text: str, environment: Environment | None = None) -> Ruleset:
    return parse_ruleset(text, "r.yaml", environment or Environment(), KEYS)


def faults(text: str) -> list[str]:
    """Every problem of a bad file, as people see it."""
    with pytest.raises(RulesError) as caught:
        rules(text)
    return [str(problem) for problem in caught.value.problems]


def warnings(text: str, environment: Environment | None = None) -> list[str]:
    return [str(warning) for warning in rules(text, environment).warnings]


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


def test_the_file_that_users_already_have_loads_unchanged() -> None:
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


def test_the_same_as_json_is_the_same() -> None:
    """Told by its content, not its name."""
    text = '{\n\t"servers": {"fast-box": "http://h"},\n\t"routes": [{"route": {"upstream": "fast-box"}}]\n}'
    assert rules(text).routes[0].upstream == rules(text).servers["fast-box"]


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "{}", "servers: {a: 'http://h'}", "routes:\n", "aliases: {}\nroutes: []"]
)
def test_every_section_may_be_missing_or_empty(text: str) -> None:
    """No routes, no servers, no file at all."""
    assert rules(text).warnings == ()


def test_a_url_that_is_a_servers_is_that_server() -> None:
    """So its key, its deadlines and its breaker are used; another spelling of the URL makes no difference."""
    text = "servers: {a: 'http://Host:80/v1/'}\nroutes: [{route: {upstream: 'http://host/v1'}}]"
    loaded = rules(text, Environment(default_upstream="http://host/v1"))
    assert loaded.routes[0].upstream is loaded.servers["a"]
    assert loaded.default is loaded.servers["a"]


def test_servers_without_a_name_are_called_by_their_address() -> None:
    """Two routes to one URL share the server; two URLs never share a name."""
    text = """
routes:
  - {match: {model: a}, route: {upstream: "http://h:8000"}}
  - {match: {model: b}, route: {upstream: "http://h:8000/"}}
  - {match: {model: c}, route: {upstream: "http://h:8000/v1"}}
  - {match: {model: d}, route: {upstream: "https://h:8000"}}
"""
    loaded = rules(text)
    assert [route.upstream and route.upstream.name for route in loaded.routes] == [
        "h:8000", "h:8000", "h:8000/v1", "https://h:8000",
    ]  # fmt: skip
    assert len(loaded.upstreams) == 3


def test_the_default_upstream_may_carry_a_path_and_yields_its_name() -> None:
    """It is called `default`, unless a server of the file is."""
    given = Environment(default_upstream="https://api.groq.com/openai/v1", default_upstream_set=True)
    assert (rules("", given).default.name, rules("", given).default.url.path) == ("default", "/openai/v1")
    assert rules("servers: {default: 'http://h'}", given).default.name == "DEFAULT_UPSTREAM"


def test_the_default_upstream_is_listed_where_it_was_asked_for_or_is_all_there_is() -> None:
    """http://localhost:8000 is only an assumption: with servers in the file it is not asked for its models."""
    assert [server.name for server in rules("").upstreams] == ["default"]
    assert [server.name for server in rules("servers: {a: 'http://h'}").upstreams] == ["a"]
    asked = rules("servers: {a: 'http://h'}", Environment(default_upstream_set=True))
    assert [server.name for server in asked.upstreams] == ["a", "default"]


def test_deadlines_have_defaults_and_the_total_is_the_requests() -> None:
    """What the file does not say is 10, 600, 300 seconds, and REQUEST_TIMEOUT."""
    text = "servers: {a: 'http://h', b: {url: 'http://i', timeout: {connect: 5, idle: 1.5, total: 9}}}"
    loaded = rules(text, Environment(request_timeout=77.0))
    assert loaded.servers["a"].timeout == Timeouts(10.0, 600.0, 300.0, 77.0)
    assert loaded.servers["b"].timeout == Timeouts(5.0, 600.0, 1.5, 9.0)
    assert loaded.default.timeout.total == 77.0


def test_keys_come_from_the_environment_and_stay_out_of_sight() -> None:
    """env:NAME in api_key and headers; neither repr nor str shows what it stands for."""
    text = """
servers:
  a: {url: "http://h", api_key: "env:OPENAI_API_KEY", headers: {x-key: "env:OPENAI_API_KEY", x-plain: "a:b"}}
"""
    loaded = rules(text)
    server = loaded.servers["a"]
    assert server.api_key is not None
    assert server.api_key.get_secret_value() == "sk-hunter2"
    assert server.headers == {"x-key": "sk-hunter2", "x-plain": "a:b"}
    assert "hunter2" not in repr(loaded) + str(loaded)
    assert loaded.warnings == ()


def test_a_key_that_is_not_there_refuses_the_file() -> None:
    """Unset, empty, unnamed, and the vault that is not built yet: never a request without the key that was meant."""
    text = """\
servers:
  a: {url: "http://h", api_key: "env:NOT_SET"}
  b: {url: "http://h", api_key: "env:EMPTY"}
  c: {url: "http://h", headers: {x-key: "env:NOT_SET"}}
  d: {url: "http://h", api_key: "vault:openai"}
  e: {url: "http://h", api_key: "env:"}
"""
    assert faults(text) == [
        "r.yaml:2:33: servers.a.api_key: the environment variable NOT_SET is not set, or empty",
        "r.yaml:3:33: servers.b.api_key: the environment variable EMPTY is not set, or empty",
        "r.yaml:4:41: servers.c.headers.x-key: the environment variable NOT_SET is not set, or empty",
        "r.yaml:5:33: servers.d.api_key: vault: is not available yet; use env:NAME",
        "r.yaml:6:33: servers.e.api_key: the environment variable (no name) is not set, or empty",
    ]


def test_a_key_written_into_the_file_works_with_a_warning() -> None:
    """It is accepted, it is advised against, and it is not repeated."""
    (warning,) = warnings("servers: {a: {url: 'http://h', api_key: sk-hunter2}}")
    assert "env:NAME" in warning
    assert "hunter2" not in warning


def test_all_faults_are_found_at_once() -> None:
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "r.yaml:1:1: expected a mapping with servers, aliases and routes"),
        ("servers: []", "r.yaml:1:10: servers: expected a mapping of names to values, not a list"),
        ("servers: {a: 3}", "r.yaml:1:14: servers.a: expected a URL, or a mapping with url or preset, not 3"),
        ("servers: {a: }", "r.yaml:1:13: servers.a: expected a URL, or a mapping with url or preset, not nothing"),
        ("servers: {a: {url: 'http://h', forward_auth: 'no'}}", "expected true or false, not 'no'"),
        (
            "servers: {a: {url: 'http://h', dialect: gemini}}",
            "expected 'openai', 'ollama' or 'anthropic', not 'gemini'",
        ),
        ("servers: {a: {url: 'http://h', timeout: {idle: .inf}}}", "expected a finite number"),
        (
            "servers: {a: {url: 'http://h', timeout: 5}}",
            "servers.a.timeout: expected a mapping of keys to values, not 5",
        ),
        ("routes: {}", "r.yaml:1:9: routes: expected a list, not a mapping"),
        ("routes: [{match: {model: 405}, route: {model: x}}]", "expected text, not 405 (in quotes it would be text)"),
        ("routes: [{match: {model: ''}, route: {model: x}}]", "expected text, not nothing"),
        ("routes: [{priority: high, route: {model: x}}]", "expected a whole number, not 'high'"),
        ("routes: [{match: {source_host: my-laptop}, route: {model: x}}]", "expected an address or a range"),
        ("routes: [{match: {any: {}}, route: {model: x}}]", "expected a list, not a mapping"),
        ("routes: [{route: {upstream: 'localhost:8000'}}]", "a URL starts with http:// or https://"),
        ("routes: [{route: {upstream: 'ftp://h'}}]", "a URL starts with http:// or https://"),
        ("aliases: {a: {instances: [{model: x}]}}", "expected either server or url"),
        ("models: {a/b: {input_cost: -1}}", "expected 0.0 or more, not -1"),
    ],
)
def test_each_fault_says_what_was_expected(text: str, message: str) -> None:
    """One fault, one line, in words that say what to write."""
    (fault,) = faults(text)
    assert message in fault


def test_faults_never_show_what_may_be_a_secret() -> None:
    """Values under api_key and headers, URLs with passwords, and values of unknown keys are not repeated."""
    text = """
servers:
  a: {url: "http://me:hunter2@h", api_key: [hunter2], headers: {authorization: {hunter2: 1}}, api_kye: hunter2}
  b: {url: "http://h", headers: [hunter2], dialect: "http://hunter2"}
  c: {url: "http://h", api_key: 22}
"""
    found = "\n".join(faults(text))
    assert "hunter2" not in found.replace("authorization.hunter2", "")
    assert "22" not in found.partition("servers.c.api_key")[2]


def test_aliases_may_name_aliases_but_not_in_a_circle() -> None:
    """Nested ones are spread out in place; a circle is a fault of every alias in it, and of none beside it."""
    loaded = rules("servers: {s: 'http://h'}\naliases: {a: {instances: [s/1, b, s/3]}, b: {instances: [s/2, s/1]}}")
    assert [instance.model for instance in loaded.aliases["a"].instances] == ["1", "2", "3"]
    circle = """\
servers: {s: "http://h"}
aliases:
  a: {instances: [b]}
  b: {instances: [a]}
  c: {instances: [a, s/x]}
"""
    assert faults(circle) == [
        "r.yaml:3:19: aliases.a.instances[0]: an alias that leads back to itself: b -> a -> b",
        "r.yaml:4:19: aliases.b.instances[0]: an alias that leads back to itself: a -> b -> a",
    ]


def test_an_alias_may_have_the_name_of_its_own_target() -> None:
    """`s/m` with a spare: the instance is the server's model, not the alias again."""
    loaded = rules("servers: {s: 'http://h', t: 'http://i'}\naliases: {s/m: {instances: [s/m, t/m]}}")
    assert [instance.server.name for instance in loaded.aliases["s/m"].instances] == ["s", "t"]


def test_names_split_at_the_first_slash() -> None:
    """What follows may hold slashes and colons."""
    loaded = rules("servers: {s: 'http://h'}\naliases: {a: {instances: ['s/org/model:7b', s]}}")
    assert [instance.model for instance in loaded.aliases["a"].instances] == ["org/model:7b", ""]


def test_routes_are_sorted_by_priority_then_by_place() -> None:
    """Higher first, 500 where nothing is said, and the order of the file among equals."""
    text = "routes:\n" + "".join(
        f"  - {{name: {name}, match: {{model: {name}}}, {priority} route: {{upstream: 'http://h'}}}}\n"
        for name, priority in [
            ("a", ""),
            ("b", "priority: 0,"),
            ("c", "priority: 1000,"),
            ("d", "priority: 500,"),
            ("e", ""),
        ]
    )
    assert [route.name for route in rules(text).routes] == ["c", "a", "d", "e", "b"]


def test_settings_of_a_model_win_over_its_servers_and_those_over_the_environment() -> None:
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
    assert rules("", Environment(strip_thinking=False)).thinking_for(Candidate(plain, "")) == "keep"
    assert loaded.facts(server, "m").context == 4096
    assert loaded.facts(server, "other").context is None


def test_the_digest_names_the_content() -> None:
    """Equal texts have equal digests, others do not, and no text has none."""
    assert rules(A_FILE).digest == rules(A_FILE).digest != rules(A_FILE + "\n").digest
    assert rules("").digest == ""


def test_values_can_be_told_apart_and_used_as_keys() -> None:
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
def test_no_file_does_worse_than_be_refused(value: Any) -> None:
    """Whatever stands where, the outcome is a Ruleset or a RulesError with at least one placed problem."""
    try:
        rules(json.dumps(value))
    except RulesError as error:
        assert error.problems
        assert all(problem.line >= 1 and problem.severity == "error" for problem in error.problems)


CONDITIONS = """\
servers: {a: "http://h"}
routes:
  - match: {task: codng}
    route: {model: a/x}
  - match: {any: [{regex: "(a+)+"}, {tokens: {min: 5, max: 2}}, {keywrds: [x]}]}
    route: {model: a/x}
  - match: {not: {time: "25:00-1:00"}, header: {x: 3}, modalities: [image], max_cost: -1}
    route: {model: a/x}
  - match: {tokens: 5, task: {types: coding, min_confidence: 2}}
    route: {model: a/x, thinking: maybe}
cache: {exact: {ttl: soon}, models: [3]}
arbiter: {model: x}
local_only: [b]
default: {server: c}
"""


def test_every_bad_condition_is_told_with_its_place() -> None:
    """Nested ones, short forms, and the settings of layers alike."""
    assert [fault.partition(" Known here")[0] for fault in faults(CONDITIONS)] == [
        "r.yaml:3:19: routes[0].match.task: expected 'coding', 'translation', 'analysis', 'math', 'creative', 'chat', "
        "'summarization' or 'general', not 'codng'",
        "r.yaml:5:27: routes[1].match.any[0].regex: a repeat within a repeat could take very long on some texts",
        "r.yaml:5:46: routes[1].match.any[1].tokens: min 5 is more than max 2: nothing is in this range",
        "r.yaml:5:66: routes[1].match.any[2].keywrds: unknown key; did you mean 'keywords'?",
        "r.yaml:7:25: routes[2].match.not.time: expected two times such as 09:00-17:30, not '25:00-1:00'",
        "r.yaml:7:52: routes[2].match.header.x: expected a list, not 3",
        "r.yaml:7:69: routes[2].match.modalities[0]: expected 'text', 'vision' or 'audio', not 'image'",
        "r.yaml:7:87: routes[2].match.max_cost: expected 0.0 or more, not -1",
        "r.yaml:9:21: routes[3].match.tokens: expected a mapping with min, max, or both, not 5",
        "r.yaml:9:62: routes[3].match.task.min_confidence: expected 1.0 or less, not 2",
        "r.yaml:10:35: routes[3].route.thinking: expected 'auto', 'enabled' or 'disabled', not 'maybe'",
        "r.yaml:11:22: cache.exact.ttl: expected a time such as 90s, 30m, 24h or 7d, not 'soon'",
        "r.yaml:11:38: cache.models[0]: expected text, not 3 (in quotes it would be text)",
        "r.yaml:12:10: arbiter: expected either url or server",
        "r.yaml:13:14: local_only[0]: no server is named 'b'; the servers are: a",
        "r.yaml:14:19: default.server: no server is named 'c'; the servers are: a",
    ]


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


def test_the_designs_sample_loads_without_a_warning() -> None:
    """Word for word, but for its list of modes and the key vault, which is not there yet."""
    loaded = rules(THE_DESIGNS)
    assert loaded.warnings == ()
    assert [route.name for route in loaded.routes] == ["Coding Rule", "route 1", "route 2"]
    assert [(i.server.name, i.model) for i in loaded.auto_default] == [("laptop", "llama3")]
    assert loaded.routes[0].thinking == "disabled"
