"""Feedback on a request: thumbs and a note, of people and of the programs that asked.

`/api/feedback` takes an operator's sign-in, or the API token that the request came with: a program may judge what it
was answered itself, and nothing else. To it, a request of anybody else is none that there is.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from flask import Blueprint, Response, abort, g, jsonify, redirect, request, url_for
from flask_babel import gettext
from pydantic import ValidationError
from werkzeug.wrappers import Response as BaseResponse

from switchman.addons.core.access.roles import Role
from switchman.addons.core.texts.unicode import read_json
from switchman.addons.store.keeping.beside.remarks import Feedback
from switchman.webui.access import guard
from switchman.webui.access.callers import caller, remarks
from switchman.webui.access.people import NotAccepted, Person, person
from switchman.webui.access.roles import SAFE_METHODS, least, public
from switchman.webui.admin.api import faults
from switchman.webui.looks.marked import N_
from switchman.webui.pages.feedback.given import Given

blueprint = Blueprint("feedback", __name__)


class Speaker(NamedTuple):
    """Who says it. `token_id`: of the API token that it came with, None for a person."""

    name: str
    token_id: str | None


@blueprint.post("/request/<path:request_id>/feedback")
@least(Role.OPERATOR)
def say(request_id: str) -> BaseResponse:
    """What the form of the request's page sends; `verdict=none` takes it back."""
    said = request.form.get("verdict", "")
    if said == "none":
        remarks().take_back(request_id, person().name)
    else:
        given = {"request_id": request_id, "verdict": said, "note": request.form.get("note", "")}
        if said == "bad" and request.form.get("should_be", "").strip():
            given["should_be"] = request.form["should_be"]
        try:
            keep(Speaker(person().name, None), Given.model_validate(given))
        except ValidationError as error:
            abort(422, " ".join(f"{name}: {why}" if name else why for name, why in faults(error)))
    return redirect(url_for("detail.story", request_id=request_id, said=said) + "#feedback", 303)


@blueprint.post("/api/feedback")
@public  # who may is looked at in speaker()
def api_say() -> Response:
    """Keep what is said, in the place of what the same one said of it before."""
    found = speaker()
    if isinstance(found, Response):
        return found
    try:
        body = read_json(request.get_data()) if request.is_json else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        abort(400, "Send one JSON object, with Content-Type: application/json.")
    try:
        said = keep(found, Given.model_validate(body))
    except ValidationError as error:
        answer = jsonify(error="Some fields are not as they must be.", fields=faults(error))
        answer.status_code = 422
        return answer
    return jsonify(request_id=said.request_id, verdict=said.verdict, who=said.who)


@blueprint.delete("/api/feedback/<path:request_id>")
@public  # as above
def api_take_back(request_id: str) -> Response:
    """Delete what the same one has said of it."""
    found = speaker()
    if isinstance(found, Response):
        return found
    if not is_theirs(found, request_id) or not remarks().take_back(request_id, found.name):
        abort(404, "There is no feedback of yours on a request with this id.")
    return jsonify(request_id=request_id)


def speaker() -> Speaker | Response:
    """Who sends this, or what they are answered who may not."""
    try:
        token = caller()
    except NotAccepted as error:
        return guard.refusal(error.status, N_("Not accepted"), str(error), error.words())
    if token is not None:
        return Speaker(f"token {token.name}", token.id)
    found: Person | None = g.get("person")
    if found is None:
        return guard.sign_in_needed()
    if found.role < Role.OPERATOR:
        return guard.not_for(found, Role.OPERATOR)
    if request.method not in SAFE_METHODS and not guard.is_own_change(found):
        return guard.refusal(
            403,
            gettext("This page is too old"),
            gettext("Load the page again: what it sent has no word of ours (CSRF)."),
        )
    return Speaker(found.name, None)


def is_theirs(who: Speaker, request_id: str) -> bool:
    return who.token_id is None or remarks().token_of(request_id) == who.token_id


def keep(who: Speaker, given: Given) -> Feedback:
    assert given.verdict is not None
    said = Feedback(
        given.request_id,
        who.name,
        time.time(),
        given.verdict,
        given.note,
        given.should_be or None,
        by_token=who.token_id is not None,
    )
    if not is_theirs(who, given.request_id) or not remarks().say(said):
        if who.token_id is not None:
            abort(404, "There is no request with this id that came with this token: it may have been too old to keep.")
        abort(404, gettext("There is no request with this id: it may have been too old to keep."))
    return said
