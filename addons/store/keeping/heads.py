"""Heads are cut before they are stored: a client or a server may send hundreds of kilobytes in each.

What is left out is counted, never hidden: the fields that are not there at all, and the bytes of all that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MOST_BYTES = 16_384  # of a side's head: names and values together, in UTF-8
MOST_NAME = 200  # bytes
MOST_VALUE = 2_048  # bytes
MOST_FIELDS = 200
MARK = "..."


class Head(NamedTuple):
    """`fields` as they are kept; `fields_cut` were left out whole; `bytes_cut` are missing in all."""

    fields: tuple[tuple[str, str], ...]
    fields_cut: int
    bytes_cut: int


def cut_head(pairs: Iterable[tuple[str, str]]) -> Head:
    """The first fields that fit, each no longer than the limits. Credentials are to be masked before."""
    kept: list[tuple[str, str]] = []
    fields_cut = bytes_cut = taken = 0
    for name, value in pairs:
        short_name, lost_name = _cut(name, MOST_NAME)
        short_value, lost_value = _cut(value, MOST_VALUE)
        size = _size(short_name) + _size(short_value)
        if len(kept) >= MOST_FIELDS or taken + size > MOST_BYTES:
            fields_cut += 1
            bytes_cut += _size(name) + _size(value)
            continue
        kept.append((short_name, short_value))
        taken += size
        bytes_cut += lost_name + lost_value
    return Head(tuple(kept), fields_cut, bytes_cut)


def _cut(text: str, most: int) -> tuple[str, int]:
    """The text in at most this many bytes, and how many bytes of it are missing."""
    if len(text) <= most and text.isascii():
        return text, 0
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= most:
        return text, 0
    kept = data[: most - len(MARK)].decode("utf-8", "ignore")
    return kept + MARK, len(data) - _size(kept)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
