"""Which names labels may have."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.state.metrics.catalogue import OTHER
from switchman.addons.state.metrics.names import Names, is_name, model_names, server_names

RULES = """
servers: {up: "http://up:1", far: "http://far:2"}
models: {far/priced: {input_cost: 1}, bare: {context: 9}}
aliases: {small: {instances: [up/one, {server: far, model: two}]}}
default: up/three
fallbacks: [up/four]
routes:
  - match: {model: x}
    route: {upstream: up, model: five, fallbacks: [far/org/six]}
  - match: {model: y}
    route: {model: far/seven}
  - match: {model: z}
    route: {upstream: "http://plain:3"}
arbiter: {url: "http://a:1", model: judge, targets: {coding: up/eight}}
semantic_routes: {categories: {code: {target: up/nine, utterances: [write code]}}}
"""


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return parse_ruleset(RULES, "r.yaml", Settings())


def test_the_rules_names_are_all_that_they_name(rules: Ruleset) -> None:
    """Wherever they do."""
    wanted = {"one", "two", "three", "four", "five", "org/six", "seven", "eight", "nine", "priced", "bare"}
    assert wanted <= model_names(rules)
    assert {"up", "far", rules.default.name} <= server_names(rules) and len(server_names(rules)) >= 4


def test_a_name_of_the_rules_is_always_told(rules: Ruleset, tmp_path: Path) -> None:
    """Also where there is no room for any other, and while it fails."""
    names = Names(tmp_path, 0)
    names.obey(rules)
    assert names.of("model", "one", False) == "one" and names.of("server", "far", False) == "far"
    assert names.of("model", "another", True) == OTHER
    assert names.of("model", "", False) == ""


def test_others_have_theirs_once_a_server_answered_and_while_there_is_room(tmp_path: Path) -> None:
    """What fails takes no room: names that nobody knows would fill it."""
    names = Names(tmp_path, 2)
    assert names.of("model", "a", False) == OTHER
    assert [names.of("model", name, True) for name in "abca"] == ["a", "b", OTHER, "a"]
    assert names.of("model", "a", False) == "a"
    assert names.of("server", "c", True) == "c"  # each label has its own room


def test_the_bound_holds_over_all_workers(tmp_path: Path) -> None:
    """What one has taken is the others' as well, also where they have not looked before."""
    one, two, three = (Names(tmp_path, 3) for _ in range(3))
    taken = [names.of("model", name, True) for names, name in ((one, "a"), (two, "b"), (one, "c"), (two, "d"))]
    assert taken == ["a", "b", "c", OTHER]
    assert three.of("model", "b", False) == OTHER
    version = three.version
    three.look()
    assert three.version > version
    assert [three.of("model", name, False) for name in "abcd"] == ["a", "b", "c", OTHER]
    version = three.version
    three.look()
    assert three.version == version


@pytest.mark.parametrize("text", ["llama3:8b", "org/Model-1.5_b", "anthropic.claude-v2:1", "gpt-4o@2024", "[::1]:80"])
def test_names_of_models_are_names(text: str) -> None:
    """As servers write them."""
    assert is_name(text)


@pytest.mark.parametrize(
    "text",
    ["tell me a secret", "two\nlines", 'a"b', "a{b}", "x" * 129, "sk-proj-" + "a1B2c3D4" * 5, "\ud800",
     "sk-sw-" + "aB3dE5gH" * 5 + "abc"],
)  # fmt: skip
def test_what_may_be_a_prompt_or_a_key_is_none(text: str, tmp_path: Path) -> None:
    """Though a server answered to it."""
    assert not is_name(text)
    assert Names(tmp_path, 9).of("model", text, True) == OTHER


def test_without_a_folder_each_worker_has_its_own_room() -> None:
    """As many."""
    names = Names(None, 2)
    names.look()
    assert [names.of("model", name, True) for name in "abca"] == ["a", "b", OTHER, "a"]


def test_a_folder_that_is_gone_costs_the_names_only(tmp_path: Path) -> None:
    """The counts go on, as `other`."""
    names = Names(tmp_path / "gone", 9)
    names.look()
    assert names.of("model", "a", True) == OTHER
