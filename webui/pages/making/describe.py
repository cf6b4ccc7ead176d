"""Rules from words: a sentence, the model that makes rules of it, and the draft with what is wrong with each of them.

Nothing of a reply counts until somebody enables it: it is text in an editor, looked over as every other text of rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, abort, current_app, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from switchman.addons.config.editing.desk import Changed, Faulty
from switchman.addons.config.editing.edits import tried
from switchman.addons.config.editing.emitting import flow
from switchman.addons.config.editing.lineends import shown
from switchman.addons.core.access.roles import Role
from switchman.addons.core.decision.described.prompting import LONGEST_SENTENCE
from switchman.addons.core.decision.described.replies import MOST_TEXT
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.store.access.history import LONGEST_WHY
from switchman.webui.access.people import web_config
from switchman.webui.access.roles import least
from switchman.webui.access.sizes import takes
from switchman.webui.access.viewing import log
from switchman.webui.admin.asking.describing import Asked, ask, describing
from switchman.webui.admin.asking.drafts import Found, Look, look_over
from switchman.webui.admin.asking.owntoken import DESCRIBING, own_token
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.rules import RulesChanges, desk, reading
from switchman.webui.looks.diffs import counts, diff_lines

MOST_FORM: Final = 1024 * 1024  # bytes
MOST_OFFERED: Final = 500  # names
MOST_PLACES: Final = 300  # rules that a new one can be put before
MOST_REPLY: Final = 20_000  # characters of a reply that is shown as it came

blueprint = Blueprint("describe", __name__, template_folder=".")


@dataclass(frozen=True, slots=True)
class Form:
    """What the page of a draft sends back and forth."""

    text: str
    digest: str
    place: str
    sentence: str
    model: str
    request_id: str
    prompt: str
    prompt_model: str

    @classmethod
    def given(cls) -> Form:
        form = request.form
        return cls(
            shown(form.get("text", "")),
            form.get("digest", ""),
            form.get("place", "")[:20] or "end",
            " ".join(form.get("sentence", "").split())[: 2 * LONGEST_SENTENCE],
            form.get("model", "")[:300],
            form.get("request_id", "")[:100],
            form.get("prompt", ""),
            form.get("prompt_model", "").strip()[:300] or "auto",
        )


@blueprint.route("/rules/describe", methods=["GET", "POST"])
@least(Role.OPERATOR)
@takes(MOST_FORM)
def index() -> Any:
    """The sentence; or with `text` a draft that comes from elsewhere, to be refined."""
    if request.method == "POST" and request.form.get("text", "").strip():
        return draft_page(Form.given())
    return start_page("", "")


def start_page(sentence: str, model: str, problem: str = "", asked: Asked | None = None, status: int = 200) -> Any:
    """`asked`: one that came to nothing."""
    rules = desk().rules.current
    page = render_template(
        "describe.html",
        **frame(),
        sentence=sentence,
        model=model,
        problem=problem,
        asked=asked,
        told=told_failure(asked) if asked is not None else "",
        reply=asked.reply[:MOST_REPLY] if asked is not None else "",
        offered=offered(rules),
        servers=len(rules.servers),
        token=own_token(DESCRIBING).name if web_config().wants_tokens else "",
    )
    return (page, status) if status != 200 else page


def frame() -> dict[str, Any]:
    return {"page": "rules", "tab": "", "file": desk().name, "longest": LONGEST_SENTENCE}


def offered(rules: Ruleset) -> list[str]:
    """Which model may write rules: aliases, and what is known of the servers."""
    real = describing().real(rules)
    names = [*real.targets, *(f"{server}/" for server in rules.servers), "auto"]
    return list(dict.fromkeys(names))[:MOST_OFFERED]


@blueprint.post("/rules/describe/ask")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def send() -> Any:
    """Ask for rules; with a draft in the form, for a change of it."""
    form, change = Form.given(), request.form.get("change", "")
    try:
        asked = ask(change if form.text.strip() else form.sentence, form.model, form.text, form.sentence, "page")
    except Refused as error:
        if form.text.strip():
            return draft_page(form, problem=str(error), status=error.status)
        return start_page(form.sentence, form.model, str(error), status=error.status)
    return redirect(url_for("describe.one", asked_id=asked.job.id), 303)


@blueprint.get("/rules/describe/<asked_id>")
@least(Role.OPERATOR)
def one(asked_id: str) -> Any:
    """How far it is; then the draft, or why there is none."""
    asked = find(asked_id)
    if not asked.is_over:
        return render_template("describe_wait.html", **frame(), asked=asked)
    if not asked.draft:
        return start_page(asked.told, asked.model, asked=asked)
    now = reading()
    form = Form(asked.draft, now.digest, "end", asked.told, asked.model, asked.job.request_id or "", "", "auto")
    return draft_page(form, asked=asked)


def find(asked_id: str) -> Asked:
    found = describing().find(asked_id)
    if found is None:
        abort(
            404,
            gettext("This draft is no longer known: it is older than ten minutes, or the dashboard was started again."),
        )
    return found


@blueprint.get("/api/rules/describe/<asked_id>")
@least(Role.OPERATOR)
def api_progress(asked_id: str) -> Response:
    """How far it is, for the page."""
    asked = find(asked_id)
    job = asked.job
    return jsonify(
        over=asked.is_over,
        state=job.state,
        received=job.received,
        seconds=round(job.seconds, 1),
        text="" if asked.is_over else asked.shown(),
    )


@blueprint.post("/rules/describe/<asked_id>/cancel")
@least(Role.OPERATOR)
def cancel(asked_id: str) -> BaseResponse:
    describing().cancel(find(asked_id).job.id)
    return redirect(url_for("describe.one", asked_id=asked_id), 303)


@blueprint.post("/rules/describe/draft")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def draft() -> Any:
    """The draft as it is typed now; with `try`, where a prompt would go under it."""
    return draft_page(Form.given(), tries="try" in request.form)


@blueprint.post("/api/rules/describe/check")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def check() -> Response:
    """What is wrong with the draft, for who types: as /api/rules/check, and the pieces of the page that hang on it."""
    form = Form.given()
    file_text = reading().text
    look = looked(form, file_text)
    return jsonify(
        good=look.good,
        problems=[told(one) for one in look.all_found()],
        rules=piece("drafted", rows_of(look), general_of(look)),
        diff=str(rules_parts().diff(diff_lines(file_text, look.text))) if look.text else "",
    )


@blueprint.post("/api/rules/describe/try")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def as_trace() -> Response | tuple[Response, int]:
    """Where a prompt would go under the draft."""
    form = Form.given()
    try:
        found = explained(form, looked(form, reading().text))
    except Refused as error:
        return jsonify(error=str(error), html=""), error.status
    return jsonify(error="", html=str(rules_parts().trace(found)))


@blueprint.post("/rules/describe/enable")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def enable() -> Any:
    """Save the rules; with `off`, so that they are passed over."""
    form, now = Form.given(), reading()
    look = looked(form, now.text, off="off" in request.form)
    if not look.good:
        return draft_page(form, problem=gettext("Not saved: mend what is marked first."), status=422)
    why = f"described: {form.sentence}" if form.sentence else "from a draft"
    try:
        saved = RulesChanges("page").save(look.text, form.digest, why[:LONGEST_WHY])
    except Changed:
        fresh = reading()
        moved = Form(
            **{name: getattr(form, name) for name in Form.__slots__} | {"digest": fresh.digest, "place": "end"}
        )
        words = gettext(
            "Not saved: the file has changed since you read it. The draft is as you left it: look at what it "
            "changes now, and save it again."
        )
        return draft_page(moved, problem=words, status=409)
    except Faulty as error:
        return draft_page(form, problem=str(error), status=422)
    except Refused as error:
        return draft_page(form, problem=str(error), status=error.status)
    return redirect(url_for("rules.index", done="over" if saved.in_place else "saved"), 303)


def looked(form: Form, file_text: str, off: bool = False) -> Look:
    return look_over(form.text, file_text, form.place, describing().real(desk().rules.current), off=off)


def draft_page(
    form: Form, *, problem: str = "", status: int = 200, tries: bool = False, asked: Asked | None = None
) -> Any:
    now = reading()
    look = looked(form, now.text)
    found, not_tried = None, ""
    if tries:
        try:
            found = explained(form, look)
        except Refused as error:
            not_tried = str(error)
    lines = diff_lines(now.text, look.text) if look.text else []
    come, gone = counts(lines)
    rules = desk().rules.current
    page = render_template(
        "describe_draft.html",
        **frame(),
        form=form,
        digest=form.digest or now.digest,
        problem=problem,
        look=look,
        rows=rows_of(look),
        general=general_of(look),
        problems=[told(one) for one in look.all_found()],
        lines=lines,
        come=come,
        gone=gone,
        found=found,
        not_tried=not_tried,
        places=places(now.text),
        offered=offered(rules),
        left_out=look.draft.left_out if look.draft is not None else (),
        reply=asked.reply[:MOST_REPLY] if asked is not None else "",
        ignored=asked.read.left_out if asked is not None and asked.read is not None else (),
        has_row=bool(form.request_id) and log().get_request(form.request_id) is not None,
        most=MOST_TEXT,
    )
    return (page, status) if status != 200 else page


def explained(form: Form, look: Look) -> dict[str, Any]:
    explains = web_config().explains
    if explains is None:
        raise Refused(gettext("Nothing can be tried here."), 503)
    if look.ruleset is None:
        raise Refused(gettext("These rules would not be taken: mend what is marked first."), 422)
    if not form.prompt.strip():
        raise Refused(gettext("Write a prompt to try."), 422)
    body = {"model": form.prompt_model, "messages": [{"role": "user", "content": form.prompt}]}
    return explains(look.ruleset, body, "127.0.0.1", {}, "", False)


def places(file_text: str) -> list[tuple[str, str]]:
    """Where the rules can come: as `look_over` knows it, and the name of the rule that they come before."""
    try:
        data = load(file_text, "").data
    except RulesError:
        return []
    routes = data.get("routes") if isinstance(data, dict) else None
    if not isinstance(routes, list):
        return []
    named = [(at, routes[at].get("name") if isinstance(routes[at], dict) else None) for at in tried(routes)]
    return [(f"before:{at}", str(name or f"route {at + 1}")) for at, name in named[:MOST_PLACES]]


def rows_of(look: Look) -> list[dict[str, Any]]:
    """The rules of the draft as the page shows them."""
    return [
        {
            "number": one.at + 1,
            "name": str(one.rule.get("name") or gettext("without a name")),
            "line": one.line,
            "description": str(one.rule.get("description") or ""),
            "words": words_of(one.rule.get("match")),
            "targets": targets_of(one.rule.get("route")),
            "found": one.found,
        }
        for one in look.rules
    ]


def words_of(match: Any) -> list[str]:
    if not isinstance(match, dict):
        return [] if match is None else [flow(match)]
    return [f"{key} {one if isinstance(one, str) else flow(one)}" for key, one in match.items()]


def targets_of(route: Any) -> list[str]:
    if not isinstance(route, dict):
        return []
    first = "/".join(str(route[key]) for key in ("upstream", "model") if route.get(key) is not None)
    fallbacks = route.get("fallbacks")
    more = fallbacks if isinstance(fallbacks, list) else []
    return [*filter(None, [first]), *(one if isinstance(one, str) else flow(one) for one in more)]


def general_of(look: Look) -> list[Found]:
    return look.general


def told(one: Found) -> dict[str, Any]:
    return {"line": one.line, "column": one.column, "text": one.text, "severity": one.severity}


def piece(name: str, *values: Any) -> str:
    """A piece of the page by itself, in the language of whoever asks."""
    module = current_app.jinja_env.get_template("describe_parts.html").make_module()
    return str(getattr(module, name)(*values))


def rules_parts() -> Any:
    return current_app.jinja_env.get_template("rules_parts.html").module


def told_failure(asked: Asked) -> str:
    """Why there is no draft, and what to do, in a sentence; the router's own words stand beside it."""
    if asked.job.state == "cancelled":
        return str(gettext("It was cancelled. The request may have cost something until then."))
    words: dict[str | None, str] = {
        "key": gettext("The server or the router took no credentials: set the server's key, or take another model."),
        "refused": gettext("The request was refused: its server, or the router, does not let it through."),
        "model": gettext("There is no such model: take one of the list, or name it as server/model."),
        "limits": gettext("A limit is reached, or a budget is used up: wait, raise it, or take another model."),
        "server": gettext("The model's server did not answer as it should: try again, or take another model."),
        "other": gettext("No rules could be read in the reply: say it in other words, or take another model."),
        None: gettext("The router gave no answer."),
    }  # fmt: skip
    return words[asked.failure]
