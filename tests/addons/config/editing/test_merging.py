"""Other routers' JSON, into a rules file and out of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.config.editing.merging import as_json, exported, merged, read_rules
from switchman.addons.config.editing.rewriting import NotEditable
from switchman.addons.core.rules.problems import RulesError

RULE: dict[str, Any] = {
    "name": "Chat",
    "priority": 300,
    "enabled": True,
    "conditions": {"combinator": "AND", "items": [{"type": "taskType", "taskTypes": ["chat"]}]},
    "targetModel": "laptop/llama3",
    "fallbackChain": [],
    "thinkingStrategy": "auto",
}
FILE = (
    "# ours\r\nroutes:\r\n  - name: Chat # talk\r\n    match: {model: old}\r\n    route: {model: a/b}\r\nx-y:   1\r\n"
)


def test_one_of_the_same_name_is_replaced_in_place_and_others_are_added() -> None:
    """All else stays byte for byte, line ends too; what comes out is what went in."""
    data = {"version": "1.1", "rules": [RULE, {**RULE, "name": "More"}]}
    made = merged(FILE, read_rules(json.dumps(data)))
    assert (made.added, made.replaced) == (1, 1)
    assert made.text.startswith("# ours\r\nroutes:\r\n  - name: Chat # talk\r\n") and "\r\nx-y:   1\r\n" in made.text
    assert made.text.count("\n") == made.text.count("\r\n")
    assert json.loads(as_json(exported(made.text, "f").data)) == data
    assert merged(made.text, read_rules(json.dumps(data))).text == made.text


def test_what_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        read_rules("[" * 100_000)
    with pytest.raises(NotEditable, match="no list"):
        merged("routes: 1\n", read_rules('{"rules": []}'))
    with pytest.raises(RulesError, match="already on line 1"):
        merged("a: 1\na: 2\n", read_rules('{"rules": []}'))
