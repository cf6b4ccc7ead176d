"""`/servers`: all servers with their state, and the page of each, where it is tested, turned off and on, and reset."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from switchman.addons.core.access.roles import Role
from switchman.webui.access.people import person
from switchman.webui.access.roles import least
from switchman.webui.admin.rules import desk, glance
from switchman.webui.admin.servers import servers as admin
from switchman.webui.admin.servers.servertests import Word, ask_word, test

blueprint = Blueprint("servers", __name__, template_folder=".")


@blueprint.get("/servers")
@least(Role.VIEWER)
def index() -> str:
    now, found = glance(), desk()
    return render_template(
        "servers.html",
        page="servers",
        rows=admin.seen_all(now),
        file=found.name,
        digest=now.digest,
        in_force=found.is_in_force(),
        toast=done_words(),
        **rights(),
    )


@blueprint.get("/server/<path:name>")
@least(Role.VIEWER)
def one(name: str) -> str:
    return server_page(name)


@blueprint.post("/server/<path:name>/test")
@least(Role.OPERATOR)
def try_it(name: str) -> BaseResponse:
    """Ask a saved server for its models, with its key."""
    test(admin.find(name))
    return redirect(url_for("servers.one", name=name, _anchor="test"), 303)


@blueprint.post("/server/<path:name>/ask")
@least(Role.OPERATOR)
def ask(name: str) -> str:
    """Have a model say a word, through the router."""
    model = request.form.get("model", "").strip()
    return server_page(name, ask_word(admin.find(name), model, "page"), model)


@blueprint.post("/server/<path:name>/reset")
@least(Role.OPERATOR)
def reset(name: str) -> BaseResponse:
    admin.reset(name, "page")
    return redirect(url_for("servers.one", name=name, done="reset"), 303)


@blueprint.post("/server/<path:name>/switch")
@least(Role.OPERATOR)
def switch(name: str) -> BaseResponse:
    """`enabled`: 1 or 0."""
    enabled = request.form.get("enabled") == "1"
    admin.switch(name, enabled, request.form.get("digest", ""), "page")
    done = "on" if enabled else "off"
    if request.form.get("from") == "list":
        return redirect(url_for("servers.index", done=done), 303)
    return redirect(url_for("servers.one", name=name, done=done), 303)


def rights() -> dict[str, Any]:
    role = person().role
    return {"is_operator": role >= Role.OPERATOR, "is_admin": role >= Role.ADMIN}


def done_words() -> str | None:
    """What the page says of what was done before."""
    words = {
        "saved": gettext("Saved: in force within a second"),
        "same": gettext("The file said so already"),
        "removed": gettext("Removed"),
        "on": gettext("Turned on: in force within a second"),
        "off": gettext("Turned off: in force within a second"),
        "reset": gettext("Reset: every worker tries it again within a second"),
        "key": gettext("The key is set: in use within a second"),
    }
    return words.get(request.args.get("done", ""))


def server_page(name: str, word: Word | None = None, model: str = "") -> str:
    now, found = glance(), desk()
    seen = admin.seen(name, now)
    return render_template(
        "server.html",
        page="servers",
        one=seen,
        word=word,
        model=model,
        digest=now.digest,
        in_force=found.is_in_force(),
        toast=done_words(),
        **rights(),
    )
