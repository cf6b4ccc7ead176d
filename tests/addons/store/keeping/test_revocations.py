"""Tokens that were signed out hold no longer, and are forgotten when they would have ended."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from switchman.addons.store import Store, open_store
from switchman.addons.store.keeping.revocations import Revocations
from switchman.addons.store.tables import revoked


def test_a_revoked_token_stays_so_in_every_process_and_after_a_restart(url: str, tmp_path: Path) -> None:
    """It is looked up anew each time; twice is as good as once."""
    with open_store(url=url, blob_path=tmp_path) as one, open_store(url=url, blob_path=tmp_path) as other:
        one.queries.revocations.revoke("a", 100.0, now=50.0)
        one.queries.revocations.revoke("a", 100.0, now=50.0)
        assert other.queries.revocations.is_revoked("a") and not other.queries.revocations.is_revoked("b")
    with open_store(url=url, blob_path=tmp_path) as later:
        assert later.queries.revocations.is_revoked("a")


def test_what_has_ended_by_itself_is_forgotten(store: Store) -> None:
    """So the table has no more rows than there are tokens that still run."""
    revocations = Revocations(store.engine)
    for number in range(10):
        revocations.revoke(f"t{number}", expires_at=100.0 + number, now=100.0 + number)
    with store.engine.connect() as conn:
        assert conn.scalar(select(func.count()).select_from(revoked)) == 1
    assert revocations.is_revoked("t9")
