"""Sending a request again, the same or edited, to the same or another target: the form, how far it is, side by side."""

from __future__ import annotations

import secrets
import time
from typing import Any, NamedTuple

from flask import Blueprint, Response, abort, current_app, jsonify, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask_babel import gettext, pgettext
from werkzeug.wrappers import Response as BaseResponse

from switchman.addons.core.access.roles import Role
from switchman.addons.core.dialects.passing.conversation import answered
from switchman.addons.store.keeping.beside.remarks import SentAgain
from switchman.addons.store.reading.found import Detail
from switchman.webui.access.people import person, web_config
from switchman.webui.access.roles import least
from switchman.webui.access.viewing import log
from switchman.webui.admin.asking.owntoken import NoToken, own_token
from switchman.webui.admin.asking.sending import Full, Job, Sending
from switchman.webui.admin.changes import who
from switchman.webui.config import AT_STOP
from switchman.webui.languages.shown import translated
from switchman.webui.looks.marked import N_
from switchman.webui.looks.outcomes import answered_by
from switchman.webui.pages.story.again.outgoing import NotSent, outgoing, problem_of, text_of, with_model
from switchman.webui.pages.story.bodies import readable
from switchman.webui.pages.story.detail import body_of, find, frame, story_note
from switchman.webui.pages.story.said.conversation import MOST_READ, read_answer
from switchman.webui.pages.story.said.turns import replies_of

MOST_FORM = 1_000_000  # bytes: an edited body as a form has it
MOST_PROGRESS = 4_000  # characters of an answer that is under way
LONGEST_TARGET = 300
_EXTENSION = "switchman_again"

blueprint = Blueprint("again", __name__, template_folder=".")


class Side(NamedTuple):
    """One of two answers. `detail` None: it is not written yet, or no longer kept."""

    name: str
    detail: Detail | None
    by: str | None
    replies: Any
    error: str | None
    note: str


@blueprint.record_once
def prepare(state: BlueprintSetupState) -> None:
    jobs = Sending()
    state.app.extensions[_EXTENSION] = jobs
    state.app.extensions.setdefault(AT_STOP, []).append(jobs.stop)


