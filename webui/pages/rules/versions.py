"""The history of the rules file: who changed it, when and why; each version as a diff, and back to it."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request, url_for

from switchman.addons.core.access.roles import Role
from switchman.webui.access.roles import least
from switchman.webui.admin.rules import desk, history, reading, version
from switchman.webui.looks.diffs import counts, diff_lines

PAGE_ROWS = 50
WORDS = {"page": "on a page", "api": "by the API", "cli": "on the command line", "file": "in the file"}

blueprint = Blueprint("rules_versions", __name__, template_folder=".")


@blueprint.get("/rules/history")
@least(Role.OPERATOR)
def index() -> str:
    """`before` is the cursor of an older page."""
    now = reading()
    wanted = request.args.get("before", "")
    if wanted and not (wanted.isascii() and wanted.isdecimal() and len(wanted) < 16):
        abort(400, "The address cannot be read: `before` is a number that a page gave.")
    found = history().list(desk().name, int(wanted) if wanted else None, PAGE_ROWS)
    return render_template(
        "rules_versions.html",
        page="rules",
        tab="history",
        file=desk().name,
        rows=[(one, WORDS.get(one.how, one.how)) for one in found.versions],
        digest=now.digest,
        one=None,
        first_page=not wanted,
        older_url=url_for("rules_versions.index", before=found.next) if found.next is not None else None,
    )


@blueprint.get("/rules/history/<int:number>")
@least(Role.OPERATOR)
def one(number: int) -> str:
    """A version against the one before it, or with `against=now` against the file as it is."""
    now = reading()
    found, text = version(number)
    against_now = request.args.get("against") == "now"
    if against_now:
        before, words = now.text, "the file as it is now"
    else:
        older = history().list(desk().name, number, 1).versions
        before = version(older[0].seq)[1] if older else ""
        words = f"version {older[0].seq}" if older else "nothing"
    lines = diff_lines(before, text)
    come, gone = counts(lines)
    return render_template(
        "rules_versions.html",
        page="rules",
        tab="history",
        file=desk().name,
        one=found,
        how=WORDS.get(found.how, found.how),
        text=text,
        lines=lines,
        come=come,
        gone=gone,
        words=words,
        against_now=against_now,
        is_now=found.digest == now.digest,
        digest=now.digest,
    )
