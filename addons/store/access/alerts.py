"""Alerts of budgets: kept by the router, shown by the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Engine, delete, insert, select

from switchman.addons.core.access.limits.telling import Told
from switchman.addons.store.access.tables import budget_alerts
from switchman.addons.store.database import writing

KEPT = 100 * 86_400.0  # seconds


class AlertStore:
    """The alerts of one database. Asks it, and so belongs into a thread where there is an event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, told: Told) -> None:
        """Write one down, and let the old ones go."""
        row = asdict(told) | {"account": told.account[:160], "name": told.name[:200]}
        with writing(self._engine) as conn:
            conn.execute(delete(budget_alerts).where(budget_alerts.c.at < told.at - KEPT))
            conn.execute(insert(budget_alerts).values(row))

    def latest(self, since: float, most: int = 20) -> Sequence[Told]:
        """The latest first, from `since` (epoch seconds) on; of one budget in one period the highest alone."""
        asked = select(budget_alerts).where(budget_alerts.c.at >= since).order_by(budget_alerts.c.at.desc()).limit(500)
        with self._engine.connect() as conn:
            found = [Told(**row) for row in conn.execute(asked).mappings()]
        highest: dict[tuple[str, str, str, int, str], Told] = {}
        for told in found:
            key = (told.account, told.unit, told.period, told.amount, told.begins)
            if key not in highest or highest[key].percent < told.percent:
                highest[key] = told
        return list(highest.values())[:most]
