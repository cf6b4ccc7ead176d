"""The history of the rules file: who changed it, when and why; each version as a diff, and back to it."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, abort, render_template, request, url_for
from flask_babel import gettext

from switchman.addons.core.access.roles import Role
from switchman.addons.store.access.history import Version
from switchman.webui.access.roles import least
from switchman.webui.admin.rules import desk, history, reading, version
from switchman.webui.looks.diffs import counts, diff_lines
from switchman.webui.looks.marked import N_

PAGE_ROWS = 50
WORDS = {"page": N_("on a page"), "api": N_("by the API"), "cli": N_("on the command line"), "file": N_("in the file")}

# What the router writes down of a change by hand: as store/access/history.py and editing/desk.py have it.
HAND = N_("by hand")
FOUND = (N_("as it was found"), N_("changed outside of the dashboard"))

blueprint = Blueprint("rules_versions", __name__, template_folder=".")


def way(how: str) -> str:
    """How a version came about, in words."""
    return gettext(WORDS[how]) if how in WORDS else how


def in_words(one: Version) -> Version:
    """A version whose maker and note, where the router itself has set them, are in the language of the page."""
    if one.how != "file":
        return one
    return replace(
        one, who=gettext(HAND) if one.who == HAND else one.who, why=gettext(one.why) if one.why in FOUND else one.why
    )


@blueprint.get("/rules/history")
@least(Role.OPERATOR)
def index() -> str:
    """`before` is the cursor of an older page."""
    now = reading()
    wanted = request.args.get("before", "")
    if wanted and not (wanted.isascii() and wanted.isdecimal() and len(wanted) < 16):
        abort(400, N_("The address cannot be read: `before` is a number that a page gave."))
    found = history().list(desk().name, int(wanted) if wanted else None, PAGE_ROWS)
    return render_template(
        "rules_versions.html",
        page="rules",
        tab="history",
        file=desk().name,
        rows=[(in_words(one), way(one.how)) for one in found.versions],
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
    older: list[Version] = []
    if against_now:
        before, words = now.text, N_("Against the file as it is now: %(come)s, %(gone)s.")
    else:
        older = list(history().list(desk().name, number, 1).versions)
        before = version(older[0].seq)[1] if older else ""
        words = (
            N_("Against version %(number)s: %(come)s, %(gone)s.")
            if older
            else N_("Against nothing: %(come)s, %(gone)s.")
        )
    lines = diff_lines(before, text)
    come, gone = counts(lines)
    return render_template(
        "rules_versions.html",
        page="rules",
        tab="history",
        file=desk().name,
        one=in_words(found),
        how=way(found.how),
        text=text,
        lines=lines,
        come=come,
        gone=gone,
        words=words,
        older=older[0].seq if older else None,
        against_now=against_now,
        is_now=found.digest == now.digest,
        digest=now.digest,
    )
