"""Generations: whether anything of a kind was changed, told by one number that is cheap to ask for."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from switchman.addons.store.access.tables import generations

# Made once: every process asks several times a second, and making it takes longer than the answer.
_LATEST = select(generations.c.origin, generations.c.value).where(generations.c.name == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Generation:
    """`origin` is another one in another database; "" where nothing was ever changed."""

    origin: str = ""
    value: int = 0


def generation(conn: Connection, name: str) -> Generation:
    """The generation of the last change."""
    row = conn.execute(_LATEST, {"of": name}).first()
    return Generation(*row) if row is not None else Generation()


def count_up(conn: Connection, name: str) -> int:
    """The generation of the change that this transaction makes. It must hold the write lock (database.writing)."""
    now = generation(conn, name)
    if not now.origin:
        conn.execute(insert(generations).values(name=name, origin=secrets.token_hex(16), value=1))
        return 1
    conn.execute(update(generations).where(generations.c.name == name).values(value=now.value + 1))
    return now.value + 1
