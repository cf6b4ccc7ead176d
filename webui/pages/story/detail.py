"""One request: `/request/<id>` as a story, and its bytes one tab away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal, NamedTuple

from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request, url_for
from flask_babel import gettext, pgettext

from switchman.addons.core.access.prices.price import Price
from switchman.addons.core.access.roles import Role
from switchman.addons.core.dialects.neutral.form import Usage
from switchman.addons.core.dialects.passing import conversation
from switchman.addons.store.reading.found import AttemptRow, BodyInfo, Content, Detail, RequestRow
from switchman.webui.access.people import person, web_config
from switchman.webui.access.roles import least
from switchman.webui.access.viewing import log
from switchman.webui.languages.shown import look_of, translated
from switchman.webui.looks.formats import size
from switchman.webui.looks.marked import N_
from switchman.webui.looks.outcomes import answered_by
from switchman.webui.pages.story.bodies import readable, show
from switchman.webui.pages.story.costs import costs_of
from switchman.webui.pages.story.ladder import rungs
from switchman.webui.pages.story.story import answered, read_prompt

MOST_READ = 2_000_000  # bytes of a body that the story is read from
NOT_ANSWERED_BY_A_SERVER = frozenset({"failed", "refused", "answered"})
Side = Literal["request", "response"]
SIDES: tuple[Side, ...] = ("request", "response")

blueprint = Blueprint("detail", __name__, template_folder=".")


class Tab(NamedTuple):
    word: str
    url: str
    current: bool


class Bar(NamedTuple):
    """An attempt on the scale of the whole request: begin, connecting, waiting, answering and end in percent of its
    width."""

    attempt: AttemptRow
    target: str
    good: bool
    begin_ms: float
    begin: float
    connecting: float
    waiting: float
    answering: float
    end: float


@blueprint.get("/request/<path:request_id>")
@least(Role.VIEWER)
def story(request_id: str) -> str:
    """The page; `view=request` and `view=response` show the bytes."""
    detail = find(request_id)
    wanted = request.args.get("view")
    if wanted == "request":
        return bytes_page(detail, "request")
    if wanted == "response":
        return bytes_page(detail, "response")
    return story_page(detail)


@blueprint.get("/api/request/<path:request_id>")
@least(Role.VIEWER)
def api_request(request_id: str) -> Response:
    """All that is known of the request, without its bodies, as JSON."""
    found = find(request_id)
    said = [asdict(one) for one in log().remarks.said_of(found.row.id)]
    return jsonify(asdict(found) | {"feedback": said})


@blueprint.get("/api/body/<side>/<path:request_id>")
@least(Role.VIEWER)
def api_body(side: str, request_id: str) -> Response:
    """A body's bytes, always as a download: what a model wrote is never shown as a page of ours."""
    content = body_of(request_id, "request" if side == "request" else "response") if side in SIDES else None
    if content is not None and content.info.state == "hidden":
        abort(403, gettext("Bodies are hidden from viewers: VIEWERS_SEE_BODIES says so."))
    if content is None or content.data is None:
        why = body_note(content.info, "request" if side == "request" else "response") if content is not None else ""
        abort(404, f"{gettext('This body is not kept.')} {why}".strip())
    answer = make_response(content.data)
    answer.mimetype = "application/octet-stream"
    answer.headers["Content-Disposition"] = f"attachment; filename={side}-body.bin"
    return answer


def find(request_id: str) -> Detail:
    detail = log().get_request(request_id)
    if detail is None:
        told = gettext("There is no request with the id %(id)s: it may have been too old to keep.", id=repr(request_id))
        abort(404, told)
    return detail


def body_of(request_id: str, side: Side) -> Content | None:
    return log().body(request_id, side)


