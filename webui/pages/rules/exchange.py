"""Rules in the JSON that other routers exchange: taken over, and given."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template

from switchman.addons.config.editing.merging import as_json, exported
from switchman.addons.core.access.roles import Role
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.reading.routerjson import Exported
from switchman.webui.access.roles import least
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.rules import desk, reading
from switchman.webui.looks.marked import N_

blueprint = Blueprint("rules_exchange", __name__, template_folder=".")


@blueprint.get("/rules/json")
@least(Role.OPERATOR)
def index() -> str:
    now = reading()
    try:
        found, problem = exported(now.text, desk().name), ""
    except RulesError as error:
        found, problem = Exported({"rules": []}, []), str(error.problems[0])
    return render_template(
        "rules_json.html",
        page="rules",
        tab="json",
        file=desk().name,
        digest=now.digest,
        text=as_json(found.data),
        count=len(found.data["rules"]),
        lost=found.lost,
        problem=problem,
    )


@blueprint.get("/rules/export.json")
@least(Role.OPERATOR)
def export() -> Response:
    try:
        found = exported(reading().text, desk().name)
    except RulesError as error:
        raise Refused(N_("the file is broken: %(problem)s"), 409, problem=error.problems[0]) from None
    answer = make_response(as_json(found.data))
    answer.mimetype = "application/json"
    answer.headers["Content-Disposition"] = "attachment; filename=rules.json"
    return answer
