"""Names looked up, secrets read, patterns compiled: from the file as written to values that decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple

import pytest

from switchman.addons.config.configuration import well_known
from switchman.addons.config.settings import Settings
from switchman.addons.core.routes.conditions import MaxCost, MaxLatency
from switchman.addons.core.rules.presets import Preset
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.reading.rulesshape import check_shape
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.core.rules.rulescompile import Compiler
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.core.rules.rulesfile import RulesFileModel
from switchman.addons.core.servers.servers import KeepAlive, Server

type Rules = Callable[..., Ruleset]
type Faults = Callable[[str], list[str]]
type Warnings = Callable[..., list[str]]

PRESET = Preset(
    url="https://api.example.com/v1", dialect="openai", also=("anthropic",), api_key_env="EXAMPLE_KEY", docs="none"
)


def compiler(text: str, env: dict[str, str] | None = None) -> tuple[Compiler, RulesFileModel]:
    """A compilation whose servers are compiled, with one preset."""
    document = load(text, "r")
    model, problems = check_shape(document)
    assert problems == []
    assert model is not None
    made = Compiler(document, env or {}, 3000.0, {"example": PRESET})
    made.compile_servers(model)
    return made, model


def server(text: str, env: dict[str, str] | None = None) -> tuple[Server, list[str]]:
    """The server `s` of this mapping, and what was found wrong."""
    made, _ = compiler(f"servers: {{s: {text}}}", env)
    return made.servers["s"], [str(problem) for problem in made.problems]


def test_a_url_that_is_a_servers_is_that_server(rules: Rules) -> None:
    """So its key, its deadlines and its breaker are used; another spelling of the URL makes no difference."""
    text = "servers: {a: 'http://Host:80/v1/'}\nroutes: [{route: {upstream: 'http://host/v1'}}]"
    loaded = rules(text, default_upstream="http://host/v1")
    assert loaded.routes[0].upstream is loaded.servers["a"]
    assert loaded.default is loaded.servers["a"]


def test_servers_without_a_name_are_called_by_their_address(rules: Rules) -> None:
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


def test_the_default_upstream_may_carry_a_path_and_yields_its_name(rules: Rules) -> None:
    """It is called `default`, unless a server of the file is."""
    given = {"default_upstream": "https://api.groq.com/openai/v1", "default_upstream_set": True}
    assert (rules("", **given).default.name, rules("", **given).default.url.path) == ("default", "/openai/v1")
    assert rules("servers: {default: 'http://h'}", **given).default.name == "DEFAULT_UPSTREAM"


def test_deadlines_have_defaults_and_the_total_is_the_requests(rules: Rules) -> None:
    """What the file does not say is 10, 600, 300 seconds, and REQUEST_TIMEOUT."""
    text = "servers: {a: 'http://h', b: {url: 'http://i', timeout: {connect: 5, idle: 1.5, total: 9}}}"
    loaded = rules(text, request_timeout=77.0)
    assert astuple(loaded.servers["a"].timeout) == (10.0, 600.0, 300.0, 77.0)
    assert astuple(loaded.servers["b"].timeout) == (5.0, 600.0, 1.5, 9.0)
    assert loaded.default.timeout.total == 77.0


def test_keys_come_from_the_environment_and_stay_out_of_sight(rules: Rules) -> None:
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


def test_a_key_that_is_not_there_refuses_the_file(faults: Faults) -> None:
    """Unset, empty, unnamed, and a vault that cannot be read: never a request without the key that was meant."""
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
        "r.yaml:5:33: servers.d.api_key: the vault cannot be read here; openai is not known",
        "r.yaml:6:33: servers.e.api_key: env: is followed by a name",
    ]


def test_a_key_written_into_the_file_works_with_a_warning(warnings: Warnings) -> None:
    """It is accepted, it is advised against, and it is not repeated."""
    (warning,) = warnings("servers: {a: {url: 'http://h', api_key: sk-hunter2}}")
    assert "env:NAME" in warning
    assert "hunter2" not in warning


def test_aliases_may_name_aliases_but_not_in_a_circle(rules: Rules, faults: Faults) -> None:
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
        "r.yaml:3:19: aliases.a.instances[0]: this alias leads back to itself: b -> a -> b",
        "r.yaml:4:19: aliases.b.instances[0]: this alias leads back to itself: a -> b -> a",
    ]


def test_an_alias_may_have_the_name_of_its_own_target(rules: Rules) -> None:
    """`s/m` with a spare: the instance is the server's model, not the alias again."""
    loaded = rules("servers: {s: 'http://h', t: 'http://i'}\naliases: {s/m: {instances: [s/m, t/m]}}")
    assert [instance.server.name for instance in loaded.aliases["s/m"].instances] == ["s", "t"]


