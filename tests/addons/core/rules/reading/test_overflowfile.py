"""`fallback_on:` of servers, routes and the whole file."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.rules.ruleset import RulesError, Ruleset, parse_ruleset

SETTINGS = SimpleNamespace(
    default_upstream="http://up:8000", default_upstream_set=True, model_map={}, request_timeout=1.0,
    strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
)  # fmt: skip
FILE = """
servers: {a: {url: "http://a", fallback_on: [content_filter]}, b: "http://b"}
routes:
  - {name: both, match: {model: x}, route: {model: a/x, fallback_on: [context, content_filter]}}
  - {name: both, match: {model: y}, route: {model: a/x, fallback_on: [context]}}
  - {name: none, match: {model: z}, route: {model: a/x, fallback_on: []}}
"""


def read(text: str) -> Ruleset:
    return parse_ruleset(text, "r.yaml", SETTINGS)


def found(rules: Ruleset, server: str, route: str = "", layer: str = "route") -> set[str]:
    one = rules.servers[server]
    return set(rules.fallback_on_for(Plan((Candidate(one, "m"),), layer, route), one))


def test_a_route_goes_before_its_server_and_that_before_the_file() -> None:
    """Rules of one name move a request for what all of them name; what is no rule has no say by its name."""
    rules = read(FILE)
    assert found(rules, "a") == {"content_filter"} and found(rules, "b") == {"context"}
    assert found(rules, "a", "both") == found(rules, "b", "both", "conversation") == {"context"}
    assert found(rules, "a", "none") == found(rules, "b", "none") == set()
    assert found(rules, "b", "none", "alias") == {"context"}
    everywhere = read("fallback_on: [content_filter]" + FILE)
    assert found(everywhere, "b") == {"content_filter"}
    assert found(read("fallback_on: []" + FILE), "b") == set()


@pytest.mark.parametrize("value", ["[contents]", "context", "[429]", "{context: true}"])
@pytest.mark.parametrize(
    "place", ["fallback_on: VALUE\nservers: {a: 'http://a'}", "servers: {a: {url: 'http://a', fallback_on: VALUE}}"]
)
def test_what_else_is_written_is_a_fault(value: str, place: str) -> None:
    """With its place, and what may stand there."""
    with pytest.raises(RulesError) as caught:
        read(place.replace("VALUE", value))
    assert "fallback_on" in str(caught.value) and "r.yaml:" in str(caught.value)
