"""Mending: what was missed beside the rows is made good from the rows, as sparing.py noted it.

    figures   an hour is counted again (figures/rebuilding.py); where their table is damaged, all begin anew
    sessions  a session is summed up again; where their table is damaged, all are
    columns   their table is made anew; it fills from the rows (figures/columns/)
    words     an index that is damaged is dropped and made anew, without the words of requests from before; words that
              were not written stay missing, as there is nothing to make them from

A table that is damaged may not even be dropped: it gets another name, and is dropped under that if it can be.

One note in each transaction, with pauses, in the thread that ages out (retention.py). Several processes may do it.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, insert, literal, select

from switchman.addons.store.database import put_aside, writing
from switchman.addons.store.figures import rebuilding
from switchman.addons.store.figures.columns.tables import request_columns
from switchman.addons.store.keeping.beside.sessions import sum_up_again
from switchman.addons.store.keeping.beside.sparing import ALL, LOST, is_damage, raise_passing
from switchman.addons.store.keeping.beside.words import create_words
from switchman.addons.store.tables import missed, requests, sessions

log = logging.getLogger(__name__)

OLDER: Final = "older"  # figures: rows from before the floor are still to be counted
ASIDE: Final = "table"  # the kind of what is put aside, and to be dropped
PAUSE_SECONDS: Final = 0.02
_DONE: Final[dict[str, str]] = {
    "figures": "the figures that some requests were missing from are whole again",
    "sessions": "the sessions that some requests were missing from are whole again",
}


def mend(engine: Engine, stop: threading.Event) -> None:
    """Make good all that is noted, or as much as can be until `stop`. Raises DBAPIError."""
    mended: set[str] = set()
    while not stop.is_set():
        with engine.connect() as conn:
            found = _first(conn)
        if found is None:
            break
        try:
            with writing(engine) as conn:
                if (found := _first(conn)) is not None:
                    _STEPS[found[0]](conn, found[1])
                    mended.add(found[0])
        except Exception as error:  # noqa: BLE001 - a boundary: what cannot be mended holds up nothing else
            raise_passing(error)
            assert found is not None
            if not _give_up(engine, *found, error):
                return
        stop.wait(PAUSE_SECONDS)
    for kind in sorted(mended & _DONE.keys()) if not stop.is_set() else ():
        log.info(_DONE[kind])


def _first(conn: Connection) -> tuple[str, str] | None:
    row = conn.execute(select(missed.c.kind, missed.c.name).order_by(missed.c.at, missed.c.name).limit(1)).one_or_none()
    return None if row is None else (row.kind, row.name)


def _give_up(engine: Engine, kind: str, name: str, error: Exception) -> bool:
    """Note what is to be done instead; False where that is nothing, and the same is to be tried later."""
    reason = f"{type(error).__name__}: {getattr(error, 'orig', None) or error!s:.200}"
    damaged = is_damage(error) and kind != ASIDE
    if damaged and name == ALL:
        log.error(
            "the database is damaged where %s are kept (%s), and they cannot be made anew: stop Switchman, and "
            "recover the file (sqlite3 FILE .recover) or move it away",
            *(kind, reason),
        )
        return False
    with writing(engine) as conn:
        if damaged:
            _forget(conn, kind)
            _note(conn, kind, ALL)
            return True
        log.warning("%s %s could not be made good, and stay as they are: %s", kind, name, reason)
        _forget(conn, kind, name)
    return True


def _figures(conn: Connection, name: str) -> None:
    if name == ALL:
        log.warning("the figures begin anew: pages read the requests themselves until all are counted again")
        for aside in rebuilding.begin_anew(conn, time.time()):
            _note(conn, ASIDE, aside)
        _forget(conn, "figures")
        _note(conn, "figures", OLDER)
        return
    if name != OLDER:
        rebuilding.rebuild_hour(conn, int(name))
    elif rebuilding.lower_floor(conn):
        return
    _forget(conn, "figures", name)


def _sessions(conn: Connection, name: str) -> None:
    if name != ALL:
        sum_up_again(conn, name)
        _forget(conn, "sessions", name)
        return
    log.warning("the sessions are summed up anew from all requests that are kept")
    _note(conn, ASIDE, put_aside(conn, sessions, time.time()))
    _forget(conn, "sessions")
    every = select(requests.c.session, func.max(requests.c.started_at)).where(requests.c.session.is_not(None))
    named = every.group_by(requests.c.session).subquery()
    conn.execute(insert(missed).from_select(["kind", "name", "at"], select(literal("sessions"), *named.c)))


def _words(conn: Connection, name: str) -> None:
    if name == ALL:  # it cannot be dropped
        aside = f"request_words_aside_{time.time():.0f}"
        conn.exec_driver_sql(f"ALTER TABLE request_words RENAME TO {aside}")
        _note(conn, ASIDE, aside)
    if name != LOST:
        create_words(conn)
        log.warning(
            "the index of words was damaged and is made anew: requests from before now are no longer found by the "
            "words of their prompts and answers"
        )
    _forget(conn, "words", name)


def _columns(conn: Connection, name: str) -> None:
    log.warning("what requests are filtered by is packed anew from all requests that are kept")
    _note(conn, ASIDE, put_aside(conn, request_columns, time.time()))
    _forget(conn, "columns", name)


def _aside(conn: Connection, name: str) -> None:
    """Drop what was put aside; where not even that is possible, it stays, and does no harm."""
    conn.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")  # one of our own names
    _forget(conn, ASIDE, name)


_STEPS: Final = {"figures": _figures, "sessions": _sessions, "words": _words, "columns": _columns, ASIDE: _aside}


def _forget(conn: Connection, kind: str, name: str | None = None) -> None:
    this = [missed.c.kind == kind, *([missed.c.name == name] if name is not None else [])]
    conn.execute(delete(missed).where(*this))


def _note(conn: Connection, kind: str, name: str) -> None:
    conn.execute(insert(missed).values(kind=kind, name=name, at=time.time()))
