"""A break in words, with what differs marked."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from switchman.addons.core.sessions.prompts.breaks import Break, Excerpt, Why, find_break
from switchman.addons.core.sessions.prompts.reading import read_prompt
from switchman.webui.pages.sessions.telling import both, differing, headline


def broken(**fields: Any) -> Break:
    known: dict[str, Any] = {
        "why": "value", "part": "messages", "place": "p", "title": "user", "byte": 1, "byte_before": 1,
        "before": Excerpt("", "a"), "after": Excerpt("", "b"), "kept": 0, "whole": 1,
    }  # fmt: skip
    return Break(**known | fields)


@pytest.mark.parametrize("part", ["tools", "settings", "system", "messages", "target"])
@pytest.mark.parametrize("why", get_args(Why.__args__[0]) if not isinstance(get_args(Why)[0], str) else get_args(Why))
def test_every_break_has_words(part: str, why: str) -> None:
    """Whatever part it is of."""
    if (part == "target") == (why == "target"):
        assert headline(broken(part=part, why=why))


@pytest.mark.parametrize(("before", "after", "marked"), [
    ("2 it is now", "9 it is now", ("2", "9")),
    ("write a file", "read a file", ("write", "read")),
    ("abc", "xyz", ("abc", "xyz")),
    ("", "new", ("", "new")),
    (", {tool}], rest of it", "], rest of it", (", {tool}", "")),
])  # fmt: skip
def test_what_differs_ends_where_both_are_the_same_again(before: str, after: str, marked: tuple[str, str]) -> None:
    """Of short texts all is marked."""
    old, new = differing(before, after)
    assert (before[:old], after[:new]) == marked


def test_keys_in_a_prompt_are_masked() -> None:
    """As everywhere."""
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    sent = [json.dumps({"messages": [{"role": "user", "content": f"x{at} {key}"}]}).encode() for at in (1, 2)]
    found = find_break(*map(read_prompt, sent))
    assert found is not None and key not in "".join(map("".join, both(found)))


def test_of_two_targets_the_whole_differs() -> None:
    """Not what is the same by chance; and where nothing differs, nothing is marked."""
    was, now = (read_prompt(b'{"messages": []}') for _ in range(2))
    found = find_break(was, now, ("box/claude-sonnet", "claude-sonnet"))
    assert found is not None
    assert [tuple(one) for one in both(found)] == [("", "box/claude-sonnet", ""), ("", "claude-sonnet", "")]
