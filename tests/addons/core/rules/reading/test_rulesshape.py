"""Faults of shape: each with its place and what was expected, no secret in it, and the rest of the file still read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from switchman.addons.core.rules.reading.rulesshape import check_shape
from switchman.addons.core.rules.reading.yamltext import load

type Faults = Callable[[str], list[str]]


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
def test_each_fault_says_what_was_expected(faults: Faults, text: str, message: str) -> None:
    """One fault, one line, in words that say what to write."""
    (fault,) = faults(text)
    assert message in fault


def test_faults_never_show_what_may_be_a_secret(faults: Faults) -> None:
    """Values under api_key and headers, URLs with passwords, and values of unknown keys are not repeated."""
    text = """
servers:
  a: {url: "http://me:hunter2@h", api_key: [hunter2], headers: {authorization: {hunter2: 1}}, api_kye: hunter2}
  b: {url: "http://h", headers: [hunter2], dialect: "http://hunter2"}
  c: {url: "http://h", api_key: 22}
"""
    found = "\n".join(faults(text))
    assert "hunter2" not in found
    assert "22" not in found.partition("servers.c.api_key")[2]


CONDITIONS = """\
servers: {a: "http://h"}
routes:
  - match: {task: codng}
    route: {model: a/x}
  - match: {any: [{regex: "(?!a)"}, {tokens: {min: 5, max: 2}}, {keywrds: [x]}]}
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


