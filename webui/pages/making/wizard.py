"""Rules by five questions: what for, which servers and models, what may be spent, what counts most, and a review.

Each step is a form that carries the answers so far as JSON (`answers`), so that it works without script, and Back does.
What is carried is looked over anew each time, as if a program had sent it. Nothing is saved but by the review's button,
which is that of every change of the rules (rules/editing.py).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from flask import Blueprint, current_app, make_response, render_template, request
from flask_babel import gettext
from pydantic import ValidationError
from werkzeug.wrappers import Response

from switchman.addons.config.configuration import well_known
from switchman.addons.core.access.roles import Role
from switchman.addons.core.routes.making.answers import NotMakeable
from switchman.addons.core.routes.making.drafting import free_name
from switchman.addons.core.routes.making.picking import may_answer
from switchman.addons.core.rules.problems import Problem
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.webui.access.people import person, web_config
from switchman.webui.access.roles import least
from switchman.webui.access.sizes import takes
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.rules import desk, reading
from switchman.webui.admin.wizard import Known, Made, ModelIn, ServerIn, WizardIn, answers_of, known, made_of
from switchman.webui.looks.diffs import counts, diff_lines
from switchman.webui.pages.making import words
from switchman.webui.pages.making.servers import card_of, first_servers, looked_for, vault_names, with_models

MOST_FORM = 1024 * 1024  # bytes
LAST = len(words.STEPS)
LONG_SAMPLE = 40_000  # tokens, about, of the prompt that stands for a long document

blueprint = Blueprint("wizard", __name__, template_folder=".")


class Wrong(Exception):
    """What was answered cannot be: the message says why, for the field's place."""


class Sample(NamedTuple):
    """A prompt, and where it would go. `problem`: why that cannot be said."""

    prompt: str
    targets: list[str]
    layer: str
    route: str
    problem: str = ""


@blueprint.get("/rules/wizard")
@least(Role.OPERATOR)
def index() -> str:
    file = known(reading())
    return step_page(1, WizardIn(), file)


@blueprint.post("/rules/wizard")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def answer() -> Response:
    """The next step, or the one before, or the same one with another server in it."""
    file, step = known(reading()), min(max(request.form.get("step", 1, type=int), 1), LAST)
    given, go = carried(), request.form.get("go", "next")
    try:
        given = with_form(step, given, go)
        given = served(given, go, file)
        if go == "next":
            must_do(step, given, file)
    except Wrong as error:
        return make_response(step_page(step, given, file, str(error)), 422)
    turn = {"next": 1, "back": -1}.get(go, 0)
    wanted = int(go[3:]) if re.fullmatch(r"to:[1-5]", go) else step + turn
    step = min(max(wanted, 1), step if turn == 0 else LAST)
    if step == 2 and turn == 1 and not given.servers:
        given = given.model_copy(update={"servers": first_servers(file)})
    return make_response(step_page(step, given, file))


def carried() -> WizardIn:
    try:
        return WizardIn.model_validate_json(request.form.get("answers", ""))
    except ValidationError:
        raise Refused("the answers of before cannot be read: begin again", 422, "answers") from None


def with_form(step: int, given: WizardIn, go: str) -> WizardIn:
    """The answers with those of this step's form. Raises Wrong."""
    form, changes = request.form, dict[str, Any]()
    if step == 1:
        changes = {"uses": form.getlist("use"), "how": form.get("how", given.how)}
    elif step == 2:
        changes = {"servers": [with_boxes(one) for one in given.servers if go != f"remove:{one.name}"]}
    elif step == 3:
        changes = {"spending": form.get("spending", given.spending)}
        dollars = form.get("dollars", "").strip()
        if changes["spending"] == "monthly" or dollars.isdecimal():
            changes["dollars"] = dollars
    elif step == 4:
        changes = {"priority": form.get("priority", given.priority)}
    return validated({**given.model_dump(), **changes})


def validated(data: dict[str, Any]) -> WizardIn:
    try:
        return WizardIn.model_validate(data)
    except ValidationError as error:
        if any(one["loc"][:1] == ("dollars",) for one in error.errors()):
            raise Wrong(gettext("A budget is a whole number of dollars, 1 at least.")) from None
        first = error.errors(include_url=False, include_input=False)[0]
        raise Wrong(first["msg"].removeprefix("Value error, ")) from None


def with_boxes(one: ServerIn) -> dict[str, Any]:
    """A server as its boxes say: whether it is used, and which of its models; others by name."""
    form, name = request.form, one.name
    chosen = set(form.getlist(f"model:{name}"))
    models = [model.model_copy(update={"chosen": model.name in chosen}) for model in one.models]
    there = {model.name for model in models}
    more = [part.strip() for part in form.get(f"more:{name}", "").split(",") if part.strip()]
    models += [ModelIn.model_construct(name=part) for part in dict.fromkeys(more) if part not in there]
    key = form.get(f"key:{name}", one.key)
    changes = {"chosen": name in form.getlist("server"), "key": key, "models": models}
    return one.model_copy(update=changes).model_dump()


