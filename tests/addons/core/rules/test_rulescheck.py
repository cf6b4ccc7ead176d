"""What is allowed in a rules file but can hardly be meant is warned of, with its line."""

from types import SimpleNamespace

import pytest

from switchman.addons.core.rules.ruleset import parse_ruleset


def warnings(text: str, model_map: dict[str, str] | None = None) -> list[str]:
    environment = SimpleNamespace(
        default_upstream="http://localhost:8000", default_upstream_set=False, model_map=model_map or {},
        request_timeout=1.0, strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
    )  # fmt: skip
    return [str(warning) for warning in parse_ruleset(text, "r", environment).warnings]


def two_routes(first: str, second: str) -> str:
    return (
        "servers: {s: 'http://h'}\nroutes:\n"
        f"  - {{name: first, match: {first}, route: {{upstream: s}}}}\n"
        f"  - {{name: second, match: {second}, route: {{upstream: s}}}}\n"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{model: a}", "{model: a}"),
        ("{}", "{model: a}"),
        ("{}", "{}"),
        ("{model: /.*/}", "{model: a}"),
        ("{model: /.*/}", "{model: /b/, source_host: 10.0.0.1}"),
        ("{model: /-7b/}", "{model: llama-7b}"),
        ("{model: /x/}", "{model: /x/}"),
        ("{model: a}", "{model: a, source_host: 10.0.0.1}"),
        ("{source_host: 10.0.0.0/8}", "{model: a, source_host: 10.1.2.3}"),
        ("{source_host: 10.0.0.0/8}", "{source_host: 10.1.0.0/16}"),
        ("{source_host: 127.0.0.0/8}", "{source_host: '::ffff:127.0.0.1'}"),
    ],
)
def test_a_route_behind_one_that_takes_all_of_its_requests_never_matches(first: str, second: str) -> None:
    """The warning names the earlier route and its line."""
    assert warnings(two_routes(first, second)) == [
        "r:4:5: routes[1]: this route can never match: first (line 3), which is tried before, takes all that it could"
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{model: a}", "{model: b}"),
        ("{model: a}", "{}"),
        ("{model: a, source_host: 10.0.0.1}", "{model: a}"),
        ("{model: /-7b/}", "{model: llama-8b}"),
        ("{model: /-7b/}", "{model: /7b/}"),
        ("{source_host: 10.1.0.0/16}", "{source_host: 10.0.0.0/8}"),
        ("{source_host: 0.0.0.0/0}", "{source_host: '::1'}"),
        ("{source_host: 127.0.0.1}", "{source_host: localhost}"),
    ],
)
def test_a_route_that_can_still_match_is_left_in_peace(first: str, second: str) -> None:
    """Where an earlier route takes only a part, there is nothing to say."""
    assert warnings(two_routes(first, second)) == []


def test_priority_decides_which_one_is_before() -> None:
    """The first of the file is the one that never matches if the second goes before it."""
    text = """\
routes:
  - {name: low, match: {model: a}, route: {upstream: "http://h"}}
  - {name: high, priority: 501, match: {model: a}, route: {upstream: "http://i"}}
"""
    assert warnings(text) == [
        "r:2:5: routes[0]: this route can never match: high (line 3), which is tried before, takes all that it could"
    ]


def test_aliases_and_model_map_come_before_the_routes() -> None:
    """A route for exactly such a name is never reached; nor is an alias whose name is rewritten."""
    text = """\
servers: {s: "http://h"}
aliases:
  fast: {instances: [s/x]}
  old: {instances: [s/y]}
routes:
  - {match: {model: fast}, route: {upstream: s}}
  - {match: {model: gpt-4}, route: {upstream: s}}
  - {match: {model: same}, route: {upstream: s}}
"""
    assert warnings(text, {"gpt-4": "x", "/old/": "new", "same": "same"}) == [
        "r:4:3: aliases.old: MODEL_MAP turns old into new before this alias is looked at",
        "r:6:5: routes[0]: this route can never match: the alias fast answers before",
        "r:7:5: routes[1]: this route can never match: MODEL_MAP turns gpt-4 into x before",
    ]