def test_names_split_at_the_first_slash(rules: Rules) -> None:
    """What follows may hold slashes and colons."""
    loaded = rules("servers: {s: 'http://h'}\naliases: {a: {instances: ['s/org/model:7b', s]}}")
    assert [instance.model for instance in loaded.aliases["a"].instances] == ["org/model:7b", ""]


def test_routes_are_sorted_by_priority_then_by_place(rules: Rules) -> None:
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


def test_a_preset_gives_what_the_file_does_not_say() -> None:
    """URL, dialects, and the key of its usual variable, where that is set."""
    found, problems = server("{preset: example}", {"EXAMPLE_KEY": " sk-1 "})
    assert (str(found.url), found.dialect, found.also) == ("https://api.example.com/v1", "openai", ("anthropic",))
    assert found.api_key is not None
    assert found.api_key.get_secret_value() == "sk-1"
    assert problems == []


@pytest.mark.parametrize("env", [{}, {"EXAMPLE_KEY": " "}])
def test_a_presets_usual_variable_need_not_be_set(env: dict[str, str]) -> None:
    """The clients' own keys may go there."""
    found, problems = server("{preset: example}", env)
    assert (found.api_key, problems) == (None, [])


def test_the_file_wins_over_the_preset() -> None:
    """URL and key; with a dialect of its own it speaks that and nothing beside it, even where that is any."""
    env = {"EXAMPLE_KEY": "sk-1", "MINE": "sk-2"}
    found, _ = server("{preset: example, url: 'http://h', dialect: ollama, api_key: 'env:MINE'}", env)
    assert (str(found.url), found.dialect, found.also) == ("http://h", "ollama", ())
    assert found.api_key is not None
    assert found.api_key.get_secret_value() == "sk-2"
    anything, _ = server("{preset: example, dialect: null}", env)
    assert (anything.dialect, anything.also) == (None, ())


def test_a_preset_that_is_not_there_is_a_fault() -> None:
    """With the nearest name and all there are; the server's name keeps its meaning."""
    found, problems = server("{preset: exmple}")
    assert problems == [
        "r:1:23: servers.s.preset: no preset is named 'exmple'; did you mean 'example'?; the presets are: example"
    ]
    assert found.url.host == "unreadable.invalid"


def test_pings_are_set_for_all_servers_and_for_one() -> None:
    """A server's own section wins key by key; a server without a name has the general one."""
    made, model = compiler(
        "servers: {a: {url: 'http://a', keepalive: {after: 5}}, b: 'http://b'}\n"
        "keepalive: {after: 9, before_answer: true}\nroutes: [{route: {upstream: 'http://c'}}]"
    )
    (route,) = made.compile_routes(model, {})
    assert made.servers["a"].keepalive == KeepAlive(5, True)
    assert made.servers["b"].keepalive == KeepAlive(9, True)
    assert route.upstream is not None
    assert route.upstream.keepalive == KeepAlive(9, True)
    assert route.upstream.timeout.total == 3000.0


@pytest.mark.parametrize(
    ("target", "instances"),
    [
        ("s/m", ["s/m"]),
        ("s", ["s/"]),
        ("pair", ["s/a", "t/b"]),
        ("{server: t, model: m/n}", ["t/m/n"]),
        ("{server: t}", ["t/"]),
        ("{url: 'http://t', model: m}", ["t/m"]),
        ("{url: 'http://u', model: m}", ["u/m"]),
        ("bare", ["default/bare"]),
    ],
)
def test_the_default_of_auto(rules: Rules, target: str, instances: list[str]) -> None:
    """Whatever an instance may be; a name alone is a model of DEFAULT_UPSTREAM."""
    loaded = rules(
        f"servers: {{s: 'http://s', t: 'http://t'}}\naliases: {{pair: {{instances: [s/a, t/b]}}}}\ndefault: {target}"
    )
    assert [f"{one.server.name}/{one.model}" for one in loaded.auto_default] == instances


def test_a_default_that_names_nothing_is_warned_of(warnings: Warnings) -> None:
    """It may be meant, or a slip."""
    assert warnings("servers: {laptop: 'http://s'}\ndefault: laptp") == [
        "r.yaml:2:10: default: 'laptp' names no server and no alias; did you mean 'laptop'?; it goes to "
        "the server that lists such a model"
    ]


