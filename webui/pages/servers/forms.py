"""A server as a form, a model's facts, a key for the vault; each change is looked at as a diff before it is saved."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from switchman.addons.config.configuration import well_known
from switchman.addons.config.editing.desk import Changed, Faulty, Reading
from switchman.addons.config.editing.edits import servers_in
from switchman.addons.config.editing.lineends import shown as as_lines
from switchman.addons.core.access.roles import Role
from switchman.addons.core.rules.rulesfile import SERVER_NAME
from switchman.webui.access.people import person
from switchman.webui.access.roles import least
from switchman.webui.access.sizes import takes
from switchman.webui.admin.changes import Changes, Refused, key_entries
from switchman.webui.admin.models import LONGEST_KEY
from switchman.webui.admin.rules import RulesChanges, desk, reading, told
from switchman.webui.admin.servers import servers as admin
from switchman.webui.admin.servers.servertests import Kept, test
from switchman.webui.languages.sentences import told as told_of
from switchman.webui.looks.diffs import counts, diff_lines
from switchman.webui.pages.servers.differing import FLAGS, SWITCHES, Fault
from switchman.webui.pages.servers.differing import NAMES as DIFFERING
from switchman.webui.pages.servers.fields import COSTS, MODALITIES, NAMES, facts, shown, written

MOST_FORM = 1024 * 1024  # bytes

blueprint = Blueprint("servers_forms", __name__, template_folder=".")


@blueprint.get("/servers/add")
@least(Role.ADMIN)
def add() -> str:
    """`preset`: the well-known server that it is; none: another one."""
    name = request.args.get("preset", "")
    preset = well_known().get(name)
    values = shown(None, name, preset) | {"name": name if preset is not None else ""}
    return form_page("", values, reading().digest, chosen="preset" in request.args)


@blueprint.get("/server/<path:name>/edit")
@least(Role.ADMIN)
def edit(name: str) -> str:
    now = reading()
    return form_page(name, shown(in_file(name, now), "", None) | {"name": name}, now.digest)


def in_file(name: str, now: Reading) -> dict[str, Any]:
    found = servers_in(admin.values_of(now)).get(name)
    if found is None:
        raise Refused(f"there is no server with the name {name[:100]!r} in the file", 404)
    return found


@blueprint.post("/servers/review")
@least(Role.ADMIN)
@takes(MOST_FORM)
def review() -> BaseResponse:
    """The form as a diff. `was`: the server that is changed, "" for a new one; `do` test: ask it first."""
    now, was = reading(), request.form.get("was", "")
    name = was or request.form.get("name", "").strip()
    # What a form has not asked for stays as it is; browsers leave no tick out of one that they have.
    asked = [one for one in NAMES if one in request.form or one not in DIFFERING]
    values = {one: request.form.get(one, "") for one in asked} | {"name": name}
    digest = request.form.get("digest", "")
    try:
        value = proposed(was, name, values, now)
        if request.form.get("do") == "test":
            tested = test(admin.drafted(name, value))
            return make_response(form_page(was, values, digest, tested=tested))
        check_digest(digest, now)
        made = admin.edited(now, admin.server_edit(name, value))
    except Fault as error:
        return make_response(form_page(was, values, digest, {error.field: gettext(str(error))}), 422)
    except Refused as error:
        field = error.field if error.field in values else ""
        return make_response(form_page(was, values, digest, {field: error.words()}), error.status)
    found = desk().check(made)
    if found.rules is None:
        faults = {"": "; ".join(told_of(one.message) for one in found.problems[:5])}
        return make_response(form_page(was, values, digest, faults), 422)
    return make_response(review_page(name, now, made))


def proposed(was: str, name: str, values: dict[str, str], now: Reading) -> dict[str, Any] | str:
    """The server as the file would have it. Raises Fault."""
    servers = admin.values_of(now).get("servers") or {}
    if not was and not re.fullmatch(SERVER_NAME, name):
        raise Fault("name", gettext("A name has letters, digits, dots, underscores and hyphens."))
    if not was and name in servers:
        raise Fault("name", gettext("There is a server with this name."))
    if was and was not in servers:
        raise Refused(f"there is no server with the name {was[:100]!r} in the file (any more)", 404)
    return written(values, servers.get(was) if was else None, well_known())


def check_digest(digest: str, now: Reading) -> None:
    if digest != now.digest:
        raise Refused("the rules file has changed since this page was made: load it again, and change that", 409)


@blueprint.post("/server/<path:name>/remove")
@least(Role.ADMIN)
def remove(name: str) -> str:
    """As a diff; refused while something leads there."""
    now = reading()
    check_digest(request.form.get("digest", ""), now)
    return review_page(name, now, admin.without(name, now), gone=True)


@blueprint.route("/server/<path:name>/facts", methods=["GET", "POST"])
@least(Role.OPERATOR)
def model_facts(name: str) -> BaseResponse:
    """What the rules say of one of its models: context, capabilities, prices in place of the table's."""
    now = reading()
    admin.find(name)
    given = request.form if request.method == "POST" else request.args
    model = given.get("model", "").strip()
    key = f"{name}/{model}"
    section = admin.values_of(now).get("models")
    before = section.get(key) if isinstance(section, dict) else None
    before = before if isinstance(before, dict) else {}
    if request.method == "GET":
        values = {one: str(before.get(one, "")) for one in ("context", *COSTS)}
        return make_response(facts_page(name, model, values, list(before.get("modalities") or ()), now.digest))
    values, chosen = {one: given.get(one, "") for one in ("context", *COSTS)}, given.getlist("modalities")
    try:
        if not model:
            raise Fault("model", gettext("Name a model."))
        value = facts(values, chosen, before)
        check_digest(given.get("digest", ""), now)
        made = admin.edited(now, {"do": "facts", "name": key, "facts": value}) if value or before else now.text
    except Fault as error:
        return make_response(
            facts_page(name, model, values, chosen, now.digest, {error.field: gettext(str(error))}), 422
        )
    found = desk().check(made)
    if found.rules is None:
        told_ = {"": "; ".join(told_of(one.message) for one in found.problems[:5])}
        return make_response(facts_page(name, model, values, chosen, now.digest, told_), 422)
    return make_response(review_page(name, now, made))


