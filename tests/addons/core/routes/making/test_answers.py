"""Answers as values."""

from __future__ import annotations

import pytest

from switchman.addons.core.routes.making.answers import USES, Answers, NotMakeable


@pytest.mark.parametrize(
    ("spending", "priority", "stays"),
    [
        ("own", "quality", True),
        ("unlimited", "privacy", True),
        ("monthly", "price", False),
        ("cheapest", "speed", False),
    ],
)
def test_what_stays_in_the_house(spending, priority, stays: bool) -> None:
    """Where privacy counts most, and where nothing may be spent."""
    assert Answers(frozenset(USES), (), spending, 1, priority).stays is stays


def test_what_is_missing_is_said() -> None:
    """In a sentence, and by a kind that a page has its own words for."""
    error = NotMakeable("no_model")
    assert error.kind == "no_model" and "Choose at least one server" in str(error)
