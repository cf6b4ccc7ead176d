"""Sessions: what their rows sum up to, kept in the same transactions that write and remove these rows.

So the list of sessions reads a row for each, however many requests there are. All is exact: what a removed row added is
taken away again, and a session without rows is gone. Of one that stays, its times and its project are looked for again
among the rows that are left: the one that told them may be the one that had to be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, select, update

from switchman.addons.store.reading.filters import ERROR_OUTCOMES
from switchman.addons.store.tables import requests, sessions

TOKENS: Final = ("input_tokens", "output_tokens", "cached_tokens")
_COLUMNS: Final = (
    "session", "agent", "project", "started_at", "ended_at", "requests", "errors", *TOKENS, "told_tokens",
    "cost_microdollars", "unpriced", "uncounted",
)  # fmt: skip
_READ: Final = (
    *("session", "agent", "project", "started_at", "duration_ms", "outcome", "cost_microdollars"),
    *TOKENS,
)  # of a row
_SUMS: Final = _COLUMNS[5:]
_MARKS: Final = {"qmark": "?", "format": "%s", "pyformat": "%s"}
_ROWS_AT_ONCE: Final = 32  # of one statement
_NEWEST: Final = 100  # requests of a session among which the one is that ended last


def add_to_sessions(conn: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """What these rows of `requests`, which are new, add to their sessions."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        if (name := row["session"]) is not None:
            _add(found, name, row)
    lines = list(found.values())
    for at in range(0, len(lines), _ROWS_AT_ONCE):
        some = lines[at : at + _ROWS_AT_ONCE]
        conn.exec_driver_sql(_statement(len(some), _MARKS[conn.dialect.paramstyle]), tuple(chain.from_iterable(some)))


def _add(found: dict[str, list[Any]], name: str, row: Mapping[str, Any]) -> None:
    begun, cost, put_in = row["started_at"], row["cost_microdollars"], row["input_tokens"]
    ended = begun + (row["duration_ms"] or 0.0) / 1000
    told = put_in or 0 if row["cached_tokens"] is not None else 0
    tokens = [row[token] or 0 for token in TOKENS]
    sums = [1, int(row["outcome"] in ERROR_OUTCOMES), *tokens, told, cost or 0, int(cost is None), int(put_in is None)]
    known = found.get(name)
    if known is None:
        found[name] = [name, row["agent"], row["project"], begun, ended, *sums]
        return
    known[1] = known[1] or row["agent"]
    known[2] = known[2] or row["project"]
    known[3], known[4] = min(known[3], begun), max(known[4], ended)
    for at, value in enumerate(sums, 5):
        known[at] += value


def _statement(rows: int, mark: str) -> str:
    """In SQL that SQLite and PostgreSQL both have."""
    row = f"({', '.join([mark] * len(_COLUMNS))})"
    sums = ", ".join(f"{name} = sessions.{name} + excluded.{name}" for name in _SUMS)
    return (
        f"INSERT INTO sessions ({', '.join(_COLUMNS)}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - our own names  # nosec B608
        " ON CONFLICT (session) DO UPDATE SET"
        " agent = coalesce(sessions.agent, excluded.agent), project = coalesce(sessions.project, excluded.project),"
        " started_at = CASE WHEN excluded.started_at < sessions.started_at"
        " THEN excluded.started_at ELSE sessions.started_at END,"
        " ended_at = CASE WHEN excluded.ended_at > sessions.ended_at THEN excluded.ended_at ELSE sessions.ended_at END,"
        f" {sums}"
    )


def sessions_of(conn: Connection, numbers: Sequence[int]) -> Sequence[Row[Any]]:
    """What the rows with these numbers have added to their sessions."""
    r = requests.c
    sums = [
        func.count().label("requests"),
        func.count().filter(r.outcome.in_(ERROR_OUTCOMES)).label("errors"),
        *(func.coalesce(func.sum(r[name]), 0).label(name) for name in (*TOKENS, "cost_microdollars")),
        func.coalesce(func.sum(r.input_tokens).filter(r.cached_tokens.is_not(None)), 0).label("told_tokens"),
        func.count().filter(r.cost_microdollars.is_(None)).label("unpriced"),
        func.count().filter(r.input_tokens.is_(None)).label("uncounted"),
    ]
    query = select(r.session, *sums).where(r.seq.in_(numbers), r.session.is_not(None)).group_by(r.session)
    return conn.execute(query).all()


def take_from_sessions(conn: Connection, leaving: Iterable[Row[Any]]) -> None:
    """After rows have gone: take what they had added away again."""
    for row in leaving:
        this = sessions.c.session == row.session
        conn.execute(
            update(sessions).where(this).values({name: sessions.c[name] - int(getattr(row, name)) for name in _SUMS})
        )
        if conn.execute(delete(sessions).where(this, sessions.c.requests <= 0)).rowcount:
            continue
        left = requests.c.session == row.session
        told = select(requests.c.project).where(left, requests.c.project.is_not(None))
        newest = select((requests.c.started_at + requests.c.duration_ms / 1000.0).label("end")).where(left)
        newest_ends = newest.order_by(requests.c.started_at.desc()).limit(_NEWEST).subquery()
        begun = conn.scalar(select(func.min(requests.c.started_at)).where(left))
        if begun is None:  # more was counted than there is: none of its rows is left
            conn.execute(delete(sessions).where(this))
            continue
        values = {
            "ended_at": select(func.max(newest_ends.c.end)).scalar_subquery(),
            "started_at": begun,
            "project": told.order_by(requests.c.started_at.desc()).limit(1).scalar_subquery(),
        }
        conn.execute(update(sessions).where(this).values(values))


def sum_up_again(conn: Connection, session: str) -> None:
    """What its rows come to, in the place of what is there."""
    conn.execute(delete(sessions).where(sessions.c.session == session))
    query = select(*(requests.c[name] for name in _READ)).where(requests.c.session == session)
    add_to_sessions(conn, (dict(row) for row in conn.execute(query.order_by(requests.c.started_at)).mappings()))
