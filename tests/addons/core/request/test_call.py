"""A call knows its dialect, and whether an OpenAI client wants a stream's usage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from switchman.addons.core.request.call import Call, Endpoint

CALL = Call(Endpoint("ollama", "chat", "/api/chat"), "", "{}", {}, {}, "m", stream=True)


def test_the_dialect_is_its_endpoints() -> None:
    """There is one place where it is said."""
    assert CALL.dialect == "ollama"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"include_usage": True}, True),
        ({"include_usage": False}, False),
        ({"include_usage": 1}, False),
        ({"include_usage": "true"}, False),
        ({}, False),
        (None, False),
        ([["include_usage", True]], False),
        ("include_usage", False),
    ],
)
def test_usage_is_wanted_by_true_only(options: Any, wanted: bool) -> None:
    """What is not JSON's true in its place is no wish, and raises nothing."""
    assert replace(CALL, body={"stream_options": options}).wants_usage is wanted


def test_usage_is_not_wanted_by_a_body_without_options() -> None:
    """Nobody asked."""
    assert not CALL.wants_usage
