"""From rows of requests to cells: what one span of time and one kind of request add up to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from switchman.addons.store.figures.spreads import character
from switchman.addons.store.figures.tables import DIMENSIONS, NUMBERS

Kind = tuple[str, ...]  # values of DIMENSIONS

# What is read of a row, by the names of the columns of `requests`.
COLUMNS = (
    *("started_at", "duration_ms", "ttft_ms", "overhead_ms", "tokens_per_second"),
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
    *("cost_microdollars", "saved_microdollars", "saved_ms"),
    *("server", "model", "layer", "token", "agent", "outcome", "cache"),
)
OUTCOME = DIMENSIONS.index("outcome")
MINUTE, HOUR, DAY = 60, 3600, 86_400
WIDTHS = (MINUTE, HOUR, DAY)


class CellKey(NamedTuple):
    bucket: int
    kind: int


class Cell:
    """`numbers` as NUMBERS; `spreads` as SPREADS, in pieces."""

    __slots__ = ("numbers", "spreads")

    def __init__(self) -> None:
        self.numbers: list[float] = [0] * len(NUMBERS)
        self.spreads: tuple[list[str], ...] = ([], [], [], [])

    def add(self, numbers: Iterable[float], spread: Iterable[str]) -> None:
        self.numbers = [have + more for have, more in zip(self.numbers, numbers, strict=True)]
        for pieces, one in zip(self.spreads, spread, strict=True):
            if one:
                pieces.append(one)

    def texts(self) -> list[str]:
        return ["".join(pieces) for pieces in self.spreads]


@lru_cache(maxsize=4096)
def kind_id(kind: Kind, overall: bool = False) -> int:
    """A number that follows from the values: 63 bits of a hash, so that no two of any database's kinds share one."""
    told = "\0".join(("overall" if overall else "", *kind))
    return int.from_bytes(blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1


@lru_cache(maxsize=64)
def overall_kind(outcome: str) -> Kind:
    """The kind of all requests of an outcome."""
    return tuple(outcome if at == OUTCOME else "" for at in range(len(DIMENSIONS)))


def kind_of(row: Mapping[Any, Any]) -> Kind:
    return tuple([row.get(name) or "" for name in DIMENSIONS])


def values_of(row: Mapping[Any, Any]) -> tuple[list[float], list[str]]:
    """What one row adds to its cell."""
    taken, made = row["input_tokens"], row["output_tokens"]
    cost, saved_ms = row["cost_microdollars"], row["saved_ms"]
    cached = row["cached_tokens"] or 0
    compared = taken is not None and made is not None and cost is not None
    numbers = [
        *(1, taken is not None or made is not None, taken or 0, made or 0, cached, row["reasoning_tokens"] or 0),
        *(cost is not None, cost or 0, row["saved_microdollars"] or 0, saved_ms is not None, saved_ms or 0.0),
        *((True, cost, taken, min(cached, taken), made) if compared else (0, 0, 0, 0, 0)),
    ]
    known = (row["duration_ms"], row["ttft_ms"], row["overhead_ms"], row["tokens_per_second"])
    return numbers, ["" if value is None else character(value) for value in known]


def gather(rows: Iterable[Mapping[Any, Any]], width: int) -> tuple[dict[CellKey, Cell], dict[int, tuple[Kind, bool]]]:
    """The cells of these rows, each row in its own kind's and in that of its outcome; and the kinds by their ids."""
    own: dict[tuple[int, Kind], Cell] = {}
    for row in rows:
        place = int(row["started_at"] // width) * width, kind_of(row)
        if (cell := own.get(place)) is None:
            cell = own[place] = Cell()
        cell.add(*values_of(row))
    cells: dict[CellKey, Cell] = {}
    kinds: dict[int, tuple[Kind, bool]] = {}
    for (bucket, kind), cell in own.items():
        number = kind_id(kind)
        cells[CellKey(bucket, number)], kinds[number] = cell, (kind, False)
        whole = overall_kind(kind[OUTCOME])
        number = kind_id(whole, True)
        kinds[number] = whole, True
        cells.setdefault(CellKey(bucket, number), Cell()).add(cell.numbers, cell.texts())
    return cells, kinds