def test_every_bad_condition_is_told_with_its_place(faults: Faults) -> None:
    """Nested ones, short forms, and the settings of layers alike."""
    assert [fault.partition(" Known here")[0] for fault in faults(CONDITIONS)] == [
        "r.yaml:3:19: routes[0].match.task: expected 'coding', 'translation', 'analysis', 'math', 'creative', 'chat', "
        "'summarization' or 'general', not 'codng'",
        "r.yaml:5:27: routes[1].match.any[0].regex: the regular expression (?!a) is refused, as patterns run in RE2: "
        "look-around (?!...) (?<!...) is not available; what must not be found stands under `not:`, with its own "
        "pattern; [^x] is any character but x",
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


@pytest.mark.parametrize("text", ["", "# nothing", "{}", "null", "~"])
def test_nothing_is_a_file_without_rules(text: str) -> None:
    """Its model has every section, all of them empty."""
    model, problems = check_shape(load(text, "r"))
    assert problems == []
    assert model is not None
    assert (model.servers, model.aliases, model.routes, model.default) == ({}, {}, [], None)


@pytest.mark.parametrize("text", ["3", "text", "[]", "- servers: {}", "true"])
def test_what_is_no_mapping_has_nothing_to_read(text: str) -> None:
    """One problem, for the file as a whole, and no model."""
    model, problems = check_shape(load(text, "r"))
    assert model is None
    assert [problem.message for problem in problems] == ["expected a mapping with servers, aliases and routes"]


@pytest.mark.parametrize(
    "faulty",
    [
        "servers: {s: {url: 'ftp://h'}}\naliases: {a: {instances: [s/x]}}\nroutes: [{route: {model: a}}]",
        "servers: {s: {url: 'http://h', timeout: {idle: -1}}}\ndefault: s/m",
        "servers: {s: 'http://h'}\naliases: {a: {instances: [3]}}\ndefault: a",
        "servers: {s: 'http://h'}\nmodels: {s/m: []}\ndefault: s/m",
        "servers: {s: 'http://h'}\nroutes: [{route: 3}, {route: {upstream: s}}]",
        "servers: {s: 'http://h'}\ncache: 3\nlocal_only: [s]",
        "servers: {s: 'http://h'}\nlocal_only: s",
        "servers: {s: 'http://h'}\nfallbacks: [3]",
        "servers: {s: 'http://h'}\nkeepalive: {after: -1}",
    ],
)
def test_one_fault_is_one_problem(faults: Faults, faulty: str) -> None:
    """The name of an entry with a fault inside is still known to the rest of the file."""
    assert len(faults(faulty)) == 1


def test_the_rest_of_a_faulty_file_is_read() -> None:
    """Its good entries are in the model, the faulty key alone is not, and the text of the file stays as it was."""
    document = load("servers: {a: {url: 'http://a', retry_on: [400]}, b: 'http://b'}\nroutse: []", "r")
    model, problems = check_shape(document)
    assert len(problems) == 2
    assert model is not None
    assert model.servers["a"].url == "http://a"
    assert model.servers["a"].retry_on == []
    assert document.data["servers"]["a"]["retry_on"] == [400]


@pytest.mark.parametrize(
    ("text", "key", "known"),
    [
        ("severs: {}", "severs", "servers"),
        ("servers: {a: {url: 'http://h', quirks: {effort: true}}}", "servers.a.quirks.effort", "effort_none"),
        ("servers: {a: {url: 'http://h', keepalive: {afer: 1}}}", "servers.a.keepalive.afer", "after"),
        ("models: {a/b: {contxt: 1}}", "models.a/b.contxt", "context"),
        ("aliases: {a: {instances: [{sever: x}]}}", "aliases.a.instances[0].sever", "server"),
        ("routes: [{match: {time: {betwen: x}}, route: {model: x}}]", "routes[0].match.time.betwen", "between"),
        ("routes: [{match: {not: {any: [{al: []}]}}, route: {model: x}}]", "routes[0].match.not.any[0].al", "all"),
        ("routes: [{route: {model: x, fallbacks: [{modl: x}]}}]", "routes[0].route.fallbacks[0].modl", "model"),
        ("default: {srver: x}", "default.srver", "server"),
        ("cache: {exact: {tl: 1}}", "cache.exact.tl", "ttl"),
        ("cache: {semantic: {mod: on}}", "cache.semantic.mod", "mode"),
        ("semantic_routes: {categories: {a: {targt: x}}}", "semantic_routes.categories.a.targt", "target"),
        ("arbiter: {url: 'http://h', model: x, modl: y}", "arbiter.modl", "model"),
    ],
)
def test_an_unknown_key_is_told_with_the_keys_that_are_known_there(
    faults: Faults, text: str, key: str, known: str
) -> None:
    """Wherever it stands, however deep in a match: place, key, and what may have been meant."""
    found = [fault for fault in faults(text) if "unknown key" in fault]
    assert len(found) == 1
    assert f" {key}: unknown key; did you mean {known!r}? Known here: " in found[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("servers: {a: {url: 'http://h', disable_thinking: 1}}", "expected true or false, not 1"),
        ("servers: {a: {url: 'http://h', retry_on: 401}}", "expected a list, not 401"),
        ("servers: {a: {url: 'http://h', retry_on: [401.5]}}", "expected a whole number, not 401.5"),
        ("servers: {a: {url: 'http://h', timeout: {idle: '5'}}}", "expected a number, not '5'"),
        ("servers: {a: {url: 'http://h', timeout: {idle: 90000}}}", "expected 86400.0 or less, not 90000"),
        ("servers: {a: {url: 'http://h', dialect: 'http://x'}}", "expected 'openai', 'ollama' or 'anthropic'"),
        ("models: {a/b: {context: 0}}", "expected more than 0, not 0"),
        ("models: {a/b: {modalities: {}}}", "expected a list, not a mapping"),
        ("models: {'': {}}", "expected text, not nothing"),
        ("routes: [{}]", "routes[0].route: this key is missing"),
        ("routes: [{match: {keywords: []}, route: {model: x}}]", "expected at least 1 entry"),
        ("routes: [{match: {keywords: null}, route: {upstream: [x]}}]", "expected text, not a list"),
        (f"routes: [{{priority: {'x' * 200}, route: {{model: m}}}}]", f"not {'x' * 80!r}"),
    ],
)
def test_what_was_found_is_told_where_it_helps(faults: Faults, text: str, message: str) -> None:
    """By its value, short, or by its kind; never an address, which may have a password in it."""
    (fault,) = faults(text)
    assert fault.endswith(message) or (message in fault and "http" not in fault.partition("expected")[2])
