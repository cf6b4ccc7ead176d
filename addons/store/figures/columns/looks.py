"""What was found in pieces: how many requests, how they are divided, which are the newest. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import inf
from typing import Final

from switchman.addons.store.figures.columns.pieces import Piece, size
from switchman.addons.store.figures.reading import COMPLETE, OUTCOME, Divided, Part
from switchman.addons.store.figures.tables import DIMENSIONS, NUMBERS, SPREADS

_SAVED: Final = NUMBERS.index("saved")


@dataclass(frozen=True)
class Look:
    """Pieces with the masks of what was found in them. `more`: there may be more requests, older than these."""

    found: Sequence[tuple[Piece, int]]
    more: bool

    @cached_property
    def count(self) -> int:
        return sum(size(mask) for _, mask in self.found)

    def divided(self, by: str, spreads: Sequence[str] = ()) -> Divided:
        """By outcome, and by one other of DIMENSIONS: all other parts of a kind are "". Only requests and what they
        saved are summed; `spreads` are those of complete answers."""
        return Divided([part for piece, mask in self.found for part in _parts(piece, mask, by, spreads)])

    def newest(self, most: int, before: float = inf) -> list[int]:
        """Numbers of requests by their beginnings, newest first: `most`, and all that began with the last of them.
        `before`: of those that began at this moment or earlier."""
        found: list[tuple[float, int]] = []
        for piece, mask in sorted(self.found, key=lambda one: -one[0].last):
            if len(found) >= most and piece.last < found[-1][0]:
                break
            if piece.first <= before:
                found += [one for one in piece.seqs(mask) if one[0] <= before]
            found.sort(reverse=True)
            if len(found) > most:
                least = found[most - 1][0]
                found = [one for one in found if one[0] >= least]
        return [seq for _, seq in found]


def _parts(piece: Piece, mask: int, by: str, spreads: Sequence[str]) -> Iterator[Part]:
    place, left = DIMENSIONS.index(by), mask
    for value, outcome in product(piece.columns[by].values, piece.columns["outcome"].values):
        if not left:
            return
        these = left & piece.mask_of(by, value) & piece.mask_of("outcome", outcome)
        if not these:
            continue
        left ^= these
        kind = [""] * len(DIMENSIONS)
        kind[place], kind[OUTCOME] = value or "", outcome
        numbers: list[float] = [0] * len(NUMBERS)
        numbers[0] = size(these)
        numbers[_SAVED], numbers[_SAVED + 1] = piece.saved_by(these)
        read = spreads if outcome in COMPLETE else ()
        yield Part(tuple(kind), numbers, [piece.spread(name, these) if name in read else None for name in SPREADS])
