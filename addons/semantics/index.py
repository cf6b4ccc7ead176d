"""The vectors of the semantic cache: nearest entries within a scope, bounded, kept over restarts.

In memory a matrix per scope; on disk (if a file is given) an SQLite database of this process alone. The least recently
used entry goes first. All methods belong to one thread.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from switchman.addons.semantics.embedder import Vectors

MOST_ENTRIES: Final = 20_000  # 30 MB at 384 dimensions
NEIGHBOURS: Final = 5
_FIRST_ROWS: Final = 4

# `used` is a running number, not a time: the order is all that counts.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    entry TEXT PRIMARY KEY, scope TEXT NOT NULL, vector BLOB NOT NULL, used INTEGER NOT NULL
) WITHOUT ROWID
"""


@dataclass(slots=True)
class _Scope:
    """Rows beyond `entries` are room to grow."""

    rows: Vectors
    entries: list[str] = field(default_factory=list)

    def add(self, entry: str, vector: Vectors) -> int:
        count = len(self.entries)
        if count == len(self.rows):
            self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        self.rows[count] = vector
        self.entries.append(entry)
        return count


class VectorIndex:
    """`file` None: nothing is kept on disk. A file that cannot be read is begun anew: it is only a cache's index."""

    def __init__(self, dimensions: int, file: Path | None = None, most: int = MOST_ENTRIES) -> None:
        self._dimensions = dimensions
        self._most = most
        self._scopes: dict[str, _Scope] = {}
        self._places: OrderedDict[str, tuple[str, int]] = OrderedDict()  # entry -> scope and row, oldest use first
        self._database = _open(file) if file else None
        self._used = 0
        if self._database is not None:
            self._load(self._database)

    def __len__(self) -> int:
        return len(self._places)

    def nearest(self, scope: str, vector: Vectors) -> list[tuple[str, float]]:
        """The entries of a scope and their cosine, the nearest first."""
        held = self._scopes.get(scope)
        if held is None:
            return []
        near = held.rows[: len(held.entries)] @ vector
        order = np.argsort(-near, kind="stable")[:NEIGHBOURS]
        found = [(held.entries[row], float(near[row])) for row in order.tolist()]
        if found:
            self._places.move_to_end(found[0][0])
        return found

    def add(self, scope: str, entry: str, vector: Vectors) -> None:
        """Add an entry, in the place of one with the same id."""
        self._drop(entry)
        gone = []
        while len(self._places) >= self._most:
            gone.append(next(iter(self._places)))
            self._drop(gone[-1])
        self._put(scope, entry, vector)
        if self._database is not None:
            self._used += 1
            row = (entry, scope, vector.astype("<f4").tobytes(), self._used)
            with self._database as database:
                database.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", row)
                database.executemany("DELETE FROM entries WHERE entry = ?", [(one,) for one in gone])

    def forget(self, entries: Iterable[str]) -> int:
        """Remove entries; returns how many of them there were."""
        there = [entry for entry in entries if self._drop(entry)]
        if self._database is not None and there:
            with self._database as database:
                database.executemany("DELETE FROM entries WHERE entry = ?", [(entry,) for entry in there])
        return len(there)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    def _put(self, scope: str, entry: str, vector: Vectors) -> None:
        held = self._scopes.get(scope)
        if held is None:
            held = self._scopes[scope] = _Scope(np.zeros((_FIRST_ROWS, self._dimensions), dtype=np.float32))
        self._places[entry] = (scope, held.add(entry, vector))

    def _drop(self, entry: str) -> bool:
        """Remove an entry; the last row of its scope takes its place."""
        place = self._places.pop(entry, None)
        if place is None:
            return False
        scope, row = place
        held = self._scopes[scope]
        last = held.entries.pop()
        if last != entry:
            held.entries[row] = last
            held.rows[row] = held.rows[len(held.entries)]
            # The order of use must stay as it is: assigning to a key that is there does not move it.
            self._places[last] = (scope, row)
        if not held.entries:
            del self._scopes[scope]
        return True

    def _load(self, database: sqlite3.Connection) -> None:
        newest = "SELECT * FROM (SELECT * FROM entries ORDER BY used DESC LIMIT ?) ORDER BY used"
        for entry, scope, vector, used in database.execute(newest, (self._most,)):
            self._used = used
            row = np.frombuffer(vector, dtype="<f4") if len(vector) == 4 * self._dimensions else None
            if row is not None and np.isfinite(row).all():
                self._put(scope, entry, row)


def _open(file: Path) -> sqlite3.Connection:
    try:
        return _connect(file)
    except sqlite3.DatabaseError:
        file.unlink(missing_ok=True)
        return _connect(file)


def _connect(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, check_same_thread=False)
    try:
        # A crash of the machine may lose the last entries, which then are misses; it must not cost a sync for each.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")
        database.execute(_SCHEMA)
        database.commit()
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
