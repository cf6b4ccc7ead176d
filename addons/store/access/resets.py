"""Servers that a person has reset: their breakers are to be closed in every worker.

A reset is a number that is counted up (generations.py), under a name that is made of the server's, which may be longer
than such a name. Workers look at all of them within a second, and act on those that are not as they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from sqlalchemy import Engine, select

from switchman.addons.store.access.generations import Generation, count_up
from switchman.addons.store.access.tables import generations
from switchman.addons.store.database import writing

_BEGIN = "reset:"
_DIGITS = 24
# Made once, as every worker asks once a second. A colon is the last character before `;`.
_ALL = select(generations).where(generations.c.name >= _BEGIN, generations.c.name < "reset;")


def reset_name(server: str) -> str:
    """By which a reset of a server is known."""
    return _BEGIN + hashlib.sha256(server.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


class Resets:
    """The resets of one database. Asks it, and so belongs into a thread where there is an event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ask(self, server: str) -> None:
        """Have every worker reset a server."""
        with writing(self._engine) as conn:
            count_up(conn, reset_name(server))

    def latest(self) -> Mapping[str, Generation]:
        """All that were ever asked for, by reset_name()."""
        with self._engine.connect() as conn:
            return {row.name: Generation(row.origin, row.value) for row in conn.execute(_ALL)}
