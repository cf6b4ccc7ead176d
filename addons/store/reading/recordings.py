"""Recordings: the requests of the log in the order of their start, with their bodies, one after the other.

What the log grows by meanwhile is not among them. Only one body is in memory at a time, and no transaction lasts for
longer than one page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Engine, RowMapping, and_, func, select, tuple_

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.decision.replaying.recorded import Recorded
from switchman.addons.store.access.tokens import TokenError, TokenStore
from switchman.addons.store.blobs import BlobStore, unpack
from switchman.addons.store.tables import blobs, requests

PAGE = 200  # rows that are read at once
MOST_TIMED = 1_000  # answers of a target that its median is of, the newest ones
MOST_LOOKED_AT = 20_000  # rows of a model that they are looked for among

_Key = tuple[float, str]
_NAMES = (
    "id", "started_at", "duration_ms", "client", "dialect", "operation", "requested_model", "layer", "route", "server",
    "model", "status", "outcome", "cache", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens",
    "trace", "path", "capture",
)  # fmt: skip
_MORE = (
    "token",
    "token_id",
    "request_headers",
    "request_fields_cut",
    "request_hash",
    "request_size",
    "request_truncated",
)
_COLUMNS = tuple(requests.c[name] for name in (*_NAMES, *_MORE))
_KEY = (requests.c.started_at, requests.c.id)


@dataclass(frozen=True, slots=True)
class Span:
    """The rows from one to another, both included, and how many these are."""

    first: _Key
    last: _Key
    rows: int


class Recordings:
    """Safe to share between threads. Every method raises sqlalchemy.exc.DBAPIError where the database is away."""

    def __init__(self, engine: Engine, store: BlobStore) -> None:
        self._engine, self._blobs = engine, store

    def span(self, since: float | None, limit: int) -> Span | None:
        """The newest `limit` rows that began at `since` or after; None for none."""
        newest_first = select(*_KEY).order_by(*(column.desc() for column in _KEY)).limit(limit)
        if since is not None:
            newest_first = newest_first.where(requests.c.started_at >= since)
        chosen = newest_first.subquery()
        with self._engine.connect() as conn:
            rows = conn.scalar(select(func.count()).select_from(chosen)) or 0
            ends = [
                conn.execute(select(chosen).order_by(*order).limit(1)).one_or_none()
                for order in (
                    (chosen.c.started_at, chosen.c.id),
                    (chosen.c.started_at.desc(), chosen.c.id.desc()),
                )
            ]
        if ends[0] is None or ends[1] is None:
            return None
        return Span((ends[0][0], ends[0][1]), (ends[1][0], ends[1][1]), rows)

    def of(self, span: Span, most_body: int | None = None) -> Iterator[Recorded]:
        """The rows of a span. `most_body`: bytes beyond which a body is taken for one that is not kept."""
        callers: dict[str, Caller] = {}
        after: _Key | None = None
        while page := self._page(span, after):
            after = (page[-1]["started_at"], page[-1]["id"])
            packed = self._packed(page, most_body)
            for found in page:
                yield self._recorded(found, packed.get(found["request_hash"]), most_body, callers)

    def median(self, server: str, model: str) -> float | None:
        """The median duration of the newest answers that a model has given there, milliseconds; None for none."""
        newest = (
            select(requests.c.duration_ms, requests.c.server, requests.c.outcome)
            .where(requests.c.model == model)
            .order_by(requests.c.started_at.desc(), requests.c.id.desc())
            .limit(MOST_LOOKED_AT)
            .subquery()
        )
        answered = and_(newest.c.server == server, newest.c.outcome == "ok")
        with self._engine.connect() as conn:
            took = conn.scalars(select(newest.c.duration_ms).where(answered).limit(MOST_TIMED)).all()
        return median(took) if took else None

    def _page(self, span: Span, after: _Key | None) -> Sequence[RowMapping]:
        begin: ColumnElement[Any] = tuple_(*_KEY) >= tuple_(*span.first)
        if after is not None:
            begin = tuple_(*_KEY) > tuple_(*after)
        query = select(*_COLUMNS).where(begin, tuple_(*_KEY) <= tuple_(*span.last)).order_by(*_KEY).limit(PAGE)
        with self._engine.connect() as conn:
            return conn.execute(query).mappings().all()

    def _packed(self, page: Sequence[RowMapping], most_body: int | None) -> dict[str, bytes]:
        """The bodies of a page that lie in the database: those are small."""
        wanted = {found["request_hash"] for found in page if _is_wanted(found, most_body)}
        query = select(blobs.c.hash, blobs.c.data).where(blobs.c.hash.in_(wanted), blobs.c.data.is_not(None))
        with self._engine.connect() as conn:
            return {found.hash: found.data for found in conn.execute(query)} if wanted else {}

    def _recorded(
        self, found: RowMapping, packed: bytes | None, most_body: int | None, callers: dict[str, Caller]
    ) -> Recorded:
        body = None
        if _is_wanted(found, most_body):
            packed = packed if packed is not None else self._blobs.get(found["request_hash"])
            body = unpack(found["request_hash"], packed) if packed is not None else None
        elif found["request_hash"] is None and not found["request_size"] and found["capture"] == "full":
            body = b""  # it had none
        return Recorded(
            **{name: found[name] for name in _NAMES if name != "trace"},
            trace=tuple(found["trace"]),
            headers=tuple((name, value) for name, value in found["request_headers"]),
            headers_cut=found["request_fields_cut"] > 0,
            body=body,
            caller=self._caller(found["token_id"], found["token"], callers),
        )

    def _caller(self, token_id: str | None, name: str | None, known: dict[str, Caller]) -> Caller | None:
        """Whose token it was, with what that may now; of one that is not kept any more, the name alone."""
        if token_id is None:
            return None
        if token_id not in known:
            try:
                known[token_id] = TokenStore(self._engine).get(token_id).caller
            except TokenError:
                known[token_id] = Caller(token_id, name or "")
        return known[token_id]


def _is_wanted(found: RowMapping, most_body: int | None) -> bool:
    if found["request_hash"] is None or found["request_truncated"]:
        return False
    return most_body is None or (found["request_size"] or 0) <= most_body
