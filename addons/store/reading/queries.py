"""Queries: what the dashboard and the command line read from the log. Every answer is bounded; no list loads a body.

Times are epoch seconds UTC, durations milliseconds, sizes bytes; None is "not known".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Engine, RowMapping, func, literal, select, tuple_

from switchman.addons.core.access.capturing import Captured
from switchman.addons.core.record import Running
from switchman.addons.store.blobs import BlobStore, unpack
from switchman.addons.store.keeping.cacheverdicts import CacheVerdicts
from switchman.addons.store.keeping.remarks import Remarks
from switchman.addons.store.keeping.revocations import Revocations
from switchman.addons.store.keeping.spool import Spool, SpoolError, SpoolState
from switchman.addons.store.reading.cacheuse import Kind, Pairs, Use, cache_use, pair_of, pair_rows
from switchman.addons.store.reading.filters import Filters, as_stored
from switchman.addons.store.reading.summaries import LayerCount, Scatter, Summaries, Summary
from switchman.addons.store.retention import stored_bytes
from switchman.addons.store.tables import attempts, blobs, feedback, requests, sent_again
from switchman.addons.store.underway import read_underway

MAX_ROWS = 500  # of one page
MAX_VALUES = 500  # of one filter menu
RECENT_ROWS = 5_000  # looked through for the menus of columns that have no index

Which = Literal["request", "response"]
ALL = Filters()
BodyState = Literal[
    "kept",
    "none",  # there was none
    "gone",  # no longer kept: too old, too much, or lost; or it was kept in another process's memory
    "uncaptured",  # never stored: CAPTURE says so
    "hidden",  # kept, and not for whoever asks: webui/access/viewing.py says so
]
MENUS = ("model", "server", "outcome", "status", "client", "route", "layer")


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One line of the list; the fields of core.record.Record without headers, bodies, attempts and trace,
    costs by the names of their columns."""

    seq: int
    id: str
    started_at: float
    duration_ms: float
    method: str
    path: str
    client: str
    token: str | None
    token_id: str | None
    dialect: str | None
    operation: str | None
    requested_model: str
    layer: str | None
    route: str | None
    server: str | None
    model: str | None
    status: int
    outcome: str
    streamed: bool
    error: str | None
    overhead_ms: float | None
    ttft_ms: float | None
    tokens_per_second: float | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    finish_reason: str | None
    cache: str | None
    saved_ms: float | None
    cost_microdollars: int | None
    saved_microdollars: int | None
    attempt_count: int
    request_size: int | None
    response_size: int | None
    capture: str = "full"
    capture_by: str | None = None
    feedback: str | None = None  # the worst that was said of it: good or bad
    again_of: str | None = None  # the request that somebody sent once more by this one

    @property
    def cursor(self) -> str:
        """Pages `before` this row start with the next older one."""
        return f"{self.started_at!r}~{self.id}"


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first. `next`: the cursor of the following page, None on the last. `live`: where `newer_than` goes on."""

    rows: tuple[RequestRow, ...]
    next: str | None
    live: str


@dataclass(frozen=True, slots=True)
class Fresh:
    """Rows written since a live cursor, newest first. `more`: there were more than the limit; ask again at once."""

    rows: tuple[RequestRow, ...]
    live: str
    more: bool


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """As core.record.AttemptRecord."""

    number: int
    server: str
    model: str
    url: str
    started_at: float
    duration_ms: float
    status: int | None
    outcome: str
    error: str | None
    first_byte_ms: float | None
    changes: tuple[str, ...]
    cost_microdollars: int | None
    connect_ms: float | None = None
    reused: bool | None = None
    sent: str | None = None
    edits: tuple[tuple[Any, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class BodyInfo:
    """`size` is the whole body's, of which only the beginning is kept where `truncated`. `capture`: what was to be kept
    of it, and what asked for that, as `CAPTURE=metadata by token anna`; "" for all.
    """

    state: BodyState
    size: int | None
    truncated: bool
    capture: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of a head was too long to be kept: fields that are not here at all, and bytes, also of fields that are."""

    fields: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Detail:
    """All of one request but the bytes of its bodies. `trace`: core.routes.plan.TraceLine as mappings."""

    row: RequestRow
    request_headers: tuple[tuple[str, str], ...]
    response_headers: tuple[tuple[str, str], ...]
    trace: tuple[dict[str, Any], ...]
    attempts: tuple[AttemptRow, ...]
    request_body: BodyInfo
    response_body: BodyInfo
    request_left_out: LeftOut
    response_left_out: LeftOut
    session: str | None = None  # the digest of its name


@dataclass(frozen=True, slots=True)
class Content:
    """A body's bytes; `data` is None unless `info.state` is "kept"."""

    data: bytes | None
    info: BodyInfo


