"""`/request/<id>/changes`: what each attempt's request has that the client's had not, and the other way round."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask_babel import gettext

from switchman.addons.core.access.roles import Role
from switchman.webui.access.people import web_config
from switchman.webui.access.roles import least
from switchman.webui.pages.story.bodies import readable
from switchman.webui.pages.story.changed.differing import MOST_DIFFED, difference
from switchman.webui.pages.story.detail import body_note, body_of, candidate_name, find, frame

MOST_READ = 16_000_000  # bytes of a body of which single values are looked up
MOST_ATTEMPTS = 10  # each with a difference of its own

blueprint = Blueprint("changed", __name__, template_folder=".")


@blueprint.get("/request/<path:request_id>/changes")
@least(Role.VIEWER)
def page(request_id: str) -> str:
    detail = find(request_id)
    content = body_of(detail.row.id, "request")
    whole = content is not None and not content.info.truncated and not content.info.capture
    body = readable(content, MOST_READ) if whole else None
    rules = web_config().ruleset()
    return render_template(
        "changed.html",
        **frame(detail, "changes"),
        found=[
            (one, candidate_name(one), difference(detail.row, one, body, rules, gettext))
            for one in detail.attempts[:MOST_ATTEMPTS]
        ],
        more=max(0, len(detail.attempts) - MOST_ATTEMPTS),
        has_body=body is not None,
        too_long=body is not None and len(body) > MOST_DIFFED,
        note=body_note(content.info, "request") if content is not None else "",
    )
