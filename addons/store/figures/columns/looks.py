"""What was found in pieces: how many requests, how they are divided, which are the newest. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import compress
from math import inf
from typing import Final

from switchman.addons.store.figures.columns.pieces import ROWS, Piece, size
from switchman.addons.store.figures.reading import COMPLETE, Divided, Part
from switchman.addons.store.figures.tables import DIMENSIONS, NUMBERS, SPREADS
from switchman.addons.store.reading.filters import ERROR_OUTCOMES

_CLASSES: Final = (("ok", COMPLETE), ("failed", ERROR_OUTCOMES), ("cancelled", ("cancelled",)))
_NO_TEXTS: Final = (None,) * len(SPREADS)
_SAVED: Final = NUMBERS.index("saved")
MOST_MASKS: Final = 64  # models of a piece that each have a mask, of 4 kB; of more, each row is looked at


@dataclass(frozen=True)
class Look:
    """Pieces with the masks of what was found in them. `more`: there may be more requests, older than these."""

    found: Sequence[tuple[Piece, int]]
    more: bool

    @cached_property
    def count(self) -> int:
        return sum(size(mask) for _, mask in self.found)

    def by_class(self, spreads: Sequence[str] = (), models: bool = True) -> Divided:
        """By how requests ended, and by model where `models`; all else of a kind is "". Only requests are summed, and
        an outcome stands for its class: complete, an error, cancelled. `spreads`: of complete answers."""
        return Divided([part for piece, mask in self.found for part in _by_class(piece, mask, spreads, models)])

    def by_layer(self) -> Divided:
        """By layer; all else of a kind is "". Only requests are summed, and what they saved."""
        return Divided([part for piece, mask in self.found for part in _by_layer(piece, mask)])

    def newest(self, most: int, before: float = inf) -> list[int]:
        """Numbers of requests by their beginnings, newest first: `most`, and all that began with the last of them.
        `before`: of those that began before this moment."""
        found: list[tuple[float, int]] = []
        for piece, mask in sorted(self.found, key=lambda one: -one[0].last):
            if len(found) >= most and piece.last < found[-1][0]:
                break
            if piece.first < before:
                found += [one for one in piece.seqs(mask) if one[0] < before]
            found.sort(reverse=True)
            if len(found) > most:
                least = found[most - 1][0]
                found = [one for one in found if one[0] >= least]
        return [seq for _, seq in found]

    def begun_at(self, moment: float) -> list[int]:
        """Numbers of the requests that began at this moment."""
        some = [(piece, mask) for piece, mask in self.found if piece.first <= moment <= piece.last]
        return [seq for piece, mask in some for began, seq in piece.seqs(mask) if began == moment]

    def last(self, most: int, before: int | None = None) -> list[int]:
        """Numbers of requests by themselves, highest first, `most` of them. `before`: below this one."""
        found: list[int] = []
        for piece, mask in sorted(self.found, key=lambda one: -one[0].number):
            here = [seq for _, seq in piece.seqs(mask) if before is None or seq < before]
            found += sorted(here, reverse=True)
            if len(found) >= most:
                break
        return found[:most]


def _by_class(piece: Piece, mask: int, spreads: Sequence[str], models: bool) -> Iterator[Part]:
    if models and len(piece.columns["model"].values) > MOST_MASKS:
        yield from _row_by_row(piece, mask, spreads)
        return
    for model in piece.columns["model"].values if models else (None,):
        here = mask & piece.mask_of("model", model) if models else mask
        for outcome, outcomes in _CLASSES if here else ():
            if these := here & piece.mask_of_any("outcome", outcomes):
                read = spreads if outcome in COMPLETE else ()
                texts = [piece.spread(name, these) if name in read else None for name in SPREADS]
                yield Part(_kind(model=model, outcome=outcome), _numbers(size(these)), texts)


def _row_by_row(piece: Piece, mask: int, spreads: Sequence[str]) -> Iterator[Part]:
    """By class and model, in the same time however many models there are: clients may make up their names."""
    column = piece.columns["model"]
    for outcome, outcomes in _CLASSES:
        chosen = (mask & piece.mask_of_any("outcome", outcomes)).to_bytes(ROWS, "little")
        codes = list(compress(column.codes, chosen))
        texts: dict[str, dict[int, bytearray]] = {}
        for name in spreads if outcome in COMPLETE else ():
            texts[name] = defaultdict(bytearray)
            for code, character in zip(codes, compress(piece.spreads[name], chosen), strict=True):
                if character:
                    texts[name][code].append(character)
        for code, count in Counter(codes).items():
            told = [texts[name][code].decode("latin-1") if name in texts else None for name in SPREADS]
            yield Part(_kind(model=column.values[code - 1], outcome=outcome), _numbers(count), told)


def _by_layer(piece: Piece, mask: int) -> Iterator[Part]:
    for layer in piece.columns["layer"].values:
        if these := mask & piece.mask_of("layer", layer):
            yield Part(_kind(layer=layer), _numbers(size(these), *piece.saved_by(these)), _NO_TEXTS)


@lru_cache(maxsize=4096)
def _kind(**values: str | None) -> tuple[str, ...]:
    return tuple([values.get(name) or "" for name in DIMENSIONS])


def _numbers(requests: int, saved: int = 0, saved_ms: float = 0.0) -> list[float]:
    found: list[float] = [0] * len(NUMBERS)
    found[0] = requests
    found[_SAVED : _SAVED + 2] = saved, saved_ms
    return found
