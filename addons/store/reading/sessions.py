"""Sessions, as the pages ask for them: the list by last activity, and the requests of one in the order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Engine, RowMapping, func, literal_column, select, tuple_

from switchman.addons.store.reading.filters import as_stored, parse_end, parse_time
from switchman.addons.store.reading.listing import parse_cursor
from switchman.addons.store.tables import requests, sessions

MOST_ROWS: Final = 500
MOST_TURNS: Final = 200
MENU: Final = 200  # values of one menu
LOOK_BACK: Final = 20  # turns before a page's first, with which its first ones are compared

KINDS: Final = ("several", "errors")


@dataclass(frozen=True, slots=True)
class SessionFilters:
    """None means "any". `start` and `end` are of the last activity, start <= t < end, epoch seconds. `kind`: "several"
    for those of more than one request, "errors" for those with one that ended in an error.
    """

    start: float | None = None
    end: float | None = None
    agent: str | None = None
    project: str | None = None
    kind: str | None = None

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> SessionFilters:
        """From a query string's values. Raises ValueError with a sentence for a person."""
        given = {name: value.strip() for name, value in values.items() if value.strip()}
        if (kind := given.get("kind")) is not None and kind not in KINDS:
            raise ValueError(f"kind {kind[:40]!r} is not known; expected {' or '.join(KINDS)}")
        start, end = given.get("from"), given.get("to")
        return cls(
            parse_time(start) if start else None,
            parse_end(end) if end else None,
            given.get("agent"),
            given.get("project"),
            kind,
        )

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.start is not None:
            found.append(sessions.c.ended_at >= self.start)
        if self.end is not None:
            found.append(sessions.c.ended_at < self.end)
        if self.agent is not None:
            # Few sessions are of a project, or have errors: their index is better than the one of agents.
            alone = self.project is None and self.kind != "errors"
            field = sessions.c.agent if alone else func.coalesce(sessions.c.agent, "")
            found.append(field == as_stored(self.agent))
        if self.project is not None:
            found.append(sessions.c.project == as_stored(self.project))
        if self.kind == "several":
            found.append(sessions.c.requests > literal_column("1"))  # a value would not find the index
        if self.kind == "errors":
            found.append(sessions.c.errors > literal_column("0"))
        return found


@dataclass(frozen=True, slots=True)
class SessionRow:
    """Of all its requests that are kept. `ended_at`: of the one that ended last. `cost_microdollars`: of those whose
    cost is known; `unpriced` are the others, and `uncounted` those whose tokens are not known. `told_tokens`: that went
    in with requests that told how many came from a cache.
    """

    session: str
    agent: str | None
    project: str | None
    started_at: float
    ended_at: float
    requests: int
    errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    told_tokens: int
    cost_microdollars: int
    unpriced: int
    uncounted: int

    @property
    def from_cache(self) -> float | None:
        """The share of the tokens in that was read from a cache, of the requests that told it."""
        return self.cached_tokens / self.told_tokens if self.told_tokens else None

    @property
    def tokens(self) -> tuple[int | None, int | None]:
        """In and out; None where no request told them."""
        known = self.uncounted < self.requests
        return (self.input_tokens, self.output_tokens) if known else (None, None)

    @property
    def cost(self) -> int | None:
        """None where that of no request is known."""
        return self.cost_microdollars if self.unpriced < self.requests else None

    @property
    def duration_ms(self) -> float:
        return max(0.0, self.ended_at - self.started_at) * 1000


@dataclass(frozen=True, slots=True)
class SessionPage:
    """The newest activity first. `next`: the cursor of the following page, None on the last."""

    rows: tuple[SessionRow, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One request of a session, as core.record.Record has it."""

    id: str
    started_at: float
    duration_ms: float
    dialect: str | None
    operation: str | None
    requested_model: str
    server: str | None
    model: str | None
    status: int
    outcome: str
    error: str | None
    ttft_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_microdollars: int | None
    finish_reason: str | None
    branch: str | None
    parent: str | None

    @property
    def cursor(self) -> str:
        return f"{self.started_at!r}~{self.id}"


@dataclass(frozen=True, slots=True)
class TurnPage:
    """In the order of time. `earlier`: the last ones before the first of these, the newest last; `before`: how many
    come before. `next`: the cursor of the following page.
    """

    turns: tuple[TurnRow, ...]
    earlier: tuple[TurnRow, ...]
    next: str | None
    before: int = 0


class SessionQueries:
    """Every method raises DBAPIError when the database is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list_sessions(self, filters: SessionFilters, before: str | None, limit: int) -> SessionPage:
        """Raises ValueError for a bad cursor."""
        limit = max(1, min(limit, MOST_ROWS))
        query = select(*_LISTED).where(*filters.conditions())
        if before is not None:
            query = query.where(tuple_(sessions.c.ended_at, sessions.c.session) < tuple_(*parse_cursor(before)))
        query = query.order_by(sessions.c.ended_at.desc(), sessions.c.session.desc()).limit(limit + 1)
        with self._engine.connect() as conn:
            rows = tuple(SessionRow(**found) for found in conn.execute(query).mappings())
        last = rows[limit - 1] if len(rows) > limit else None
        return SessionPage(rows[:limit], f"{last.ended_at!r}~{last.session}" if last else None)

    def get_session(self, session: str) -> SessionRow | None:
        """None where there is no such session (any more)."""
        with self._engine.connect() as conn:
            query = select(*_LISTED).where(sessions.c.session == as_stored(session))
            found = conn.execute(query).mappings().one_or_none()
        return SessionRow(**found) if found is not None else None

    def turns(self, session: str, after: str | None, limit: int) -> TurnPage:
        """Raises ValueError for a bad cursor."""
        limit = max(1, min(limit, MOST_TURNS))
        own = requests.c.session == as_stored(session)
        order: tuple[Column[Any], Column[Any]] = (requests.c.started_at, requests.c.id)
        query = select(*_TURN).where(own)
        if after is not None:
            query = query.where(tuple_(*order) > tuple_(*parse_cursor(after)))
        with self._engine.connect() as conn:
            found = conn.execute(query.order_by(*order).limit(limit + 1)).mappings().all()
            earlier: Sequence[RowMapping] = ()
            count = 0
            if after is not None and found:
                first = tuple_(found[0]["started_at"], found[0]["id"])
                back = select(*_TURN).where(own, tuple_(*order) < first)
                back = back.order_by(*(column.desc() for column in order)).limit(LOOK_BACK)
                earlier = conn.execute(back).mappings().all()
                count = conn.scalar(select(func.count()).where(own, tuple_(*order) < first)) or 0
        rows = tuple(TurnRow(**row) for row in found)
        more = len(rows) > limit
        return TurnPage(
            rows[:limit],
            tuple(TurnRow(**row) for row in reversed(earlier)),
            rows[limit - 1].cursor if more else None,
            count,
        )

    def menu(self, column: str, filters: SessionFilters) -> tuple[str, ...]:
        """The values of `agent` or `project` in the newest sessions of the range, sorted."""
        field = {"agent": sessions.c.agent, "project": sessions.c.project}[column]
        within = SessionFilters(filters.start, filters.end).conditions()
        newest = select(field).where(*within).order_by(sessions.c.ended_at.desc()).limit(2_000).subquery()
        query = select(newest.c[column]).where(newest.c[column].is_not(None)).distinct().limit(MENU)
        with self._engine.connect() as conn:
            return tuple(sorted(conn.scalars(query)))


_LISTED = tuple(sessions.c[field.name] for field in fields(SessionRow))
_TURN = tuple(requests.c[field.name] for field in fields(TurnRow))
