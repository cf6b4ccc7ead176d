"""Queries: what the dashboard and the command line read from the log. Every answer is bounded; no list loads a body.

Times are epoch seconds UTC, durations milliseconds, sizes bytes; None is "not known".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import ColumnElement, Engine, RowMapping, func, select

from switchman.addons.core.access.capturing import Captured
from switchman.addons.core.record import Resting, RulesInForce, Running
from switchman.addons.store.blobs import BlobStore, unpack
from switchman.addons.store.figures.columns.reading import ColumnReader
from switchman.addons.store.figures.reading import Divided, FigureReader
from switchman.addons.store.keeping.beside.cacheverdicts import CacheVerdicts
from switchman.addons.store.keeping.beside.remarks import Remarks
from switchman.addons.store.keeping.revocations import Revocations
from switchman.addons.store.keeping.spool import Spool, SpoolError, SpoolState
from switchman.addons.store.reading.cacheuse import Kind, Pairs, Use, cache_use, pair_of, pair_rows
from switchman.addons.store.reading.filters import Filters, as_stored
from switchman.addons.store.reading.found import (
    AttemptRow,
    BodyInfo,
    BodyState,
    Content,
    Detail,
    Fresh,
    LeftOut,
    Page,
    RequestRow,
    Which,
)
from switchman.addons.store.reading.hits import Hit, Rule, layer_hits, rule_hits
from switchman.addons.store.reading.listing import count, newest, parse_cursor, values_of
from switchman.addons.store.reading.matching import matching
from switchman.addons.store.reading.servers import ServerNews, server_news
from switchman.addons.store.reading.sessions import (
    SessionFilters,
    SessionPage,
    SessionQueries,
    SessionRow,
    TurnPage,
)
from switchman.addons.store.reading.summaries import LayerCount, Percentiles, Scatter, Summaries, Summary
from switchman.addons.store.retention import stored_bytes
from switchman.addons.store.tables import attempts, blobs, feedback, requests, sent_again
from switchman.addons.store.underway import lagging, read_lost, read_resting, read_underway

MAX_ROWS = 500  # of one page

ALL = Filters()
ALL_SESSIONS = SessionFilters()
MENUS = (
    *("model", "server", "outcome", "status", "client", "route", "layer"),
    *("requested_model", "error_class", "cache", "token", "agent"),
)


class Queries:
    """Safe to share between threads. Every method raises sqlalchemy.exc.DBAPIError when the database is away."""

    def __init__(self, engine: Engine, store: BlobStore, spool: Spool | None = None, searches: bool = False) -> None:
        """`searches`: prompts and answers can be searched for words."""
        self._spool = spool
        self.searches = searches
        self._engine = engine
        self.figures = FigureReader(engine)
        self._blobs = store
        self._columns = ColumnReader(engine)
        self._summaries = Summaries(engine, self._columns)
        self._sessions = SessionQueries(engine)
        self.revocations = Revocations(engine)
        self.verdicts = CacheVerdicts(engine)
        self.remarks = Remarks(engine)

    def list_requests(self, filters: Filters = ALL, before: str | None = None, limit: int = 50) -> Page:
        """Newest first. `before`: `Page.next` or a row's cursor. Raises ValueError for a bad cursor or status."""
        limit = max(1, min(limit, MAX_ROWS))
        filters = self._looked_up(filters)
        with self._engine.connect() as conn:
            # First the live cursor, then the rows: what is written between the two is seen twice, not missed.
            live = conn.scalar(select(func.max(requests.c.seq))) or 0
            rows, following = newest(conn, self._columns, _LISTED, filters, before, limit)
        return Page(tuple(map(_row, rows)), following, str(live))

    def count_requests(self, filters: Filters = ALL, most: int = 1_000_000) -> int:
        """How many there are, `most` at most. Raises ValueError for a bad status."""
        filters = self._looked_up(filters)
        with self._engine.connect() as conn:
            return count(conn, self._columns, filters, most)

    def newer_than(self, live: str, filters: Filters = ALL, limit: int = 100) -> Fresh:
        """Rows written after `live` (a Page's or Fresh's), also those of requests that began long before they ended.

        Raises ValueError for a bad cursor or status.
        """
        if not (live.isascii() and live.isdecimal() and len(live) < 19):
            raise ValueError(f"{live[:40]!r} is not a live cursor")
        limit = max(1, min(limit, MAX_ROWS))
        filters = self._looked_up(filters)
        query = select(*_LISTED).where(requests.c.seq > int(live), *filters.of_columns())
        if filters.words is not None:
            query = query.where(matching(filters.words, each=True))
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
            agent=found["agent"],
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
        """The distinct values of a column of MENUS, sorted, at most MAX_VALUES; for filter menus."""
        if column not in MENUS:
            raise ValueError(f"{column!r} has no menu; expected one of {', '.join(MENUS)}")
        with self._engine.connect() as conn:
            return tuple(sorted(conn.scalars(values_of(requests.c[column]))))

    def latency_summary(self, filters: Filters = ALL) -> Summary:
        """Counts and percentiles, in all and per model; see summaries.py."""
        return self._summaries.latency_summary(self._looked_up(filters))

    def layer_counts(self, filters: Filters = ALL) -> tuple[LayerCount, ...]:
        """Which layer decided how many requests; see summaries.py."""
        return self._summaries.layer_counts(self._looked_up(filters))

    def summary_with_figures(self, filters: Filters = ALL) -> tuple[Summary, Divided]:
        """The summary, and figures by model with all spreads; see summaries.py."""
        return self._summaries.with_figures(self._looked_up(filters))

    def divided(self, filters: Filters, spreads: Sequence[str]) -> tuple[Divided, bool]:
        """Figures by model, and whether there may be more requests than these; see summaries.py."""
        return self._summaries.divided(self._looked_up(filters), spreads)

    def summary_with_layers(
        self, filters: Filters = ALL, models: bool = True
    ) -> tuple[Summary, tuple[LayerCount, ...]]:
        """Both, the layers whatever layer is filtered by."""
        return self._summaries.with_layers(self._looked_up(filters), models)

    def exact_times(self, filters: Filters, count: int) -> tuple[Percentiles, Percentiles] | None:
        """Of durations and times to first token, where there are few requests; see summaries.py."""
        return self._summaries.exact_times(self._looked_up(filters), count)

    def rule_hits(self, rules: Sequence[Rule], start: float | None, end: float | None) -> dict[Rule, Hit]:
        """How often each rule answered, and when last; see hits.py."""
        return rule_hits(self._engine, rules, start, end)

    def layer_hits(self, layers: Sequence[str], start: float | None, end: float | None) -> dict[str, Hit]:
        """The same of whole layers."""
        return layer_hits(self._engine, layers, start, end)

    def scatter(self, filters: Filters = ALL, limit: int = 2_000) -> Scatter:
        """Response time against tokens, one point per request; see summaries.py."""
        return self._summaries.scatter(self._looked_up(filters), limit)

    def cache_use(self, filters: Filters = ALL) -> Use:
        """What the caches did; see cacheuse.py."""
        return cache_use(self._engine, self.figures, self._looked_up(filters))

    def cache_pairs(self, kind: Kind, filters: Filters = ALL, before: str | None = None, limit: int = 20) -> Pairs:
        """The pairs of prompts that the semantic cache found alike. Raises ValueError for a bad cursor or status."""
        rows = pair_rows(self._engine, kind, self._looked_up(filters), parse_cursor(before) if before else None, limit)
        shown, more = rows[:limit], len(rows) > limit
        found = []
        for row in shown:
            content = self.body(row["id"], "request")
            if (pair := pair_of(row, content.data if content else None)) is not None:
                found.append(pair)
        last = f"{shown[-1]['started_at']!r}~{shown[-1]['id']}" if more else None
        return Pairs(tuple(found), last)

    def list_sessions(
        self, filters: SessionFilters = ALL_SESSIONS, before: str | None = None, limit: int = 50
    ) -> SessionPage:
        """Sessions by their last activity; see sessions.py."""
        return self._sessions.list_sessions(filters, before, limit)

    def get_session(self, session: str) -> SessionRow | None:
        """None where there is no such session (any more)."""
        return self._sessions.get_session(session)

    def turns(self, session: str, after: str | None = None, limit: int = 50) -> TurnPage:
        """The requests of a session in the order of time; see sessions.py."""
        return self._sessions.turns(session, after, limit)

    def session_menu(self, column: str, filters: SessionFilters = ALL_SESSIONS) -> tuple[str, ...]:
        """The agents or projects of the newest sessions."""
        return self._sessions.menu(column, filters)

    def underway(self, now: float) -> tuple[Running, ...]:
        """The requests that are not over yet, newest first; see underway.py."""
        return read_underway(self._engine, now)

    def resting(self, now: float) -> tuple[Resting, ...]:
        """The targets whose breakers are not closed; see underway.py."""
        return read_resting(self._engine, now)

    def lagging_rules(self, now: float) -> tuple[RulesInForce, ...]:
        """The workers that do not have the rules that were written last; see underway.py."""
        return lagging(self._engine, now)

    def lost(self, now: float) -> frozenset[str]:
        """The targets that rested when their worker stopped."""
        return read_lost(self._engine, now)

    def server_news(self, servers: Sequence[str], now: float) -> dict[str, ServerNews]:
        """What was last heard of each server; see servers.py."""
        return server_news(self._engine, servers, now)

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

    def _looked_up(self, filters: Filters) -> Filters:
        """The same, with the names of models that its text is in. ValueError for words where none are searched."""
        if filters.words is not None and not self.searches:
            raise ValueError("prompts and answers cannot be searched here")
        if not filters.text or filters.named is not None:
            return filters
        text = as_stored(filters.text).lower()
        names = {name for column in ("model", "requested_model") for name in self.values(column)}
        return replace(filters, named=tuple(sorted(name for name in names if text in name.lower())))

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
