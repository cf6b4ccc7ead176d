"""A draft as YAML."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.routes.making.drafting import Draft, Entry
from switchman.addons.core.routes.making.writing import flow, scalar, written
from switchman.addons.core.rules.reading.yamltext import load


@pytest.mark.parametrize(
    "word", ["yes", "no", "null", "12", "a: b", "#x", "", "a\nb", "it's", '"', "标题", "m:7b", "- a"]
)
def test_a_word_is_read_as_it_was(word: str) -> None:
    """Quotes where YAML would make something else of it."""
    assert load(f"x: {scalar(word)}", "").data == {"x": word}


WORDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=4)
VALUES = st.recursive(
    WORDS | st.integers(0, 9) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_a_value_is_read_as_it_was(value: Any) -> None:
    """In one line, whatever is in it."""
    assert "\n" not in flow(value)
    assert load(f"x: {flow(value)}", "").data == {"x": value}


def test_a_long_rule_has_its_parts_below_it() -> None:
    """And no comment leaves its line."""
    long = {
        "match": {"model": "auto", "any": [{"task": "coding"}, {"keywords": ["word"] * 20}]},
        "route": {"model": "a"},
    }
    text = written(Draft(["one\nserver: x"], routes=[Entry("R", long, "why\nnot: this")]))
    assert load(text, "").data == {"routes": [{"name": "R", **long}]}
    assert "      any:\n        - {task: coding}\n" in text and "# why�not: this\n" in text