@blueprint.post("/server/<path:name>/key")
@least(Role.ADMIN)
def key(name: str) -> BaseResponse:
    """Put a key into the vault for this server, and name it there, which is a change of the file to be looked at."""
    now, value, wanted = reading(), request.form.get("value", ""), request.form.get("key", "").strip()
    server = in_file(name, now)
    if not value.strip() or len(value) > LONGEST_KEY:
        raise Refused(f"the value is empty, or longer than {LONGEST_KEY} characters", 422, "value")
    if "api_keys" in server:
        raise Refused("this server has several keys: change them on the page of keys, and in the file", 409)
    named = str(server.get("api_key") or "")
    own = named.partition(":")[2].strip() if named.startswith("vault:") else ""
    wanted = wanted or own or name
    exists = any(entry.name == wanted for entry in key_entries())
    if exists and wanted != own:
        raise Refused(f"the vault has a key {wanted} already, which may be another server's: choose another name", 409)
    if exists:
        Changes("page").rotate_key(wanted, value)
    else:
        Changes("page").set_key(wanted, value)
    if wanted == own:
        return redirect(url_for("servers.one", name=name, done="key"), 303)
    made = admin.edited(now, admin.server_edit(name, {**server, "api_key": f"vault:{wanted}"}))
    return make_response(review_page(name, now, made))


@blueprint.post("/servers/save")
@least(Role.OPERATOR)
@takes(MOST_FORM)
def save() -> BaseResponse:
    """What the review showed. The desk looks at who may change what of it."""
    given, digest = as_lines(request.form.get("text", "")), request.form.get("digest", "")
    why, name = request.form.get("why", "").strip(), request.form.get("name", "")
    try:
        saved = RulesChanges("page").save(given, digest, why)
    except Changed:
        raise Refused(
            "the rules file has changed since this page was made: load it again, and change that", 409
        ) from None
    except Faulty as error:
        raise Refused(told(error), 422) from None
    done = "same" if saved.digest == digest else "removed" if request.form.get("gone") else "saved"
    desk().is_in_force()
    if name not in desk().rules.current.servers:
        return redirect(url_for("servers.index", done=done), 303)
    return redirect(url_for("servers.one", name=name, done=done), 303)


def form_page(
    was: str,
    values: dict[str, str],
    digest: str,
    faults: dict[str, str] | None = None,
    *,
    tested: Kept | None = None,
    chosen: bool = True,
) -> str:
    presets = well_known()
    preset = presets.get(values.get("preset", ""))
    before = servers_in(admin.values_of(reading())).get(was, {})
    others = [name for name in before if name not in (*NAMES, "timeout", "enabled", "tls", "quirks")]
    return render_template(
        "server_form.html",
        page="servers",
        was=was,
        values=values,
        preset=preset,
        presets=presets,
        digest=digest,
        faults=faults or {},
        tested=tested,
        chosen=chosen,
        others=others,
        several="api_keys" in before,
        flags=FLAGS,
        switches=[(one, one) for one in SWITCHES],
        differs=any(name in before for name in ("headers", "tls", "quirks")),
    )


def facts_page(
    name: str, model: str, values: dict[str, str], chosen: list[str], digest: str, faults: dict[str, str] | None = None
) -> str:
    return render_template(
        "server_facts.html",
        page="servers",
        name=name,
        model=model,
        values=values,
        chosen=chosen,
        modalities=MODALITIES,
        may_price=person().role >= Role.ADMIN,
        digest=digest,
        faults=faults or {},
    )


def review_page(name: str, now: Reading, made: str, *, gone: bool = False) -> str:
    lines = diff_lines(now.text, made)
    come, went = counts(lines)
    return render_template(
        "server_review.html",
        page="servers",
        name=name,
        text=made,
        digest=now.digest,
        lines=lines,
        come=come,
        went=went,
        gone=gone,
        file=desk().name,
        problems=[one for one in desk().check(made).problems if f"servers.{name}" in one.key],
    )
