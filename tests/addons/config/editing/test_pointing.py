"""What leads to a server, wherever the grammar of the rules file lets it be named."""

from __future__ import annotations

from switchman.addons.config.editing.pointing import pointing
from switchman.addons.core.rules.reading.yamltext import load

FILE = """\
servers: {up: "http://up:1", other: "http://o:1"}
aliases:
  one: {instances: [other/x, up/a]}
  two: {instances: [{server: up}]}
  up: {instances: [other/b]}
routes:
  - {name: First, route: {upstream: up}}
  - {route: {model: up/x}}
  - {name: Back, route: {model: other/x, fallbacks: [other/y, {server: up, model: z}]}}
  - {name: Alias, route: {model: up}}
  - {name: Not, route: {upstream: other, model: up/x}}
default: up/a
fallbacks: [up/b]
local_only: [up]
semantic_routes: {categories: {code: {target: up/a}, talk: {target: other/a}}}
arbiter: {server: other, model: m, targets: {easy: up/a}}
limits: {all: {budgets: [{amount: 1, downgrade: up/small}]}}
"""


def test_every_place_is_found_once() -> None:
    """A model's name that begins as the server's does is none, nor is an alias that is called so."""
    data = load(FILE, "").data
    assert [str(one) for one in pointing(data, "up")] == [
        "alias one", "alias two", "route First", "route route 2", "route Back", "default", "fallbacks", "local_only",
        "semantic_routes code", "arbiter", "limits",
    ]  # fmt: skip
    assert [one.at for one in pointing(data, "up") if one.kind == "route"] == [0, 1, 2]
    assert pointing(data, "u") == pointing({}, "up") == pointing({"routes": 3, "aliases": [1]}, "up") == []


def test_the_arbiters_own_server() -> None:
    """It is asked, wherever its categories lead."""
    assert [str(one) for one in pointing({"arbiter": {"server": "up", "targets": {}}}, "up")] == ["arbiter"]