def served(given: WizardIn, go: str, file: Known) -> WizardIn:
    """Another server, found on this machine, of a preset, or at an address. Raises Wrong, and Refused for operators."""
    if go not in ("look", "add"):
        return given
    if person().role < Role.ADMIN:
        raise Refused("a new server decides where keys and prompts go: only admins add one", 403)
    if go == "look":
        found = looked_for(list(given.servers), file)
        if len(found) == len(given.servers):
            raise Wrong(gettext("No other server answers on the usual ports of this machine."))
        return validated({**given.model_dump(), "servers": [one.model_dump() for one in found]})
    form = request.form
    preset, url = form.get("preset", ""), form.get("url", "").strip()
    if not preset and not url:
        raise Wrong(gettext("Choose a known server, or give an address."))
    if not url and preset in well_known() and not well_known()[preset].url:
        raise Wrong(gettext("This server needs its address, such as %(form)s.", form=well_known()[preset].url_form))
    taken = {one.name for one in given.servers} | set(file.written)
    name = free_name(form.get("name", "").strip() or preset or "server", taken)
    new = {"name": name, "preset": preset, "url": url}
    there = [one.model_dump() for one in given.servers]
    added = validated({**given.model_dump(), "servers": [*there, new]})
    listed = with_models(added.servers, file)
    return validated({**given.model_dump(), "servers": [one.model_dump() for one in listed]})


def must_do(step: int, given: WizardIn, file: Known) -> None:
    """Whether it can go on from this step: told where it can be mended. Raises Wrong."""
    if step == 1 and not given.uses:
        raise Wrong(gettext("Choose one use at least."))
    if step < 2:
        return
    # What a later step would answer does not count yet.
    spending = given.spending if step >= 3 else "unlimited"
    priority = given.priority if step >= 4 else "quality"
    try:
        may_answer(answers_of(given.model_copy(update={"spending": spending, "priority": priority}), file))
    except NotMakeable as error:
        raise Wrong(gettext(words.REASONS[error.kind])) from None
    except Refused as error:
        raise Wrong(str(error)) from None


def step_page(step: int, given: WizardIn, file: Known, problem: str = "") -> str:
    more = servers_context(given, file) if step == 2 else review_context(given) if step == LAST else {}
    return render_template(
        "wizard.html",
        page="rules",
        file=desk().name,
        step=step,
        steps=words.STEPS,
        given=given,
        answers=given.model_dump_json(),
        problem=problem,
        has_rules=bool(file.written or file.rules.routes or file.rules.aliases),
        may_add=person().role >= Role.ADMIN,
        uses=words.USES,
        spendings=words.SPENDING,
        priorities=words.PRIORITIES,
        hows=words.HOWS,
        **more,
    )


def servers_context(given: WizardIn, file: Known) -> dict[str, Any]:
    taken = {one.preset for one in given.servers}
    return {
        "cards": [card_of(one, file) for one in given.servers],
        "presets": [(name, one.url or one.url_form) for name, one in well_known().items() if name not in taken],
        "vault": vault_names() if person().role >= Role.ADMIN else [],
    }


def review_context(given: WizardIn) -> dict[str, Any]:
    made = made_of(given)
    lines = diff_lines(made.now.text, made.text)
    come, gone = counts(lines)
    names = {one.value: one.name for one in words.USES}
    return {
        "text": made.text,
        "digest": made.now.digest,
        "lines": lines,
        "come": come,
        "gone": gone,
        "problems": [told(one) for one in made.checked.problems],
        "broken": made.checked.rules is None,
        "is_same": made.text == made.now.text,
        "notes": [(words.NOTES[one.kind], one.name) for one in made.draft.notes],
        "picks": [(names[use], [one.target for one in found]) for use, found in made.draft.picks.items()],
        "samples": samples(made, given),
        "new_servers": made.new_servers,
        "has_refining": "describe.index" in current_app.view_functions,
    }


def told(one: Problem) -> dict[str, Any]:
    text = f"{one.key}: {one.message}" if one.key else one.message
    return {"line": one.line, "column": one.column, "text": text, "severity": one.severity}


def samples(made: Made, given: WizardIn) -> list[Sample]:
    """Three prompts under the new rules: of chat, and of what else was chosen. No server is asked anything."""
    rules, explains = made.checked.rules, web_config().explains
    if rules is None or explains is None:
        return []
    uses = ["chat", *(use for use in words.SAMPLES if use in given.uses and use != "chat")]
    uses += [use for use in words.SAMPLES if use not in uses]
    return [sample(use, rules) for use in uses[:3]]


def sample(use: str, rules: Ruleset) -> Sample:
    prompt = gettext(words.SAMPLES[use])
    sent = f"{prompt}\n{'The tenant pays. ' * (LONG_SAMPLE // 4)}" if use == "long" else prompt
    body = {"model": "auto", "messages": [{"role": "user", "content": sent}]}
    explains = web_config().explains
    assert explains is not None
    try:
        found = explains(rules, body, "127.0.0.1", {}, "", True)
    except Refused as error:
        return Sample(prompt, [], "", "", str(error))
    targets = [str(one["target"]) for one in found["candidates"]]
    return Sample(prompt, targets, found["layer"] or "", found["route"] or "", str(found.get("refusal") or ""))
