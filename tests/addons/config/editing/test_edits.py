"""What can be done to routes, one at a time."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from switchman.addons.config.editing.edits import AnyEdit, edited, tried
from switchman.addons.config.editing.inserting import inserted
from switchman.addons.config.editing.merging import merged
from switchman.addons.config.editing.rewriting import NotEditable
from switchman.addons.core.rules.reading.routerjson import Imported
from switchman.addons.core.rules.reading.yamltext import load

TEXT = """\
routes:
  # high
  - name: a # A
    priority: 900
    route: {model: x/a}
  - name: b
    x-own: [1, 2] # ours
    route: {model: x/b}
  - {name: c, route: {model: x/c}}
  # low
  - name: d
    priority: 100
    route: {model: x/d}
aliases: {one: {instances: [x/a], x-note: 1}} # names
"""


def after(edit: dict[str, Any], text: str = TEXT) -> str:
    parsed: AnyEdit = TypeAdapter(AnyEdit).validate_python(edit)
    return edited(text, parsed)


def order(text: str) -> list[tuple[str, int | None]]:
    """Names in the order they are tried, each with its priority as it is written."""
    routes = load(text, "").data["routes"]
    return [(routes[at]["name"], routes[at].get("priority")) for at in tried(routes)]


def test_off_and_on_keep_every_field() -> None:
    """Twice is as it was, but for the key itself."""
    off = after({"do": "enable", "at": 1, "enabled": False})
    assert off == TEXT.replace("  - name: b\n", "  - name: b\n    enabled: false\n")
    assert after({"do": "enable", "at": 1, "enabled": True}, off) == off.replace("enabled: false", "enabled: true")
    assert after({"do": "enable", "at": 1, "enabled": True}) == TEXT


def test_a_change_keeps_what_it_does_not_name_otherwise() -> None:
    """New keys come where routes usually have them."""
    route = {"name": "b", "priority": 7, "match": {"model": "auto"}, "x-own": [1, 2], "route": {"model": "x/b"}}
    made = after({"do": "change", "at": 1, "route": route})
    assert "    x-own: [1, 2] # ours\n" in made
    assert load(made, "").data["routes"][1] == route
    assert made.replace("    priority: 7\n", "").replace("    match: {model: auto}\n", "") == TEXT


def test_a_route_comes_and_goes() -> None:
    """At the end, or at its place; with the comment above it."""
    route = {"name": "n", "route": {"model": "x/n"}}
    made = after({"do": "add", "route": route})
    assert made == TEXT.replace("aliases:", '  - name: "n"\n    route: {model: x/n}\naliases:')
    assert after({"do": "remove", "at": 4}, made) == TEXT
    assert [name for name, _ in order(after({"do": "add", "route": route, "at": 0}))] == ["a", "n", "b", "c", "d"]
    assert "# high" not in after({"do": "remove", "at": 0}) and "# low" in after({"do": "remove", "at": 0})


@pytest.mark.parametrize(
    ("at", "number", "wanted"),
    [
        (2, 1, [("a", 900), ("c", None), ("b", None), ("d", 100)]),
        (1, 2, [("a", 900), ("c", None), ("b", None), ("d", 100)]),
        (0, 1, [("b", None), ("a", 500), ("c", None), ("d", 100)]),
        (0, 3, [("b", None), ("c", None), ("d", 100), ("a", 100)]),
        (3, 0, [("d", 900), ("a", 900), ("b", None), ("c", None)]),
        (3, 2, [("a", 900), ("b", None), ("d", 500), ("c", None)]),
        (2, 99, [("a", 900), ("b", None), ("d", 100), ("c", 100)]),
        (1, 1, [("a", 900), ("b", None), ("c", None), ("d", 100)]),
    ],
)
def test_a_route_is_placed_in_the_order_of_trying(at: int, number: int, wanted: list[Any]) -> None:
    """No other route changes; its own priority does only where another one stands in the way."""
    made = after({"do": "place", "at": at, "number": number})
    assert order(made) == wanted
    others = [line for line in TEXT.splitlines() if "priority" not in line and "name: c" not in line]
    assert set(others) <= set(made.splitlines())


def test_aliases_change_come_and_go() -> None:
    """What else an alias has stays."""
    made = after({"do": "alias", "name": "one", "instances": ["x/b", {"server": "z"}]})
    assert "{one: {instances: [x/b, {server: z}], x-note: 1}} # names" in made
    assert "{one: {instances: [x/a], x-note: 1}, two: {instances: [x/z]}}" in after(
        {"do": "alias", "name": "two", "instances": ["x/z"]}
    )
    assert "aliases: {} # names" in after({"do": "alias", "name": "one", "instances": None})


@pytest.mark.parametrize("do", ["change", "remove", "enable", "place"])
def test_a_route_that_is_not_there(do: str) -> None:
    more: dict[str, Any] = {"change": {"route": {}}, "enable": {"enabled": True}, "place": {"number": 0}}.get(do, {})
    with pytest.raises(NotEditable, match="there is no route 5"):
        after({"do": do, "at": 4, **more})


@pytest.mark.parametrize("text", ["- a\n", "a\n", "routes: 3\n", "routes: {a: 1}\n"])
def test_a_file_without_a_list_of_routes(text: str) -> None:
    """It is said, whatever is to be done to it."""
    for edit in ({"do": "remove", "at": 0}, {"do": "alias", "name": "a", "instances": None}):
        with pytest.raises(NotEditable, match="`routes` is no list"):
            after(edit, text)
    with pytest.raises(NotEditable, match="`routes` is no list"):
        inserted(text, [{"name": "new"}], None)
    with pytest.raises(NotEditable, match="`routes` is no list"):
        merged(text, Imported([{"name": "new"}], {}))


@pytest.mark.parametrize(
    "edit", [{}, {"do": "x"}, {"do": "remove"}, {"do": "remove", "at": -1}, {"do": "remove", "at": "1"}]
)
def test_what_is_no_edit(edit: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        after(edit)


SERVERS = """\
# where models are
servers:
  up: "http://up:1" # ours
  paid: # the dear one
    preset: openai
    x-note: keep # me
