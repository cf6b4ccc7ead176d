"""A piece says the same as its rows, and is what was packed."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import zstandard

from switchman.addons.store.figures.columns.pieces import (
    ALL,
    COLUMNS,
    READ,
    ROWS,
    TIMES,
    Piece,
    make_piece,
    mask_at,
    pack,
    size,
    unpack,
)
from switchman.addons.store.figures.spreads import character
from switchman.addons.store.figures.tables import SPREADS

NUMBER = 3


def made(count: int, clients: int = 5, seed: int = 1) -> list[tuple[Any, ...]]:
    """Rows as READ, at places of a piece."""
    numbers = random.Random(seed)
    places = sorted(numbers.sample(range(ROWS), count))
    found = []
    for place in places:
        row: dict[str, Any] = {name: numbers.choice(["a", "b", None]) for name in COLUMNS}
        row |= {name: numbers.choice([None, numbers.lognormvariate(5, 2)]) for name in TIMES}
        row |= {"seq": NUMBER * ROWS + place, "started_at": 1000.0 + numbers.randrange(500)}
        row |= {"saved_ms": numbers.choice([None, None, numbers.uniform(1, 9)]), "status": numbers.choice([200, 429])}
        row |= {"outcome": numbers.choice(["ok", "failed"]), "client": f"10.0.{numbers.randrange(clients)}"}
        found.append(tuple(row[name] for name in READ))
    return found


def of(name: str, row: tuple[Any, ...]) -> Any:
    return row[READ.index(name)]


def stored(told: dict[str, Any]) -> bytes:
    """A piece that says this of itself, with all planes that a piece may have."""
    said = json.dumps(told | {"saved": []}).encode()
    return zstandard.compress(len(said).to_bytes(4, "little") + said + bytes(ROWS * 40))


def places(piece: Piece, mask: int) -> list[int]:
    return [seq for _, seq in piece.seqs(mask)]


@pytest.mark.parametrize(("count", "clients"), [(0, 1), (1, 1), (700, 5), (ROWS, 700), (ROWS, 255), (ROWS, 256)])
def test_a_piece_says_what_its_rows_say(count: int, clients: int) -> None:
    """Each column's masks, times, what was saved; also of columns with more than 255 values, and read back."""
    rows = made(count, clients)
    piece = make_piece(NUMBER, rows)
    known = bool(rows)
    again = unpack(NUMBER, piece.first if known else None, piece.last if known else None, pack(piece))
    assert again == piece
    for one in (piece, again):
        assert places(one, one.rows) == [of("seq", row) for row in rows]
        for name in COLUMNS if count < ROWS else ("client", "outcome"):
            for value in (*[*dict.fromkeys(of(name, row) for row in rows)][-3:], "nowhere"):
                wanted = [of("seq", row) for row in rows if of(name, row) == value]
                assert places(one, one.mask_of(name, value)) == wanted, (name, value)
        mask = one.columns["client"].where(lambda client: client in ("10.0.0", "10.0.3", f"10.0.{clients - 1}"))
        chosen = [row for row in rows if of("client", row) in ("10.0.0", "10.0.3", f"10.0.{clients - 1}")]
        assert (size(mask), places(one, mask)) == (len(chosen), [of("seq", row) for row in chosen])
        for spread, name in zip(SPREADS, TIMES, strict=True):
            told = [of(name, row) for row in chosen if of(name, row) is not None]
            assert one.spread(spread, mask) == "".join(map(character, told))
        saved = [of("saved_ms", row) for row in chosen if of("saved_ms", row) is not None]
        assert one.saved_by(mask) == (len(saved), pytest.approx(sum(saved)))


@pytest.mark.parametrize(
    ("start", "end"), [(0, 2000), (1100, 2000), (0, 1100), (1100, 1100.5), (1500, 3000), (0, 1000)]
)
def test_a_range_of_time_holds_its_start_and_not_its_end(start: float, end: float) -> None:
    """Also where the piece is all within it, or all outside."""
    rows = made(900)
    piece = make_piece(NUMBER, rows)
    wanted = [of("seq", row) for row in rows if start <= of("started_at", row) < end]
    assert places(piece, piece.within(start, end) & piece.rows) == wanted


def test_masks_by_place() -> None:
    """The first and the last one, too."""
    assert size(mask_at([0, 7, ROWS - 1])) == 3
    assert (mask_at(range(ROWS)), mask_at([]), size(ALL)) == (ALL, 0, ROWS)


OTHER = {name: [[], False] for name in COLUMNS[1:]}  # of a version that knew fewer columns


@pytest.mark.parametrize("data", [b"", b"x", pack(make_piece(0, []))[:40], *map(stored, ({}, {"columns": OTHER}))])
def test_what_is_no_piece_is_said_to_be_none(data: bytes) -> None:
    """ValueError."""
    with pytest.raises(ValueError, match="cannot be read"):
        unpack(0, None, None, data)
