"""What the writer adds beside a batch of rows, in the transaction that writes them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from switchman.addons.store.figures.keeping import add
from switchman.addons.store.keeping.beside.sessions import add_to_sessions
from switchman.addons.store.keeping.beside.words import add_words
from switchman.addons.store.rows import Prepared


def add_beside(conn: Connection, prepared: Sequence[Prepared], now: float) -> DBAPIError | None:
    """Figures, sessions and words. Returns why the words could not be added: nothing else depends on them."""
    rows = [item.row for item in prepared]
    add(conn, rows, now)
    add_to_sessions(conn, rows)
    return add_words(conn, prepared)
