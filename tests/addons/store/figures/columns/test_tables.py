"""The table of columns, and what is in it of the rows."""

from __future__ import annotations

from switchman.addons.store.figures.columns.pieces import READ
from switchman.addons.store.figures.columns.tables import request_columns
from switchman.addons.store.tables import requests


def test_what_is_read_is_there() -> None:
    """All but `several`, which is more than one attempt."""
    assert set(READ) - {"several"} <= set(requests.c.keys())
    assert [column.name for column in request_columns.primary_key] == ["number"]
