"""New values in a rules file's text: what has not changed is there byte for byte."""

from __future__ import annotations

import copy
import time
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.editing.rewriting import NotEditable, aligned, rewritten, same
from switchman.addons.core.rules.reading.yamltext import load

ROOT = Path(__file__).parents[4]
EXAMPLE = (ROOT / "rules/routes.example.yaml").read_text()
# Its routes alone, which are read in a fifth of the time.
RULES = EXAMPLE[EXAMPLE.index("# routes: rules for") : EXAMPLE.index("# After the routes:")]
ROUTES = ("routes",)


def data_of(text: str) -> Any:
    return load(text, "").data


def changes(before: str, after: str) -> list[str]:
    """The lines that go and come."""
    lines = unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


def test_the_same_values_are_the_same_bytes() -> None:
    """Of the example, which has every key, and with other line ends, a byte order mark and no end of its last line."""
    for text in (EXAMPLE, RULES.replace("\n", "\r\n"), "\ufeff" + RULES, RULES.rstrip("\n")):
        assert rewritten(text, data_of(text.removeprefix("\ufeff"))) == text


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        (("routes", 0, "enabled"), False, ["-    enabled: true # false: as if", "+    enabled: false # false: as if"]),
        (
            ("routes", 3, "match", "tokens"),
            {"min": 5},
            ["-      tokens: {min: 10,", "+      tokens: {min: 5} # estima"],
        ),
        (("routes", 3, "match", "depth", "min"), 2, ["-      depth: {max: 40}", "+      depth: {max: 40, min: 2} #"]),
        (("routes", 4, "match", "not"), {"tools": True}, ["-      not: {keyw", "+      not: {tools: true} # not: wha"]),
        (("routes", 4, "match", "any", 1, "all", 0, "time", "between"), "01:00-02:00", ["-", "+            - time: {"]),
        (("routes", 1, "description"), "a: b #c", ['+    description: "a: b #c"']),
    ],
)
def test_one_value_changes_one_line(path: tuple[Any, ...], value: Any, wanted: list[str]) -> None:
    """Whatever stands behind it stays; so do all other lines."""
    for text in (RULES, RULES.replace("\n", "\r\n")):
        data = copy.deepcopy(data_of(text))
        inner = data
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = value
        made = rewritten(text, data)
        assert same(data_of(made), data)
        found = changes(text, made)
        assert len(found) == len(wanted)
        assert all(line.startswith(begin) for line, begin in zip(found, wanted, strict=True)), found
        assert made.count("\r\n") in (0, made.count("\n"))


def test_every_key_can_go_and_nothing_else_goes() -> None:
    """Each key of each route of the example, one at a time: no comment on a line of its own is lost."""
    comments = [line for line in RULES.splitlines() if line.lstrip().startswith("#")]
    for at, route in enumerate(data_of(RULES)["routes"]):
        for key in route:
            data = copy.deepcopy(data_of(RULES))
            del data["routes"][at][key]
            if not data["routes"][at]:
                continue
            made = rewritten(RULES, data)
            assert same(data_of(made), data)
            lost = [line for line in changes(RULES, made) if line.startswith("-")]
            own = {line for line in lost if line[1:].lstrip().startswith("#")}
            # Comments within what went are its own.
            assert len(comments) - len(own) == sum(line.lstrip().startswith("#") for line in made.splitlines())
            if not isinstance(route[key], dict):
                assert not own


def test_other_sections_change_too() -> None:
    """Short and long values, at the top and deep in a server."""
    text = EXAMPLE[EXAMPLE.index("  # The long form") : EXAMPLE.index("# models: what is known")]
    text = f"servers:\n{text}default: git-commit-model\nfallbacks: [a/b] # none\n"
    data = copy.deepcopy(data_of(text))
    data["servers"]["laptop"]["timeout"]["idle"] = 1
    data |= {"default": "laptop/x", "fallbacks": []}
    assert [line[:41] for line in changes(text, rewritten(text, data))] == [
        "-      idle: 300.0 # between two bytes of",
        "+      idle: 1 # between two bytes of the",
        "-default: git-commit-model",
        "-fallbacks: [a/b] # none",
        "+default: laptop/x",
        "+fallbacks: [] # none",
    ]


