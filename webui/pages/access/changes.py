"""`/audit`: who changed what, newest first."""

from __future__ import annotations

import csv
import io
from typing import Any, NamedTuple

from flask import Blueprint, Response, abort, make_response, render_template, request, url_for
from flask_babel import gettext

from switchman.addons.core.access.roles import Role
from switchman.addons.core.texts.unicode import dumps
from switchman.addons.store.access.audit import MOST_SHOWN, Line
from switchman.webui.access.roles import least
from switchman.webui.admin.changes import access
from switchman.webui.looks import formats
from switchman.webui.looks.marked import N_

PAGE_ROWS = 50
MOST_EXPORTED = 20_000
WORDS = {"page": N_("on a page"), "api": N_("by the API"), "cli": N_("on the command line")}

blueprint = Blueprint("changes", __name__, template_folder=".")


def way(how: str) -> str:
    """How a change was made, in words."""
    return gettext(WORDS[how]) if how in WORDS else how


class Field(NamedTuple):
    """A field that a change was about, before and after, as text."""

    name: str
    before: str
    after: str


@blueprint.get("/audit")
@least(Role.ADMIN)
def index() -> str:
    """`before` is the cursor of an older page."""
    wanted = request.args.get("before", "")
    if wanted and not (wanted.isascii() and wanted.isdecimal() and len(wanted) < 16):
        abort(400, N_("The address cannot be read: `before` is a number that a page gave."))
    found = access().audit.list(int(wanted) if wanted else None, PAGE_ROWS)
    return render_template(
        "changes.html",
        page="changes",
        audit_days=f"{access().audit.days:g}",
        rows=[(line, way(line.how), fields_of(line)) for line in found.lines],
        first_page=not wanted,
        older_url=url_for("changes.index", before=found.next) if found.next is not None else None,
    )


@blueprint.get("/audit.csv")
@least(Role.ADMIN)
def as_csv() -> Response:
    """The newest lines as a table, for a spreadsheet."""
    lines: list[Line] = []
    before: int | None = None
    while len(lines) < MOST_EXPORTED:
        found = access().audit.list(before, MOST_SHOWN)
        lines += found.lines
        if (before := found.next) is None:
            break
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("time", "who", "role", "address", "how", "what", "target", "before", "after"))
    for line in lines:
        told_values = (line.who, line.role, line.address, line.how, line.what, line.target)
        writer.writerow(map(formats.cell, (formats.iso(line.at), *told_values, told(line.before), told(line.after))))
    answer = make_response(text.getvalue())
    answer.mimetype = "text/csv"
    answer.headers["Content-Disposition"] = "attachment; filename=changes.csv"
    return answer


def fields_of(line: Line) -> list[Field]:
    """What is another one after the change; all that was made or that is gone."""
    before, after = (value if isinstance(value, dict) else {"": value} for value in (line.before, line.after))
    names = dict.fromkeys((*before, *after))
    return [
        Field(name, told(before.get(name)), told(after.get(name)))
        for name in names
        if before.get(name) != after.get(name)
    ]


def told(value: Any) -> str:
    if value is None or value == []:
        return ""
    return value if isinstance(value, str) else dumps(value, spaced=True)
