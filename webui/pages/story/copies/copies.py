"""`/request/<id>/copy`: the request as a command of curl, as a Python script, and as a HAR file."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

from flask import Blueprint, Response, abort, make_response, render_template, request, url_for
from flask_babel import gettext

from switchman.addons.core.access.roles import Role
from switchman.addons.core.servers.credentials import without_secrets
from switchman.addons.core.texts.unicode import dumps
from switchman.addons.store.reading.found import Content, Detail
from switchman.webui.access.people import web_config
from switchman.webui.access.roles import least
from switchman.webui.looks.masked import masked_text
from switchman.webui.pages.story.copies import curl, python
from switchman.webui.pages.story.copies.har import har
from switchman.webui.pages.story.detail import body_note, body_of, find, frame
from switchman.webui.pages.story.fields import fields_of

MOST_SHOWN: Final = 256_000  # characters of a command that the page shows; all of it can be downloaded
KINDS: Final = {"curl": "curl", "python": "Python"}
NAMES: Final = {"curl": "request.sh", "python": "request.py", "har": "request.har"}
# Where each dialect's clients put their key, and what stands before it.
KEYS: Final = {"anthropic": ("x-api-key", "")}
BEARER: Final = ("authorization", "Bearer ")

blueprint = Blueprint("copies", __name__, template_folder=".")


@blueprint.get("/request/<path:request_id>/copy")
@least(Role.VIEWER)
def page(request_id: str) -> str:
    """The page; `as` is one of KINDS."""
    detail, kind = find(request_id), request.args.get("as", "curl")
    if kind not in KINDS:
        abort(404, no_copy(kind, KINDS))
    content = body_of(detail.row.id, "request")
    body, masked = harmless(content)
    text = written(detail, kind, body) if body is not None else None
    return render_template(
        "copy.html",
        **frame(detail, "copy"),
        kinds=[(word, url_as(detail, name), name == kind) for name, word in KINDS.items()],
        text=text[:MOST_SHOWN] if text is not None else None,
        whole=text is not None and len(text) <= MOST_SHOWN,
        masked=masked,
        key=curl.KEY,
        file_url=url_for("copies.download", kind=kind, request_id=detail.row.id),
        har_url=url_for("copies.download", kind="har", request_id=detail.row.id),
        body_url=url_for("detail.api_body", side="request", request_id=detail.row.id),
        note=body_note(content.info, "request") if content is not None else "",
    )  # fmt: skip


def url_as(detail: Detail, kind: str) -> str:
    values: dict[str, Any] = {"request_id": detail.row.id, "as": kind}
    return url_for("copies.page", **values)


@blueprint.get("/api/copy/<kind>/<path:request_id>")
@least(Role.VIEWER)
def download(kind: str, request_id: str) -> Response:
    """The same as a file; `har` has the answer too."""
    detail = find(request_id)
    if kind not in NAMES:
        abort(404, no_copy(kind, NAMES))
    content = body_of(detail.row.id, "request")
    if kind == "har":
        answer = body_of(detail.row.id, "response")
        bodies = [one.data if one is not None else None for one in (content, answer)]
        log = har(detail, web_config().proxy_url, bodies[0], bodies[1], version("switchman"))
        return as_file(dumps(log, indent=1), NAMES[kind], "application/json")
    body, _ = harmless(content)
    if body is None:
        note = body_note(content.info, "request") if content is not None else gettext("It is no longer kept.")
        abort(404, f"{gettext('There is no body to copy.')} {note}")
    return as_file(written(detail, kind, body), NAMES[kind], "text/plain")


def no_copy(kind: str, known: Iterable[str]) -> str:
    """Why there is no page or file of this kind."""
    return str(
        gettext("There is no copy as %(kind)s: only as %(known)s.", kind=repr(kind[:40]), known=", ".join(known))
    )


def harmless(content: Content | None) -> tuple[bytes | None, bool]:
    """The request's body without credentials in it, and whether there were any. None: it is not kept."""
    if content is None or content.info.state not in ("kept", "none"):
        return None, False
    data = content.data or b""
    if len(data) > curl.MOST_BASE64:
        return data, False  # it is read from a file, and stands in no copy
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data, False
    masked = masked_text(text)
    return (data, False) if masked == text else (masked.encode(), True)


def written(detail: Detail, kind: str, body: bytes) -> str:
    row = detail.row
    path = without_secrets(row.path)
    base, key = web_config().proxy_url, KEYS.get(row.dialect or "", BEARER)
    fields = [field for field in fields_of(detail.request_headers) if not field[0].lower().startswith("x-stainless-")]
    fields = [field for field in fields if field[0].lower() not in ("user-agent", "accept")]
    if kind == "curl":
        return curl.command(row.method, base + path, fields, key, body)
    return python.script(row.dialect, row.operation, row.method, base, path, fields, key, body)


def as_file(text: str, name: str, kind: str) -> Response:
    answer: Any = make_response(text)
    answer.mimetype = kind
    answer.headers["Content-Disposition"] = f"attachment; filename={name}"
    made: Response = answer
    return made
