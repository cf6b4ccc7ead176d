"""The list of sessions: `/sessions`, by their last activity."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from flask import Blueprint, Response, jsonify, render_template, request, url_for
from flask_babel import gettext

from switchman.addons.core.access.roles import Role
from switchman.addons.core.sessions.agents import name_of
from switchman.addons.store.reading.sessions import SessionFilters
from switchman.webui.access.people import person, web_config
from switchman.webui.access.roles import least
from switchman.webui.access.viewing import log
from switchman.webui.languages.shown import choices
from switchman.webui.looks.examples import example_request
from switchman.webui.looks.marked import N_
from switchman.webui.view import (
    CUSTOM,
    DEFAULT_RANGE,
    RANGES,
    named_ranges,
    reading_address,
    unknown_range,
    words_of_range,
)

PAGE_ROWS = 50
NAMES = ("from", "to", "agent", "project", "kind")
KINDS = (("", N_("All")), ("several", N_("More than one request")), ("errors", N_("With errors")))

blueprint = Blueprint("sessions", __name__, template_folder=".")


class Chip(NamedTuple):
    word: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class SessionsView:
    """What the address asks for. `args`: the filters as it has them, without empty ones."""

    filters: SessionFilters
    range: str
    args: Mapping[str, str]

    @property
    def narrowed(self) -> bool:
        return bool(self.args)

    @property
    def ranges(self) -> list[tuple[str, str]]:
        own = [(CUSTOM, gettext("as in the address"))] if self.range == CUSTOM else []
        return own + named_ranges()

    @property
    def range_words(self) -> str:
        return words_of_range(self.range)

    def chosen(self, name: str) -> str:
        return self.args.get(name, "")

    def url(self, endpoint: str, **changes: Any) -> str:
        """The address of `endpoint` with these filters, some changed; "" and None leave one out."""
        values: dict[str, Any] = {**self.args, "range": self.range, **changes}
        if values["range"] in (DEFAULT_RANGE, CUSTOM):
            del values["range"]
        return url_for(endpoint, **{name: value for name, value in values.items() if value not in (None, "")})


def parse_sessions_view(values: Mapping[str, str], now: float | None = None) -> SessionsView:
    """ValueError, with a sentence, for a bad time, kind or range."""
    given = {name: values.get(name, "").replace("\0", "").strip() for name in NAMES}
    args = {name: value for name, value in given.items() if value}
    filters = SessionFilters.parse(args)
    wanted = values.get("range", "").strip()
    if wanted in ("", CUSTOM) and ("from" in args or "to" in args):
        return SessionsView(filters, CUSTOM, args)
    wanted = wanted if wanted not in ("", CUSTOM) else DEFAULT_RANGE
    if wanted not in RANGES:
        raise unknown_range(wanted)
    args = {name: value for name, value in args.items() if name not in ("from", "to")}
    seconds = RANGES[wanted][1]
    start = None if seconds is None else (time.time() if now is None else now) - seconds
    return SessionsView(replace(filters, start=start, end=None), wanted, args)


@blueprint.get("/sessions")
@least(Role.VIEWER)
def index() -> str:
    """The list; `before` is the cursor of an older page."""
    before = request.args.get("before") or None
    queries = log()
    with reading_address():
        view = parse_sessions_view(request.args)
        page = queries.list_sessions(view.filters, before, PAGE_ROWS)
    return render_template(
        "sessions.html",
        page="sessions",
        view=view,
        rows=page.rows,
        first_page=before is None,
        older_url=page.next and view.url("sessions.index", before=page.next),
        chips=[
            Chip(word, view.url("sessions.index", kind=kind), view.chosen("kind") == kind)
            for kind, word in choices(KINDS)
        ],
        agents=[(value, name_of(value)) for value in _menu(view, "agent")],
        projects=[(value, value) for value in _menu(view, "project")],
        sees_projects=person().sees_bodies,
        any_at_all=bool(page.rows) or bool(queries.list_sessions(limit=1).rows),
        example=example_request(web_config().proxy_url, web_config().ruleset()),
    )


@blueprint.get("/api/sessions")
@least(Role.VIEWER)
def api_sessions() -> Response:
    """A page of the list as JSON."""
    with reading_address():
        view = parse_sessions_view(request.args)
        limit = request.args.get("limit", PAGE_ROWS, type=int)
        page = log().list_sessions(view.filters, request.args.get("before") or None, limit)
    return jsonify(sessions=[asdict(row) for row in page.rows], next=page.next)


def _menu(view: SessionsView, column: str) -> list[str]:
    """A value that is set is in its menu whether or not the log still has it."""
    found = log().session_menu(column, view.filters)
    return list(dict.fromkeys(value for value in (*found, view.chosen(column)) if value))
