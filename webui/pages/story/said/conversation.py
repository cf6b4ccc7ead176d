"""`/request/<id>/conversation`: who said what, calls with their results, thoughts folded; the answer last."""

from __future__ import annotations

from flask import Blueprint, Response, abort, make_response, render_template, request, url_for
from flask_babel import gettext

from switchman.addons.core.access.roles import Role
from switchman.addons.core.dialects.neutral.form import Request
from switchman.addons.core.dialects.passing.conversation import Answered, answered, asked
from switchman.addons.store.reading.found import RequestRow
from switchman.webui.access.roles import least
from switchman.webui.pages.story.bodies import readable
from switchman.webui.pages.story.detail import body_of, find, frame, story_note
from switchman.webui.pages.story.said.turns import page_of, plain, replies_of

MOST_READ = 16_000_000  # bytes of a body that is taken apart; what is stored is less, unless MAX_BLOB_SIZE says more

blueprint = Blueprint("conversation", __name__, template_folder=".")


@blueprint.get("/request/<path:request_id>/conversation")
@least(Role.VIEWER)
def page(request_id: str) -> str:
    """The page; `from` is the number of the first message on it."""
    detail = find(request_id)
    row, notes = detail.row, {}
    first = request.args.get("from", type=int)
    bodies = {side: body_of(row.id, side) for side in ("request", "response")}
    said = read_request(row, readable(bodies["request"], MOST_READ))
    answer = read_answer(row, readable(bodies["response"], MOST_READ))
    notes = {side: story_note(bodies[side], side, MOST_READ) for side in ("request", "response")}
    return render_template(
        "conversation.html",
        **frame(detail, "conversation"),
        part=page_of(said, first, gettext) if said is not None else None,
        tools=[tool.name for tool in said.tools or ()][:200] if said is not None else [],
        answer=answer,
        replies=replies_of(answer, gettext) if answer is not None else (),
        notes=notes,
        here=lambda start: url_for("conversation.page", request_id=row.id, **{"from": start}),
    )


@blueprint.get("/request/<path:request_id>/message/<int:number>")
@least(Role.VIEWER)
def message(request_id: str, number: int) -> Response:
    """The whole text of one message, as a download."""
    row = find(request_id).row
    content = body_of(row.id, "request")
    if content is not None and content.info.state == "hidden":
        abort(403, gettext("Bodies are hidden from viewers: VIEWERS_SEE_BODIES says so."))
    said = read_request(row, readable(content, MOST_READ))
    if said is None or number >= len(said.messages):
        abort(404, gettext("There is no such message in the body that is kept."))
    answer = make_response(plain(said.messages[number].parts))
    answer.mimetype = "text/plain"
    answer.headers["Content-Disposition"] = f"attachment; filename=message-{number}.txt"
    return answer


def read_request(row: RequestRow, body: bytes | None) -> Request | None:
    return None if body is None else asked(row.dialect, row.operation, body)


def read_answer(row: RequestRow, body: bytes | None) -> Answered | None:
    return None if body is None else answered(row.dialect, row.operation, body)
