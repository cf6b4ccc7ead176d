"""/metrics: the numbers of all workers for Prometheus. Whoever may see the dashboard may read it, by a token, too."""

from __future__ import annotations

from flask import Blueprint, Response, abort, current_app, request

from switchman.addons.core.access.roles import Role
from switchman.webui.access.people import web_config
from switchman.webui.access.roles import least
from switchman.webui.looks.marked import N_

blueprint = Blueprint("metrics", __name__)

OFF = N_("There are no metrics here: METRICS is off, or this dashboard runs without `switchman serve`.")


@blueprint.get("/metrics")
@least(Role.VIEWER)
def exposition() -> Response:
    """In the form that the scraper's Accept asks for."""
    exposed = web_config().metrics
    if exposed is None:
        abort(404, OFF)
    text, content_type = exposed(request.headers.get("Accept", ""))
    answer: Response = current_app.response_class(text, content_type=content_type)
    return answer
