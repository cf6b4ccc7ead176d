"""Conditions: what they hold for, and that what is not known never lets a rule match."""

from dataclasses import dataclass, replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.request.features import Features
from switchman.addons.core.request.tasktype import TaskType
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
    Substrings,
    TaskIs,
    TimeBetween,
    TokenIs,
    TokensBetween,
    ToolsOffered,
    keywords,
)
from switchman.addons.core.routes.live import Health, NoFigures
from switchman.addons.core.routes.logic import AllOf, AnyOf, Not
from switchman.addons.core.routes.patterns import compile_pattern
from switchman.addons.core.routes.subject import Condition, LocalTime, Subject, Truth

PLAIN = Features("openai", "chat", ask="Hello there", system="", task="chat", task_confidence=0.7, language="en")


def subject(ask: str = "", **changed: object) -> Subject:
    return Subject(("auto",), features=replace(PLAIN, ask=ask, **changed))  # type: ignore[arg-type]


def at(clock: str, weekday: int = 0) -> Subject:
    hours, minutes = clock.split(":")
    return Subject(("auto",), now=LocalTime(int(hours) * 60 + int(minutes), weekday))


@dataclass
class Figures(NoFigures):
    """Live figures of one target and one server."""

    took: float | None = None
    state: Health | None = None

    def p95_ms(self, target: str) -> float | None:
        return self.took if target == "s/m" else None

    def health(self, server: str) -> Health | None:
        return self.state if server == "s" else None


@pytest.mark.parametrize(
    ("keyword", "ask", "held"),
    [
        ("go", "let's GO now", True),
        ("go", "google it", False),
        ("go", "a go-to place", True),
        ("class", "classical music", False),
        ("stack trace", "here is the Stack\n Trace:", True),
        ("stack trace", "stack of traces", False),
        ("stack trace", "a haystack trace", False),
        ("c++", "write C++ code", True),
        ("c++", "write c code", False),
        ("c++", "abc++", False),
        (".net", "use .NET 8", True),
        ("e-mail", "an e-mail please", True),
        ("straße", "die STRASSE", True),
        ("编程", "我想学编程语言", True),
        ("编程", "我想学语言", False),
        ("python", "用Python写一个函数", True),
        ("번역", "이 문장을 번역해 주세요", True),
        ("go", "", False),
    ],
)
def test_keywords_are_whole_words_in_any_case(keyword: str, ask: str, held: bool) -> None:
    """Except in scripts that put no spaces between words."""
    assert keywords([keyword]).test(subject(ask)) is held


def test_one_keyword_is_enough() -> None:
    """A list means: any of these."""
    assert keywords(["none", "of these", "hello"]).test(subject("Hello there")) is True


def test_substrings_are_found_within_words() -> None:
    """As other routers have it."""
    assert Substrings(("go",)).test(subject("GOOGLE")) is True
    assert Substrings(("gone",)).test(subject("google")) is False


def test_the_regex_sees_a_bounded_part_of_the_ask() -> None:
    """Where the pattern may cost much; what comes later costs nothing."""
    condition = AskMatches(compile_pattern("needle.{1000}?"))
    assert condition.test(subject("a needle" + "x" * 1000)) is True
    assert condition.test(subject("x" * condition.pattern.longest + "needle" + "x" * 1000)) is False


@pytest.mark.parametrize("task", get_args(TaskType))
def test_every_type_of_task_can_be_met(task: TaskType) -> None:
    """Each that is offered is reached by its own condition, and by no other."""
    held = [other for other in get_args(TaskType) if TaskIs(frozenset({other})).test(subject(task=task))]
    assert held == [task]


def test_a_task_may_ask_for_a_confidence() -> None:
    """The guess must be as sure as that, or surer."""
    condition = TaskIs(frozenset({"chat"}), 0.7)
    assert condition.test(subject()) is True
    assert condition.test(subject(task_confidence=0.69)) is False


