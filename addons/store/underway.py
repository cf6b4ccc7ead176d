"""What is so now: each worker writes down every second the requests that run and the targets that rest, and readers
believe what is fresh. Which rules a worker has is a lease (`rules:WORKER`, held by `DIGEST WRITTEN SINCE`), which it
renews twice a minute.

A worker that dies leaves rows behind; they are believed for FRESH seconds, and removed by whoever writes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import Engine, and_, delete, insert, or_, select

from switchman.addons.core.record import Resting, RulesInForce, Running
from switchman.addons.core.texts.masking import mask_url
from switchman.addons.store.database import writing
from switchman.addons.store.rows import fit_text
from switchman.addons.store.tables import leases, resting, underway

FRESH = 5.0  # seconds that a row is believed
RULES_FRESH = 90.0  # seconds, likewise, of which rules a worker has
LAG = 5.0  # seconds after which a worker should have what another one has
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


def write_rules(engine: Engine, worker: str, rules: RulesInForce | None, now: float) -> None:
    """Write down which rules a worker has; None: it ends."""
    name, column = _rules_name(worker), leases.c.name
    with writing(engine) as conn:
        conn.execute(delete(leases).where(or_(column == name, and_(_OF_RULES, leases.c.expires_at < now))))
        if rules is not None:
            holder = f"{rules.digest[:32] or '-'} {rules.written_at:.3f} {rules.since:.3f}"
            conn.execute(insert(leases).values(name=name, holder=holder, expires_at=now + RULES_FRESH))


def lagging(engine: Engine, now: float) -> tuple[RulesInForce, ...]:
    """The workers that have other rules than those of the file that was written last, though they had time to read it:
    they were heard of since. Empty where all have the same.
    """
    with engine.connect() as conn:
        query = select(leases.c.name, leases.c.holder, leases.c.expires_at).where(_OF_RULES)
        found = [(_rules(name, holder), until) for name, holder, until in conn.execute(query.order_by(leases.c.name))]
    fresh = [(one, until - RULES_FRESH) for one, until in found if until >= now]
    if not fresh:
        return ()
    latest = max((one for one, _ in fresh), key=lambda one: one.written_at)
    since = min(one.since for one, _ in fresh if one.digest == latest.digest)
    return tuple(one for one, seen in fresh if one.digest != latest.digest and seen >= since + LAG)[:MOST]


def _rules_name(worker: str) -> str:
    """At most 64 characters: of a long name its end, which tells workers apart."""
    return f"{_RULES}{worker[-(64 - len(_RULES)) :]}"


def _rules(name: str, holder: str) -> RulesInForce:
    digest, written_at, since = holder.split(" ")
    return RulesInForce(name.removeprefix(_RULES), digest.removeprefix("-"), float(written_at), float(since))


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


_RULES = "rules:"
_OF_RULES = and_(leases.c.name >= _RULES, leases.c.name < "rules;")  # a colon is the last character before `;`
_RESTING = tuple(field.name for field in fields(Resting))
_NAMES = tuple(field.name for field in fields(Running))
_LENGTHS = {name: length for name in _NAMES if (length := getattr(underway.c[name].type, "length", None)) is not None}
