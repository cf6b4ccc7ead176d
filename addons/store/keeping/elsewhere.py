"""What is kept of requests beside their rows: in the spool, in the file that workers share
(state/together/shared.py) or in Redis, and in the files of the semantic cache's vectors (semantics/index.py).

The file of the workers is named in full: `requests.cache.db` has a table `entries (space, key, value, used, ...)`. A
vector's `entry` is its answer's key there; the process that has it in memory drops it when it finds no such answer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

BUSY_SECONDS: Final = 10.0
ANSWERS: Final = "answers"
SPACES: Final = (ANSWERS, "conversations", "keys", "homes")  # of what belongs to requests


class Kept(Protocol):
    """What the workers of many machines keep together. All raise OSError where that cannot be used."""

    def forget_keys(self, keys: Iterable[tuple[str, str]]) -> int:
        """Remove what is under these, each a space and a key; how many there were."""

    def forget_before(self, space: str, before: float | None) -> int:
        """Remove what was last used before this time; None: all of the space."""

    def count(self, space: str) -> tuple[int, int]:
        """How many values there are, and their bytes."""

    def keys(self, space: str) -> set[str]:
        """The keys of all values of a space."""


class Elsewhere:
    """`db_path`: the log's own file, which names the others; they may be missing. `shared`: what lies on no machine.
    Raises OSError for one that cannot be used.
    """

    def __init__(self, db_path: str | Path, shared: Kept | None = None) -> None:
        path, self._shared = Path(db_path), shared
        self.spool, self.cache = path.with_suffix(".spool.db"), path.with_suffix(".cache.db")
        self._vectors = path.absolute().parent / "semantic_state"

    def forget_waiting(self, is_meant: Callable[[Any], bool]) -> int:
        """Remove records that wait to be written; how many."""
        with _opened(self.spool) as db:
            if db is None or not _has(db, "records"):
                return 0
            db.execute("BEGIN IMMEDIATE")
            going = [(number,) for number, text in db.execute("SELECT n, rows FROM records") if _meant(text, is_meant)]
            db.executemany("DELETE FROM records WHERE n = ?", going)
            db.execute("COMMIT")
            return len(going)

    def count_waiting(self, is_meant: Callable[[Any], bool]) -> int:
        """How many records that wait to be written are meant."""
        with _opened(self.spool) as db:
            if db is None or not _has(db, "records"):
                return 0
            return sum(_meant(text, is_meant) for (text,) in db.execute("SELECT rows FROM records"))

    def forget_keys(self, keys: Iterable[str]) -> int:
        """Remove what the workers keep under these, each `SPACE/KEY`; how many there were."""
        parts = (key.partition("/") for key in sorted(keys))
        pairs = [(space, key) for space, _, key in parts if space in SPACES]
        gone = self._shared.forget_keys(pairs) if self._shared is not None else 0
        with _opened(self.cache) as db:
            if db is None or not _has(db, "entries"):
                return gone
            for pair in pairs:
                gone += db.execute("DELETE FROM entries WHERE space = ? AND key = ?", pair).rowcount
            return gone

    def forget_before(self, before: float) -> int:
        """Remove what was last used before this time."""
        gone = 0
        if self._shared is not None:
            gone = sum(self._shared.forget_before(space, before) for space in SPACES)
        with _opened(self.cache) as db:
            if db is None or not _has(db, "entries"):
                return gone
            marks = ", ".join("?" * len(SPACES))
            wanted = f"DELETE FROM entries WHERE used < ? AND space IN ({marks})"  # noqa: S608 - marks only  # nosec B608
            return gone + db.execute(wanted, (before, *SPACES)).rowcount

    def answers(self) -> tuple[int, int]:
        """How many answers the caches hold, and their bytes."""
        count, size = self._shared.count(ANSWERS) if self._shared is not None else (0, 0)
        with _opened(self.cache) as db:
            if db is None or not _has(db, "sizes"):
                return count, size
            found = db.execute("SELECT entries, bytes FROM sizes WHERE space = ?", (ANSWERS,)).fetchone()
            return (count + int(found[0]), size + int(found[1])) if found else (count, size)

    def vectors(self) -> int:
        """How many prompts the semantic cache knows."""
        count = 0
        for path in self._vector_files():
            with _opened(path) as db:
                if db is not None and _has(db, "entries"):
                    count += int(db.execute("SELECT count(*) FROM entries").fetchone()[0])
        return count

    def clear_answers(self) -> int:
        """Remove all kept answers, and the vectors that lead to them; how many answers there were."""
        gone = self._shared.forget_before(ANSWERS, None) if self._shared is not None else 0
        with _opened(self.cache) as db:
            if db is not None and _has(db, "entries"):
                gone += db.execute("DELETE FROM entries WHERE space = ?", (ANSWERS,)).rowcount
        self.forget_vectors()
        return gone

    def forget_vectors(self) -> int:
        """Remove the vectors of prompts whose answers are in the cache no more; how many there were."""
        gone = 0
        for path in self._vector_files():
            with _opened(path) as db:
                if db is None or not _has(db, "entries"):
                    continue
                listed = [entry for (entry,) in db.execute("SELECT entry FROM entries")]
                kept = self._answers()  # read after those: an answer comes before its vector
                going = [(entry,) for entry in listed if entry not in kept]
                db.executemany("DELETE FROM entries WHERE entry = ?", going)
                gone += len(going)
        return gone

    def overwrite(self) -> str:
        """Leave nothing of it in the files; why that was not possible, or ""."""
        in_use = []
        for path in (self.cache, *self._vector_files()):
            with _opened(path) as db:
                if db is None:
                    continue
                db.execute("VACUUM")
                busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                in_use += [path.name] if busy else []
        return f"{', '.join(in_use)} in use: what was there goes with the next turns" if in_use else ""

    def _vector_files(self) -> list[Path]:
        return sorted(self._vectors.glob("vectors-*.db"))

    def _answers(self) -> set[str]:
        shared = self._shared.keys(ANSWERS) if self._shared is not None else set()
        with _opened(self.cache) as db:
            if db is None or not _has(db, "entries"):
                return shared
            return shared | {key for (key,) in db.execute("SELECT key FROM entries WHERE space = ?", (ANSWERS,))}


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection | None]:
    if not path.exists():
        yield None
        return
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            db.execute("PRAGMA secure_delete = ON")
            yield db
    except sqlite3.Error as error:
        raise OSError(f"{path}: {error}") from error


def _has(db: sqlite3.Connection, table: str) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None


def _meant(text: str, is_meant: Callable[[Any], bool]) -> bool:
    try:
        row, _ = json.loads(text)
        return is_meant(row)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
