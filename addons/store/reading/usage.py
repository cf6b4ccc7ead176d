"""How much a token was used, from the log: as far back as that is kept."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, func, literal, select

from switchman.addons.store.tables import requests

MOST_COUNTED = 10_000  # of one token; more are told as that many and more


@dataclass(frozen=True, slots=True)
class Usage:
    """`requests`: MOST_COUNTED where there were as many or more. `last_at`: epoch seconds of the newest, None: none."""

    requests: int
    last_at: float | None


def usage_of(engine: Engine, token_id: str, name: str, since: float) -> Usage:
    """The requests of a token that began after `since`. Raises DBAPIError."""
    newest = (
        select(requests.c.started_at)
        .where(requests.c.token == name, requests.c.token_id == token_id)
        .order_by(requests.c.started_at.desc())
    )
    some = (
        select(literal(1))
        .where(requests.c.token == name, requests.c.token_id == token_id, requests.c.started_at > since)
        .limit(MOST_COUNTED)
        .subquery()
    )
    with engine.connect() as conn:
        return Usage(conn.scalar(select(func.count()).select_from(some)) or 0, conn.scalar(newest.limit(1)))