@pytest.mark.parametrize(
    ("least", "most", "held"),
    [(None, 9, False), (None, 10, True), (10, None, True), (11, None, False), (10, 10, True), (1, 9, False)],
)
def test_ranges_include_their_ends_and_may_be_one_sided(least: int | None, most: int | None, held: bool) -> None:
    """Tokens and depth alike."""
    assert TokensBetween(least, most).test(subject(input_tokens=10)) is held
    assert DepthBetween(least, most).test(subject(depth=10)) is held


@pytest.mark.parametrize(
    ("span", "days", "moment", "weekday", "held"),
    [
        ((540, 1050), range(5), "09:00", 0, True),
        ((540, 1050), range(5), "17:29", 4, True),
        ((540, 1050), range(5), "17:30", 4, False),
        ((540, 1050), range(5), "12:00", 5, False),
        ((1320, 360), [4], "23:00", 4, True),
        ((1320, 360), [4], "05:59", 5, True),  # Friday's night goes on into Saturday
        ((1320, 360), [4], "05:59", 4, False),
        ((1320, 360), [4], "12:00", 4, False),
        ((0, 1440), range(7), "23:59", 6, True),
    ],
)
def test_time_of_day_wraps_past_midnight(
    span: tuple[int, int], days: list[int], moment: str, weekday: int, held: bool
) -> None:
    """The days are those on which it begins."""
    assert TimeBetween(*span, frozenset(days)).test(at(moment, weekday)) is held


def test_headers_are_present_exact_or_patterns() -> None:
    """One that is missing is known to be missing."""
    asked = Subject(("auto",), headers={"x-team": "lab-7"})
    assert HeaderIs("x-team").test(asked) is True
    assert HeaderIs("x-team", frozenset({"lab-7", "x"})).test(asked) is True
    assert HeaderIs("x-team", frozenset({"lab"})).test(asked) is False
    assert HeaderIs("x-team", patterns=(compile_pattern("^lab-"),)).test(asked) is True
    assert HeaderIs("x-other").test(asked) is False


def test_tokens_languages_tools_and_modalities() -> None:
    """The plain ones."""
    assert TokenIs(frozenset({"a"})).test(Subject(("m",), token="a")) is True
    assert TokenIs(frozenset({"a"})).test(Subject(("m",))) is False
    caller = Caller("0123456789ab", "lab-7", frozenset({"staff", "team-a"}))
    for name, holds in (("lab-7", True), ("lab-*", True), ("0123456789ab", True), ("lab", False), ("LAB-7", False)):
        assert TokenIs(frozenset({"x", name})).test(Subject(("m",), caller=caller)) is holds
        assert TokenIs(frozenset({name})).test(Subject(("m",))) is False
    for name, holds in (("staff", True), ("team-*", True), ("lab-7", False), ("team", False)):
        assert GroupIs(frozenset({"x", name})).test(Subject(("m",), caller=caller)) is holds
        assert GroupIs(frozenset({name})).test(Subject(("m",))) is False
    assert str(GroupIs(frozenset({"b", "a"}))) == "group a or b"
    assert LanguageIs(frozenset({"zh", "en"})).test(subject()) is True
    assert ToolsOffered(True).test(subject(tools=True)) is True
    assert ToolsOffered(False).test(subject(tools=True)) is False
    assert HasModality(frozenset({"vision", "audio"})).test(subject(modalities=frozenset({"text", "vision"}))) is True
    assert HasModality(frozenset({"vision"})).test(subject()) is False


def test_live_figures_are_unknown_until_there_is_traffic() -> None:
    """And then compared, their limits included."""
    known = Subject(("m",), live=Figures(took=500.0, state="yellow"))
    for condition in (MaxLatency(500, "s/m"), HealthIs("s", frozenset({"yellow"}))):
        assert condition.test(known) is True
        assert condition.test(Subject(("m",))) is None
    assert MaxLatency(499, "s/m").test(known) is False
    assert MaxLatency(499, "other/m").test(known) is None
    assert MaxLatency(499, "").test(known) is None
    assert HealthIs("s", frozenset({"green"})).test(known) is False


