"""A match as written becomes the conditions that are asked, each key its own."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.request.clients import parse_address, parse_network
from switchman.addons.core.routes.conditions import (
    AskMatches,
    DepthBetween,
    GroupIs,
    HasModality,
    HeaderIs,
    HealthIs,
    LanguageIs,
    MaxCost,
    MaxLatency,
    ModelIs,
    SourceIn,
    Substrings,
    TaskIs,
    TimeBetween,
    TokenIs,
    TokensBetween,
    ToolsOffered,
    keywords,
)
from switchman.addons.core.routes.logic import AllOf, AnyOf, Not
from switchman.addons.core.routes.patterns import compile_pattern
from switchman.addons.core.routes.routes import MAX_MATCHED_CHARACTERS, Match
from switchman.addons.core.routes.subject import Condition
from switchman.addons.core.rules.matchcompile import OwnTarget, compile_match
from switchman.addons.core.rules.matchfile import MatchFile

TARGET = OwnTarget("s/m", 2.5)


def compiled(target: OwnTarget = TARGET, **written: Any) -> Match:
    return compile_match(MatchFile.model_validate(written), target)


@pytest.mark.parametrize(
    ("key", "written", "condition"),
    [
        ("token", ["a", "b"], TokenIs(frozenset({"a", "b"}))),
        ("group", ["a", "b-*"], GroupIs(frozenset({"a", "b-*"}))),
        ("task", ["coding", "math"], TaskIs(frozenset({"coding", "math"}), 0.0)),
        ("task", {"types": "coding", "min_confidence": 0.5}, TaskIs(frozenset({"coding"}), 0.5)),
        ("language", ["EN", "zh"], LanguageIs(frozenset({"en", "zh"}))),
        ("tools", True, ToolsOffered(True)),
        ("tools", False, ToolsOffered(False)),
        ("modalities", ["vision", "audio"], HasModality(frozenset({"vision", "audio"}))),
        ("tokens", {"min": 0}, TokensBetween(0, None)),
        ("tokens", {"min": 1, "max": 2}, TokensBetween(1, 2)),
        ("depth", {"max": 0}, DepthBetween(None, 0)),
        ("time", "22:00-06:30", TimeBetween(1320, 390)),
        ("time", {"between": "1:00-2:00", "days": ["sun", "mon"]}, TimeBetween(60, 120, frozenset({0, 6}))),
        ("header", {"X-A": ["v", "/w/"]}, HeaderIs("x-a", frozenset({"v"}), (compile_pattern("w"),))),
        ("header", {"X-A": True}, HeaderIs("x-a")),
        ("max_cost", 0, MaxCost(0, "s/m", 2.5)),
        ("max_latency", 9, MaxLatency(9, "s/m")),
        ("provider_health", {"t": ["green", "red"]}, HealthIs("t", frozenset({"green", "red"}))),
        ("keywords", ["Stack Trace", "c++"], keywords(["Stack Trace", "c++"])),
        ("keywords_substring", ["GRÜSSE", "ß"], Substrings(("grüsse", "ss"))),
        ("regex", "/a.*b/", AskMatches(compile_pattern("a.*b"))),
        ("regex", "ab", AskMatches(compile_pattern("ab"))),
        ("not", {"tools": True}, Not(ToolsOffered(True))),
        ("not", {}, Not(AllOf(()))),
        ("all", [], AllOf(())),
        ("any", [], AnyOf(())),
    ],
)
def test_each_key_is_its_own_condition(key: str, written: Any, condition: Condition) -> None:
    """Alone, without anything around it."""
    match = compiled(**{key: written})
    assert match.condition == condition
    assert (match.model, match.source) == (None, None)


def test_every_key_has_a_condition() -> None:
    """What can be written is asked: none of the keys is forgotten."""
    written = {
        "model": "m", "source_host": "::1", "header": {"a": "b"}, "token": "t", "language": "en", "regex": "a",
        "group": "g",
        "keywords": "a", "keywords_substring": "a", "task": "math", "tokens": {"min": 1}, "depth": {"min": 1},
        "tools": True, "modalities": "text", "time": "1:00-2:00", "max_cost": 1, "max_latency": 1,
        "provider_health": {"s": "red"}, "all": [{"model": "a"}], "any": [{"model": "b"}], "not": {"model": "c"},
    }  # fmt: skip
    assert {field.alias or name for name, field in MatchFile.model_fields.items()} == set(written)
    match = compiled(**written)
    assert isinstance(match.condition, AllOf)
    assert len(match.condition.parts) == len(written) - 2


def test_nothing_written_asks_nothing() -> None:
    """It is no condition, not one that always holds."""
    assert compiled() == Match()


def test_model_and_source_stay_apart() -> None:
    """They are asked first, by an index and by a look at the address; within all, any and not they are conditions."""
    match = compiled(model="/a+/", source_host="10.0.0.0/8")
    assert match.condition is None
    assert match.pattern == compile_pattern("a+")
    assert match.accepts_source(parse_address("10.1.1.1"))
    assert not match.accepts_source(parse_address("11.1.1.1"))
    nested = compiled(any=[{"model": "/a+/"}, {"model": "b"}, {"source_host": "10.0.0.0/8"}])
    assert nested.condition == AnyOf(
        (
            ModelIs("/a+/", compile_pattern("a+"), MAX_MATCHED_CHARACTERS),
            ModelIs("b", None, MAX_MATCHED_CHARACTERS),
            SourceIn("10.0.0.0/8", (parse_network("10.0.0.0/8"),)),
        )
    )


def test_several_headers_and_servers_must_all_hold() -> None:
    """A list within one of them means: any of these."""
    assert compiled(header={"A": "1", "B": True}).condition == AllOf((HeaderIs("a", frozenset({"1"})), HeaderIs("b")))
    assert compiled(provider_health={"s": "green", "t": "red"}).condition == AllOf(
        (HealthIs("s", frozenset({"green"})), HealthIs("t", frozenset({"red"})))
    )


def test_cheap_conditions_are_asked_first() -> None:
    """Whatever their order in the file: a look-up before a search, and what is nested last."""
    written = {"not": {"tools": True}, "regex": "a", "keywords": "a", "max_cost": 1, "tools": True, "token": "t"}
    condition = compiled(**written).condition
    assert isinstance(condition, AllOf)
    kinds = [type(part).__name__ for part in condition.parts]
    assert kinds == ["TokenIs", "ToolsOffered", "MaxCost", "Keywords", "AskMatches", "Not"]


def test_several_keys_within_a_part_must_all_hold() -> None:
    """Each part of any is a match of its own."""
    condition = compiled(any=[{"tools": True, "token": "t"}, {"tools": False}]).condition
    assert condition == AnyOf((AllOf((TokenIs(frozenset({"t"})), ToolsOffered(True))), ToolsOffered(False)))


def test_a_route_to_no_one_place_has_no_price() -> None:
    """Its conditions on the target have no name to ask for."""
    match = compiled(OwnTarget(), max_cost=1, max_latency=2)
    assert match.condition == AllOf((MaxCost(1, "", None), MaxLatency(2, "")))
