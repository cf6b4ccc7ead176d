"""What is kept beside the rows costs no row: where it cannot be kept up, that is noted, and made good later.

Figures, sessions and words follow the rows in the same transaction. Each such step has a savepoint; what fails in it is
undone, told in the log, and noted in the table `missed` by the same transaction: mending.py makes it good from the
rows. What passes with time (a lock, a full disk) is raised, as the whole transaction has to be tried again then. So is
what is damaged, as SQLite lets nothing be written in a transaction that has found that: `again` runs it once more, and
the step is left out then, until its table has been made anew.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Pool, select
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from switchman.addons.store.database import insert_values, is_passing
from switchman.addons.store.figures.cells import HOUR
from switchman.addons.store.tables import missed

log = logging.getLogger(__name__)

Kind = Literal["figures", "sessions", "words", "columns"]
ALL: Final = "*"  # the name for all of a kind
LOST: Final = "lost"  # words that were not written: there is nothing to make them from
DAMAGED: Final = "damaged"  # the index of words
LAST_TIME: Final = 1e11  # epoch seconds; what says that it began later has no hour

# What this process has found damaged, by the pool of its engine; None: that is noted.
_DAMAGED: Final[WeakKeyDictionary[Pool, dict[str, Exception | None]]] = WeakKeyDictionary()
_TOLD: Final[Mapping[str, str]] = {
    "figures": "some requests are not in the figures (%s); they are counted again from the log within a minute. If this"
    " comes again, look for a full or failing disk, and check the database (PRAGMA integrity_check)",
    "sessions": "some requests are not in their sessions (%s); these are summed up again from the log within a minute."
    " If this comes again, look for a full or failing disk, and check the database (PRAGMA integrity_check)",
    "words": "some requests cannot be found by the words of their prompts (%s); they are in the log all the same, and"
    " an index that is damaged is made anew within a minute",
    "columns": "some requests went, and what they were filtered by could not be taken out of the columns (%s); these"
    " are made anew from the log within minutes, and pages are slower until then",
}


def spared(
    conn: Connection, kind: Kind, step: Callable[[], object], names: Callable[[Exception], Iterable[str]]
) -> bool:
    """Whether a step of this transaction was done. `names`: what the step was of, for the note, where it was not.

    Raises DBAPIError for what passes, and when damage is found.
    """
    if is_left_out(conn, kind):
        return False
    try:
        with conn.begin_nested():
            step()
    except Exception as error:  # noqa: BLE001 - a boundary: no row is lost for what stands beside it
        raise_bad(conn, kind, error)
        note(conn, kind, names(error), error)
        return False
    return True


def again[T](run: Callable[[], T]) -> T:
    """What a function gives that is one transaction: it is run once more for each kind that is found damaged."""
    for _ in _TOLD:
        try:
            return run()
        except DBAPIError as error:
            if not is_damage(error):
                raise
    return run()


def is_left_out(conn: Connection, kind: Kind) -> bool:
    """Whether a table is known to be damaged; that is noted, and holds until it is made good."""
    known = _DAMAGED.get(conn.engine.pool, {})
    if kind not in known:
        return False
    if (error := known[kind]) is not None:
        note(conn, kind, [ALL], error)
        known[kind] = None
    elif conn.scalar(select(missed.c.kind).where(missed.c.kind == kind, missed.c.name == ALL)) is None:
        del known[kind]
        return False
    return True


def raise_bad(conn: Connection, kind: Kind, error: Exception) -> None:
    """Raise what ends the transaction: what passes, and damage, which is remembered."""
    raise_passing(error)
    # What FTS5 finds in its own tables is not damage of SQLite's pages.
    if is_damage(error) and getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) != sqlite3.SQLITE_CORRUPT_VTAB:
        _DAMAGED.setdefault(conn.engine.pool, {})[kind] = error
        raise error


def raise_passing(error: BaseException | None) -> None:
    """Raise what passes, of an error and those that came before it: a transaction that is undone has no savepoint."""
    while error is not None:
        if isinstance(error, DBAPIError) and is_passing(error):
            raise error from None
        error = error.__context__


def note(conn: Connection, kind: Kind, names: Iterable[str], error: Exception) -> None:
    """Note what was missed, if anything was; the first of its kind is told in the log."""
    rows = [(kind, name, time.time()) for name in dict.fromkeys(names)]
    if not rows:
        return
    reason = f"{type(error).__name__}: {getattr(error, 'orig', None) or error!s:.200}"
    try:
        with conn.begin_nested():
            is_first = conn.scalar(select(missed.c.kind).where(missed.c.kind == kind).limit(1)) is None
            insert_values(conn, missed, ("kind", "name", "at"), rows, "ON CONFLICT (kind, name) DO NOTHING")
    except SQLAlchemyError as exc:
        raise_passing(exc)
        log.error("what %s lack could not be noted, and is lost: %.200s (it began with %s)", kind, exc, reason)
        return
    if is_first:
        log.warning(_TOLD[kind], reason)


def hours_of(rows: Iterable[Mapping[Any, Any]]) -> list[str]:
    """The hours that rows of `requests` began in, as the names of their figures: epoch seconds."""
    found = {row["started_at"] for row in rows}
    return sorted({str(int(at // HOUR) * HOUR) for at in found if math.isfinite(at) and 0 <= at < LAST_TIME})


def sessions_named(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    return sorted({row["session"] for row in rows if row["session"] is not None})


def of_words(error: BaseException) -> list[str]:
    """What an error makes of the words: an index that is damaged is not fit for what comes, either.

    FTS5 also says `constraint failed` of one; the number of a new row cannot be in it already.
    """
    return [DAMAGED if is_damage(error) or isinstance(error, IntegrityError) else LOST]


def is_damage(error: BaseException) -> bool:
    """Whether what the database keeps is not as it left it."""
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "vtable constructor failed" in str(error.orig)
    return str(getattr(error.orig, "sqlstate", None) or "").startswith("XX00")