def test_targets_that_do_not_exist_are_named() -> None:
    """A model without upstream that no server and no alias knows goes to DEFAULT_UPSTREAM, which is seldom meant."""
    text = """\
servers: {openai: "http://h"}
aliases: {a: {instances: [openai/x]}}
models:
  opnai/gpt: {context: 1}
  gpt: {context: 1}
  openai/gpt: {context: 1}
routes:
  - {match: {model: "1"}, route: {model: opneai/gpt-4}}
  - {match: {model: "2"}, route: {model: openai/gpt-4}}
  - {match: {model: "3"}, route: {model: a}}
  - {match: {model: "4"}, route: {model: a, upstream: openai}}
"""
    assert warnings(text) == [
        "r:4:3: models.opnai/gpt: no server is named 'opnai'; did you mean 'openai'?; these facts apply to nothing",
        "r:5:3: models.gpt: expected server/model; these facts apply to nothing",
        "r:8:42: routes[0].route.model: 'opneai/gpt-4' names no server and no alias; did you mean 'openai'?; "
        "it goes to the server that lists a model of this name",
        "r:11:42: routes[3].route.model: 'a' is an alias, but as upstream is given too, the name is sent as it stands",
    ]


def test_doubled_instances_are_noticed() -> None:
    """An instance that is listed twice is tried once; a repeat of a repeat is as good as any pattern."""
    text = """\
servers: {s: "http://h"}
aliases: {a: {instances: [s/x, s/x]}}
routes: [{match: {model: "/(a+)+$/"}, route: {upstream: s}}]
"""
    assert [line.split(": ", 2)[1] for line in warnings(text)] == ["aliases.a"]


def test_ten_thousand_rules_do_not_hold_up_a_reload() -> None:
    """Comparing is bounded: the warning is found among the first, and the check ends."""
    lines = "".join(f"  - {{match: {{model: /{n}$/}}, route: {{upstream: s}}}}\n" for n in range(1500))
    found = warnings(
        f"servers: {{s: 'http://h'}}\nroutes:\n  - {{match: {{model: /0$/}}, route: {{upstream: s}}}}\n{lines}"
    )
    assert len(found) == 1


SERVERS = "servers: {s: 'http://h', t: 'http://i'}\nmodels: {s/dear: {input_cost: 9}}\n"


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ("match: {any: []}, route: {model: s/m}", "any: of nothing never holds"),
        ("match: {max_cost: 5}, route: {model: s/dear}", "s/dear costs 9, more than max_cost"),
        (
            "match: {max_cost: 5}, route: {model: s/free}",
            "max_cost: no price of s/free is known: set `models: {s/free: {input_cost",
        ),
        ("match: {not: {max_cost: 5}}, route: {model: s/free}", "max_cost: no price of s/free is known"),
        ("match: {any: [{max_cost: 5}]}, route: {upstream: s, model: free}", "max_cost: no price of s/free is known"),
        ("match: {max_latency: 5}, route: {upstream: s}", "max_latency 5: the route names no single target"),
        ("match: {provider_health: {x: green}}, route: {model: s/m}", "provider_health: no server is named 'x'"),
        ("match: {any: [{all: [{task: chat}, {any: []}]}]}, route: {model: s/m}", "any: of nothing never holds"),
    ],
)
def test_conditions_that_never_hold_are_found(route: str, reason: str) -> None:
    """As far as the file alone tells."""
    (found,) = warnings(SERVERS + f"routes: [{{{route}}}]")
    assert f"this route can never match: {reason}" in found


def test_conditions_that_may_hold_are_left_alone() -> None:
    """One way of several is enough, and a price within the limit is fine."""
    routes = (
        "[{match: {any: [{any: []}, {task: chat}]}, route: {model: s/m}}, "
        "{match: {max_cost: 9, max_latency: 1, provider_health: {t: red}}, route: {model: s/dear}}]"
    )
    assert warnings(SERVERS + f"routes: {routes}") == []


def test_a_route_with_conditions_hides_only_one_with_the_same() -> None:
    """Other conditions may let others through."""
    same = two_routes("{model: a, task: chat}", "{model: a, task: chat}")
    assert "which is tried before, takes all that it could" in warnings(same)[0]
    assert warnings(two_routes("{model: a, task: chat}", "{model: a, task: math}")) == []
    assert warnings(two_routes("{model: a, task: chat}", "{model: a}")) == []
    assert len(warnings(two_routes("{model: a}", "{model: a, task: chat}"))) == 1


def test_fallbacks_that_leave_a_local_only_set_are_found() -> None:
    """They are never tried; of a route that is local_only by itself, and of an alias, too."""
    text = SERVERS + (
        "local_only: [s]\n"
        "aliases: {a: {instances: [s/m, t/m]}}\n"
        "routes:\n"
        "  - {match: {model: x}, route: {model: s/m, fallbacks: [s/n, t/n]}}\n"
        "  - {match: {model: y}, route: {model: t/m, fallbacks: [t/n, s/n], local_only: true}}\n"
        "  - {match: {model: z}, route: {model: t/m, fallbacks: [s/n]}}\n"
    )
    assert warnings(text) == [
        "r:4:11: aliases.a: s is local_only, so the instances on t are never tried",
        "r:6:45: routes[0].route.fallbacks: s is local_only here, so its fallbacks to t are never tried",
    ]


