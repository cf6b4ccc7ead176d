"""Values as YAML: short, and as a person would write them."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.config.editing.emitting import flow, item, scalar
from switchman.addons.core.rules.reading.yamltext import load

WORDS = ["auto", "laptop/llama3", "two words", "/^a-/", "yes", "Null", "a: b", "llama3:8b", "1.5", "", "- a", "#", "é"]


@pytest.mark.parametrize("word", WORDS)
def test_text_stays_text(word: str) -> None:
    """In quotes where it could be something else, and only there."""
    assert load(f"a: {scalar(word)}\nb: [{scalar(word)}]\n", "").data == {"a": word, "b": [word]}
    assert (scalar(word) == word) == (word in ("auto", "laptop/llama3", "two words", "/^a-/".replace("^", "\0")))


def test_numbers_truth_and_nothing() -> None:
    assert [scalar(one) for one in (1, 0.5, True, None)] == ["1", "0.5", "true", "null"]
    with pytest.raises(ValueError, match="JSON"):
        scalar(float("nan"))
    with pytest.raises(TypeError, match="no place"):
        scalar({1})


def test_json_has_all_names_in_quotes() -> None:
    assert flow({"a": ["b", 1, {}]}, is_json=True) == '{"a": ["b", 1, {}]}'
    assert flow({"a": ["b", 1, {}]}) == "{a: [b, 1, {}]}"


def test_a_route_is_a_block_and_what_is_short_in_it_is_not() -> None:
    """As in the example."""
    route: dict[str, Any] = {
        "name": "N x",
        "match": {"model": "auto", "any": [{"regex": "^a"}, {"all": [{"tools": True}, {"not": {"task": "chat"}}]}]},
        "route": {"model": "a/b", "fallbacks": ["c/d"]},
    }
    assert item(route, 2) == [
        "  - name: N x",
        "    match:",
        "      model: auto",
        "      any:",
        '        - {regex: "^a"}',
        "        - all:",
        "            - {tools: true}",
        "            - {not: {task: chat}}",
        "    route: {model: a/b, fallbacks: [c/d]}",
    ]
    assert load("\n".join(item(route, 2)), "").data == [route]
