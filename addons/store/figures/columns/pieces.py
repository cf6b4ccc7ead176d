"""A piece of the log by its columns: rows to columns, columns to bytes, and back. Pure.

A column has a code for each of its values, from 1; 0 is where no row is. Codes stand in bytes, one for each row, and
where there are more than 255, in two planes of those. Times that percentiles are taken of are characters of
spreads.py. A mask of a piece is a number that has 8 bits for each row, all of them set or none.

The format, packed with zstd: 4 bytes of length, little-endian; that much JSON; the planes in the order of the JSON's
`planes`; the beginnings of the requests as 64-bit floats, little-endian.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Final, NamedTuple

import zstandard

from switchman.addons.store.figures.spreads import character
from switchman.addons.store.figures.tables import SPREADS

ROWS: Final = 4_096
MOST_BYTES: Final = 64 << 20  # that a piece may unpack to
LEVEL: Final = 3
ALL: Final = (1 << 8 * ROWS) - 1
_TIMES: Final = struct.Struct(f"<{ROWS}d")
_LENGTH: Final = struct.Struct("<I")

# Columns that are filtered by, by the names of those of `requests`; `several` is whether there was more than one
# attempt.
COLUMNS: Final = (
    *("server", "model", "layer", "token", "agent", "outcome", "cache"),
    *("requested_model", "client", "route", "status", "error_class", "streamed", "several", "modality"),
)
TIMES: Final = ("duration_ms", "ttft_ms", "overhead_ms", "tokens_per_second")  # as SPREADS
# What is read of a row, in this order.
READ: Final = ("seq", "started_at", "saved_ms", *TIMES, *COLUMNS)


class Column(NamedTuple):
    """`values`: that of code 1, and so on. `high` is b"" where no code has a second byte."""

    values: tuple[Any, ...]
    low: bytes
    high: bytes

    @property
    def codes(self) -> Sequence[int]:
        """The code of each row."""
        return self.low if not self.high else [low | high << 8 for low, high in zip(self.low, self.high, strict=True)]

    def where(self, wanted: Callable[[Any], bool]) -> int:
        """The mask of rows whose value is wanted."""
        codes = [code for code, value in enumerate(self.values, 1) if wanted(value)]
        if not codes:
            return 0
        if not self.high:
            return _mask(self.low.translate(_table(codes)))
        found = 0
        for high in {code >> 8 for code in codes}:
            low = self.low.translate(_table([code & 255 for code in codes if code >> 8 == high]))
            found |= _mask(low) & _mask(self.high.translate(_table([high])))
        return found


@dataclass(frozen=True, slots=True)
class Piece:
    """`began`: epoch seconds, 0 where no row is. `first`, `last`: of those; infinities where there is none. `saved`:
    milliseconds by place, of rows where that is known. `spreads` as SPREADS, 0 where a time is not known."""

    number: int
    began: Sequence[float]
    first: float
    last: float
    columns: Mapping[str, Column]
    spreads: Mapping[str, bytes]
    saved: Mapping[int, float]
    masks: dict[tuple[str, Any], int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rows(self) -> int:
        """The mask of all rows that there are."""
        return self.mask_of_any("outcome", self.columns["outcome"].values)

    def mask_of(self, column: str, value: Any) -> int:
        """The mask of rows that have this value, None among them."""
        return self.mask_of_any(column, (value,))

    def mask_of_any(self, column: str, values: tuple[Any, ...]) -> int:
        """The mask of rows that have one of these values. It is kept: for what is asked for with every look."""
        key = (column, values)
        if (mask := self.masks.get(key)) is None:
            mask = self.masks[key] = self.columns[column].where(frozenset(values).__contains__)
        return mask

    def seqs(self, mask: int) -> list[tuple[float, int]]:
        """When these rows began, and their numbers."""
        chosen = mask.to_bytes(ROWS, "little")
        numbers = range(self.number * ROWS, (self.number + 1) * ROWS)
        return list(zip(compress(self.began, chosen), compress(numbers, chosen), strict=True))

    def spread(self, name: str, mask: int) -> str:
        """One of SPREADS of these rows, as spreads.py has it."""
        key = ("spread", name)
        if (whole := self.masks.get(key)) is None:
            whole = self.masks[key] = _mask(self.spreads[name])
        return (whole & mask).to_bytes(ROWS, "little").translate(None, b"\0").decode("latin-1")

    def within(self, start: float, end: float) -> int:
        """The mask of rows that began then, start <= t < end."""
        if start <= self.first and self.last < end:
            return ALL
        if self.last < start or end <= self.first:
            return 0
        return _mask(bytes([255 if start <= at < end else 0 for at in self.began]))

    def saved_by(self, mask: int) -> tuple[int, float]:
        """Of how many of these rows it is known what they saved, and that, milliseconds."""
        if not self.saved:
            return 0, 0.0
        key = ("saved", "")
        if (known := self.masks.get(key)) is None:
            known = self.masks[key] = mask_at(self.saved)
        if not mask & known:
            return 0, 0.0
        chosen = mask.to_bytes(ROWS, "little")
        values = [value for place, value in self.saved.items() if chosen[place]]
        return len(values), sum(values)


def size(mask: int) -> int:
    """How many rows a mask has."""
    return mask.bit_count() >> 3


def mask_at(places: Iterable[int]) -> int:
    """The mask of rows by their places, 0 to ROWS - 1."""
    found = bytearray(ROWS)
    for place in places:
        found[place] = 255
    return _mask(found)


def make_piece(number: int, rows: Sequence[Sequence[Any]]) -> Piece:
    """Of rows as READ, in any order."""
    by_name = dict(zip(READ, zip(*rows, strict=True) if rows else [()] * len(READ), strict=True))
    places = [seq - number * ROWS for seq in by_name["seq"]]
    whole = len(places) == ROWS and places[0] == 0 and places[-1] == ROWS - 1
    began = by_name["started_at"]
    return Piece(
        number=number,
        began=array("d", _placed(began, places, whole)),
        first=min(began, default=float("inf")),
        last=max(began, default=float("-inf")),
        columns={name: _column(by_name[name], places, whole) for name in COLUMNS},
        spreads={
            name: bytes(_placed([_code(value) for value in by_name[of]], places, whole))
            for name, of in zip(SPREADS, TIMES, strict=True)
        },
        saved={
            place: value for place, value in zip(places, by_name["saved_ms"], strict=True) if value is not None
        },
    )  # fmt: skip


def pack(piece: Piece) -> bytes:
    """As it is stored."""
    planes: list[bytes] = [*piece.spreads.values()]
    told = {
        "columns": {name: [column.values, bool(column.high)] for name, column in piece.columns.items()},
        "saved": list(piece.saved.items()),
    }
    for column in piece.columns.values():
        planes += [column.low, column.high] if column.high else [column.low]
    said = json.dumps(told).encode()
    whole = b"".join([_LENGTH.pack(len(said)), said, *planes, _TIMES.pack(*piece.began)])
    return zstandard.ZstdCompressor(level=LEVEL).compress(whole)


def unpack(number: int, first: float | None, last: float | None, data: bytes) -> Piece:
    """Raises ValueError for what is none."""
    try:
        whole = zstandard.ZstdDecompressor().decompress(data, max_output_size=MOST_BYTES)
        (length,) = _LENGTH.unpack_from(whole)
        told = json.loads(whole[_LENGTH.size : _LENGTH.size + length])
        began = array("d", _TIMES.unpack(whole[-_TIMES.size :]))
        at = _LENGTH.size + length
        parts = iter([whole[place : place + ROWS] for place in range(at, len(whole) - _TIMES.size, ROWS)])
        spreads = {name: next(parts) for name in SPREADS}
        columns = {
            name: Column(tuple(values), next(parts), next(parts) if wide else b"")
            for name, (values, wide) in told["columns"].items()
        }
        if columns.keys() != set(COLUMNS):
            raise KeyError("other columns")
    except (zstandard.ZstdError, struct.error, LookupError, TypeError, StopIteration) as error:
        raise ValueError(f"a piece of columns cannot be read: {error!r}") from error
    infinite = float("inf")
    return Piece(
        number, began, infinite if first is None else first, -infinite if last is None else last, columns, spreads,
        dict(told["saved"]),
    )  # fmt: skip


def _placed(values: Sequence[Any], places: Sequence[int], whole: bool) -> Sequence[Any]:
    if whole:
        return values
    found = [0] * ROWS
    for place, value in zip(places, values, strict=True):
        found[place] = value
    return found


def _column(values: Sequence[Any], places: Sequence[int], whole: bool) -> Column:
    known: dict[Any, int] = {}
    codes = _placed([known.setdefault(value, len(known) + 1) for value in values], places, whole)
    low = bytes([code & 255 for code in codes])
    return Column(tuple(known), low, bytes([code >> 8 for code in codes]) if len(known) > 255 else b"")


def _code(value: float | None) -> int:
    return 0 if value is None else ord(character(value))


def _mask(plane: bytes | bytearray) -> int:
    return int.from_bytes(plane, "little")


def _table(codes: Iterable[int]) -> bytes:
    found = bytearray(256)
    for code in codes:
        found[code] = 255
    return bytes(found)