def test_items_move_with_the_comments_above_them() -> None:
    """A comment that a blank line separates stays; so do the gaps."""
    text = (
        "routes:\n  # of all\n\n  # first\n  - a: 1 # one\n\n  # second\n  - a: 2\n    # deep\n  - a: 3\nx-y: 1 # end\n"
    )
    data = data_of(text)
    one, two, three = data["routes"]
    made = rewritten(text, {**data, "routes": [three, one, two]}, {ROUTES: [2, 0, 1]})
    assert made == (
        "routes:\n  # of all\n\n  - a: 3\n\n  # first\n  - a: 1 # one\n  # second\n  - a: 2\n    # deep\nx-y: 1 # end\n"
    )
    made = rewritten(text, {**data, "routes": [one, three]}, {ROUTES: [0, 2]})
    assert made == "routes:\n  # of all\n\n  # first\n  - a: 1 # one\n\n  - a: 3\nx-y: 1 # end\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "routes:\n  - {route: {model: m}}\n"),
        ("# only\n", "# only\nroutes:\n  - {route: {model: m}}\n"),
        ("routes:\n", "routes:\n  - route: {model: m}\n"),
        ("routes: [] # none\n", "routes:\n  - route: {model: m} # none\n"),
        ("x-a: 1", "x-a: 1\nroutes:\n  - {route: {model: m}}"),
        ("{}", "routes:\n  - {route: {model: m}}"),
        ('{"x-a": 1}', '{"x-a": 1, "routes": [{"route": {"model": "m"}}]}'),
    ],
)
def test_a_first_route(text: str, wanted: str) -> None:
    """Into a file that has none, of every form."""
    made = rewritten(text, {**(data_of(text) or {}), "routes": [{"route": {"model": "m"}}]})
    assert made == wanted


def test_json_stays_json() -> None:
    """With its tabs and its one entry a line."""
    text = '{"routes": [\n\t{"route": {"model": "a"}},\n\t{"name": "b", "route": {"model": "b"}}\n]}\n'
    data = data_of(text)
    first, second = data["routes"]
    made = rewritten(text, {"routes": [second, {**first, "enabled": False}]}, {ROUTES: [1, 0]})
    assert made == (
        '{"routes": [\n\t{"name": "b", "route": {"model": "b"}},\n\t{"route": {"model": "a"}, "enabled": false}\n]}\n'
    )
    assert rewritten(text, {"routes": [second]}, {ROUTES: [1]}) == (
        '{"routes": [\n\t{"name": "b", "route": {"model": "b"}}\n]}\n'
    )


ANCHORS = """\
x-base: &base {model: auto}
routes:
  - match: *base
    route: &target {model: a/b}
  - <<: &rest {priority: 7}
    match: {<<: *base, tools: true}
    route: *target
"""


def test_an_alias_is_replaced_where_it_stands() -> None:
    """What it leads to stays as it is for others; a key that is merged in gets a place of its own."""
    data = copy.deepcopy(data_of(ANCHORS))
    data["routes"][0]["match"]["model"] = "gpt"
    data["routes"][1]["priority"] = 8
    data["routes"][1]["match"]["model"] = "auto2"
    made = rewritten(ANCHORS, data)
    assert "  - match: {model: gpt}\n" in made and "x-base: &base {model: auto}\n" in made
    assert "<<: *base, tools: true, model: auto2}" in made and "    priority: 8\n" in made
    assert same(data_of(made), data)


@pytest.mark.parametrize("what", ["changed", "taken out", "behind its alias"])
def test_an_anchor_that_others_use_is_left_to_a_person(what: str) -> None:
    """No other route changes with it, unseen."""
    data = copy.deepcopy(data_of(ANCHORS))
    orders = {}
    if what == "changed":
        data["routes"][0]["route"]["model"] = "c/d"
    elif what == "taken out":
        del data["routes"][0]
        orders = {ROUTES: [1]}
    else:
        data["routes"].reverse()
        orders = {ROUTES: [1, 0]}
    with pytest.raises(NotEditable, match="edit it as text"):
        rewritten(ANCHORS, data, orders)


def test_texts_that_are_no_yaml_yet_cannot_slip_in() -> None:
    """Whatever a value is, it is read back as the same."""
    hostile = [
        "a: b",
        "- x",
        "#",
        "yes",
        "null",
        "1e3",
        "'",
        '"',
        "\\",
        "a\nb",
        "*x",
        "&x",
        "!t",
        "<<",
        "💡",
        " x ",
        "",
    ]
    text = "routes:\n  - route: {model: a}\n"
    routes = [{"name": one, "x-a": {one or "e": [one, {one or "e": one}]}, "route": {"model": one}} for one in hostile]
    wanted = {"routes": [{"route": {"model": "a"}}, *routes]}
    assert same(data_of(rewritten(text, wanted, {ROUTES: [0, *[None] * len(routes)]})), wanted)


def test_lists_are_aligned_by_what_stays() -> None:
    """One that goes from the middle does not rewrite those behind it."""
    assert aligned([1, 2, 3], [1, 3]) == [0, 2]
    assert aligned([1, 2, 3], [1, 5, 3]) == [0, 1, 2]
    assert aligned([1], [1, 2]) == [0, None]
    assert aligned([1, 2], [2, 3]) == [1, None]


def test_items_that_are_slow_to_compare_are_aligned_in_time() -> None:
    """A list of few different items that come again and again."""
    began = time.process_time()
    order = aligned([at % 7 for at in range(20_000)], [at % 5 for at in range(20_000)])
    assert time.process_time() - began < 10 and len(order) == 20_000
