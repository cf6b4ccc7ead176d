"""Looking through the columns of all requests: see the package's docstring.

A piece that was unpacked once stays in memory, MOST_KEPT of them: that is 25 MB for a million requests. Rows that are
in no piece (those since the last one, and those of pieces that were dropped) are read, MOST_READ pieces' worth for one
look, the newest first; they are kept as well, until rows are added to them or go.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select

from switchman.addons.store.database import snapshot
from switchman.addons.store.figures.columns.keeping import ends_of, read_piece
from switchman.addons.store.figures.columns.looks import Look
from switchman.addons.store.figures.columns.pieces import ROWS, Piece, unpack
from switchman.addons.store.figures.columns.sieves import Condition, at, named, sieve_of
from switchman.addons.store.figures.columns.tables import request_columns
from switchman.addons.store.reading.filters import Filters, as_stored
from switchman.addons.store.reading.matching import id_begins, numbers_matching, numbers_with_words
from switchman.addons.store.tables import requests

MOST_KEPT: Final = 512
MOST_READ: Final = 12
MOST_FOUND: Final = 100_000  # requests that have some words, or ids that begin alike: the newest are looked at
MOST_SEARCHES: Final = 8  # of words whose results are kept, 1 MB each for a million requests
MOST_NEW: Final = 2_000  # requests after such a search that are looked at alone
ROWS_AT_ONCE: Final = 1_000
AT_ONCE: Final = 64  # pieces that are read with one statement

Key = tuple[float, ...]  # of a stored piece: number and `made`; of rows that were read: number, count and last


class FoundWords:
    """Which requests have some words, of the newest look-ups: a page asks more than once for the same, and what was
    written meanwhile is looked at alone."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, dict[int, int], bool]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, conn: Connection, typed: str) -> tuple[dict[int, int], bool]:
        """As `at` has them, and whether these are all. Some of the requests may have gone."""
        if (ends := ends_of(conn)) is None:
            return {}, True
        with self._lock:
            known = self._kept.get(typed)
        if known is not None and known[0] <= ends[1] <= known[0] + MOST_NEW:
            fresh = at(numbers_with_words(conn, typed, known[0])) if ends[1] > known[0] else {}
            places = known[1] | {number: known[1].get(number, 0) | mask for number, mask in fresh.items()}
            kept = (ends[1], places, known[2])
        else:
            seqs = numbers_matching(conn, typed, MOST_FOUND + 1)
            kept = (ends[1], at(seqs[:MOST_FOUND]), len(seqs) <= MOST_FOUND)
        with self._lock:
            self._kept[typed] = kept
            self._kept.move_to_end(typed)
            while len(self._kept) > MOST_SEARCHES:
                self._kept.popitem(last=False)
        return kept[1], kept[2]


