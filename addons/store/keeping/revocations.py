"""Dashboard tokens that were signed out: they hold no longer, in any process, also after a restart.

A token is named by 64 characters at most (webui/access/tokens.py says how). A row is kept until its token would have
ended by itself; each new one takes those that are over with it, so there are never more rows than tokens that were
made.
"""

from __future__ import annotations

from sqlalchemy import Engine, delete, insert, select

from switchman.addons.store.database import writing
from switchman.addons.store.tables import revoked


class Revocations:
    """Both raise sqlalchemy.exc.DBAPIError when the database is away: then nobody knows, and nobody gets in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def revoke(self, name: str, expires_at: float, now: float) -> None:
        with writing(self._engine) as conn:
            conn.execute(delete(revoked).where((revoked.c.expires_at < now) | (revoked.c.name == name)))
            conn.execute(insert(revoked).values(name=name, expires_at=expires_at))

    def is_revoked(self, name: str) -> bool:
        with self._engine.connect() as conn:
            return conn.scalar(select(revoked.c.name).where(revoked.c.name == name)) is not None
