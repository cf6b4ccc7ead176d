"""One rule as a form: what it matches, nested, and where it leads. The form writes the route as the file would have it.

What a field is, the grammar says (rulesfile.py, matchfile.py): KINDS has a way to edit each, and a test holds that none
is missing. Keys that begin with `x-`, and all that is not touched, stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from flask import Blueprint, render_template
from flask_babel import gettext

from switchman.addons.config.editing.rewriting import canonical
from switchman.addons.core.access.roles import Role
from switchman.addons.core.request.tasktype import TaskType
from switchman.addons.core.routes.routes import Affinity
from switchman.addons.core.rules.matchfile import Day, HealthName
from switchman.addons.core.rules.reading.balancefile import StrategyName
from switchman.addons.core.servers.retry import FallbackOn
from switchman.addons.core.texts.redaction.finding import KINDS as PRIVATE
from switchman.webui.access.roles import least
from switchman.webui.access.viewing import log
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.rules import desk, reading
from switchman.webui.looks.marked import N_
from switchman.webui.looks.rulewords import MATCH_HINTS, ROUTE_HINTS, TARGET_HINTS
from switchman.webui.pages.rules.chain import written_routes

MOST_OFFERED = 500  # names of one list
TASKS = [*get_args(TaskType)]
# How each field of the grammar is edited. `nested`: conditions within it; `part`: a form of its own.
MATCH_KINDS: dict[str, str] = {
    "model": "model", "task": "task", "keywords": "texts", "keywords_substring": "texts", "regex": "text",
    "language": "texts", "tokens": "range", "depth": "range", "tools": "bool", "modalities": "choices", "time": "time",
    "header": "header", "token": "texts", "group": "texts", "source_host": "text", "max_cost": "number",
    "max_latency": "number", "provider_health": "health", "all": "nested", "any": "nested", "not": "nested",
}  # fmt: skip
TARGET_KINDS: dict[str, str] = {
    "upstream": "server", "model": "target", "fallbacks": "targets", "thinking": "choice", "stick": "choice",
    "local_only": "bool", "capture": "choice", "strategy": "choice", "affinity": "choice", "weight": "count",
    "split": "shares", "fallback_on": "causes", "mirror": "mirror",
}  # fmt: skip
ROUTE_KINDS: dict[str, str] = {
    "name": "text", "description": "text", "enabled": "bool", "priority": "number", "match": "part", "route": "part",
    "redact": "redact",
}  # fmt: skip
CHOICES: dict[str, list[str]] = {
    "modalities": ["text", "vision", "audio"],
    "thinking": ["auto", "enabled", "disabled"],
    "stick": ["conversation"],
    "capture": ["full", "redacted", "metadata"],
    "strategy": [*get_args(StrategyName)],
    "affinity": [*get_args(Affinity)],
    "fallback_on": [*get_args(FallbackOn)],
}
USUAL: dict[str, Any] = {
    "thinking": "auto",
    "local_only": False,
    "enabled": True,
    "priority": 500,
    "strategy": "ordered",
}

blueprint = Blueprint("rules_visual", __name__, template_folder=".")


@blueprint.get("/rules/route/new")
@least(Role.OPERATOR)
def new() -> str:
    """A rule for `auto`, as most are."""
    return route_page(None, {"name": "", "match": {"model": "auto"}, "route": {"model": ""}})


@blueprint.get("/rules/route/<int:at>")
@least(Role.OPERATOR)
def one(at: int) -> str:
    """`at`: its place in the file, from 0."""
    written = written_routes(reading().text)
    if written is None:
        raise Refused(N_("the file cannot be read as it is: edit it as text first"), 409)
    if at >= len(written) or not isinstance(written[at], dict):
        raise Refused(N_("there is no route %(number)s in the file (any more)"), 404, number=at + 1)
    return route_page(at, json.loads(canonical_in_order(written[at])))


def canonical_in_order(route: Any) -> str:
    """The route as JSON, its keys as they are written."""
    canonical(route)  # what JSON has no words for becomes text in the same way
    return json.dumps(route, default=str)


def route_page(at: int | None, route: dict[str, Any]) -> str:
    now = reading()
    return render_template(
        "rules_route.html",
        page="rules",
        tab="chain",
        file=desk().name,
        at=at,
        route=route,
        digest=now.digest,
        spec=spec(),
        **choices(),
    )


def spec() -> dict[str, Any]:
    """The form's fields: how each is edited, and a hint in words of whoever writes rules."""
    return {
        "match": fields(MATCH_KINDS, MATCH_HINTS),
        "target": fields(TARGET_KINDS, TARGET_HINTS),
        "route": fields(ROUTE_KINDS, ROUTE_HINTS),
        "tasks": TASKS,
        "days": [*get_args(Day)],
        "health": [*get_args(HealthName)],
        "private": ["all", *sorted(PRIVATE)],
    }


def fields(kinds: dict[str, str], hints: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "kind": kind,
            "words": gettext(hints[key]) if key in hints else "",
            "options": CHOICES.get(key, []),
            "usual": USUAL.get(key),
        }
        for key, kind in kinds.items()
    ]


def choices() -> dict[str, Any]:
    """What a name may be, from what exists: servers, targets and models, of the rules and of the log."""
    rules = desk().rules.current
    logged = [str(name) for name in log().values("model")]
    targets = [*rules.aliases, *rules.models]
    targets += [f"{route.upstream.name}/{route.model}" for route in rules.routes if route.upstream and route.model]
    targets += [route.model for route in rules.routes if route.model and not route.upstream]
    targets += [f"{server}/" for server in rules.servers]
    models = [*sorted(rules.auto_names), *rules.aliases, *(name.partition("/")[2] for name in rules.models), *logged]
    return {
        "offered_servers": list(rules.servers)[:MOST_OFFERED],
        "offered_targets": list(dict.fromkeys(targets))[:MOST_OFFERED],
        "offered_models": list(dict.fromkeys(filter(None, models)))[:MOST_OFFERED],
    }
