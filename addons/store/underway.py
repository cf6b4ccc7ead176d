"""What is so now: each worker writes down every second the requests that run and the targets that rest, and readers
believe what is fresh.

A worker that dies leaves rows behind; they are believed for FRESH seconds, and removed by whoever writes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import Engine, and_, delete, insert, or_, select

from switchman.addons.core.record import Resting, Running
from switchman.addons.core.texts.masking import mask_url
from switchman.addons.store.database import writing
from switchman.addons.store.rows import fit_text
from switchman.addons.store.tables import resting, underway

FRESH = 5.0  # seconds that a row is believed
LOST = 300.0  # seconds that a row of a worker which has stopped is kept, to be told from one that is over
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


def write_resting(engine: Engine, worker: str, rests: Sequence[Resting], now: float) -> None:
    """The same of the targets that rest. What a worker wrote that is gone stays for a while, to be seen as that."""
    rows = [
        {"worker": worker, "number": number, "seen_at": now, **{name: _fitting(one, name) for name in _RESTING}}
        for number, one in enumerate(rests[:MOST])
    ]
    with writing(engine) as conn:
        mine = and_(resting.c.seen_at < now - FRESH, resting.c.target.in_([row["target"] for row in rows]))
        conn.execute(delete(resting).where(or_(resting.c.worker == worker, resting.c.seen_at < now - LOST, mine)))
        if rows:
            conn.execute(insert(resting), rows)


def read_underway(engine: Engine, now: float) -> tuple[Running, ...]:
    """The requests that run in all workers, newest first."""
    query = select(*(underway.c[name] for name in _NAMES)).where(underway.c.seen_at >= now - FRESH)
    with engine.connect() as conn:
        found = conn.execute(query.order_by(underway.c.started_at.desc()).limit(MOST))
        return tuple(Running(*row) for row in found)


def read_resting(engine: Engine, now: float) -> tuple[Resting, ...]:
    """The targets that rest, of each the worker that leaves it alone for longest."""
    query = select(*(resting.c[name] for name in _RESTING)).where(resting.c.seen_at >= now - FRESH)
    with engine.connect() as conn:
        found = [Resting(*row) for row in conn.execute(query.order_by(resting.c.until))]
    return tuple({one.target: one for one in found}.values())


def read_lost(engine: Engine, now: float) -> frozenset[str]:
    """The targets that rested as far as a worker told which has written nothing since: it has stopped, and nobody
    knows whether their breakers closed.
    """
    with engine.connect() as conn:
        found = conn.execute(select(resting.c.target).where(resting.c.seen_at < now - FRESH))
        return frozenset(target for (target,) in found)


def _fitting(one: Resting, name: str) -> object:
    value = getattr(one, name)
    return fit_text(value, getattr(resting.c[name].type, "length", 0)) if isinstance(value, str) else value


def _values(one: Running) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(one, name) for name in _NAMES}
    values["path"] = mask_url(one.path)
    for name, most in _LENGTHS.items():
        if values[name] is not None:
            values[name] = fit_text(values[name], most)
    return values


_RESTING = tuple(field.name for field in fields(Resting))
_NAMES = tuple(field.name for field in fields(Running))
_LENGTHS = {name: length for name in _NAMES if (length := getattr(underway.c[name].type, "length", None)) is not None}
