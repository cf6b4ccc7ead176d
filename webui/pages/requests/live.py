"""The list of requests: `/requests`, and what keeps it live."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from flask import Blueprint, Response, jsonify, render_template, request

from switchman.addons.core.access.roles import Role
from switchman.addons.store.reading.found import RequestRow
from switchman.webui.access.people import web_config
from switchman.webui.access.roles import least
from switchman.webui.access.viewing import log
from switchman.webui.languages.shown import translated
from switchman.webui.looks.examples import example_request
from switchman.webui.looks.marked import N_
from switchman.webui.pages.requests.filtering import filter_choices
from switchman.webui.pages.requests.layers import layer_shares
from switchman.webui.view import View, parse_view, reading_address

PAGE_ROWS = 100

blueprint = Blueprint("live", __name__, template_folder=".")

# Quick filters: a word, and the filter it sets; the others of QUICK_NAMES are taken away.
QUICK: tuple[tuple[str, dict[str, str]], ...] = (
    (N_("All"), {}),
    (N_("Errors"), {"outcome": "error"}),
    (N_("Failed over"), {"attempts": "many"}),
    (N_("Rate limited"), {"status": "429"}),
    (N_("Server errors"), {"status": "5xx"}),
    (N_("Cancelled"), {"outcome": "cancelled"}),
    (N_("Cached"), {"outcome": "cached"}),
    (N_("Shadow hits"), {"cache": "shadow"}),
)
QUICK_NAMES = ("outcome", "status", "attempts", "cache")


class Chip(NamedTuple):
    word: str
    url: str
    current: bool


@blueprint.get("/requests")
@least(Role.VIEWER)
def index() -> str:
    """The list, newest first; `before` is the cursor of an older page."""
    before = request.args.get("before") or None
    queries = log()
    with reading_address():
        view = parse_view(request.args)
        page = queries.list_requests(view.filters, before=before, limit=PAGE_ROWS)
    return render_template(
        "requests.html",
        page="requests",
        view=view,
        rows=page.rows,
        live=page.live,
        **underway(view, before is None, page.rows),
        page_rows=PAGE_ROWS,
        first_page=before is None,
        older_url=page.next and view.url("live.index", before=page.next),
        **figures(view, models=False),
        chips=quick_chips(view),
        any_at_all=bool(page.rows) or bool(queries.list_requests(limit=1).rows),
        **filter_choices(view),
        example=example_request(web_config().proxy_url, web_config().ruleset()),
    )


@blueprint.get("/api/requests")
@least(Role.VIEWER)
def api_requests() -> Response:
    """A page of rows as JSON. `before`: an older page; `after`: what was written since a live cursor.

    `html=1` adds each row as the list shows it, so that rows are written in one place only.
    """
    queries = log()
    limit = request.args.get("limit", PAGE_ROWS, type=int)
    after, before = request.args.get("after"), request.args.get("before") or None
    with reading_address():
        view = parse_view(request.args)
        if after:
            fresh = queries.newer_than(after, view.filters, limit=limit)
            return jsonify(rows=row_values(fresh.rows), live=fresh.live, more=fresh.more, **underway_values(view, True))
        page = queries.list_requests(view.filters, before=before, limit=limit)
    return jsonify(rows=row_values(page.rows), live=page.live, next=page.next, **underway_values(view, before is None))


@blueprint.get("/api/summary")
@least(Role.VIEWER)
def api_summary() -> Response:
    """The figures over the list as JSON; with `html=1` as the page shows them, which has none by model."""
    with reading_address():
        view = parse_view(request.args)
    found = figures(view, models=not request.args.get("html"))
    values: dict[str, Any] = asdict(found["summary"]) | {"layers": [share._asdict() for share in found["layers"]]}
    if request.args.get("html"):
        values["html"] = render_template("summary.html", **found)
    return jsonify(values)


def figures(view: View, models: bool) -> dict[str, Any]:
    """The figures of summary.html: counts and latencies, and how many requests each layer decided. `models`: counts and
    latencies by model, too."""
    queries = log()
    summary, counted = queries.summary_with_layers(view.filters, models)
    return {"summary": summary, "layers": layer_shares(counted, view)}


def underway(view: View, first_page: bool, rows: Sequence[RequestRow] = ()) -> dict[str, Any]:
    """The requests that are not over yet, for underway.html: on the newest page, where nothing but time is filtered."""
    now = time.time()
    over = {row.id for row in rows}
    running = log().underway(now) if first_page and not view.narrowed else ()
    return {"now": now, "underway": [one for one in running if one.id not in over]}


def underway_values(view: View, first_page: bool) -> dict[str, Any]:
    found = underway(view, first_page)
    if request.args.get("html"):
        return {"underway": render_template("underway.html", **found)}
    return {"underway": [asdict(one) for one in found["underway"]]}


def row_values(rows: Iterable[RequestRow]) -> list[dict[str, Any]]:
    with_html = bool(request.args.get("html"))
    return [asdict(row) | ({"html": render_template("row.html", row=row)} if with_html else {}) for row in rows]


def quick_chips(view: View) -> list[Chip]:
    return [
        Chip(
            translated(word),
            view.url("live.index", **{name: chosen.get(name) for name in QUICK_NAMES}),
            all(view.chosen(name) == chosen.get(name, "") for name in QUICK_NAMES),
        )
        for word, chosen in QUICK
    ]
