"""`/settings`: every setting with its value and where that came from; what was set stands first."""

from __future__ import annotations

import re

from flask import Blueprint, Response, jsonify, render_template
from flask_babel import gettext, ngettext

from switchman.addons.config.inforce import InForce
from switchman.addons.core.access.roles import Role
from switchman.webui.access.people import web_config
from switchman.webui.access.roles import least
from switchman.webui.looks.marked import N_

FROM = {"default": N_("default"), "environment": N_("environment"), "router": N_("the router itself")}

_COUNTED = re.compile(r"(\d+) entr(?:y|ies)")  # as config/inforce.py sums up a part of the rules file

blueprint = Blueprint("settings", __name__, template_folder=".")


@blueprint.get("/settings")
@least(Role.OPERATOR)
def index() -> str:
    """What was set, then the rules file, then what is at its default."""
    config = web_config()
    rules = config.rules
    return render_template(
        "settings.html",
        page="settings",
        given=[one for one in config.in_force if one.origin != "default"],
        defaults=[one for one in config.in_force if one.origin == "default"],
        came_from=came_from,
        described=described,
        counted=counted,
        rules_file=config.rules_file,
        rules_problem=rules.error if rules is not None else None,
        rules_told=config.rules_told(),
    )


@blueprint.get("/api/settings")
@least(Role.OPERATOR)
def api_settings() -> Response:
    """The same as JSON."""
    config = web_config()
    return jsonify(
        settings=[one._asdict() for one in config.in_force],
        rules_file={"path": config.rules_file, "keys": [one._asdict() for one in config.rules_told()]},
    )


def came_from(setting: InForce) -> str:
    """In a word or two: an option by its name."""
    if setting.option or setting.origin not in FROM:
        return setting.option or setting.origin
    return str(gettext(FROM[setting.origin]))


def described(setting: InForce) -> str:
    """What it is for; the words are those of settings.py, which languages/messages.py reads."""
    return str(gettext(setting.description.replace("%", "%%"))).replace("%%", "%") if setting.description else ""


def counted(value: str) -> str:
    """What the rules file says at a key: how many entries, or the value itself."""
    found = _COUNTED.fullmatch(value)
    return str(ngettext("%(num)s entry", "%(num)s entries", int(found[1]))) if found else value
