"""Live figures where there are none: nothing is assumed."""

from __future__ import annotations

import pytest

from switchman.addons.core.routes.live import NO_FIGURES, Live


@pytest.mark.parametrize("name", ["", "box", "box/llama"])
def test_without_figures_nothing_is_known(name: str) -> None:
    """Neither a duration nor health: None, and not a figure that would let a rule match."""
    live: Live = NO_FIGURES
    assert live.p95_ms(name) is None
    assert live.health(name) is None