def test_fallbacks_are_spread_out(rules: Rules) -> None:
    """An alias among them stands for all its instances, in its place."""
    text = """
servers: {s: "http://s", t: "http://t"}
aliases: {pair: {instances: [s/a, t/b]}}
fallbacks: [t/x, pair, {url: "http://t", model: y}]
routes: [{route: {model: s/m, fallbacks: [pair, t/z]}}]
"""
    loaded = rules(text)
    assert [f"{one.server.name}/{one.model}" for one in loaded.fallbacks] == ["t/x", "s/a", "t/b", "t/y"]
    assert [f"{one.server.name}/{one.model}" for one in loaded.routes[0].fallbacks] == ["s/a", "t/b", "t/z"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("routes: [{route: {upstream: nope}}]", "routes[0].route.upstream"),
        ("routes: [{route: {model: s/m, fallbacks: [nope/m]}}]", "routes[0].route.fallbacks[0]"),
        ("routes: [{enabled: false, route: {upstream: nope}}]", "routes[0].route.upstream"),
        ("fallbacks: [s/m, nope/m]", "fallbacks[1]"),
        ("default: nope/m", "default"),
        ("default: {server: nope}", "default.server"),
        ("local_only: [s, nope]", "local_only[1]"),
        ("arbiter: {server: nope, model: m}", "arbiter.server"),
        ("aliases: {a: {instances: [s/m, {server: nope}]}}", "aliases.a.instances[1].server"),
    ],
)
def test_a_server_that_is_not_there_is_a_fault_wherever_it_is_named(faults: Faults, text: str, place: str) -> None:
    """Also in a route that is not enabled: it may be, tomorrow."""
    (fault,) = faults(f"servers: {{s: 'http://s'}}\n{text}")
    assert f" {place}: no server is named 'nope'; the servers are: s" in fault


def test_without_servers_none_are_listed(faults: Faults) -> None:
    """And what looks like an address is told how one is written."""
    (fault,) = faults("routes: [{route: {upstream: 'box:8000'}}]")
    assert fault.endswith("no server is named 'box:8000'; a URL starts with http:// or https://; the servers are: none")


def test_a_fault_within_an_alias_is_told_once(faults: Faults) -> None:
    """Where it stands, and not again for each alias that names this one."""
    text = (
        "servers: {s: 'http://s'}\naliases: {a: {instances: [nope/x, s/y]}, b: {instances: [a]}, c: {instances: [b]}}"
    )
    assert len(faults(text)) == 1


def test_a_doubled_instance_is_tried_once(rules: Rules) -> None:
    """Also where it came by way of another alias; the first place counts."""
    loaded = rules("servers: {s: 'http://s'}\naliases: {a: {instances: [s/x, b, s/x]}, b: {instances: [s/y, s/x]}}")
    assert [one.model for one in loaded.aliases["a"].instances] == ["x", "y"]
    assert len(loaded.warnings) == 1


def test_a_route_that_is_not_enabled_keeps_its_number(rules: Rules) -> None:
    """So the others keep their names when it is switched off."""
    loaded = rules("routes: [{enabled: false, route: {model: a}}, {route: {model: b}}]")
    assert [(route.name, route.position) for route in loaded.routes] == [("route 2", 1)]


@pytest.mark.parametrize(
    ("route", "target", "cost"),
    [
        ("{model: s/m}", "s/m", 2.5),
        ("{upstream: s, model: m}", "s/m", 2.5),
        ("{model: pair}", "s/m", 2.5),
        ("{model: s/other}", "s/other", None),
        ("{model: unknown}", "", None),
        ("{upstream: s}", "", None),
    ],
)
def test_costs_and_latency_are_asked_of_the_first_target(
    rules: Rules, route: str, target: str, cost: float | None
) -> None:
    """With the file's price, where it has one; a route that leads to no one place has none."""
    loaded = rules(
        "servers: {s: 'http://s'}\nmodels: {s/m: {input_cost: 2.5}}\naliases: {pair: {instances: [s/m, s/n]}}\n"
        f"routes: [{{match: {{max_cost: 3}}, route: {route}}}, {{match: {{max_latency: 9}}, route: {route}}}]"
    )
    assert [route.match.condition for route in loaded.routes] == [MaxCost(3, target, cost), MaxLatency(9, target)]


def test_an_arbiter_by_its_address_offers_no_models(rules: Rules) -> None:
    """Its server is none of the upstreams, unless it is a server of the file by another way to write it."""
    text = "servers: {s: 'http://s:11434'}\narbiter: {url: 'http://%s', model: tiny, targets: {code: s/m}}"
    own, other = rules(text % "S:11434/"), rules(text % "t:11434")
    assert own.arbiter is not None
    assert own.arbiter.server is own.servers["s"]
    assert other.arbiter is not None
    assert other.arbiter.server.name == "t:11434"
    assert [server.name for server in other.upstreams] == ["s"]
    assert (other.arbiter.model, dict(other.arbiter.targets)) == ("tiny", {"code": "s/m"})


