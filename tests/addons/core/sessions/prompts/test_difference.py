"""Where two values differ first, and where that stands in their texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.sessions.prompts.difference import common, first_difference, path_text, positions

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def place(before: Any, after: Any, **how: Any) -> tuple[str, str] | None:
    """The rest of both texts from where they differ."""
    if (found := first_difference(before, after)) is None:
        return None
    texts = [json.dumps(value, **how) for value in (before, after)]
    old, new = positions(texts[0], 0, texts[1], 0, found)
    return texts[0][old:], texts[1][new:]


@pytest.mark.parametrize(("before", "after", "rests"), [
    ({"a": 1}, {"a": 1}, None),
    ({"a": "xyz"}, {"a": "xzz"}, ('yz"}', 'zz"}')),
    ({"a": 12}, {"a": 13}, ("2}", "3}")),
    ({"a": 1}, {"a": "1"}, ("1}", '"1"}')),
    ({"a": True}, {"a": 1}, ("true}", "1}")),
    ({"a": 1}, {"a": 1.0}, ("}", ".0}")),
    ([1, 2], [1, 2, 3], ("]", ", 3]")),
    ([1, 2, 3], [1], (", 2, 3]", "]")),
    ([], [1], ("]", "1]")),
    ({"a": 1}, {"a": 1, "b": 2}, ("}", ', "b": 2}')),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ('a": 1, "b": 2}', 'b": 2, "a": 1}')),
    ({"ab": 1}, {"ac": 1}, ('b": 1}', 'c": 1}')),
    ({"a": {"b": [0, "x"]}}, {"a": {"b": [0, "y"]}}, ('x"]}}', 'y"]}}')),
    ({"a": 'ä"b'}, {"a": 'ä"c'}, ('b"}', 'c"}')),
    ({"a": "😀b"}, {"a": "😀c"}, ('b"}', 'c"}')),
])  # fmt: skip
@pytest.mark.parametrize("how", [{"ensure_ascii": False}, {"ensure_ascii": True}])
def test_the_texts_are_the_same_up_to_there(before: Any, after: Any, rests: Any, how: dict[str, Any]) -> None:
    """However characters are escaped."""
    assert place(before, after, **how) == rests


@given(VALUES, VALUES)
def test_any_two_values_can_be_compared(before: Any, after: Any) -> None:
    """Same values have none; others have one, at which the texts begin to differ."""
    assert first_difference(before, before) is None
    texts = [json.dumps(value, ensure_ascii=False) for value in (before, after)]
    found = first_difference(before, after)
    assert (found is None) == (texts[0] == texts[1])
    if found is not None:
        old, new = positions(texts[0], 0, texts[1], 0, found)
        assert texts[0][:old] == texts[1][:new]


def test_names_that_do_not_count_are_passed_over() -> None:
    """Wherever they stand."""
    before, after = {"a": [{"m": 1, "b": 2}]}, {"a": [{"b": 2, "m": 7}], "m": 0}
    assert first_difference(before, after, {"m"}) is None


def test_the_common_beginning_is_found_in_long_texts() -> None:
    """By halves."""
    text = "x" * 100_000
    assert common(text, text[:70_001] + "y") == 70_001 and common("", text) == 0 and common(text, text) == 100_000


def test_a_path_is_written_as_people_do() -> None:
    """Keys and numbers."""
    assert path_text(("messages", 3, "content", 0, "text")) == "messages[3].content[0].text"
