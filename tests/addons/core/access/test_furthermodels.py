"""Models that a request names beside its own."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.access.furthermodels import further_models


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, ()),
        ({"model": "a", "messages": [{"role": "user", "content": "models"}]}, ()),
        ({"models": ["a", "b", "a"]}, ("a", "b")),
        ({"models": "a"}, ("a",)),
        ({"Models": ["a"], "models": ["b"]}, ("a", "b")),
        ({"fallbacks": [{"model": "a", "api_key": "k"}, "b"]}, ("a", "b")),
        ({"fallbacks": [{"gpt-4": ["a", "b"]}]}, ("a", "b")),
        ({"fallback_models": ["a"], "context_window_fallbacks": [{"x": ["b"]}]}, ("a", "b")),
        ({"tools": [{"type": "image_generation", "model": "a"}, {"type": "function"}, "x", {"model": 1}]}, ("a",)),
        ({"models": None, "tools": None, "fallbacks": 7}, ()),
    ],
)
def test_they_are_found(body: dict[str, Any], names: tuple[str, ...]) -> None:
    """In each member that some server turns to, in any of its forms."""
    assert further_models(body) == names
