"""What the figures' tables are divided by is what a request can be filtered by."""

from __future__ import annotations

from switchman.addons.store.figures.tables import DIMENSIONS, NUMBERS, SPREADS, figure_kinds, figures
from switchman.addons.store.tables import requests


def test_the_columns_are_those_that_are_named() -> None:
    """And a value that fits into a row of a request fits into a kind."""
    assert set(figures.c.keys()) == {"width", "bucket", "kind", *NUMBERS, *SPREADS}
    assert set(figure_kinds.c.keys()) == {"id", "overall", *DIMENSIONS}
    for name in DIMENSIONS:
        assert figure_kinds.c[name].type.length >= requests.c[name].type.length, name
