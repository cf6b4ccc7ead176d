"""Which asks the semantic cache looks at."""

from __future__ import annotations

import pytest

from switchman.addons.core.request.features import features_of
from switchman.addons.hooks.caching.semantic_caching import LONGEST, fits


@pytest.mark.parametrize(
    ("ask", "expected"),
    [("", False), ("short", True), ("x" * LONGEST, True), ("x" * (LONGEST + 1), False), ("问" * LONGEST, False)],
    ids=["nothing", "short", "long", "too long", "too long in Chinese"],
)
def test_an_ask_of_bounded_work(ask: str, expected: bool) -> None:
    """The guards' work grows with the bytes of an ask, and the event loop waits for them."""
    known = features_of({"messages": [{"role": "user", "content": ask}]})
    assert fits(known, ask) is expected
