"""Opening the part of the database that says who may: with the log, or by itself where nothing is logged."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from switchman.addons.store.access.alerts import AlertStore
from switchman.addons.store.access.audit import DAYS, Audit
from switchman.addons.store.access.history import RulesHistory
from switchman.addons.store.access.resets import Resets
from switchman.addons.store.access.tokens import TokenStore
from switchman.addons.store.database import StoreError, database_url, make_engine, upgrade
from switchman.addons.store.revival import revive


class Access:
    """Who may, of one database."""

    def __init__(self, engine: Engine, audit_days: float = DAYS) -> None:
        self.engine = engine
        self.tokens = TokenStore(engine)
        self.alerts = AlertStore(engine)
        self.audit = Audit(engine, audit_days)
        self.rules = RulesHistory(engine)
        self.resets = Resets(engine)

    def close(self) -> None:
        """Let go of the database, where it is not the log's."""
        self.engine.dispose()


def open_access(url: str | None, db_path: str | Path, audit_days: float = DAYS) -> Access:
    """As connect(), and what lies in it of who may."""
    return Access(connect(url, db_path), audit_days)


def connect(url: str | None, db_path: str | Path) -> Engine:
    """The database, its schema brought up to date; `url` is DATABASE_URL, as of open_store(). Raises StoreError."""
    engine = make_engine(database_url(url, db_path))
    try:
        upgrade(engine)
    except DBAPIError as exc:
        where = engine.url.render_as_string(hide_password=True)
        engine.dispose()
        raise StoreError(f"cannot use the database {where}: {exc.orig!s:.300}") from exc
    except StoreError:
        engine.dispose()
        raise
    revive(engine)
    return engine
