"""Rules from answers, put into a file that has some: in their place, or beside them."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.config.editing.drafts import put_into, taken_names
from switchman.addons.config.editing.rewriting import NotEditable
from switchman.addons.core.routes.making.answers import Answers, Model, ServerChoice
from switchman.addons.core.routes.making.drafting import draft
from switchman.addons.core.routes.making.writing import written
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.reading.yamltext import load

OWN = ServerChoice("new", {"url": "http://127.0.0.1:9", "free": True}, (Model("a"), Model("a-coder")), own=True)
KNOWN = ServerChoice("kept", "http://127.0.0.1:8", (Model("k"),), own=True, known=True)
FILE = """\
# ours
servers:
  kept: "http://127.0.0.1:8" # as it was
  gone: {url: "http://10.0.0.1:8"}
models:
  gone/m: {input_cost: 1}
  kept/k: {context: 4096}
aliases: {coding: {instances: [kept/k]}}
capture: {mode: redacted}
routes:
  # the first one
  - name: Coding
    match: {model: special}
    route: {model: gone/m}
default: coding
limits: {total: {budgets: [5/day]}, groups: {g: {concurrent: 2}}}
"""


def answers(*servers: ServerChoice, **more: Any) -> Answers:
    return Answers(frozenset(["chat", "coding", "background"]), servers, **more)


def read(text: str) -> Any:
    return load(text, "").data


@pytest.mark.parametrize("how", ["replace", "beside"])
@pytest.mark.parametrize("empty", ["", "\n"])
def test_an_empty_file_becomes_the_drafts_own(how, empty: str) -> None:
    """With all its comments, byte for byte."""
    made = draft(answers(OWN))
    assert put_into(empty, made, how) == written(made)


def test_beside_nothing_goes_and_no_name_is_used_twice() -> None:
    """The text of before stays as it is; what is new stands behind it, with its comment above it."""
    taken = taken_names(FILE)
    assert {"coding", "Coding", "kept", "gone"} <= taken
    made = draft(answers(OWN, KNOWN, taken=taken - {"kept"}, spending="monthly", dollars=9))
    text = put_into(FILE, made, "beside")
    found = read(text)
    assert all(line in text for line in FILE.splitlines() if not line.startswith("aliases"))
    assert list(found["servers"]) == ["kept", "gone", "new"] and found["servers"]["kept"] == "http://127.0.0.1:8"
    assert found["routes"][0]["name"] == "Coding"
    assert len({one["name"] for one in found["routes"]}) == len(found["routes"]) == len(made.routes) + 1
    assert set(found["aliases"]) == {"coding", "chat", "coding-2", "background"}
    assert found["default"] == "coding" and found["limits"]["total"]["budgets"] == ["5/day"]
    for one in made.routes:
        assert f"  # {one.why}\n  - name:" in text


def test_replaced_are_the_rules_and_what_was_not_chosen() -> None:
    """What the answers are not about stays: capture, a group's limits, facts of models of a server that stays."""
    made = draft(answers(KNOWN, OWN, spending="monthly", dollars=9))
    found = read(put_into(FILE, made, "replace"))
    assert list(found["servers"]) == ["kept", "new"] and list(found["models"]) == ["kept/k"]
    assert found["models"]["kept/k"]["context"] == 4096
    assert found["capture"] == {"mode": "redacted"} and found["limits"]["groups"] == {"g": {"concurrent": 2}}
    assert found["limits"]["total"]["budgets"][0]["amount"] == "$9/month"
    assert [one["name"] for one in found["routes"]] == [one.name for one in made.routes]
    assert found["default"] == "chat" and set(found["aliases"]) == {one.name for one in made.aliases}


def test_an_operator_takes_no_server_away() -> None:
    """The section that only admins change stays as it is."""
    found = read(put_into(FILE, draft(answers(KNOWN)), "replace", may_servers=False))
    assert found["servers"] == read(FILE)["servers"]


def test_a_comment_never_changes_a_value() -> None:
    """Where a text of many lines looks like one of the new entries, comments are left out."""
    file = "servers: {kept: 'http://127.0.0.1:8'}\nx-note: |\n  default: not ours\n  chat: neither\n"
    text = put_into(file, draft(answers(KNOWN)), "beside")
    assert read(text)["x-note"] == "default: not ours\nchat: neither\n"


def test_what_cannot_be_edited_is_said() -> None:
    """A broken file, and one that has no rules but something else."""
    with pytest.raises(RulesError):
        put_into("servers: [", draft(answers(OWN)), "beside")
    for text in ("- a\n", "routes: 3\n"):
        with pytest.raises(NotEditable, match="no list"):
            put_into(text, draft(answers(OWN)), "beside")
