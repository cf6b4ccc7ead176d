"""What was last heard of each server: its last error, the limits that its newest answer told, which targets rest.

All of it is looked for among the newest rows only, so it costs the same however large the log is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select, union

from switchman.addons.core.record import Resting
from switchman.addons.store.tables import attempts, requests
from switchman.addons.store.underway import read_resting

ENDED_BADLY = ("upstream_error", "failed", "stream_error")
MOST_LOOKED_AT = 100  # of each outcome, and of those that failed over
MOST_SERVERS = 100
NO_ERRORS = ("ok", "cancelled")  # outcomes of attempts
_LIMIT = re.compile(r"(?:x-|anthropic-)?ratelimit-[a-z-]+")
LONGEST_LIMIT = 60


@dataclass(frozen=True, slots=True)
class LastError:
    """`kind`: as AttemptRecord.outcome; `text`: what was said."""

    at: float
    request_id: str
    kind: str
    status: int | None
    text: str | None


@dataclass(frozen=True, slots=True)
class ServerNews:
    """`heard_at`: when its newest request began. `limits`: the fields of its newest answer that told some; none where
    the caller had limits of the router's own, as these are told in the same fields."""

    heard_at: float | None = None
    error: LastError | None = None
    limits: tuple[tuple[str, str], ...] = ()
    resting: tuple[Resting, ...] = ()


def server_news(engine: Engine, servers: Sequence[str], now: float) -> dict[str, ServerNews]:
    """Of these servers, at most MOST_SERVERS. Raises DBAPIError."""
    rests = read_resting(engine, now)
    with engine.connect() as conn:
        errors = _last_errors(conn)
        found = {}
        for server in servers[:MOST_SERVERS]:
            heard_at, limits = _newest(conn, server)
            own = tuple(one for one in rests if one.server == server)
            found[server] = ServerNews(heard_at, errors.get(server), limits, own)
    return found


def _last_errors(conn: Connection) -> dict[str, LastError]:
    newest = [
        select(requests.c.id).where(where).order_by(requests.c.started_at.desc()).limit(MOST_LOOKED_AT).subquery()
        for where in (*(requests.c.outcome == outcome for outcome in ENDED_BADLY), requests.c.attempt_count > 1)
    ]
    names = union(*(select(one.c.id) for one in newest))
    query = (
        select(attempts)
        .where(attempts.c.request_id.in_(names), attempts.c.outcome.not_in(NO_ERRORS))
        .order_by(attempts.c.started_at)
    )
    return {
        row.server: LastError(row.started_at, row.request_id, row.outcome, row.status, row.error)
        for row in conn.execute(query)
    }


def _newest(conn: Connection, server: str) -> tuple[float | None, tuple[tuple[str, str], ...]]:
    query = select(requests.c.started_at, requests.c.response_headers, requests.c.token, requests.c.outcome)
    query = query.where(requests.c.server == server).order_by(requests.c.started_at.desc(), requests.c.id.desc())
    row = conn.execute(query.limit(1)).one_or_none()
    if row is None:
        return None, ()
    if row.token is not None or row.outcome == "cached":
        return row.started_at, ()
    told = [(name.lower(), value[:LONGEST_LIMIT]) for name, value in row.response_headers]
    return row.started_at, tuple((name, value) for name, value in told if _LIMIT.fullmatch(name))
