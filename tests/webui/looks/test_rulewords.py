"""The words of the rules' editors."""

from __future__ import annotations

import pytest

from switchman.addons.core.rules.problems import Problem, RulesError
from switchman.addons.core.rules.reading.yamltext import load
from switchman.webui.looks.rulewords import MATCH_HINTS, ROUTE_HINTS, TARGET_HINTS, plain
from switchman.webui.pages.rules.visual import MATCH_KINDS, ROUTE_KINDS, TARGET_KINDS

# A text, the line of its fault, and how the words for it begin.
FAULTS = [
    ("servers:\n\ta: b\n", 2, "There is a tab here"),
    ("routes:\n  - name: x\n\t  match: {}\n", 3, "There is a tab here"),
    ("routes:\n  - name: x\n   match: {}\n", 3, "The indentation does not fit"),
    ("servers:\n    a: b\n  c: d\n", 3, "The indentation does not fit"),
    ("routes:\n  - name: x\n - name: y\n", 3, "The indentation does not fit"),
    ("servers:\n  a: b\n   c: d\n", 3, "A colon is not expected here"),
    ("a: b: c\n", 1, "A colon is not expected here"),
    ("a:1\nb: 2\n", 2, "A colon is not expected here"),
    ("a: 1\nb\nc: 2\n", 3, "The line above has no colon"),
    ('servers:\n  a: "http://x\n  b: y\nc: d\n', 2, "A quotation mark is opened here"),
    ("a: 1\nservers:\n  a: 'x\n  b: y\n", 3, "A quotation mark is opened here"),
    ("name: 'it's'\n", 1, "There is text after a closing quotation mark"),
    ("x: y\na: {b: c\n", 2, "A bracket is opened here and never closed: } is missing."),
    ("routes:\n - {a: [b, c\n", 2, "A bracket is opened here and never closed: ] is missing."),
    ("a: {b: c\nd: e\n", 2, "A comma is missing before this, or the bracket is not closed: }"),
    ("a: 1\nb: 2\na: 3\n", 3, "This key is there twice, first on line 1"),
    ("a: @b\n", 1, "A value cannot begin with @"),
    ("a: `b`\n", 1, "A value cannot begin with `"),
    ("a: *gpt\n", 1, "A value that begins with * needs quotation marks"),
    ("a: - b\n", 1, "A list begins on a line of its own"),
    ('a: "/\\w+/"\n', 1, "In double quotation marks, a backslash is written twice"),
]


def fault(text: str) -> Problem:
    try:
        return load(text, "routes.yaml").problems[0]
    except RulesError as error:
        return error.problems[0]


@pytest.mark.parametrize(("text", "line", "words"), FAULTS)
def test_a_fault_of_yaml_has_plain_words_and_its_line(text: str, line: int, words: str) -> None:
    """What is never closed is told where it was opened."""
    found = fault(text)
    told = plain(found.message)
    assert told is not None and (told.message % told.values).startswith(words)
    assert found.line == line


def test_what_says_it_itself_has_no_other_words() -> None:
    assert plain("unknown key 'modle'; did you mean 'model'?") is None
    assert plain("a character that YAML does not allow") is None


@pytest.mark.parametrize(
    ("hints", "kinds", "without"),
    [
        (MATCH_HINTS, MATCH_KINDS, set()),
        (TARGET_HINTS, TARGET_KINDS, set()),
        (ROUTE_HINTS, ROUTE_KINDS, {"match", "route"}),
    ],
)
def test_each_field_of_the_form_has_a_hint(hints: dict[str, str], kinds: dict[str, str], without: set[str]) -> None:
    """But for the parts, which have fields of their own."""
    assert set(hints) == set(kinds) - without and all(hints.values())
