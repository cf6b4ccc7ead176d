"""Regular expressions of rules: those that could take very long are refused, and what is searched is bounded."""

import pytest

from switchman.addons.core.routes.patterns import LONGEST, ask_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+", "(a*)*b", "(a|aa)+$", "(a|b|ab)*c", "(a?){30}a{30}", "(?:a{1,20}){1,20}", "([a-z]+)*1",
        "(?:(?:a+)b)+c", "a.*b.*c.*d", r"(a)\1", r"(?P<x>a+)(?P=x)", "a?" * 12, "((a+)b?)+", "(?=(a+)+)b",
    ],
)  # fmt: skip
def test_what_could_take_very_long_is_refused(pattern: str) -> None:
    """A choice repeated, a group referred to, and too many open-ended repeats."""
    with pytest.raises(ValueError, match="could take very long"):
        ask_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^fix ", "fix this"), ("/(?i)traceback/", "TraceBack (most recent call last)"), ("foo.*bar", "foo and bar"),
        (r"\bdef \w+\(", "def run("), ("(?:red|green) apple", "a green apple"), (r"\d{3}-\d{4}", "555-1234"),
        ("(ab){3}", "ababab"), ("翻译.*英文", "请翻译成英文"),
    ],
)  # fmt: skip
def test_usual_patterns_are_taken(pattern: str, text: str) -> None:
    """With and without slashes."""
    assert ask_pattern(pattern)[0].search(text)


def test_the_more_a_pattern_may_cost_the_less_is_searched() -> None:
    """By the number of open-ended repeats."""
    assert [ask_pattern(pattern)[1] for pattern in ("abc", "a.*b", "a.*b.*c")] == [*LONGEST]


def test_a_faulty_pattern_is_explained() -> None:
    """With its own text."""
    with pytest.raises(ValueError, match=r"\(unclosed does not compile"):
        ask_pattern("(unclosed")