def test_facts_are_kept_even_of_a_server_that_is_not_there(rules: Rules) -> None:
    """They are warned of, and apply to nothing."""
    loaded = rules("models: {gone/m: {context: 5, modalities: [text, text]}}")
    assert (loaded.models["gone/m"].context, loaded.models["gone/m"].modalities) == (5, frozenset({"text"}))
    assert len(loaded.warnings) == 1


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ('api_key: "sk\\nx: 1"', "api_key: the key has a line break in it: it is one line (character 3 of 7)"),
        ('api_key: "sk\\0"', "api_key: the key has a NUL character in it (character 3 of 3)"),
        ("api_key: env:BROKEN", "api_key: the key has a line break in it: it is one line (character 2 of 4)"),
        ('api_key: "a b"', "api_key: the key has a blank in it (character 2 of 3)"),
        ('api_key: "  "', "api_key: expected a key, not blanks"),
        ("preset: openai", "api_key: the key has a line break in it: it is one line (character 2 of 4)"),
        ('headers: {x-a: "1\\r\\nx-b: 2"}', "headers.x-a: a header's value has a line break in it: it is one line"),
        ("headers: {x-a: env:BROKEN}", "headers.x-a: a header's value has a line break in it: it is one line"),
        ("headers: {x-a: é}", "headers.x-a: a header's value has a character in it that is not ASCII, U+00E9"),
        ("headers: {Host: b}", "headers.Host: host follows from the server's url"),
        ("headers: {Content-Length: '5'}", "headers.Content-Length: content-length says how the body is sent"),
        ("headers: {transfer-encoding: chunked}", "headers.transfer-encoding: transfer-encoding says how the body"),
        ("headers: {connection: close}", "headers.connection: connection is between the router"),
        ('headers: {"x a": b}', "headers....: a header's name has letters, digits and hyphens only"),
        ("headers: {X-A: b, x-a: c}", "headers.x-a: this header is there twice"),
    ],
)
def test_what_would_break_a_requests_head_is_refused(written: str, fault: str) -> None:
    """With its place, from the file and from the environment alike, and without the value."""
    url = "" if "preset" in written else "    url: http://h\n"
    env = {"BROKEN": "a\nbc", "OPENAI_API_KEY": "a\nbc"}
    with pytest.raises(RulesError) as error:
        parse_ruleset(f"servers:\n  s:\n{url}    {written}\n", "r.yaml", Settings(), env, well_known())
    assert f"servers.s.{fault}" in str(error.value)


def test_a_line_break_at_a_keys_end_is_taken_off() -> None:
    """As `$(cat file)` and YAML's | leave it."""
    text = "servers:\n  s:\n    url: http://h\n    api_key: |\n      sk-1\n    headers: {x-a: env:VALUE}\n"
    server = parse_ruleset(text, "r.yaml", Settings(), {"VALUE": " v \r\n"}).servers["s"]
    assert server.api_key is not None
    assert (server.api_key.get_secret_value(), server.headers) == ("sk-1", {"x-a": "v"})


def test_aliases_within_aliases_are_read_once() -> None:
    """Thirty of them, each of which names the next twice, would be a thousand million instances."""
    lines = [f"  a{n}: {{instances: [a{n + 1}, a{n + 1}]}}" for n in range(18)]
    text = "servers: {s: 'http://h'}\naliases:\n" + "\n".join(lines) + "\n  a18: {instances: [s/m]}\n"
    rules = parse_ruleset(text, "r.yaml", Settings())
    assert [len(alias.instances) for alias in rules.aliases.values()] == [1] * 19


def test_aliases_within_aliases_have_an_end() -> None:
    """In depth, and in number."""
    deep = [f"  a{n}: {{instances: [a{n + 1}]}}" for n in range(40)]
    wide = [f"  b{n}: {{instances: [{', '.join(f's/m{n}-{i}' for i in range(100))}]}}" for n in range(11)]
    all_of_them = ", ".join(f"b{n}" for n in range(11))
    last = ["  a40: {instances: [s/m]}", f"  c: {{instances: [{all_of_them}]}}"]
    text = "\n".join(["servers: {s: 'http://h'}", "aliases:", *deep, *wide, *last])
    with pytest.raises(RulesError) as error:
        parse_ruleset(text, "r.yaml", Settings())
    assert "aliases.a20.instances[0]: aliases within aliases, more than 20 deep" in str(error.value)
    assert "aliases.c.instances[10]: more than 1000 instances" in str(error.value)


def test_thousands_of_wrong_names_are_told_in_short() -> None:
    """Comparing each with all that there are would take minutes."""
    servers = "".join(f"  server{n}: http://h{n}\n" for n in range(300))
    aliases = "".join(f"  a{n}: {{instances: [servr{n}/m]}}\n" for n in range(300))
    with pytest.raises(RulesError) as error:
        parse_ruleset(f"servers:\n{servers}aliases:\n{aliases}", "r.yaml", Settings())
    lines = str(error.value).splitlines()
    assert len(lines) == 101 and lines[-1] == "r.yaml: and 200 more of this kind"
    assert "did you mean" in lines[0] and lines[0].endswith(", server49, and 250 more")
