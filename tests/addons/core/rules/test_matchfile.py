"""`match` as it is written: short forms, ranges, times, and what is refused."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from switchman.addons.core.rules.matchfile import MatchFile, TimeFile, minutes_between, source_networks


def match(**written: Any) -> MatchFile:
    return MatchFile.model_validate(written)


def refused(**written: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        match(**written)
    return str(caught.value)


def test_nothing_asks_nothing() -> None:
    """Every key may be left out, and null is left out."""
    assert match() == match(model=None, task=None, all=None)


@pytest.mark.parametrize(
    ("key", "short", "whole"),
    [
        ("token", "a", ["a"]),
        ("language", "en", ["en"]),
        ("keywords", "one two", ["one two"]),
        ("keywords_substring", "x", ["x"]),
        ("modalities", "vision", ["vision"]),
        ("task", "coding", {"types": ["coding"], "min_confidence": 0.0}),
        ("task", ["coding", "math"], {"types": ["coding", "math"]}),
        ("task", {"types": "coding"}, {"types": ["coding"]}),
        ("time", "09:00-17:30", {"between": "09:00-17:30"}),
        ("time", {"between": "1:00-2:00", "days": "mon"}, {"between": "1:00-2:00", "days": ["mon"]}),
        ("header", {"x-a": "v"}, {"x-a": ["v"]}),
        ("header", {"x-a": True}, {"x-a": []}),
        ("provider_health", {"s": "green"}, {"s": ["green"]}),
    ],
)
def test_short_forms(key: str, short: Any, whole: Any) -> None:
    """One stands for a list of it, and a bare value for the mapping that has it."""
    assert match(**{key: short}) == match(**{key: whole})


@pytest.mark.parametrize(
    "written",
    [
        {"model": ""},
        {"model": 3},
        {"model": "/(/"},
        {"source_host": "my-laptop"},
        {"source_host": ""},
        {"header": {"": "v"}},
        {"header": {"x": ""}},
        {"header": {"x": False}},
        {"header": {"x": "/(?=a)b/"}},
        {"header": ["x"]},
        {"token": []},
        {"token": [""]},
        {"token": "sk-sw-0123456789"},
        {"group": ["a", "xsk-sw-0"]},
        {"group": 7},
        {"language": 3},
        {"regex": ""},
        {"regex": "("},
        {"regex": r"(ab|c)\1"},
        {"regex": "/(?!a)/"},
        {"keywords": []},
        {"keywords": [3]},
        {"task": []},
        {"task": "codng"},
        {"task": {"min_confidence": 0.5}},
        {"task": {"types": "coding", "min_confidence": 1.5}},
        {"task": True},
        {"tokens": {}},
        {"tokens": 5},
        {"tokens": {"min": -1}},
        {"tokens": {"min": 1.5}},
        {"tokens": {"min": 5, "max": 4}},
        {"depth": {"max": "3"}},
        {"tools": "yes"},
        {"tools": 1},
        {"modalities": "image"},
        {"modalities": []},
        {"time": "09:00"},
        {"time": {"between": "09:00-17:00", "days": []}},
        {"time": {"between": "09:00-17:00", "days": "monday"}},
        {"max_cost": -0.1},
        {"max_cost": float("inf")},
        {"max_latency": "5"},
        {"provider_health": {"s": "blue"}},
        {"provider_health": {"s": []}},
        {"all": {}},
        {"any": [3]},
        {"not": []},
        {"not_": {}},
        {"keywrds": ["x"]},
    ],
)
def test_what_is_refused(written: dict[str, Any]) -> None:
    """Of another type, empty, out of range, unknown, or dear to match."""
    refused(**written)
    refused(**{"not": written})
    refused(all=[{}, written])


@pytest.mark.parametrize(
    "written",
    [
        {"model": "/"},  # one exact name: a pattern has two slashes
        {"model": "/(a+)+/"},  # warned of elsewhere: names are short
        {"source_host": "10.0.0.0/8"},
        {"source_host": "::1"},
        {"tokens": {"min": 0, "max": 0}},
        {"tokens": {"max": 10**12}},
        {"max_cost": 0},
        {"max_latency": 0},
        {"all": []},
        {"any": []},
        {"not": {}},
        {"task": {"types": ["general"], "min_confidence": 1}},
        {"header": {"X-Anything": ["/^a/", "b"]}},
        {"x-note": {"anything": 1}},
    ],
)
def test_what_is_taken(written: dict[str, Any]) -> None:
    """Boundaries included."""
    match(**written)


def test_what_was_checked_is_there() -> None:
    """As it was written."""
    written = match(
        tokens={"min": 1}, time="9:00-17:30", model="/a/", source_host="::1", regex="a", header={"a": "/b/"}
    )
    assert written.tokens is not None
    assert (written.tokens.min, written.tokens.max) == (1, None)
    assert written.time is not None
    assert written.time.between == "9:00-17:30"
    assert (written.model, written.source_host, written.regex) == ("/a/", "::1", "a")
    assert written.header == {"a": ["/b/"]}


def test_not_is_written_as_not() -> None:
    """Python has the word for itself."""
    written = match(**{"not": {"model": "m"}})
    assert written.not_ is not None
    assert written.not_.model == "m"


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("09:00-17:30", (540, 1050)),
        ("9:00-17:30", (540, 1050)),
        (" 22:00 - 06:00 ", (1320, 360)),
        ("00:00-24:00", (0, 1440)),
        ("23:59-0:00", (1439, 0)),
        ("12:00-12:00", (720, 720)),
    ],
)
def test_times(text: str, minutes: tuple[int, int]) -> None:
    """Minutes of the day; it may end at 24:00, or on the next day."""
    assert minutes_between(text) == minutes
    assert TimeFile(between=text).days == ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("24:00-01:00", "a day begins at 00:00 and ends at 24:00"),
        ("00:00-24:01", "a day begins at 00:00 and ends at 24:00"),
        ("09:60-10:00", "expected two times such as 09:00-17:30, not '09:60-10:00'"),
        ("25:00-26:00", "expected two times"),
        ("09:00", "expected two times"),
        ("9-17", "expected two times"),
        ("-1:00-2:00", "expected two times"),
        ("09:00-17:00 on mondays", "expected two times"),
        ("", "expected two times"),
        ("x" * 1000, f"not {'x' * 80!r}"),
    ],
)
def test_what_is_no_time(text: str, message: str) -> None:
    """What was written is repeated, cut short."""
    with pytest.raises(ValueError, match=message):
        minutes_between(text)


@given(st.integers(0, 1439), st.integers(0, 1440))
def test_every_minute_can_be_written(start: int, end: int) -> None:
    """And is read as it was written."""
    text = f"{start // 60:02}:{start % 60:02}-{end // 60}:{end % 60:02}"
    assert minutes_between(text) == (start, end)


@pytest.mark.parametrize(
    ("host", "networks"),
    [
        ("localhost", ["127.0.0.0/8", "::1/128"]),
        ("10.0.1.7", ["10.0.1.7/32"]),
        ("10.0.1.7/24", ["10.0.1.0/24"]),
        ("fd00::/8", ["fd00::/8"]),
        ("::ffff:10.0.0.1", ["10.0.0.1/32"]),
    ],
)
def test_source_hosts(host: str, networks: list[str]) -> None:
    """Of names only localhost is known, in both versions."""
    assert source_networks(host) == tuple(map(ip_network, networks))


@pytest.mark.parametrize("host", ["Localhost", "box", "10.0.0.0/33", "10.0.0", "", "10.0.0.1,10.0.0.2"])
def test_what_is_no_source_host(host: str) -> None:
    """Nothing is looked up, and one rule has one range."""
    with pytest.raises(ValueError, match="expected an address or a range"):
        source_networks(host)


def test_a_token_itself_is_refused_without_being_repeated() -> None:
    """A rules file is no place for secrets, and neither is its error."""
    message = refused(token="sk-sw-0123456789abcdef")
    assert "write its name" in message and "0123456789" not in message