class Queries:
    """Safe to share between threads. Every method raises sqlalchemy.exc.DBAPIError when the database is away."""

    def __init__(self, engine: Engine, store: BlobStore, spool: Spool | None = None) -> None:
        self._spool = spool
        self._engine = engine
        self._blobs = store
        self._summaries = Summaries(engine)
        self.revocations = Revocations(engine)
        self.remarks = Remarks(engine)
        self.verdicts = CacheVerdicts(engine)

    def list_requests(self, filters: Filters = ALL, before: str | None = None, limit: int = 50) -> Page:
        """Newest first. `before`: `Page.next` or a row's cursor. Raises ValueError for a bad cursor or status."""
        limit = max(1, min(limit, MAX_ROWS))
        query = select(*_LISTED).where(*filters.conditions())
        if before is not None:
            query = query.where(tuple_(requests.c.started_at, requests.c.id) < tuple_(*_parse_cursor(before)))
        query = query.order_by(requests.c.started_at.desc(), requests.c.id.desc()).limit(limit + 1)
        with self._engine.connect() as conn:
            # First the live cursor, then the rows: what is written between the two is seen twice, not missed.
            live = conn.scalar(select(func.max(requests.c.seq))) or 0
            rows = tuple(_row(found) for found in conn.execute(query).mappings())
        more = len(rows) > limit
        return Page(rows[:limit], rows[limit - 1].cursor if more else None, str(live))

    def newer_than(self, live: str, filters: Filters = ALL, limit: int = 100) -> Fresh:
        """Rows written after `live` (a Page's or Fresh's), also those of requests that began long before they ended.

        Raises ValueError for a bad cursor or status.
        """
        if not (live.isascii() and live.isdecimal() and len(live) < 19):
            raise ValueError(f"{live[:40]!r} is not a live cursor")
        limit = max(1, min(limit, MAX_ROWS))
        query = select(*_LISTED).where(requests.c.seq > int(live), *filters.conditions())
        with self._engine.connect() as conn:
            newest = conn.scalar(select(func.max(requests.c.seq))) or 0
            rows = [_row(found) for found in conn.execute(query.order_by(requests.c.seq).limit(limit + 1)).mappings()]
        if newest < int(live):  # rows have gone, or the database is another: what is there is to be read anew
            return Fresh((), str(newest), True)
        more, rows = len(rows) > limit, rows[:limit]
        seen = rows[-1].seq if rows else 0
        return Fresh(tuple(reversed(rows)), str(seen if more else max(newest, seen)), more)

    def get_request(self, request_id: str) -> Detail | None:
        """None where there is no such request (any more)."""
        with self._engine.connect() as conn:
            found = conn.execute(select(requests, *_BESIDE.values()).where(_is(request_id))).mappings().one_or_none()
            if found is None:
                return None
            tried = select(*_TRIED).where(attempts.c.request_id == found["id"]).order_by(attempts.c.number)
            tries = tuple(_tried(found) for found in conn.execute(tried).mappings())
            hashes = [found[f"{which}_hash"] for which in ("request", "response") if found[f"{which}_hash"]]
            listed = set(conn.scalars(select(blobs.c.hash).where(blobs.c.hash.in_(hashes))))
        return Detail(
            row=_row(found),
            request_headers=_pairs(found["request_headers"]),
            response_headers=_pairs(found["response_headers"]),
            trace=tuple(found["trace"]),
            attempts=tries,
            request_body=self._info(found, "request", listed),
            response_body=self._info(found, "response", listed),
            request_left_out=LeftOut(found["request_fields_cut"], found["request_head_cut"]),
            response_left_out=LeftOut(found["response_fields_cut"], found["response_head_cut"]),
            session=found["session"],
        )

    def body(self, request_id: str, which: Which) -> Content | None:
        """One body, decompressed: at most MAX_BLOB_SIZE bytes. None where there is no such request (any more)."""
        columns = [requests.c[f"{which}_{part}"] for part in ("hash", "size", "truncated")]
        columns += [requests.c.capture, requests.c.capture_by]
        with self._engine.connect() as conn:
            found = conn.execute(select(*columns).where(_is(request_id))).mappings().one_or_none()
            if found is None:
                return None
            digest = found[f"{which}_hash"]
            packed = conn.scalar(select(blobs.c.data).where(blobs.c.hash == digest)) if digest else None
        if digest and packed is None:
            packed = self._blobs.get(digest)
        data = unpack(digest, packed) if packed is not None else None
        state: BodyState = "kept" if data is not None else _absent(found, which)
        return Content(data, BodyInfo(state, found[f"{which}_size"], found[f"{which}_truncated"], _capture(found)))

    def values(self, column: str) -> tuple[Any, ...]:
        """The distinct values of a column of MENUS, sorted, at most MAX_VALUES; for filter menus.

        `route` and `layer` are looked for only in the newest RECENT_ROWS rows.
        """
        if column not in MENUS:
            raise ValueError(f"{column!r} has no menu; expected one of {', '.join(MENUS)}")
        field = requests.c[column]
        if column in ("route", "layer"):
            recent = select(field).order_by(requests.c.started_at.desc()).limit(RECENT_ROWS).subquery()
            query = select(recent.c[column]).where(recent.c[column].is_not(None)).distinct()
        else:
            query = _hop(field)
        with self._engine.connect() as conn:
            return tuple(sorted(conn.scalars(query.limit(MAX_VALUES))))

    def latency_summary(self, filters: Filters = ALL) -> Summary:
        """Counts and percentiles, in all and per model; see summaries.py."""
        return self._summaries.latency_summary(filters)

    def layer_counts(self, filters: Filters = ALL) -> tuple[LayerCount, ...]:
        """Which layer decided how many requests; see summaries.py."""
        return self._summaries.layer_counts(filters)

    def scatter(self, filters: Filters = ALL, limit: int = 2_000) -> Scatter:
        """Response time against tokens, one point per request; see summaries.py."""
        return self._summaries.scatter(filters, limit)

    def cache_use(self, filters: Filters = ALL) -> Use:
        """What the caches did; see cacheuse.py."""
        return cache_use(self._engine, filters)

    def cache_pairs(self, kind: Kind, filters: Filters = ALL, before: str | None = None, limit: int = 20) -> Pairs:
        """The pairs of prompts that the semantic cache found alike. Raises ValueError for a bad cursor or status."""
        rows = pair_rows(self._engine, kind, filters, _parse_cursor(before) if before else None, limit)
        shown, more = rows[:limit], len(rows) > limit
        found = []
        for row in shown:
            content = self.body(row["id"], "request")
            if (pair := pair_of(row, content.data if content else None)) is not None:
                found.append(pair)
        last = f"{shown[-1]['started_at']!r}~{shown[-1]['id']}" if more else None
        return Pairs(tuple(found), last)

    def underway(self, now: float) -> tuple[Running, ...]:
        """The requests that are not over yet, newest first; see underway.py."""
        return read_underway(self._engine, now)

    def backlog(self) -> SpoolState:
        """The requests that wait on disk to be written, by any process, and those that found no room."""
        try:
            return self._spool.state() if self._spool is not None else SpoolState()
        except SpoolError:  # in use just now, or not to be read: nothing is known
            return SpoolState()

    def stored_bytes(self) -> int:
        """What all bodies in the blob store take, compressed (0 for bodies in memory)."""
        with self._engine.connect() as conn:
            return stored_bytes(conn)

    def _info(self, found: RowMapping, which: Which, listed: set[str]) -> BodyInfo:
        digest = found[f"{which}_hash"]
        kept = digest is not None and (
            digest in listed or (not self._blobs.accounted and self._blobs.get(digest) is not None)
        )
        state: BodyState = "kept" if kept else _absent(found, which)
        return BodyInfo(state, found[f"{which}_size"], found[f"{which}_truncated"], _capture(found))


