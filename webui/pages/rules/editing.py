"""The file as text, the review that every change goes through, and the save."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from switchman.addons.config.editing.desk import Changed, Faulty, Reading
from switchman.addons.config.editing.lineends import shown
from switchman.addons.core.access.roles import Role
from switchman.addons.core.rules.problems import Problem
from switchman.webui.access.roles import least
from switchman.webui.access.sizes import takes
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.rules import (
    RulesChanges,
    checked,
    desk,
    parse_edit,
    reading,
    version,
    with_edit,
    with_imported,
)
from switchman.webui.looks.diffs import counts, diff_lines
from switchman.webui.looks.marked import N_
from switchman.webui.looks.rulewords import plain

MOST_FORM = 1024 * 1024  # bytes
# What a review is of, and how the list of changes and the toast name its save.
WAYS = {"text": "rules.save", "edit": "rules.save", "version": "rules.rollback", "json": "rules.import"}
DONE = {"rules.save": "saved", "rules.rollback": "restored", "rules.import": "imported"}

blueprint = Blueprint("rules_text", __name__, template_folder=".")


@blueprint.get("/rules/text")
@least(Role.OPERATOR)
def text() -> str:
    now = reading()
    return text_page(now.text, now.digest, checked(now.text).problems if now.text.strip() else ())


@blueprint.post("/rules/text")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def text_again() -> str:
    """The editor with a text that was reviewed, to go on with it."""
    given = shown(request.form.get("text", ""))
    return text_page(given, digest_given(), checked(given).problems, why=request.form.get("why", ""))


@blueprint.post("/api/rules/check")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def check() -> Response:
    """What is wrong with a text that somebody types."""
    found = checked(request.form.get("text", ""))
    return jsonify(good=found.rules is not None, problems=[told(one) for one in found.problems])


@blueprint.post("/api/rules/preview")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def preview() -> Response:
    """What an edit would make of the file: a diff as the review has it, and what is wrong with it."""
    now = reading()
    try:
        made = with_edit(now.text, parse_edit(json_given("edit")))
    except Refused as error:
        return jsonify(
            good=False, problems=[{"line": 0, "column": 0, "text": error.words(), "severity": "error"}], html=""
        )
    found = checked(made)
    html = part("diff", diff_lines(now.text, made))
    problems = [told(one) for one in found.problems]
    return jsonify(good=found.rules is not None, problems=problems, html=html, same=made == now.text)


@blueprint.post("/rules/review")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def review() -> BaseResponse:
    """A change before it is saved: a text, an edit of one route, an earlier version, or rules in JSON."""
    way = next((name for name in WAYS if name in request.form), "text")
    now, digest = reading(), digest_given()
    if way != "text" and digest != now.digest:
        message = N_("the rules file has changed since this page was made: load it again, and change that")
        raise Refused(message, 409)
    made, why = proposed(way, now)
    found = checked(made)
    if found.rules is None:
        if way == "text":
            return make_response(text_page(made, digest, found.problems), 422)
        return make_response(review_page(way, now, made, digest, why, found.problems), 422)
    if digest != now.digest:
        return make_response(text_page(made, now.digest, found.problems, theirs=now), 409)
    return make_response(review_page(way, now, made, digest, why, found.problems))


def proposed(way: str, now: Reading) -> tuple[str, str]:
    """The text that the file would have, and a note for it."""
    if way == "edit":
        return with_edit(now.text, parse_edit(json_given("edit"))), request.form.get("why", "")
    if way == "version":
        number = request.form.get("version", "")
        found, old = version(int(number) if number.isascii() and number.isdecimal() and len(number) < 16 else 0)
        return old, gettext("back to version %(number)s", number=found.seq)
    if way == "json":
        return with_imported(now.text, json_given("json")).text, gettext("imported from JSON")
    return shown(request.form.get("text", "")), request.form.get("why", "")


@blueprint.post("/rules/save")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def save() -> BaseResponse:
    given, digest, why = shown(request.form.get("text", "")), digest_given(), request.form.get("why", "").strip()
    what = WAYS.get(request.form.get("way", ""), "rules.save")
    try:
        saved = RulesChanges("page").save(given, digest, why, what)
    except Changed as error:
        return make_response(text_page(given, error.now.digest, (), theirs=error.now, why=why), 409)
    except Faulty as error:
        return make_response(text_page(given, digest, error.problems, why=why), 422)
    done = "same" if saved.digest == digest else "over" if saved.in_place else DONE[what]
    return redirect(url_for("rules.index", done=done), 303)


def part(name: str, value: Any) -> str:
    """A piece of a page by itself."""
    return str(getattr(current_app.jinja_env.get_template("rules_parts.html").module, name)(value))


def digest_given() -> str:
    return request.form.get("digest", "")


def json_given(name: str) -> Any:
    try:
        return json.loads(request.form.get(name, ""))
    except (ValueError, RecursionError) as error:
        words = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise Refused(N_("this is no JSON: %(error)s"), 422, name, error=words) from None


def told(one: Problem) -> dict[str, Any]:
    """A problem as an editor shows it: `plain` in the page's language where there are such words, then its own."""
    text = f"{one.key}: {one.message}" if one.key else one.message
    found = plain(one.message)
    words = gettext(found.message, **found.values) if found is not None else ""
    return {"line": one.line, "column": one.column, "plain": words, "text": text, "severity": one.severity}


def text_page(
    given: str, digest: str, problems: tuple[Problem, ...], *, theirs: Reading | None = None, why: str = ""
) -> str:
    """The editor. `theirs`: what the file is by now, where somebody else has changed it."""
    return render_template(
        "rules_text.html",
        page="rules",
        tab="text",
        file=desk().name,
        text=given,
        digest=digest,
        why=why,
        problems=[told(one) for one in problems],
        theirs=theirs,
        lines=diff_lines(theirs.text, given) if theirs is not None else [],
    )


def review_page(way: str, now: Reading, made: str, digest: str, why: str, problems: tuple[Problem, ...]) -> str:
    lines = diff_lines(now.text, made)
    come, gone = counts(lines)
    return render_template(
        "rules_review.html",
        page="rules",
        tab="",
        file=desk().name,
        way=way,
        text=made,
        digest=digest,
        why=why,
        problems=[told(one) for one in problems],
        broken=any(one.severity == "error" for one in problems),
        lines=lines,
        come=come,
        gone=gone,
        is_same=made == now.text,
    )
