"""A request tried on the rules: where it would go, and why, layer by layer. Nothing is sent anywhere."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from switchman.addons.config.editing.lineends import shown
from switchman.addons.core.access.roles import Role
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.webui.access.people import web_config
from switchman.webui.access.roles import least
from switchman.webui.access.sizes import takes
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.rules import checked, desk, parse_edit, reading, with_edit
from switchman.webui.looks.marked import N_
from switchman.webui.pages.rules.editing import MOST_FORM, json_given, part, told
from switchman.webui.pages.rules.visual import choices

FIELDS = ("prompt", "model", "system", "headers", "token", "source")

blueprint = Blueprint("rules_trying", __name__, template_folder=".")


@blueprint.route("/rules/try", methods=["GET", "POST"])
@least(Role.OPERATOR)
@takes(MOST_FORM)
def index() -> str | tuple[str, int]:
    """`text`: rules that are being edited; without them the file's."""
    given = request.form if request.method == "POST" else request.args
    asked = {name: given.get(name, "") for name in FIELDS}
    asked["model"] = asked["model"] or "auto"
    text = shown(given.get("text", ""))
    found, problem = None, ""
    if asked["prompt"] or request.method == "POST":
        try:
            found = explained(asked, rules_of(text))
        except Refused as error:
            problem = error.words()
    page = render_template(
        "rules_try.html",
        page="rules",
        tab="try",
        file=desk().name,
        asked=asked,
        text=text,
        digest=given.get("digest", ""),
        found=found,
        problem=problem,
        **choices(),
    )
    return (page, 422) if problem else page


@blueprint.post("/api/rules/try")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def as_json() -> Response | tuple[Response, int]:
    """The trace for a prompt, for the editors: under the `text` or the `edit` that is sent along, else the file."""
    asked = {name: request.form.get(name, "") for name in FIELDS}
    asked["model"] = asked["model"] or "auto"
    try:
        text = shown(request.form.get("text", ""))
        if request.form.get("edit"):
            text = with_edit(reading().text, parse_edit(json_given("edit")))
        found = explained(asked, rules_of(text))
    except Refused as error:
        return jsonify(error=error.words(), html=""), error.status
    return jsonify(html=part("trace", found), **found)


def rules_of(text: str) -> Ruleset:
    """The rules that are tried: of a text, else those in force."""
    if not text.strip():
        return desk().rules.current
    found = checked(text)
    if found.rules is None:
        first = told(found.problems[0])
        raise Refused(
            N_("these rules would not be taken: line %(line)s: %(problem)s"),
            422,
            line=first["line"],
            problem=first["plain"] or first["text"],
        )
    return found.rules


def explained(asked: dict[str, str], rules: Ruleset) -> dict[str, Any]:
    explains = web_config().explains
    if explains is None:
        raise Refused(N_("nothing can be tried here"), 503)
    messages = [{"role": "system", "content": asked["system"]}] if asked["system"].strip() else []
    messages.append({"role": "user", "content": asked["prompt"]})
    body = {"model": asked["model"], "messages": messages}
    source = asked["source"].strip() or "127.0.0.1"
    return explains(rules, body, source, headers_of(asked["headers"]), asked["token"].strip(), False)


def headers_of(text: str) -> dict[str, str]:
    """`name: value`, a line each. Raises Refused."""
    found: dict[str, str] = {}
    for line in shown(text).split("\n"):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise Refused(N_("a header is written as name: value, not %(line)s"), 422, "headers", line=repr(line[:80]))
        found[name.strip().lower()] = value.strip()
    return found
