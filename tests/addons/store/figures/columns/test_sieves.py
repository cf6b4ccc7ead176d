"""Filters as masks, where no database is asked; the same against both databases is in test_reading.py."""

from __future__ import annotations

import pytest

from switchman.addons.store.figures.columns.pieces import READ, ROWS, make_piece
from switchman.addons.store.figures.columns.sieves import Condition, at, named, sieve_of
from switchman.addons.store.reading.filters import Filters

ROW = dict.fromkeys(READ) | {"outcome": "ok", "requested_model": "auto", "model": "gpt", "started_at": 5.0}
ANY = Filters()
PIECE = make_piece(2, [tuple((ROW | {"seq": 2 * ROWS + place}).values()) for place in (0, 8, 9)])


def found(*among: Condition, filters: Filters = ANY) -> list[int]:
    return [seq - 2 * ROWS for _, seq in PIECE.seqs(sieve_of(filters, among).mask(PIECE))]


def test_places_and_names() -> None:
    """One of the conditions of one filter must hold, all filters must, and where no row is nothing is found."""
    assert found(Condition(places=at([2 * ROWS + 8, 2 * ROWS + 20, 8]))) == [8]
    assert found(Condition(places=at([]))) == []
    assert found(Condition(named(["auto"]))) == found(Condition(named(["gpt"]))) == [0, 8, 9]
    assert found(Condition(named(["other"]), at([2 * ROWS + 9]))) == [9]
    assert found(Condition(named(["gpt"])), Condition(places=at([2 * ROWS]))) == [0]
    assert found(Condition(named(["gpt"])), filters=Filters(start=6.0)) == []


def test_a_bad_status_is_an_error() -> None:
    """Before anything is looked at."""
    with pytest.raises(ValueError, match="teapot"):
        sieve_of(Filters(status="teapot"), ())
