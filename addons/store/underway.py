"""Requests that still run: each worker writes down its own every second, and readers believe what is fresh.

A worker that dies leaves rows behind; they are believed for FRESH seconds, and removed by whoever writes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import Engine, delete, insert, or_, select

from switchman.addons.core.record import Running
from switchman.addons.core.texts.masking import mask_url
from switchman.addons.store.database import writing
from switchman.addons.store.rows import fit_text
from switchman.addons.store.tables import underway

FRESH = 5.0  # seconds that a row is believed
MOST = 100  # of one worker, and of one list


def write_underway(engine: Engine, worker: str, running: Sequence[Running], now: float) -> None:
    """Replace what this worker wrote last by these. Not for the event loop: it waits for the write lock."""
    rows = [
        {"worker": worker, "number": number, "seen_at": now, **_values(one)}
        for number, one in enumerate(running[:MOST])
    ]
    with writing(engine) as conn:
        conn.execute(delete(underway).where(or_(underway.c.worker == worker, underway.c.seen_at < now - FRESH)))
        if rows:
            conn.execute(insert(underway), rows)


def read_underway(engine: Engine, now: float) -> tuple[Running, ...]:
    """The requests that run in all workers, newest first."""
    query = select(*(underway.c[name] for name in _NAMES)).where(underway.c.seen_at >= now - FRESH)
    with engine.connect() as conn:
        found = conn.execute(query.order_by(underway.c.started_at.desc()).limit(MOST))
        return tuple(Running(*row) for row in found)


def _values(one: Running) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(one, name) for name in _NAMES}
    values["path"] = mask_url(one.path)
    for name, most in _LENGTHS.items():
        if values[name] is not None:
            values[name] = fit_text(values[name], most)
    return values


_NAMES = tuple(field.name for field in fields(Running))
_LENGTHS = {name: length for name in _NAMES if (length := getattr(underway.c[name].type, "length", None)) is not None}
