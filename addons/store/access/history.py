"""Versions of the rules file: who changed it, when, how and why, and what it was then.

1. A text has no key: whoever records it hides them (config/editing/hidden.py), and only the words in their place are
   kept. `digest` is that of the text so hidden, and tells two versions apart, also by their keys.
2. Versions are kept until there are MOST_ROWS newer ones, or newer ones take MOST_BYTES; the newest is always there.
3. A version that is the same as the one before it is not recorded.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import zstandard
from sqlalchemy import Connection, Engine, delete, func, insert, select

from switchman.addons.core.texts.masking import mask_text
from switchman.addons.store.access.audit import Who
from switchman.addons.store.access.tables import rules_history
from switchman.addons.store.database import writing
from switchman.addons.store.reading.filters import as_stored

BY_HAND = Who("by hand", "file")
MOST_ROWS = 1_000  # of all files together
MOST_BYTES = 64 * 1024 * 1024  # compressed
MOST_TEXT = 16 * 1024 * 1024  # bytes of one version, unpacked
MOST_SHOWN = 200  # of one page
LONGEST_WHY = 500  # characters
LONGEST_FILE = 1_000
_LISTED = tuple(rules_history.c[name] for name in ("seq", "at", "who", "role", "how", "why", "digest", "size"))


@dataclass(frozen=True, slots=True)
class Version:
    """`at`: epoch seconds. `how`: page, api, cli; file for a change by hand. `size`: bytes of the text."""

    seq: int
    at: float
    who: str
    role: str | None
    how: str
    why: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Versions:
    """Newest first. `next`: the cursor of the following page, None on the last."""

    versions: tuple[Version, ...]
    next: int | None


def digest_of(text: str) -> str:
    """Of a text without keys. The one by which versions, and what a page was made of, are compared."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class RulesHistory:
    """The versions of one database. All methods raise sqlalchemy.exc.DBAPIError when it is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, file: str, text: str, who: Who, why: str, now: float) -> Version | None:
        """Write a version down; None where it is the newest one already."""
        data = text.encode("utf-8", "surrogatepass")
        row: dict[str, Any] = {
            "at": now,
            "file": as_stored(file)[:LONGEST_FILE],
            "who": as_stored(mask_text(who.name))[:200],
            "role": who.role,
            "how": who.how,
            "why": as_stored(mask_text(" ".join(why.split())))[:LONGEST_WHY],
            "digest": digest_of(text),
            "size": len(data),
        }
        with writing(self._engine) as conn:
            newest = select(rules_history.c.digest).where(rules_history.c.file == row["file"])
            if conn.scalar(newest.order_by(rules_history.c.seq.desc()).limit(1)) == row["digest"]:
                return None
            content = zstandard.ZstdCompressor().compress(data)
            made = conn.execute(insert(rules_history).values(**row, content=content))
            seq = made.inserted_primary_key[0] if made.inserted_primary_key else 0
            _prune(conn)
        return Version(seq, **{name: value for name, value in row.items() if name != "file"})

    def newest(self, file: str) -> Version | None:
        found = self.list(file, limit=1).versions
        return found[0] if found else None

    def list(self, file: str, before: int | None = None, limit: int = 50) -> Versions:
        """Newest first. `before`: `Versions.next` of the page before."""
        limit = max(1, min(limit, MOST_SHOWN))
        wanted = select(*_LISTED).where(rules_history.c.file == as_stored(file)[:LONGEST_FILE])
        if before is not None:
            wanted = wanted.where(rules_history.c.seq < before)
        with self._engine.connect() as conn:
            rows = conn.execute(wanted.order_by(rules_history.c.seq.desc()).limit(limit + 1)).mappings()
            found = tuple(Version(**row) for row in rows)
        return Versions(found[:limit], found[limit - 1].seq if len(found) > limit else None)

    def text(self, file: str, seq: int) -> tuple[Version, str] | None:
        """A version of this file with its text; None where there is none (any more)."""
        is_it = (rules_history.c.seq == seq, rules_history.c.file == as_stored(file)[:LONGEST_FILE])
        with self._engine.connect() as conn:
            row = conn.execute(select(*_LISTED, rules_history.c.content).where(*is_it)).mappings().one_or_none()
        if row is None:
            return None
        values = dict(row)
        data = zstandard.ZstdDecompressor().decompress(values.pop("content"), max_output_size=MOST_TEXT)
        return Version(**values), data.decode("utf-8", "surrogatepass")


def _prune(conn: Connection) -> None:
    sizes = select(rules_history.c.seq, func.length(rules_history.c.content)).order_by(rules_history.c.seq.desc())
    total = 0
    for number, (seq, size) in enumerate(conn.execute(sizes).all()):
        total += size
        if number and (number >= MOST_ROWS or total > MOST_BYTES):
            conn.execute(delete(rules_history).where(rules_history.c.seq <= seq))
            return
