"""Names in drafted rules that are none here, with the real ones near to them."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.config.configuration import ruleset_of
from switchman.addons.config.settings import Settings
from switchman.addons.core.decision.described.naming import RealNames, findings, real_names
from switchman.addons.core.rules.ruleset import Ruleset

FILE = """\
servers: {up: "http://127.0.0.1:9", box: "http://127.0.0.1:8"}
models: {box/llama3: {context: 8000}}
aliases: {fast: {instances: [up/mini, box/llama3]}}
routes:
  - {name: Old, match: {model: auto}, route: {model: up/coder, fallbacks: [box/phi]}}
"""


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return ruleset_of(Settings(), FILE)


@pytest.fixture(scope="module")
def real(rules: Ruleset) -> RealNames:
    return real_names(rules, ["auto", "fast", "up/coder", "up/large", "gone/x"])


def test_what_there_is(real: RealNames) -> None:
    """Aliases, what servers list, and what the rules know; of servers of the rules only."""
    assert real.targets == ("fast", "up/coder", "up/large", "up/mini", "box/llama3", "box/phi")
    assert real.listed == {"up"}


@pytest.mark.parametrize(
    ("route", "what", "near"),
    [
        ({"model": "up/coder", "fallbacks": ["fast", {"server": "box", "model": "any"}]}, None, ()),
        ({"model": "fast"}, None, ()),
        ({"upstream": "up", "model": "large"}, None, ()),
        ({"upstream": "up"}, None, ()),
        ({"model": "box/not-listed-as-nobody-knows-its-list"}, None, ()),
        ({"model": "upp/coder"}, "server", "up/coder"),
        ({"model": "coder"}, "server", "up/coder"),
        ({"upstream": "boxx", "model": "llama3"}, "server", "box/llama3"),
        ({"model": "up/codr"}, "model", "up/coder"),
        ({"model": "fast", "fallbacks": ["up/lagre"]}, "model", "up/large"),
        ({"model": "fast", "fallbacks": [{"url": "http://evil.example"}]}, "address", None),
        ({"upstream": "http://evil.example", "model": "x"}, "address", None),
        ("text", None, ()),
        ({"model": 5, "fallbacks": 7, "upstream": []}, None, ()),
    ],
)
def test_targets(route: Any, what: str | None, near: Any, rules: Ruleset, real: RealNames) -> None:
    """Unknown servers, models that a server's own list lacks, addresses."""
    found = findings([{"name": "New", "route": route}], rules, real)
    assert [one.what for one in found] == ([what] if what else [])
    if what and near:
        assert near in found[0].near
    assert not what or found[0].path[0] == "route"


def test_names_that_are_used(rules: Ruleset, real: RealNames) -> None:
    """By a rule that is there, or by another one of the draft."""
    found = findings([{"name": name, "route": {"model": "fast"}} for name in ("Old", "New", "New", 5)], rules, real)
    assert [(one.at, one.what, one.word) for one in found] == [(0, "name", "Old"), (2, "name", "New")]
