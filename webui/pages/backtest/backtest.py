"""`/rules/backtest`: what other rules would have done with the requests of the log. For operators; it changes nothing.

    POST /rules/backtest            the page with the result
    POST /rules/backtest?part=1     the result alone, for a page that has the panel
    POST /api/rules/backtest        the result as JSON, as `switchman backtest --json` prints it

What is asked for is bounded: see running.py.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request
from flask_babel import gettext, ngettext

from switchman.addons.config.configuration import SettingsError
from switchman.addons.core.access.roles import Role
from switchman.addons.core.decision.replaying.decided import REASONS
from switchman.addons.core.decision.replaying.report import Report
from switchman.addons.core.decision.replaying.told import ASSUMED, duration, money, percent, share
from switchman.addons.core.rules.problems import MAX_TOLD, Problem, RulesError
from switchman.addons.core.texts.unicode import read_json
from switchman.webui.access.people import person, web_config
from switchman.webui.access.roles import least
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.rules import look_for_files
from switchman.webui.looks.marked import N_
from switchman.webui.looks.rulewords import plain
from switchman.webui.pages.backtest.running import AGAINST, LIMITS, SINCE, Running, Say, Wanted, english, run

MOST_BYTES = 1_048_576  # of a form with a whole rules file: as much as the server takes
MOST_SHOWN = 50  # moves

blueprint = Blueprint("backtest", __name__, template_folder=".")
running = Running()


@blueprint.url_value_preprocessor
def take_a_whole_file(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Runs before the check of who asks, which reads the form."""
    request.max_content_length = request.max_form_memory_size = MOST_BYTES


@blueprint.app_context_processor
def panel_names() -> dict[str, Any]:
    """What backtest_panel.html needs, on whatever page it stands."""
    return {"backtest_since": SINCE, "backtest_limits": LIMITS, "backtest_against": AGAINST}


@blueprint.get("/rules/backtest")
@least(Role.OPERATOR)
def index() -> str:
    return page()


@blueprint.post("/rules/backtest")
@least(Role.OPERATOR)
def replay() -> Response:
    is_part = bool(request.args.get("part"))
    report: Report | None = None
    problems: list[dict[str, str]] = []
    status = 200
    try:
        report = replayed(request.form, lambda message, values: gettext(message, **values))
    except RulesError as error:
        problems, status = shown(error), 422
    except Refused as error:
        problems, status = [{"words": error.words(), "own": ""}], error.status
    if is_part:  # what is wrong is what it has to show: a browser would take another status for a fault of the page
        return Response(render_template("backtest_result.html", problems=problems, **names_of(report)))
    return Response(page(report, problems, request.form), status)


@blueprint.post("/api/rules/backtest")
@least(Role.OPERATOR)
def as_json() -> Response:
    """`{"rules": TEXT, "since": "7d", "limit": 2000, "against": "rules"}`; without `rules`: the file as it is saved."""
    try:
        given = given_json()
        report = replayed({**given, "which": "text" if "rules" in given else "saved"})
    except RulesError as error:
        answer = jsonify(error="The rules are broken.", problems=told(error))
        answer.status_code = 422
        return answer
    except Refused as error:
        answer = jsonify(error=str(error), fields=[{"field": error.field, "error": str(error)}] if error.field else [])
        answer.status_code = error.status
        return answer
    return jsonify(report.as_json())


def told(error: RulesError) -> list[str]:
    """Each fault by its place in the text, which is no file."""
    return [": ".join(filter(None, (place(one), one.key, one.message))) for one in error.problems[:MAX_TOLD]]


def place(one: Problem) -> str:
    return f"line {one.line}, column {one.column}" if one.line else ""


def shown(error: RulesError) -> list[dict[str, str]]:
    """The same for the page: the place, plain words in its language where there are some, and the reader's own."""
    found = []
    for one in error.problems[:MAX_TOLD]:
        words = plain(one.message)
        text = gettext(words.message, **words.values) if words is not None else ""
        at = gettext("line %(line)s, column %(column)s", line=one.line, column=one.column) if one.line else ""
        found.append(
            {"words": ": ".join(filter(None, (at, text))), "own": ": ".join(filter(None, (one.key, one.message)))}
        )
    return found


def given_json() -> dict[str, str]:
    try:
        found = read_json(request.get_data()) if request.is_json else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused(N_("send one JSON object, with Content-Type: application/json"), 400)
    return {str(name): str(value) for name, value in found.items() if value is not None}


def replayed(given: Mapping[str, str], say: Say = english) -> Report:
    """Raises RulesError, Refused."""
    backtests = web_config().backtests
    if backtests is None:
        raise Refused(N_("there is no log here"), 503)
    wanted = Wanted.parse(given)
    if wanted.text is not None:
        look_for_files(wanted.text)
    with running.place(person().name):
        try:
            return run(backtests, wanted, time.time(), say=say)
        except SettingsError as error:
            raise Refused("; ".join(error.problems), 503) from None


def page(
    report: Report | None = None, problems: list[dict[str, str]] | None = None, given: Mapping[str, str] | None = None
) -> str:
    chosen = {"which": "text", "rules": "", "since": "7d", "limit": str(LIMITS[1]), "against": "rules", **(given or {})}
    return render_template(
        "backtest.html",
        page="rules",
        chosen=chosen,
        problems=problems or [],
        asked=given is not None,
        **names_of(report),
    )


def names_of(report: Report | None) -> dict[str, Any]:
    """What the result's template shows of a report."""
    if report is None:
        return {"report": None}
    notes = [note(why, count) for why, count in report.left_out.items()]
    notes += [note_unknown(REASONS[why], count) for why, count in report.unknown.items()]
    return {
        "report": report,
        "notes": notes,
        "assumed": ASSUMED,
        "most_shown": MOST_SHOWN,
        "in_dollars": money,
        "in_time": duration,
        "in_percent": percent,
        "of_all": share,
    }


def note(why: str, count: int) -> str:
    counted, because = f"{count:,}", gettext(why)
    return str(gettext("%(count)s left out: %(why)s.", count=counted, why=because))


def note_unknown(why: str, count: int) -> str:
    counted, because = f"{count:,}", gettext(why)
    told = ngettext(
        "%(count)s target not known: %(why)s.",
        "%(count)s targets not known: %(why)s.",
        count,
        count=counted,
        why=because,
    )
    return str(told)