def test_a_cost_is_what_the_file_says() -> None:
    """Its limit included; unknown where the file does not say."""
    ask = Subject(("m",))
    assert MaxCost(2, "s/m", known=2.0).test(ask) is True
    assert MaxCost(1, "s/m", known=2.0).test(ask) is False
    assert MaxCost(1, "s/m").test(ask) is None


def test_without_features_nothing_is_known_of_the_ask() -> None:
    """So no rule on it matches."""
    nobody = Subject(("m",))
    conditions: list[Condition] = [
        keywords(["a"]), Substrings(("a",)), AskMatches(compile_pattern("a")), TaskIs(frozenset({"chat"})),
        LanguageIs(frozenset({"en"})), TokensBetween(1, 2), DepthBetween(1, 2), ToolsOffered(False),
        HasModality(frozenset({"text"})), TimeBetween(0, 1440),
    ]  # fmt: skip
    assert [condition.test(nobody) for condition in conditions] == [None] * len(conditions)


@dataclass(frozen=True)
class Fixed:
    """A condition whose truth is given."""

    truth: Truth

    def test(self, subject: Subject) -> Truth:
        return self.truth


VERDICTS = st.sampled_from([True, False, None])
TREES = st.recursive(
    VERDICTS.map(Fixed),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, max_size=4).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, max_size=4).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=12,
)


def worlds(condition: Condition) -> set[bool]:
    """Every truth that the condition could have if each unknown leaf were, by itself, true or false."""
    match condition:
        case Fixed(truth):
            return {True, False} if truth is None else {truth}
        case Not(part):
            return {not truth for truth in worlds(part)}
        case AllOf(parts):
            sets = [worlds(part) for part in parts]
            return ({True} if all(True in s for s in sets) else set()) | (
                {False} if any(False in s for s in sets) else set()
            )
        case AnyOf(parts):
            sets = [worlds(part) for part in parts]
            return ({True} if any(True in s for s in sets) else set()) | (
                {False} if all(False in s for s in sets) else set()
            )
    raise AssertionError(condition)


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_a_verdict_is_known_only_if_every_unknown_leaves_it_so(condition: Condition) -> None:
    """Three-valued logic: True and False are what all worlds agree on, and unknown is the rest."""
    truth = condition.test(Subject(("m",)))
    truths = worlds(condition)
    assert truth is (truths.pop() if len(truths) == 1 else None)


@settings(max_examples=50, deadline=None)
@given(TREES)
def test_double_negation_changes_nothing_and_de_morgan_holds(condition: Condition) -> None:
    """Also where something is unknown."""
    asked = Subject(("m",))
    assert Not(Not(condition)).test(asked) is condition.test(asked)
    parts = (condition, Fixed(None), Fixed(True))
    assert Not(AllOf(parts)).test(asked) is AnyOf(tuple(map(Not, parts))).test(asked)


def test_unknown_never_matches_alone_nor_under_not() -> None:
    """The two cases that other routers get wrong."""
    asked = Subject(("m",))
    assert MaxLatency(100, "s/m").test(asked) is None
    assert Not(MaxLatency(100, "s/m")).test(asked) is None
    assert AnyOf((MaxLatency(100, "s/m"), Fixed(True))).test(asked) is True


def test_conditions_read_as_sentences() -> None:
    """For traces."""
    both = AllOf((TaskIs(frozenset({"coding"})), AnyOf((keywords(["a", "b"]), Not(ToolsOffered(True))))))
    assert str(both) == "task coding and (keyword a or b or not tools)"
    assert str(TimeBetween(540, 1050, frozenset({0, 1}))) == "time 09:00-17:30 on mon, tue"
    assert str(TokensBetween(5, None)) == "tokens from 5"
