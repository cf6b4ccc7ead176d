"""From rows of requests to cells: what one span of time and one kind of request add up to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from switchman.addons.store.figures.spreads import character
from switchman.addons.store.figures.tables import DIMENSIONS

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


class Cell(NamedTuple):
    """`numbers` as NUMBERS, `texts` as SPREADS."""

    numbers: Sequence[float]
    texts: Sequence[str]


def together(cells: Sequence[Cell]) -> Cell:
    """What several cells come to."""
    if len(cells) == 1:
        return cells[0]
    numbers, texts = zip(*cells, strict=True)
    return Cell(list(map(sum, zip(*numbers, strict=True))), list(map("".join, zip(*texts, strict=True))))


@lru_cache(maxsize=4096)
def kind_id(kind: Kind, overall: bool = False) -> int:
    """A number that follows from the values: 63 bits of a hash, so that no two of any database's kinds share one."""
    told = "\0".join(("overall" if overall else "", *kind))
    return int.from_bytes(blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1


@lru_cache(maxsize=64)
def overall_kind(outcome: str) -> Kind:
    """The kind of all requests of an outcome."""
    return tuple(outcome if at == OUTCOME else "" for at in range(len(DIMENSIONS)))


@lru_cache(maxsize=4096)
def _kinds(values: tuple[str | None, ...]) -> tuple[tuple[int, Kind, bool], ...]:
    """The kind of requests with these values, and that of all of their outcome, with their ids."""
    own = tuple([value or "" for value in values])
    whole = overall_kind(own[OUTCOME])
    return (kind_id(own), own, False), (kind_id(whole, True), whole, True)


def kinds_of(row: Mapping[Any, Any]) -> tuple[tuple[int, Kind, bool], ...]:
    """The two kinds that a row counts in."""
    return _kinds(tuple([row.get(name) for name in DIMENSIONS]))


def cell_of(row: Mapping[Any, Any]) -> Cell:
    """What one row adds to its cell."""
    taken, made = row["input_tokens"], row["output_tokens"]
    cost, saved_ms = row["cost_microdollars"], row["saved_ms"]
    cached = row["cached_tokens"] or 0
    numbers = (
        *(1, 0 if taken is None and made is None else 1, taken or 0, made or 0, cached, row["reasoning_tokens"] or 0),
        *(0 if cost is None else 1, cost or 0, row["saved_microdollars"] or 0),
        *(0 if saved_ms is None else 1, saved_ms or 0.0),
        *(
            (0, 0, 0, 0, 0)
            if taken is None or made is None or cost is None
            else (1, cost, taken, min(cached, taken), made)
        ),
    )
    known = (row["duration_ms"], row["ttft_ms"], row["overhead_ms"], row["tokens_per_second"])
    return Cell(numbers, ["" if value is None else character(value) for value in known])


def gather(rows: Iterable[Mapping[Any, Any]], width: int) -> tuple[dict[CellKey, Cell], dict[int, tuple[Kind, bool]]]:
    """The cells of these rows, each row in its own kind's and in that of its outcome; and the kinds by their ids."""
    found: dict[CellKey, list[Cell]] = {}
    kinds: dict[int, tuple[Kind, bool]] = {}
    for row in rows:
        bucket, one = int(row["started_at"] // width) * width, cell_of(row)
        for number, kind, overall in kinds_of(row):
            if (there := found.get(key := CellKey(bucket, number))) is None:
                found[key], kinds[number] = [one], (kind, overall)
            else:
                there.append(one)
    return {key: together(cells) for key, cells in found.items()}, kinds
