"""Which requests are the newest, and how they are divided, against the plain way."""

from __future__ import annotations

import random
from collections import Counter
from math import inf

import pytest

from switchman.addons.store.figures.columns import looks
from switchman.addons.store.figures.columns.looks import MOST_MASKS, Look
from switchman.addons.store.figures.columns.pieces import READ, ROWS, Piece, make_piece

NAMES = ("a", "b", None)


def pieces(
    seed: int, models: tuple[str | None, ...] | None = None
) -> tuple[list[tuple[Piece, int]], list[dict[str, object]]]:
    """Three pieces, whose times overlap, and their rows."""
    numbers = random.Random(seed)
    found, rows = [], []
    for number in (0, 1, 4):
        mine = []
        for place in sorted(numbers.sample(range(ROWS), 40 if models is None else 200)):
            row = dict.fromkeys(READ)
            row |= {"seq": number * ROWS + place, "started_at": float(numbers.randrange(30) + 10 * number)}
            row |= {"outcome": numbers.choice(["ok", "cached", "failed", "refused", "cancelled"])}
            row |= {"model": numbers.choice(models or NAMES), "layer": numbers.choice(["route", None])}
            row |= {"duration_ms": 5.0, "saved_ms": 2.0 if row["outcome"] == "cached" else None}
            mine.append(row)
        piece = make_piece(number, [tuple(row.values()) for row in mine])
        found.append((piece, piece.rows))
        rows += mine
    return found, rows


@pytest.mark.parametrize("most", [1, 5, 39, 500])
@pytest.mark.parametrize("before", [inf, 45.0, 0.0])
def test_the_newest_come_with_all_of_their_last_moment(most: int, before: float) -> None:
    """So that a page can put those of one moment in its own order."""
    found, rows = pieces(most)
    look = Look(found, more=False)
    older = sorted((row["started_at"], row["seq"]) for row in rows if row["started_at"] < before)[::-1]  # type: ignore[operator]
    least = older[:most][-1][0] if older else inf
    assert look.newest(most, before) == [seq for began, seq in older if began >= least]
    at = sorted(row["seq"] for row in rows if row["started_at"] == before)  # type: ignore[type-var]
    assert sorted(look.begun_at(before)) == at


def test_by_number() -> None:
    """Highest first."""
    found, rows = pieces(7)
    numbers = sorted((int(str(row["seq"])) for row in rows), reverse=True)
    assert Look(found, more=False).last(30) == numbers[:30]
    assert Look(found, more=False).last(500, before=numbers[5]) == numbers[6:]


@pytest.mark.parametrize("most", [MOST_MASKS, 2])
def test_division(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By model with how requests ended, by layer with what they saved; by masks and row by row."""
    monkeypatch.setattr(looks, "MOST_MASKS", most)
    found, rows = pieces(9)
    look = Look(found, more=False)
    assert look.count == len(rows)
    by_model = look.by_class(("durations",))
    assert (by_model.total.requests, len(by_model.total.whole("durations"))) == (
        len(rows), sum(row["outcome"] in ("ok", "cached") for row in rows),
    )  # fmt: skip
    for model, figures in by_model.group(1).items():
        mine = [row for row in rows if row["model"] == (model or None)]
        errors = sum(row["outcome"] in ("failed", "refused") for row in mine)
        assert (figures.requests, figures.errors) == (len(mine), errors)
        assert figures.cancelled == sum(row["outcome"] == "cancelled" for row in mine)
        for name in ("durations", "ttfts"):
            known = sum(row["outcome"] in ("ok", "cached") for row in mine) if name == "durations" else 0
            assert len(figures.whole(name)) == known
    assert look.by_class(models=False).total.requests == len(rows)
    for layer, figures in look.by_layer().group(2).items():
        mine = [row for row in rows if row["layer"] == (layer or None)]
        saved = sum(row["outcome"] == "cached" for row in mine)
        assert (figures.requests, figures.saved, figures.saved_ms) == (len(mine), saved, 2.0 * saved)


def test_models_without_number_take_no_memory_each() -> None:
    """A client makes up their names: a mask of 4 kB for each of them was kept, 16 MB for a piece of 50 kB."""
    found, rows = pieces(3, tuple(f"model-{number}" for number in range(5_000)))
    wanted = Counter(str(row["model"]) for row in rows)
    assert len(wanted) > MOST_MASKS
    divided = Look(found, more=False).by_class(("durations", "ttfts"))
    assert {model: figures.requests for model, figures in divided.group(1).items()} == wanted
    assert max(len(piece.masks) for piece, _ in found) < 10
