"""The language that somebody chooses in the foot of a page: kept in a cookie of the browser."""

from __future__ import annotations

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from switchman.webui.access.roles import public
from switchman.webui.access.targets import local_target
from switchman.webui.languages.choice import COOKIE, LANGUAGES

KEPT = 365 * 86_400  # seconds

blueprint = Blueprint("languages", __name__)


@blueprint.post("/language")
@public
def choose() -> Response:
    """Back to the page it was chosen on, in that language. Nothing but the browser's own cookie changes."""
    answer = redirect(local_target(request.form.get("next", "")), 303)
    wanted = request.form.get("language", "")
    if wanted in LANGUAGES:
        answer.set_cookie(COOKIE, wanted, max_age=KEPT, httponly=True, samesite="Lax", secure=request.is_secure)
    return answer
