"""Rules that look at headers, senders and the time keep the answers of those apart whom they treat differently."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.decision.circumstances import Circumstances
from switchman.addons.core.decision.decide import RoutingQuery
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.ruleset import parse_ruleset

SERVERS = 'servers: {one: "http://one:1"}\n'


def of(match: str, **ask: Any) -> str:
    text = f"{SERVERS}routes:\n  - match: {match}\n    route: {{model: one/a}}\n"
    given = {"model": "auto", "source": "10.0.0.1", "now": LocalTime(600, 0), **ask}
    return Circumstances(parse_ruleset(text, "routes.yaml", Settings())).of(RoutingQuery(**given))


def test_rules_that_look_at_the_request_only() -> None:
    """Where no rule looks outside of the request there is nothing to tell apart."""
    assert of("{keywords: [x]}") == of("{keywords: [x]}", source="1.2.3.4", headers={"x-a": "b"}) == ""


def test_headers() -> None:
    """A header counts by what a rule makes of it, however deep the condition stands."""
    match = "{any: [{keywords: [x]}, {not: {header: {x-team: blue}}}]}"
    assert of(match, headers={"x-team": "blue"}) != of(match, headers={"x-team": "red"})
    assert of(match, headers={"x-team": "red"}) == of(match, headers={"x-team": "green"}) == of(match)


def test_tokens() -> None:
    """Callers whom a rule names by their token are kept apart from all others, who are alike."""
    match = "{token: abc}"
    assert of(match, token="abc") != of(match, token="abd") == of(match, token="") == of(match)


@pytest.mark.parametrize(
    "match", ['{not: {source_host: "10.0.0.0/24"}}', "{any: [{source_host: 10.0.0.1}, {task: chat}]}"]
)
def test_sources_within_other_conditions(match: str) -> None:
    """An address counts wherever a rule asks for it."""
    assert of(match, source="10.0.0.1") != of(match, source="10.9.0.1") == of(match, source="10.9.0.2")


def test_sources() -> None:
    """Two addresses are alike where every rule treats them alike."""
    match = '{source_host: "10.0.0.0/24"}'
    assert of(match, source="10.0.0.1") == of(match, source="10.0.0.9") != of(match, source="10.9.0.1")


def test_the_time() -> None:
    """By day and by night are two circumstances, where a rule says so."""
    match = '{time: "09:00-17:00"}'
    assert of(match, now=LocalTime(600, 0)) == of(match, now=LocalTime(660, 1)) != of(match, now=LocalTime(1300, 0))
