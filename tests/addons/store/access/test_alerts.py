"""Alerts in the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from switchman.addons.core.access.limits.telling import Told
from switchman.addons.store.access.alerts import KEPT
from switchman.addons.store.access.opening import open_access

HALF = Told("1", 1000.0, "token:a", "the token anna", 50, 5, 10, "usd", "month", "2026-11")


def test_of_each_budget_the_highest_is_shown(tmp_path: Path) -> None:
    """Old ones go; hostile names are kept as they are, cut to their column."""
    access = open_access(None, tmp_path / "requests.db")
    try:
        alerts = access.alerts
        alerts.keep(HALF)
        alerts.keep(replace(HALF, id="2", at=1001.0, percent=80))
        alerts.keep(replace(HALF, id="3", at=1002.0, account="group:x", name="<b>" * 100))
        assert [(one.id, one.percent) for one in alerts.latest(0)] == [("3", 50), ("2", 80)]
        assert len(alerts.latest(0)[0].name) == 200
        assert [one.id for one in alerts.latest(1001.5)] == ["3"]
        alerts.keep(replace(HALF, id="4", at=1001.5 + KEPT))
        assert {one.id for one in alerts.latest(0)} == {"3", "4"}
    finally:
        access.close()