CLOUDS = """\
servers: {box: "http://box:8000", near: "http://10.0.0.7", one: "https://one.example", two: "https://two.example"}
"""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("aliases: {a: {instances: [box/m, one/m, two/m]}}", "one, two"),
        ("aliases: {a: {instances: [one/m, one/n, two/m]}}", "two"),
        ("routes: [{route: {upstream: box, fallbacks: [near/m, two/m]}}]", "two"),
        ("routes: [{route: {model: one/m, fallbacks: [two/m]}}]", "two"),
        ("routes: [{route: {upstream: one}}]\nfallbacks: [one/m, two/m]", "two"),
    ],
)
def test_public_servers_that_nobody_gives_a_key_are_found(text: str, names: str) -> None:
    """A fallback of another owner does not get the client's key, so it needs one, or a word that it does not."""
    (found,) = warnings(CLOUDS + text)
    assert f"the client's credentials do not go to {names}, and no others are set" in found


@pytest.mark.parametrize(
    "text",
    [
        "aliases: {a: {instances: [one/m, box/m, near/m]}}",
        "aliases: {a: {instances: [box/m, near/m]}}",
        "routes: [{route: {upstream: one, fallbacks: [one/m, box/m]}}]",
        "aliases: {a: {instances: [one/m, told/m]}}",
    ],
)
def test_neighbours_need_no_word(text: str) -> None:
    """A server at home often wants no key, and one that is told about is told about."""
    assert warnings(CLOUDS.replace("{box", "{told: {url: 'https://t.example', forward_auth: false}, box") + text) == []


def test_targets_of_layers_that_are_not_there_are_found() -> None:
    """Each would be a miss every time."""
    text = SERVERS + (
        "semantic_routes: {categories: {code: {target: nowhere/m}, talk: s/m, off: {utterances: [x]}}}\n"
        "arbiter: {server: s, model: m, targets: {coding: dear, chat: unknown}}\n"
    )
    found = warnings(text)
    assert [line.split(": ")[1] for line in found] == ["semantic_routes.categories.code.target", "arbiter.targets.chat"]
    assert "'nowhere/m' is no target" in found[0]


@pytest.mark.parametrize(
    ("match", "condition"),
    [
        ("{token: anna}", "token anna"),
        ("{not: {any: [{tools: true}, {group: [a, b]}]}}", "group a or b"),
        ("{token: [anna, '" + "0" * 64 + "']}", "token"),
    ],
)
def test_a_token_where_nobody_is_asked_for_one_is_found(match: str, condition: str) -> None:
    """With the line of the rule; a client's own key is no token of ours."""
    text = f"servers: {{s: 'http://h'}}\nroutes:\n  - {{match: {match}, route: {{upstream: s}}}}\n"
    own = text.replace(match, "{token: '" + "0" * 64 + "'}")
    environment = SimpleNamespace(
        default_upstream="http://localhost:8000", default_upstream_set=False, model_map={},
        request_timeout=1.0, strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
    )  # fmt: skip

    def told(written: str, wants: bool) -> list[str]:
        return [str(one) for one in parse_ruleset(written, "r", environment, wants_tokens=wants).warnings]

    (warning,) = told(text, False)
    assert warning.startswith("r:3:") and condition in warning and warning.endswith("set CLIENT_AUTH=TOKENS")
    assert told(text, True) == told(own, False) == []


def test_a_route_with_one_candidate_has_nowhere_to_go() -> None:
    """Whatever its fallback_on says; with fallbacks, its own or the file's, or an alias of several, it has."""
    text = (
        "servers: {s: 'http://h'}\naliases: {two: {instances: [s/a, s/b]}}\n"
        "routes:\n  - {match: {model: x}, route: {TARGET, fallback_on: [context]}}\n"
    )
    why = "routes[0].route.fallback_on: this route has one candidate, so there is no next one: give it fallbacks"
    for target in ("model: s/a", "upstream: s"):
        found = warnings(text.replace("TARGET", target))
        assert [one.partition(": ")[2] for one in found] == [why]
        assert warnings(text.replace("TARGET", f"{target}, fallbacks: [s/b]")) == []
        assert warnings(f"fallbacks: [s/b]\n{text.replace('TARGET', target)}") == []
    assert warnings(text.replace("TARGET", "model: two")) == []
    assert warnings(text.replace("TARGET", "model: s/a").replace("[context]", "[]")) == []