models:
  up/a: {context: 100}
  paid/b: {input_cost: 1}
"""


@pytest.mark.parametrize(
    ("edit", "gone", "come"),
    [
        ({"do": "server", "name": "new", "server": {"preset": "groq"}}, [], ["  new: {preset: groq}"]),
        (
            {"do": "enable_server", "name": "paid", "enabled": False},
            [],
            ["    enabled: false"],
        ),
        ({"do": "enable_server", "name": "paid", "enabled": True}, [], []),
        (
            {"do": "facts", "name": "up/a", "facts": {"context": 200}},
            ["  up/a: {context: 100}"],
            ["  up/a: {context: 200}"],
        ),
        ({"do": "facts", "name": "up/a", "facts": None}, ["  up/a: {context: 100}"], []),
        (
            {"do": "server", "name": "up", "server": None},
            ['  up: "http://up:1" # ours', "  up/a: {context: 100}"],
            [],
        ),
    ],
)
def test_a_server_comes_changes_and_goes(edit: dict[str, Any], gone: list[str], come: list[str]) -> None:
    """No other line is touched; with a server goes what `models:` has of it."""
    made = edited(SERVERS, TypeAdapter(AnyEdit).validate_python(edit)).splitlines()
    assert [line for line in SERVERS.splitlines() if line not in made] == gone
    assert [line for line in made if line not in SERVERS.splitlines()] == come


def test_a_server_that_is_a_url_only_is_turned_off() -> None:
    """It becomes a mapping; and on again, it stays one."""
    off = edited(SERVERS, TypeAdapter(AnyEdit).validate_python({"do": "enable_server", "name": "up", "enabled": False}))
    assert load(off, "").data["servers"]["up"] == {"url": "http://up:1", "enabled": False}
    on = edited(off, TypeAdapter(AnyEdit).validate_python({"do": "enable_server", "name": "up", "enabled": True}))
    assert load(on, "").data["servers"]["up"] == {"url": "http://up:1", "enabled": True}


@pytest.mark.parametrize(
    "edit",
    [
        {"do": "server", "name": "none", "server": None},
        {"do": "enable_server", "name": "none", "enabled": False},
        {"do": "facts", "name": "up/none", "facts": None},
    ],
)
def test_a_server_that_is_not_there(edit: dict[str, Any]) -> None:
    with pytest.raises(NotEditable, match="none"):
        edited(SERVERS, TypeAdapter(AnyEdit).validate_python(edit))
