"""Who changed what, from a page, by the API or on the command line: written down after each change, and read by admins.

1. A line has no secret: what a name says is one is masked (core/texts/masking.py), and so is what looks like one.
2. Lines are kept for `days`, and at most MOST_ROWS of them; each new one takes those that are too old with it.
3. Nothing changes a line, and nothing takes one away before its time: neither MAX_LOG_AGE_DAYS nor MAX_LOG_SIZE.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, delete, func, insert, select

from switchman.addons.core.texts.masking import is_secret_name, mask_secret, mask_text
from switchman.addons.store.access.tables import audit
from switchman.addons.store.access.tokens import Token
from switchman.addons.store.database import writing
from switchman.addons.store.reading.filters import as_stored

How = Literal["page", "api", "cli", "file"]  # file: changed by hand, as far as that is seen
DAYS = 365
DAY = 86_400.0
MOST_ROWS = 100_000
MOST_SHOWN = 200  # of one page
MOST_CHARACTERS = 8_000  # of `before`, and of `after`, as JSON
_SET = (set, frozenset)


@dataclass(frozen=True, slots=True)
class Who:
    """`name` of a person or program, its role and address as far as they are known, and the way it came."""

    name: str
    how: How
    role: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One change. `at`: epoch seconds. `before`, `after`: what was there, and what is; None for nothing."""

    seq: int
    at: float
    who: str
    role: str | None
    address: str | None
    how: str
    what: str
    target: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Lines:
    """Newest first. `next`: the cursor of the following page, None on the last."""

    lines: tuple[Line, ...]
    next: int | None


def at_the_terminal() -> Who:
    """Whoever runs a command on this machine."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name  # not as the environment says, which anybody sets
    except KeyError:  # without an entry, as in containers
        user = str(os.getuid())
    return Who(f"cli:{user}@{socket.gethostname()}", "cli")


class Audit:
    """The lines of one database. All methods raise sqlalchemy.exc.DBAPIError when it is away."""

    def __init__(self, engine: Engine, days: float = DAYS) -> None:
        self._engine = engine
        self.days = days

    def record(
        self, who: Who, what: str, target: str, before: Any = None, after: Any = None, *, now: float | None = None
    ) -> None:
        """Write a change down. `what`: `token.create` and the like; `target`: the name of what was changed."""
        now = time.time() if now is None else now
        row = {
            "at": now,
            "who": as_stored(mask_text(who.name))[:200],
            "role": who.role,
            "address": who.address[:100] if who.address else None,
            "how": who.how,
            "what": what,
            "target": as_stored(mask_text(target))[:300],
            "before": _kept(before),
            "after": _kept(after),
        }
        with writing(self._engine) as conn:
            conn.execute(insert(audit).values(row))
            _prune(conn, now - self.days * DAY)

    def prune(self, now: float) -> None:
        """Take away what is too old, for the start: where nothing is changed for long, nothing else does."""
        with writing(self._engine) as conn:
            _prune(conn, now - self.days * DAY)

    def list(self, before: int | None = None, limit: int = 50) -> Lines:
        """Newest first. `before`: `Lines.next` of the page before."""
        limit = max(1, min(limit, MOST_SHOWN))
        wanted = select(audit).order_by(audit.c.seq.desc()).limit(limit + 1)
        if before is not None:
            wanted = wanted.where(audit.c.seq < before)
        with self._engine.connect() as conn:
            lines = tuple(Line(**row) for row in conn.execute(wanted).mappings())
        return Lines(lines[:limit], lines[limit - 1].seq if len(lines) > limit else None)


def _prune(conn: Connection, before: float) -> None:
    conn.execute(delete(audit).where(audit.c.at < before))
    newest = select(func.max(audit.c.seq)).scalar_subquery()
    conn.execute(delete(audit).where(audit.c.seq <= newest - MOST_ROWS))


def _kept(value: Any) -> Any:
    """A value as it is stored: of JSON, without secrets, and not too long."""
    plain = without_secrets(value)
    if len(json.dumps(plain)) > MOST_CHARACTERS:
        return {"left out": f"{len(json.dumps(plain))} characters"}
    return plain


def without_secrets(value: Any) -> Any:
    """The same value, as JSON has it, with each text masked that is a secret by its name or by its look."""
    if isinstance(value, Mapping):
        return {
            as_stored(mask_text(str(name))): mask_secret(item)
            if isinstance(item, str) and is_secret_name(str(name).lower())
            else without_secrets(item)
            for name, item in value.items()
        }
    if isinstance(value, _SET):
        return sorted(map(without_secrets, value), key=str)
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    if isinstance(value, str):
        return as_stored(mask_text(value))
    return value if value is None or isinstance(value, bool | int | float) else as_stored(str(value))


def token_facts(token: Token) -> dict[str, Any]:
    """What is written down of a token. None of it opens anything."""
    caller = token.caller
    return {
        "id": caller.id,
        "name": caller.name,
        "groups": sorted(caller.groups),
        "models": list(caller.models),
        "servers": list(caller.servers),
        **asdict(caller.allowance),
        "capture": caller.capture,
        "expires_at": caller.expires_at,
    }