@blueprint.url_value_preprocessor
def take_longer_forms(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Before anybody reads the form: the guard looks for our word in it."""
    if endpoint == "again.send":
        request.max_content_length = request.max_form_memory_size = MOST_FORM


def sending() -> Sending:
    found: Sending = current_app.extensions[_EXTENSION]
    return found


@blueprint.get("/request/<path:request_id>/again")
@least(Role.OPERATOR)
def form(request_id: str) -> str:
    return form_page(find(request_id))


def form_page(detail: Detail, typed: dict[str, str] | None = None, problem: str | None = None) -> str:
    content = body_of(detail.row.id, "request")
    body = content.data if content is not None and content.data is not None else b""
    text = text_of(detail, body)
    return render_template(
        "again_form.html",
        **frame(detail, "again"),
        cannot=translated(problem_of(detail, content) or ""),
        text=text,
        typed=typed or {"target": "", "body": text or "", "cached": ""},
        problem=problem,
        targets=targets(detail),
        captured=content.info.capture if content is not None else "",
        earlier=log().remarks.sent_of(detail.row.id),
        wants_tokens=web_config().wants_tokens,
    )


def targets(detail: Detail) -> list[str]:
    """What a model can be chosen from: this one's targets, the rules' aliases, and the models of the log."""
    own = [f"{one.server}/{one.model}" for one in detail.attempts if one.model]
    rules = web_config().ruleset()
    aliases = sorted(rules.aliases) if rules is not None else []
    servers = sorted(rules.servers) if rules is not None else list(log().values("server"))
    models = [str(model) for model in log().values("model")]
    at_servers = [f"{server}/{detail.row.model}" for server in servers if detail.row.model]
    return list(dict.fromkeys([*own, "auto", *aliases, *models, *at_servers]))[:300]


@blueprint.post("/request/<path:request_id>/again")
@least(Role.OPERATOR)
def send(request_id: str) -> BaseResponse:
    """Send it, and go to the page of both."""
    detail = find(request_id)
    content = body_of(detail.row.id, "request")
    if (problem := problem_of(detail, content)) is not None:
        abort(409, translated(problem))
    assert content is not None
    body = content.data or b""
    typed = {name: request.form.get(name, "") for name in ("target", "body", "cached")}
    target = typed["target"].strip()[:LONGEST_TARGET]
    offered = text_of(detail, body) is not None
    edited = typed["body"] if offered and "body" in request.form else None
    config = web_config()
    try:
        out = outgoing(detail, body, edited, target, cached=bool(typed["cached"]))
        token = own_token().text(config.access, who("page")) if config.wants_tokens else None
    except (NotSent, NoToken) as error:
        return Response(form_page(detail, typed, gettext(error.text, **error.values)), 422)
    again = SentAgain(
        secrets.token_hex(10),
        detail.row.id,
        None,
        person().name,
        time.time(),
        target or detail.row.requested_model,
        edited=edited is not None and out.body != body and not _is_only_renamed(body, target, out.body),
    )
    remarks = log().remarks
    job = Job(again.id, detail.row.dialect, detail.row.operation, lambda **values: remarks.note(again.id, **values))
    remarks.begin(again)
    if config.access is not None:
        told = {"target": again.target, "edited": again.edited, "as": again.id}
        config.access.audit.record(who("page"), "request.again", detail.row.id, None, told)
    try:
        sending().start(job, config.proxy_url, out, token)
    except Full:
        remarks.note(again.id, error="As many were sent as may be at a time.")
        return Response(
            form_page(detail, typed, gettext("As many are being sent as may be at a time: wait for one of them.")), 429
        )
    return redirect(url_for("again.page", again_id=again.id), 303)


def _is_only_renamed(body: bytes, target: str, sent: bytes) -> bool:
    return bool(target) and with_model(body, target) == sent


@blueprint.get("/again/<again_id>")
@least(Role.VIEWER)
def page(again_id: str) -> str:
    """Both answers side by side; while the second one comes, how far it is."""
    again = find_again(again_id)
    job = sending().find(again.id)
    first, second = (
        side_of(pgettext("answer", "First"), again.origin_id),
        side_of(pgettext("answer", "Again"), again.request_id),
    )
    return render_template(
        "again.html",
        page="requests",
        again=again,
        job=job if job is not None and not job.is_over else None,
        just_over=job is not None and job.is_over,
        sides=(first, second),
        rows=compared(first.detail, second.detail),
        may_send=person().role >= Role.OPERATOR,
    )


@blueprint.get("/api/again/<again_id>")
@least(Role.VIEWER)
def api_progress(again_id: str) -> Response:
    """How far it is, for the page. `written`: both can be shown."""
    again = find_again(again_id)
    job = sending().find(again.id)
    request_id = (job.request_id if job is not None else None) or again.request_id
    written = request_id is not None and log().get_request(request_id) is not None
    told: dict[str, Any] = {"request_id": request_id, "written": written, "error": again.error, "state": "over"}
    if job is not None:
        told |= {
            "state": job.state,
            "over": job.is_over,
            "status": job.status,
            "received": job.received,
            "seconds": round(job.seconds, 1),
            "error": job.error,
            "text": begun_text(job) if person().sees_bodies else "",
        }
    return jsonify(told)


def begun_text(job: Job) -> str:
    """How its answer begins."""
    found = answered(job.dialect, job.operation, bytes(job.kept))
    if found is None or not found.reply.choices:
        return ""
    return "".join(getattr(part, "text", "") for part in found.reply.choices[0].parts)[:MOST_PROGRESS]


@blueprint.post("/again/<again_id>/cancel")
@least(Role.OPERATOR)
def cancel(again_id: str) -> BaseResponse:
    sending().cancel(find_again(again_id).id)
    return redirect(url_for("again.page", again_id=again_id), 303)


def find_again(again_id: str) -> SentAgain:
    found = log().remarks.again(again_id)
    if found is None:
        told = N_("Nothing was sent again by the id %(id)s, or its first request is no longer kept.")
        abort(404, gettext(told, id=repr(again_id)))
    return found


def side_of(name: str, request_id: str | None) -> Side:
    detail = log().get_request(request_id) if request_id is not None else None
    if detail is None:
        return Side(name, None, None, (), None, "")
    content = body_of(detail.row.id, "response")
    answer = read_answer(detail.row, readable(content, MOST_READ))
    return Side(
        name,
        detail,
        answered_by(detail.row),
        replies_of(answer, gettext) if answer is not None else (),
        answer.error if answer is not None else None,
        "" if answer is not None else story_note(content, "response", MOST_READ),
    )


class Compared(NamedTuple):
    """A fact of both. `kind`: the filter that formats it."""

    name: str
    kind: str
    first: Any
    again: Any


def compared(first: Detail | None, again: Detail | None) -> list[Compared]:
    """The figures of both; None where one is not there."""
    facts = (
        (gettext("Took"), "duration", "duration_ms"),
        (gettext("First token"), "duration", "ttft_ms"),
        (gettext("Tokens in"), "count", "input_tokens"),
        (gettext("Tokens out"), "count", "output_tokens"),
        (gettext("Cached tokens"), "count", "cached_tokens"),
        (gettext("Reasoning tokens"), "count", "reasoning_tokens"),
        (gettext("Tokens a second"), "rate", "tokens_per_second"),
        (gettext("Cost"), "money", "cost_microdollars"),
    )
    rows = [first.row if first is not None else None, again.row if again is not None else None]
    return [
        Compared(name, kind, *(getattr(row, field) if row is not None else None for row in rows))
        for name, kind, field in facts
    ]
