"""What of the log somebody may see: viewers see how requests went, and no word of what was asked or answered.

Pages and endpoints read the log by `log()` and by nothing else, so none of them can forget it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from switchman.addons.core.access.capturing import TELLING_LAYERS
from switchman.addons.store.keeping.beside.remarks import Feedback, Remarks
from switchman.addons.store.reading.cacheuse import Kind, Pairs
from switchman.addons.store.reading.filters import Filters
from switchman.addons.store.reading.found import AttemptRow, BodyInfo, Content, Detail, Fresh, Page, RequestRow, Which
from switchman.addons.store.reading.queries import ALL, ALL_SESSIONS, Queries
from switchman.addons.store.reading.servers import ServerNews
from switchman.addons.store.reading.sessions import SessionFilters, SessionPage, SessionRow, TurnPage, TurnRow
from switchman.webui.access.people import person, web_config

HIDDEN = "Hidden from viewers, as it may quote a body."


def log() -> Queries:
    """The log, for whoever sends this request."""
    queries = web_config().queries
    return queries if person().sees_bodies else ViewersLog(queries)


class ViewersLog(Queries):
    """The same log without bodies, and without what may quote one: errors, prompts that a cache found, other layers,
    and the folder that a prompt tells.
    """

    def __init__(self, whole: Queries) -> None:
        vars(self).update(vars(whole))  # the same connections
        self.searches = False  # what is found would tell what was said
        self.remarks = ViewersRemarks(whole.remarks)

    def list_requests(self, filters: Filters = ALL, before: str | None = None, limit: int = 50) -> Page:
        page = super().list_requests(filters, before, limit)
        return replace(page, rows=tuple(map(without_error, page.rows)))

    def newer_than(self, live: str, filters: Filters = ALL, limit: int = 100) -> Fresh:
        fresh = super().newer_than(live, filters, limit)
        return replace(fresh, rows=tuple(map(without_error, fresh.rows)))

    def server_news(self, servers: Sequence[str], now: float) -> dict[str, ServerNews]:
        found = super().server_news(servers, now)
        return {
            name: replace(
                news, error=replace(news.error, text=HIDDEN) if news.error and news.error.text else news.error
            )
            for name, news in found.items()
        }

    def get_request(self, request_id: str) -> Detail | None:
        found = super().get_request(request_id)
        if found is None:
            return None
        return replace(
            found,
            row=without_error(found.row),
            trace=tuple(map(without_words, found.trace)),
            attempts=tuple(replace(without_error(one), edits=None) for one in found.attempts),
            request_body=hidden(found.request_body),
            response_body=hidden(found.response_body),
        )

    def cache_pairs(self, kind: Kind, filters: Filters = ALL, before: str | None = None, limit: int = 20) -> Pairs:
        found = super().cache_pairs(kind, filters, before, limit)
        return replace(found, pairs=tuple(replace(one, then=HIDDEN, now=HIDDEN) for one in found.pairs))

    def list_sessions(
        self, filters: SessionFilters = ALL_SESSIONS, before: str | None = None, limit: int = 50
    ) -> SessionPage:
        page = super().list_sessions(replace(filters, project=None), before, limit)
        return replace(page, rows=tuple(replace(row, project=None) for row in page.rows))

    def get_session(self, session: str) -> SessionRow | None:
        found = super().get_session(session)
        return None if found is None else replace(found, project=None)

    def turns(self, session: str, after: str | None = None, limit: int = 50) -> TurnPage:
        page = super().turns(session, after, limit)
        turns, earlier = (tuple(map(without_error, rows)) for rows in (page.turns, page.earlier))
        return replace(page, turns=turns, earlier=earlier)

    def session_menu(self, column: str, filters: SessionFilters = ALL_SESSIONS) -> tuple[str, ...]:
        return () if column == "project" else super().session_menu(column, filters)

    def body(self, request_id: str, which: Which) -> Content | None:
        found = super().body(request_id, which)
        return None if found is None else Content(None, hidden(found.info))


class ViewersRemarks(Remarks):
    """The same without notes."""

    def __init__(self, whole: Remarks) -> None:
        vars(self).update(vars(whole))

    def said_of(self, request_id: str) -> tuple[Feedback, ...]:
        found = super().said_of(request_id)
        return tuple(replace(said, note=HIDDEN if said.note else "", should_be=None) for said in found)


def without_error[Row: (RequestRow, AttemptRow, TurnRow)](row: Row) -> Row:
    return replace(row, error=HIDDEN) if row.error else row


def without_words(line: dict[str, Any]) -> dict[str, Any]:
    """A line of the trace; which earlier request a cache found stays, its prompt does not."""
    kept = dict(line)
    if kept.get("detail") and kept.get("layer") not in TELLING_LAYERS:
        kept["detail"] = HIDDEN
    if isinstance(kept.get("earlier"), dict):
        kept["earlier"] = kept["earlier"] | {"asked": HIDDEN}
    return kept


def hidden(info: BodyInfo) -> BodyInfo:
    return info if info.state != "kept" else replace(info, state="hidden")
