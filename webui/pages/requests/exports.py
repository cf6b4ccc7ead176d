"""The list that is filtered, as a file: `/requests.csv`, `/requests.jsonl`, `/requests.har`.

It is read page by page and sent as it is read, so that a million rows take no more memory than a hundred, and no
transaction is long. Secrets are masked as on the pages; who may see no bodies gets none. A row that is removed while
the file is written is left out. If the log cannot be read any more, the connection is cut, so that nobody takes a part
for the whole.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from datetime import UTC, datetime
from importlib.metadata import version
from threading import BoundedSemaphore
from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, request
from flask.blueprints import BlueprintSetupState
from flask_babel import gettext

from switchman.addons.core.access.roles import Role
from switchman.addons.core.texts.searching.asked import kinds_in
from switchman.addons.core.texts.unicode import decoded, dumps, shown
from switchman.addons.store.reading.filters import Filters
from switchman.addons.store.reading.found import Content, RequestRow
from switchman.addons.store.reading.queries import MAX_ROWS, Queries
from switchman.webui.access.people import web_config
from switchman.webui.access.roles import least
from switchman.webui.access.viewing import log
from switchman.webui.looks import har
from switchman.webui.looks.formats import cell, iso
from switchman.webui.looks.masked import masked_text
from switchman.webui.view import parse_view, reading_address

AT_A_TIME = 3  # exports; the dashboard has eight threads, and a slow reader holds one
MOST_COUNTED = 1_000_000
ROWS = "X-Switchman-Rows"
_SLOTS = "switchman_exports"
_LEFT_OUT = frozenset({"seq"})  # a number of the database's own
COLUMNS = tuple(field.name for field in fields(RequestRow) if field.name not in _LEFT_OUT)

blueprint = Blueprint("exports", __name__)
Lines = Callable[[Queries, Filters, str], Iterator[str]]


@blueprint.record_once
def set_up(state: BlueprintSetupState) -> None:
    state.app.extensions[_SLOTS] = BoundedSemaphore(AT_A_TIME)


@blueprint.get("/requests.csv")
@least(Role.VIEWER)
def as_csv() -> Response:
    """One line a request, for a spreadsheet."""
    return download(csv_lines, "csv", "text/csv")


@blueprint.get("/requests.jsonl")
@least(Role.VIEWER)
def as_jsonl() -> Response:
    """One JSON object a line: all that is known of a request, with its attempts, its trace, its heads and bodies."""
    return download(json_lines, "jsonl", "application/x-ndjson")


@blueprint.get("/requests.har")
@least(Role.VIEWER)
def as_har() -> Response:
    """For browsers' network panels, and mitmproxy."""
    return download(har_lines, "har", "application/json")


@blueprint.get("/api/requests/count")
@least(Role.VIEWER)
def api_count() -> Response:
    """How many requests an export has; `more`: there are more than were counted."""
    with reading_address():
        count = log().count_requests(parse_view(request.args).filters, MOST_COUNTED + 1)
    return jsonify(count=min(count, MOST_COUNTED), more=count > MOST_COUNTED)


def download(lines: Lines, ending: str, kind: str) -> Response:
    """The file. How many rows it has is in its head, where they could be counted."""
    queries, config = log(), web_config()
    with reading_address():
        filters = parse_view(request.args).filters
        count = queries.count_requests(filters, MOST_COUNTED + 1)
    slots: BoundedSemaphore = current_app.extensions[_SLOTS]
    if not slots.acquire(blocking=False):
        told = gettext("%(count)s exports are being made. Try again when one of them is done.", count=AT_A_TIME)
        abort(503, told)
    hide = config.keys().hide
    base = config.proxy_url
    written = (hide(shown(line).encode()) for line in lines(queries, filters, base))
    answer = Response(written, mimetype=kind, direct_passthrough=False)
    answer.call_on_close(slots.release)
    at = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%d-%H%M%S")
    answer.headers["Content-Disposition"] = f"attachment; filename=switchman-requests-{at}.{ending}"
    if count <= MOST_COUNTED:
        answer.headers[ROWS] = str(count)
    return answer


def rows(queries: Queries, filters: Filters) -> Iterator[RequestRow]:
    """All that is filtered, in the order of the list."""
    before = None
    while True:
        page = queries.list_requests(filters, before, MAX_ROWS)
        yield from page.rows
        if (before := page.next) is None:
            return


def csv_lines(queries: Queries, filters: Filters, base: str) -> Iterator[str]:
    yield csv_line(COLUMNS)
    for row in rows(queries, filters):
        yield csv_line([csv_cell(value) for value in values_of(row).values()])


def json_lines(queries: Queries, filters: Filters, base: str) -> Iterator[str]:
    for row in rows(queries, filters):
        if (detail := queries.get_request(row.id)) is None:
            continue
        whole = values_of(detail.row) | {
            name: value
            for name, value in asdict(detail).items()
            if name not in ("row", "request_body", "response_body")
        }
        for side in ("request", "response"):
            content = queries.body(row.id, side)
            whole[f"{side}_body"] = text_of(content)
            whole[f"{side}_body_state"] = content.info.state if content is not None else "gone"
        yield dumps(whole) + "\n"


def har_lines(queries: Queries, filters: Filters, base: str) -> Iterator[str]:
    creator = {"name": "Switchman", "version": version("switchman")}
    yield f'{{"log":{{"version":"1.2","creator":{json.dumps(creator)},"entries":['
    between = ""
    for row in rows(queries, filters):
        if (detail := queries.get_request(row.id)) is None:
            continue
        bodies = [content.data if (content := queries.body(row.id, side)) else None for side in ("request", "response")]
        yield between + dumps(har.entry(detail, base, *bodies))
        between = ",\n"
    yield "]}}\n"


def values_of(row: RequestRow) -> dict[str, Any]:
    """A row's values as exports have them: times as ISO 8601, kinds of content by name."""
    values = {name: getattr(row, name) for name in COLUMNS}
    return values | {"started_at": iso(row.started_at), "modality": list(kinds_in(row.modality))}


def text_of(content: Content | None) -> str | None:
    """A body as text, with what is no UTF-8 replaced, and secrets masked."""
    return None if content is None or content.data is None else masked_text(decoded(content.data))


def csv_cell(value: Any) -> str:
    if isinstance(value, list):
        value = " ".join(value)
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return cell(value) if isinstance(value, str) else "" if value is None else str(value)


def csv_line(values: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()