# By what became of a body, and whose it is.
_NOTES = {
    ("none", "request"): N_("The request had no body."),
    ("none", "response"): N_("The response had no body."),
    ("gone", "request"): N_("The request body is no longer kept: it was too old, or the store too full."),
    ("gone", "response"): N_("The response body is no longer kept: it was too old, or the store too full."),
    ("hidden", "request"): N_("The request body is hidden from viewers: VIEWERS_SEE_BODIES says so."),
    ("hidden", "response"): N_("The response body is hidden from viewers: VIEWERS_SEE_BODIES says so."),
}
# By whose it is, and whether it could not be looked into.
_UNCAPTURED = {
    ("request", False): N_("The request body was not captured: %(capture)s."),
    ("response", False): N_("The response body was not captured: %(capture)s."),
    ("request", True): N_(
        "The request body was not captured: %(capture)s and nobody can look into it for what is private."
    ),
    ("response", True): N_(
        "The response body was not captured: %(capture)s and nobody can look into it for what is private."
    ),
}


def body_note(info: BodyInfo, side: Side) -> str:
    """Why a body is not shown, or not wholly; "" where there is nothing to say."""
    if (why := _NOTES.get((info.state, side))) is not None:
        return translated(why)
    if info.state == "uncaptured":
        return str(gettext(_UNCAPTURED[side, "=metadata" not in info.capture], capture=info.capture))
    notes = [gettext("Only the beginning of this body is kept.")] if info.truncated else []
    if info.capture:
        notes.append(gettext("What is private was replaced before it was stored: %(capture)s.", capture=info.capture))
    return " ".join(notes)


def story_note(content: Content | None, side: Side, most: int = MOST_READ) -> str:
    """Why the story says nothing of a body."""
    if content is not None and (note := body_note(content.info, side)):
        return note
    if content is not None and content.data is not None and len(content.data) > most:
        found = size(len(content.data))
        if side == "request":
            return str(gettext("The body is %(size)s, too long to be read here; see the Request tab.", size=found))
        return str(gettext("The body is %(size)s, too long to be read here; see the Response tab.", size=found))
    if side == "request":
        return str(gettext("This page finds no message in the body; see the Request tab."))
    return str(gettext("This page finds no text in the body; see the Response tab."))


def story_page(detail: Detail) -> str:
    row = detail.row
    bodies = {side: body_of(row.id, side) for side in SIDES}
    texts = {side: readable(content, MOST_READ) for side, content in bodies.items()}
    notes = {side: story_note(content, side) for side, content in bodies.items()}
    prompt = read_prompt(texts["request"])
    last = prompt.messages[-1].text if prompt and prompt.messages else ""
    by = None if row.outcome in NOT_ANSWERED_BY_A_SERVER else answered_by(row)
    ladder = rungs(detail, log(), last)
    return render_template(
        "story.html",
        **frame(detail, "story"),
        prompt=prompt,
        answered=answered(texts["response"]),
        request_url=view_url(detail, view="request"),
        response_url=view_url(detail, view="response"),
        request_note=notes["request"],
        response_note=notes["response"],
        rungs=ladder,
        kept_from=next((line.found for line in ladder if line.found and line.outcome == "hit"), None),
        bars=bars(detail),
        look=look_of(row.outcome),
        costs=costs_of(row, usage_in(row, texts["response"]), price_of(row)),
        said=(said := log().remarks.said_of(row.id)),
        own=next((one for one in said if one.who == person().name and not one.by_token), None),
        may_say=person().role >= Role.OPERATOR,
        origin=log().remarks.origin_of(row.id),
        toast=toast_of(request.args.get("said", "")),
        by=by,
        client_url=url_for("live.index", client=row.client, range="all"),
        layer_url=row.layer and url_for("live.index", layer=row.layer, range="all"),
        first_target=(candidate_name(detail.attempts[0]) if detail.attempts else None) or by,
        route_url=row.route and url_for("live.index", route=row.route, range="all"),
    )


def toast_of(said: str) -> str | None:
    """What the page says once after somebody said what they think of it."""
    words = {
        "good": gettext("Kept: it was good"),
        "bad": gettext("Kept: it was bad"),
        "none": pgettext("feedback", "Taken back"),
    }
    return words.get(said)