class ColumnReader:
    """Safe to share between threads. Raises DBAPIError when the database is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: OrderedDict[Key, Piece] = OrderedDict()
        self._words = FoundWords()
        self._lock = threading.Lock()

    def look(self, filters: Filters, traffic: bool = True) -> Look:
        """`traffic`: without what the router answered itself. `filters.named` says which models have the `text`.
        Raises ValueError for a bad status."""
        sieve = sieve_of(filters, (), traffic)  # what is wrong with it is said first
        with snapshot(self._engine) as conn:
            among, many = _looked_up(conn, filters, self._words)
            sieve = replace(sieve, conditions=(*sieve.conditions, *among))
            pieces, complete = self._pieces(conn, sieve.start, sieve.end)
        found = [(piece, mask) for piece in pieces if (mask := sieve.mask(piece))]
        return Look(found, many or not complete)

    def _pieces(self, conn: Connection, start: float, end: float) -> tuple[list[Piece], bool]:
        """Those that may have requests of this time, and whether all of them could be looked at."""
        if (ends := ends_of(conn)) is None:
            return [], True
        lowest, highest = ends
        columns = request_columns.c
        stored = {
            number: ((number, made), first, last)
            for number, made, first, last in conn.execute(
                select(columns.number, columns.made, columns.first_at, columns.last_at)
            )
        }
        wanted = [
            entry for entry in stored.values()
            if entry[1] is not None and entry[2] is not None and entry[1] < end and entry[2] >= start
        ]  # fmt: skip
        found = self._stored(conn, wanted)
        loose = [number for number in range(highest // ROWS, lowest // ROWS - 1, -1) if number not in stored]
        read, complete = self._loose(conn, loose)
        return [*found, *read], complete

    def _stored(self, conn: Connection, wanted: Sequence[tuple[Key, float | None, float | None]]) -> list[Piece]:
        found = {key: piece for key, _, _ in wanted if (piece := self._known(key)) is not None}
        unknown = [entry for entry in wanted if entry[0] not in found]
        for first in range(0, len(unknown), AT_ONCE):
            some = {int(entry[0][0]): entry for entry in unknown[first : first + AT_ONCE]}
            query = select(request_columns.c.number, request_columns.c.data).where(request_columns.c.number.in_(some))
            for number, data in conn.execute(query):
                key, begins, ends = some[number]
                try:
                    piece = unpack(number, begins, ends, data)
                except ValueError:  # of another version, or damaged: the rows know it as well
                    piece = read_piece(conn, number)
                found[key] = self._keep(key, piece)
        return list(found.values())

    def _loose(self, conn: Connection, numbers: Sequence[int]) -> tuple[list[Piece], bool]:
        found: list[Piece] = []
        left, complete = MOST_READ, True
        for number in numbers:
            here = requests.c.seq.between(number * ROWS, (number + 1) * ROWS - 1)
            count, last = conn.execute(select(func.count(), func.max(requests.c.seq)).where(here)).one()
            if not count:
                continue
            key = (number, count, last)
            if (piece := self._known(key)) is None:
                if not left:
                    complete = False
                    continue
                left -= 1
                piece = self._keep(key, read_piece(conn, number))
            found.append(piece)
        return found, complete

    def _known(self, key: Key) -> Piece | None:
        with self._lock:
            if (piece := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
            return piece

    def _keep(self, key: Key, piece: Piece) -> Piece:
        with self._lock:
            self._kept[key] = piece
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return piece


def _looked_up(conn: Connection, filters: Filters, found_words: FoundWords) -> tuple[list[Condition], bool]:
    """What only the rows know, and whether there is more of it than was looked at."""
    found: list[Condition] = []
    many = False
    for name in ("session", "feedback"):
        if (value := getattr(filters, name)) is not None:
            seqs = _numbers(conn, replace(Filters(), **{name: value}).of_columns())
            found.append(Condition(places=at(seqs[:MOST_FOUND])))
            many |= len(seqs) > MOST_FOUND
    if filters.text:
        seqs = _numbers(conn, [id_begins(as_stored(filters.text))])
        found.append(Condition(named(filters.named or ()), at(seqs[:MOST_FOUND])))
        many |= len(seqs) > MOST_FOUND
    if filters.words is not None:
        places, all_of_them = found_words.of(conn, filters.words)
        found.append(Condition(places=places))
        many |= not all_of_them
    return found, many


def _numbers(conn: Connection, where: Sequence[Any]) -> list[int]:
    """The numbers of the rows, MOST_FOUND + 1 at most."""
    return list(conn.scalars(select(requests.c.seq).where(*where).limit(MOST_FOUND + 1)))


def rows_of(conn: Connection, columns: Sequence[Any], seqs: Sequence[int]) -> list[Any]:
    """Rows with these columns of these requests, in any order. One that has gone meanwhile is left out."""
    found: list[Any] = []
    for first in range(0, len(seqs), ROWS_AT_ONCE):
        some = seqs[first : first + ROWS_AT_ONCE]
        found += conn.execute(select(*columns).where(requests.c.seq.in_(some))).all()
    return found
