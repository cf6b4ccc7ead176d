"""`/keys`: the providers' keys in the vault. No page has any of a value."""

from __future__ import annotations

import time

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from switchman.addons.core.access.roles import Role
from switchman.addons.store.access.vault import KeyEntry
from switchman.webui.access.roles import least
from switchman.webui.admin.changes import Changes, Refused, key_entries, named_at
from switchman.webui.admin.models import LONGEST_KEY
from switchman.webui.looks.marked import N_

DONE = {
    "set": N_("Set: rules can name it now"),
    "rotated": N_("Another value is in its place, in use within a second"),
    "deleted": N_("Deleted"),
}

blueprint = Blueprint("keys", __name__, template_folder=".")


@blueprint.get("/keys")
@least(Role.ADMIN)
def index() -> str:
    return keys_page()


@blueprint.post("/keys")
@least(Role.ADMIN)
def create() -> BaseResponse:
    name = request.form.get("name", "").strip()
    try:
        Changes("page").set_key(name, given_value())
    except Refused as error:
        return Response(keys_page({error.field: error.words()}, name), error.status)
    return redirect(url_for("keys.index", done="set"), 303)


@blueprint.get("/keys/<name>")
@least(Role.ADMIN)
def one(name: str) -> str:
    return key_page(name)


@blueprint.post("/keys/<name>/rotate")
@least(Role.ADMIN)
def rotate(name: str) -> BaseResponse:
    try:
        Changes("page").rotate_key(name, given_value())
    except Refused as error:
        if error.status == 404:
            raise
        return Response(key_page(name, {"value": error.words()}), error.status)
    return redirect(url_for("keys.index", done="rotated"), 303)


@blueprint.post("/keys/<name>/delete")
@least(Role.ADMIN)
def delete(name: str) -> BaseResponse:
    try:
        Changes("page").delete_key(name, force=bool(request.form.get("force")))
    except Refused as error:
        if error.status == 404:
            raise
        return Response(key_page(name, {"force": error.words()}), error.status)
    return redirect(url_for("keys.index", done="deleted"), 303)


def given_value() -> str:
    value = request.form.get("value", "")
    if not value.strip():
        raise Refused(N_("the value is empty"), 422, "value")
    if len(value) > LONGEST_KEY:
        raise Refused(N_("the value is longer than %(most)s characters"), 422, "value", most=LONGEST_KEY)
    return value


def keys_page(faults: dict[str, str] | None = None, name: str = "") -> str:
    done = request.args.get("done", "")
    return render_template(
        "keys.html",
        page="keys",
        rows=[(entry, named_at(entry.name)) for entry in key_entries()],
        faults=faults or {},
        name=name,
        toast=gettext(DONE[done]) if done in DONE else None,
    )


def key_page(name: str, faults: dict[str, str] | None = None) -> str:
    entry = find_key(key_entries(), name)
    return render_template(
        "key.html", page="keys", entry=entry, named=named_at(name), faults=faults or {}, now=time.time()
    )


def find_key(entries: list[KeyEntry], name: str) -> KeyEntry:
    found = next((entry for entry in entries if entry.name == name), None)
    if found is None:
        raise Refused(N_("there is no key with the name %(name)s"), 404, name=repr(name[:100]))
    return found