def usage_in(row: RequestRow, body: bytes | None) -> Usage | None:
    """What the stored answer tells of its usage."""
    found = conversation.answered(row.dialect, row.operation, body) if body is not None else None
    return found.reply.usage if found is not None else None


def price_of(row: RequestRow) -> Price | None:
    """What the model costs at the server that answered, by the rules as they are now."""
    rules = web_config().ruleset()
    server = rules.servers.get(row.server or "") if rules is not None else None
    return rules.price_for(server, row.model or row.requested_model) if rules is not None and server else None


def frame(detail: Detail, view: str) -> dict[str, Any]:
    """The frame that all three views share."""
    tabs = [
        Tab(gettext("Story"), view_url(detail), view == "story"),
        Tab(gettext("Conversation"), url_for("conversation.page", request_id=detail.row.id), view == "conversation"),
        Tab(pgettext("in a request", "Changes"), url_for("changed.page", request_id=detail.row.id), view == "changes"),
        Tab(gettext("Request"), view_url(detail, view="request"), view == "request"),
        Tab(gettext("Response"), view_url(detail, view="response"), view == "response"),
    ]
    tabs.append(Tab(gettext("Copy"), url_for("copies.page", request_id=detail.row.id), view == "copy"))
    if person().role >= Role.OPERATOR:
        tabs.append(Tab(gettext("Send again"), url_for("again.form", request_id=detail.row.id), view == "again"))
    return {"page": "requests", "detail": detail, "row": detail.row, "tabs": tabs}


def view_url(detail: Detail, **arguments: Any) -> str:
    return url_for("detail.story", request_id=detail.row.id, **arguments)


def bytes_page(detail: Detail, side: Side) -> str:
    content = body_of(detail.row.id, side)
    data = content.data if content else None
    shown = show(data, bool(request.args.get("indent"))) if data is not None else None
    info = content.info if content else BodyInfo("gone", None, False)
    return render_template(
        "bytes.html",
        **frame(detail, side),
        side=side,
        pairs=detail.request_headers if side == "request" else detail.response_headers,
        left_out=detail.request_left_out if side == "request" else detail.response_left_out,
        note=body_note(info, side),
        shown=shown,
        info=info,
        plain_url=view_url(detail, view=side),
        pretty_url=view_url(detail, view=side, indent="1"),
        download_url=url_for("detail.api_body", side=side, request_id=detail.row.id),
    )


def candidate_name(attempt: AttemptRow) -> str:
    return f"{attempt.server}/{attempt.model}" if attempt.model else attempt.server


def bars(detail: Detail) -> list[Bar]:
    return [bar(attempt, detail.row.started_at, whole_ms(detail)) for attempt in detail.attempts]


def whole_ms(detail: Detail) -> float:
    """Milliseconds that are 100 % of the waterfall: the request's, or its last attempt's end where that is later."""
    start = detail.row.started_at
    ends: Sequence[float] = [(attempt.started_at - start) * 1000 + attempt.duration_ms for attempt in detail.attempts]
    return max([detail.row.duration_ms, *ends, 0.001])


def bar(attempt: AttemptRow, start: float, whole: float) -> Bar:
    begin_ms = max(0.0, (attempt.started_at - start) * 1000)
    good = attempt.outcome == "ok"
    first_byte = attempt.first_byte_ms if attempt.first_byte_ms is not None else attempt.duration_ms
    connecting = min(attempt.connect_ms or 0.0, first_byte, attempt.duration_ms)
    waiting = min(first_byte, attempt.duration_ms) - connecting
    return Bar(
        attempt=attempt,
        target=candidate_name(attempt),
        good=good,
        begin_ms=begin_ms,
        begin=round(begin_ms / whole * 100, 2),
        connecting=round(connecting / whole * 100, 2),
        waiting=round(waiting / whole * 100, 2),
        answering=round((attempt.duration_ms - connecting - waiting) / whole * 100, 2),
        end=round(min((begin_ms + attempt.duration_ms) / whole * 100, 99.0), 2),
    )
