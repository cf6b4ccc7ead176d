"""New routes in a rules file's text."""

from __future__ import annotations

from difflib import ndiff

import pytest

from switchman.addons.config.editing.inserting import FIRST, inserted
from switchman.addons.config.editing.rewriting import NotEditable
from switchman.addons.core.rules.reading.yamltext import load

TEXT = """\
servers: {a: "http://a"} # mine
routes:
  # the first
  - name: One
    route: {model: a/one}
  - {name: High, priority: 900, route: {model: a/high}}
  - {name: Two, route: {model: a/two}}
default: a/one
"""
NEW = [{"route": {"model": "a/x"}, "name": "X"}, {"name": "Y", "priority": 10, "route": {"model": "a/y"}}]


@pytest.mark.parametrize(
    ("before", "at", "names", "priorities"),
    [
        (None, 3, ["One", "High", "Two", "X", "Y"], [None, 900, None, None, 10]),
        (FIRST, 1, ["One", "X", "Y", "High", "Two"], [None, 900, 900, 900, None]),
        (0, 0, ["X", "Y", "One", "High", "Two"], [None, None, None, 900, None]),
        (2, 2, ["One", "High", "X", "Y", "Two"], [None, 900, None, None, None]),
    ],
)
def test_places(before: int | str | None, at: int, names: list[str], priorities: list[int | None]) -> None:
    """They are tried where they are put, whatever priorities are there; nothing else of the text changes."""
    text, place = inserted(TEXT, NEW, before)
    routes = load(text, "").data["routes"]
    assert place == at and [one["name"] for one in routes] == names
    assert [one.get("priority") for one in routes] == priorities
    assert [line for line in ndiff(TEXT.split("\n"), text.split("\n")) if line[0] == "-"] == []


@pytest.mark.parametrize("text", ["", "servers: {a: http://a}\n", "routes: []\n", "routes:\n"])
def test_a_file_without_routes(text: str) -> None:
    """It gets them, wherever they were to come."""
    for before in (None, FIRST):
        made, at = inserted(text, NEW, before)
        assert at == 0 and [one["name"] for one in load(made, "").data["routes"]] == ["X", "Y"]


@pytest.mark.parametrize(("text", "before"), [(TEXT, 3), (TEXT, -1), ("routes: 5", None), ("[1]", None)])
def test_what_cannot_be(text: str, before: int | None) -> None:
    with pytest.raises(NotEditable):
        inserted(text, NEW, before)