def _is(request_id: str) -> ColumnElement[bool]:
    return requests.c.id == as_stored(request_id)


def _absent(found: RowMapping, which: Which) -> BodyState:
    if found[f"{which}_hash"] is None and found[f"{which}_size"] and found["capture"] != "full":
        return "uncaptured"
    return "gone" if found[f"{which}_hash"] or found[f"{which}_size"] else "none"


def _capture(found: RowMapping) -> str:
    return "" if found["capture"] == "full" else str(Captured(found["capture"], found["capture_by"] or ""))


def _hop(field: Column[Any]) -> Any:
    """Distinct values by hopping through the column's index: one look-up per value, however many rows there are."""
    first = select(func.min(field).label("value"), literal(1).label("n"))
    hops = first.cte("hops", recursive=True)
    following = select(func.min(field)).where(field > hops.c.value).scalar_subquery()
    hops = hops.union_all(select(following, hops.c.n + 1).where(hops.c.value.is_not(None), hops.c.n < MAX_VALUES))
    return select(hops.c.value).where(hops.c.value.is_not(None))


def _parse_cursor(cursor: str) -> tuple[float, str]:
    started, tilde, request_id = cursor.partition("~")
    try:
        if tilde:
            return float(started), as_stored(request_id)
    except ValueError:
        pass  # the sentence below says it
    raise ValueError(f"{cursor[:40]!r} is not a page cursor")


def _row(found: RowMapping) -> RequestRow:
    return RequestRow(**{name: found[name] for name in _ROW_FIELDS})


def _tried(found: RowMapping) -> AttemptRow:
    edits = None if found["edits"] is None else tuple(map(tuple, found["edits"]))
    return AttemptRow(**{**found, "changes": tuple(found["changes"]), "edits": edits})


def _pairs(stored: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in stored)


_ROW_FIELDS = tuple(field.name for field in fields(RequestRow))
# What lies beside a row. Of a verdict the worst: "bad" comes before "good".
_QUERIES = {
    "feedback": select(func.min(feedback.c.verdict)).where(feedback.c.request_id == requests.c.id),
    "again_of": select(func.min(sent_again.c.origin_id)).where(sent_again.c.request_id == requests.c.id),
}
_BESIDE = {name: query.correlate(requests).scalar_subquery().label(name) for name, query in _QUERIES.items()}
_LISTED = tuple(_BESIDE[name] if name in _BESIDE else requests.c[name] for name in _ROW_FIELDS)
_TRIED = tuple(attempts.c[field.name] for field in fields(AttemptRow))
