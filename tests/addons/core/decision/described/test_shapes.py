"""Which values are rules, and what is said of those that are none."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from switchman.addons.core.decision.described.shapes import shaped

RULE = {"name": "a", "route": {"model": "x"}}


@pytest.mark.parametrize("value", [None, 5, "routes", [], [1, "x"], {"servers": {}}, {"a": {"b": {"c": {}}}}])
def test_other_values(value: Any) -> None:
    assert shaped(value) is None


@pytest.mark.parametrize("value", [{"routes": None}, {"rules": []}])
def test_no_rules_are_said_to_be_none(value: Any) -> None:
    found = shaped(value)
    assert found is not None and found.rules == []


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (RULE, ()),
        ([RULE], (0,)),
        ({"Rules": [RULE]}, ("Rules", 0)),
        ({"routes": RULE}, ("routes",)),
        ({"routes": {"a": {"route": {"model": "x"}}}}, ("routes", "a")),
        ({"config": {"output": {"routes": [RULE]}}}, ("config", "output", "routes", 0)),
    ],
)
def test_a_rule_and_where_it_stands(value: Any, path: Any) -> None:
    found = shaped(value)
    assert found is not None and found.rules == [(path, RULE)]


def test_too_many_wrappers() -> None:
    """They are not looked through without end."""
    value: Any = [RULE]
    for _ in range(50):
        value = {"config": value}
    assert shaped(value) is None


def test_keys_of_a_rule_by_other_names() -> None:
    """Each once: what stands there by its own name stays, and the other is for the schema to refuse."""
    found = shaped({"Name": "a", "when": {}, "match": {"model": "auto"}, "then": "x", "x-mine": date(2026, 1, 2)})
    assert found is not None
    assert found.rules[0][1] == {
        "name": "a", "when": {}, "match": {"model": "auto"}, "route": {"model": "x"}, "x-mine": "2026-01-02",
    }  # fmt: skip


def test_numbers_that_no_file_has() -> None:
    """They become text, which the schema refuses at its place."""
    found = shaped({"match": {"max_cost": float("inf")}, "route": "x"})
    assert found is not None and found.rules[0][1]["match"] == {"max_cost": "inf"}
