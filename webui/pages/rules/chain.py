"""The chain as it is loaded: aliases, routes in the order they are tried, what comes after them; with its hits."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

from flask import Blueprint, render_template, request
from flask_babel import gettext

from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.editing.edits import priority_of, tried
from switchman.addons.config.editing.emitting import flow
from switchman.addons.core.access.roles import Role
from switchman.addons.core.routes.logic import AllOf
from switchman.addons.core.routes.routes import Alias, Instance, Route
from switchman.addons.core.routes.targets import chosen_by
from switchman.addons.core.rules.problems import Problem, RulesError
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.core.rules.rulescheck import NEVER
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.store.reading.hits import Hit, Rule
from switchman.webui.access.people import person
from switchman.webui.access.roles import least
from switchman.webui.access.viewing import log
from switchman.webui.admin.rules import desk, glance
from switchman.webui.looks.formats import duration
from switchman.webui.looks.marked import N_
from switchman.webui.view import View, parse_view, reading_address

MOST_ROUTES = 300  # of one page
NOTHING = Hit(0, None)
DONE = {
    "saved": N_("Saved"),
    "over": N_("Saved: the file itself was written over, as no other file can take its place"),
    "same": N_("The file said so already"),
    "restored": N_("Taken back"),
    "imported": N_("Imported"),
}
_PLACE = re.compile(r"routes\[(\d+)\]")

blueprint = Blueprint("rules", __name__, template_folder=".")


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route of the file. `number`: in the order they are tried, from 1; `at`: its place in the file, from 0."""

    number: int
    at: int
    name: str
    line: int
    enabled: bool
    priority: int
    description: str
    words: list[str]
    target: str
    fallbacks: list[str]
    tags: list[str]
    never: str = ""
    warnings: list[str] = field(default_factory=list)
    hit: Hit = NOTHING
    stayed: int = 0


class NamedRow(NamedTuple):
    """An alias, or a category. `targets` in the order they are tried."""

    name: str
    targets: list[str]
    hit: Hit
    warnings: Sequence[str] = ()
    strategy: str = ""


class LayerRow(NamedTuple):
    """What `auto` goes through, or what a name is looked for in, after the routes."""

    name: str
    words: str
    hit: Hit


@blueprint.get("/rules")
@least(Role.VIEWER)
def index() -> str:
    now, found = glance(), desk()
    in_force = found.is_in_force()
    with reading_address():
        view = parse_view({"range": request.args.get("range", "")} if request.args.get("range") else {})
    start, done = max(0, request.args.get("start", 0, type=int)), request.args.get("done", "")
    rules = found.rules.current
    written = written_routes(now.text) if in_force and not now.large else None
    rows = route_rows(rules, written)
    shown = with_hits(rows[start : start + MOST_ROUTES], view)
    return render_template(
        "rules.html",
        page="rules",
        tab="chain",
        view=view,
        file=found.name,
        exists=now.exists,
        digest=now.digest,
        in_force=in_force,
        rows=shown,
        count=len(rows),
        start=start,
        most=MOST_ROUTES,
        aliases=alias_rows(rules, view, found),
        categories=category_rows(rules, view),
        layers=layer_rows(rules, view),
        general=general_warnings(rules.warnings),
        lagging=log().lagging_rules(time.time()),
        may_change=person().role >= Role.OPERATOR and in_force and written is not None,
        is_operator=person().role >= Role.OPERATOR,
        toast=gettext(DONE[done]) if done in DONE else None,
    )


@lru_cache(maxsize=2)
def written_routes(text: str) -> list[Any] | None:
    """The routes as the file has them; None for a file that cannot be read."""
    try:
        data = load(text, "").data or {}
    except RulesError:
        return None
    routes = data.get("routes") or []
    return routes if isinstance(routes, list) else None


def route_rows(rules: Ruleset, written: list[Any] | None) -> list[RouteRow]:
    """In the order they are tried. `written`: the file's routes, among them those that are off; None: not known."""
    told = warnings_of(rules.warnings)
    loaded = {route.position: route for route in rules.routes}
    if written is None:
        return [loaded_row(number, route, told) for number, route in enumerate(rules.routes, 1)]
    rows = []
    for number, at in enumerate(tried(written), 1):
        route = written[at]
        if (compiled := loaded.get(at)) is not None:
            rows.append(loaded_row(number, compiled, told, route))
        elif isinstance(route, dict):
            rows.append(written_row(number, at, route))
    return rows


def loaded_row(
    number: int, route: Route, told: Mapping[int, list[str]], written: Mapping[str, Any] | None = None
) -> RouteRow:
    warnings = told.get(route.position, [])
    never = next((one for one in warnings if one.startswith(NEVER)), "")
    tags = [gettext("thinking %(how)s", how=route.thinking)] if route.thinking != "auto" else []
    tags += (
        [f"fallback_on {', '.join(sorted(route.fallback_on)) or 'nothing'}"] if route.fallback_on is not None else []
    )
    mirror = (written or {}).get("route", {}).get("mirror")
    if isinstance(mirror, dict):
        tags.append(gettext("mirrored to %(target)s", target=mirror.get("target")))
    tags += [gettext("stays by conversation")] if route.stick else []
    tags += [chosen_by(route.pool).strip(" ()")] if route.pool else []
    tags += [gettext("local only")] if route.local_only else []
    tags += [gettext("capture %(what)s", what=route.capture)] if route.capture else []
    tags += [gettext("redacts")] if route.redact is not None else []
    return RouteRow(
        number=number,
        at=route.position,
        name=route.name,
        line=route.line,
        enabled=True,
        priority=route.priority,
        description=str((written or {}).get("description") or ""),
        words=words_of(route),
        target=target_of(route.upstream.name if route.upstream else None, route.model) or shares_of(route.parts),
        fallbacks=[instance_name(one) for one in route.fallbacks],
        tags=tags,
        never=never,
        warnings=[one for one in warnings if one != never],
    )


def written_row(number: int, at: int, route: dict[str, Any]) -> RouteRow:
    """A route that is off: as it is written, as nothing of it is loaded."""
    target = route.get("route")
    target = target if isinstance(target, dict) else {}
    match = route.get("match")
    return RouteRow(
        number=number,
        at=at,
        name=str(route.get("name") or gettext("route %(number)s", number=at + 1)),
        line=0,
        enabled=False,
        priority=priority_of(route),
        description=str(route.get("description") or ""),
        words=[f"{key} {one if isinstance(one, str) else flow(one)}" for key, one in match.items()]
        if isinstance(match, dict)
        else [],
        target=target_of(target.get("upstream"), target.get("model")) or flow(target.get("split") or ""),
        fallbacks=[one if isinstance(one, str) else flow(one) for one in target.get("fallbacks") or []],
        tags=[],
    )


def words_of(route: Route) -> list[str]:
    """What it matches, a condition each; none: everything."""
    match = route.match
    words = [f"model {match.model}"] if match.model is not None else []
    words += [f"source_host {match.source_host}"] if match.source_host is not None else []
    if match.condition is not None:
        parts = match.condition.parts if isinstance(match.condition, AllOf) else (match.condition,)
        words += map(str, parts)
    return words


def target_of(upstream: str | None, model: str | None) -> str:
    if upstream is None:
        return model or ""
    return f"{upstream}/{model}" if model else upstream


def instance_name(one: Instance) -> str:
    return target_of(one.server.name, one.model)


def shares_of(instances: Sequence[Instance]) -> str:
    """The parts of a split, each with its share: `stable 90 / canary 10`."""
    return " / ".join(dict.fromkeys(f"{one.places[0].part} {one.places[0].share:g}" for one in instances))


def alias_targets(alias: Alias) -> list[str]:
    """What it leads to, in order; with the shares of a split, and weights where they count."""
    if alias.pool is not None and alias.pool.strategy == "split":
        return [shares_of(alias.instances)]
    weighs = alias.pool is not None and alias.pool.strategy == "weighted"
    return [f"{instance_name(one)} {one.weight}" if weighs else instance_name(one) for one in alias.instances]


def warnings_of(found: Sequence[Problem]) -> dict[int, list[str]]:
    """The warnings of each route, by its place in the file."""
    told: dict[int, list[str]] = {}
    for one in found:
        if place := _PLACE.match(one.key):
            told.setdefault(int(place[1]), []).append(one.message)
    return told


def general_warnings(found: Sequence[Problem]) -> list[str]:
    return [str(one) for one in found if not _PLACE.match(one.key)][:20]


def with_hits(rows: Sequence[RouteRow], view: View) -> list[RouteRow]:
    names = [row.name for row in rows if row.enabled]
    wanted: list[Rule] = [(layer, name) for name in names for layer in ("route", "conversation")]
    found = log().rule_hits(wanted, view.filters.start, view.filters.end)
    return [
        replace(
            row,
            hit=found.get(("route", row.name), NOTHING),
            stayed=found.get(("conversation", row.name), NOTHING).count,
        )
        if row.enabled
        else row
        for row in rows
    ]


def alias_rows(rules: Ruleset, view: View, found: RulesDesk) -> list[NamedRow]:
    names = list(rules.aliases)[:MOST_ROUTES]
    hits = log().rule_hits([("alias", name) for name in names], view.filters.start, view.filters.end)
    told = {name: [one.message for one in rules.warnings if one.key == f"aliases.{name}"] for name in names}
    return [
        NamedRow(
            name,
            alias_targets(rules.aliases[name]),
            hits.get(("alias", name), NOTHING),
            told[name],
            chosen_by(rules.aliases[name].pool).strip(" ()"),
        )
        for name in names
    ]


def category_rows(rules: Ruleset, view: View) -> list[NamedRow]:
    """The categories that `auto` may go by, by meaning or by the arbiter's word."""
    semantic = rules.semantic_routes.categories if rules.semantic_routes is not None else {}
    arbiter = rules.arbiter.targets if rules.arbiter is not None else {}
    wanted = [("semantic", name, one.target or "") for name, one in semantic.items()]
    wanted += [("arbiter", name, target) for name, target in arbiter.items()]
    hits = log().rule_hits([(layer, name) for layer, name, _ in wanted], view.filters.start, view.filters.end)
    return [NamedRow(f"{layer}: {name}", [target], hits.get((layer, name), NOTHING)) for layer, name, target in wanted]


def layer_rows(rules: Ruleset, view: View) -> list[LayerRow]:
    """What comes beside and after the routes, in the order in which a request meets it."""
    exact, semantic = rules.cache.exact, rules.cache.semantic
    default = ", ".join(instance_name(one) for one in rules.auto_default)
    first = gettext("the first alias or listed model")
    upstream = f"DEFAULT_UPSTREAM, {rules.default.url}" if rules.default_set else first
    kept, off = gettext("answers kept for %(time)s", time=duration(exact.ttl * 1000)), gettext("off")
    wanted = [
        ("model_map", gettext("MODEL_MAP renames models before all else")),
        ("exact_cache", kept if exact.ttl > 0 else off),
        ("semantic_cache", gettext("mode %(mode)s", mode=semantic.mode)),
        ("conversation", gettext("what follows stays with its target, where a rule says stick")),
        ("semantic", gettext("by meaning") if rules.semantic_routes is not None else off),
        ("arbiter", gettext("asks %(model)s", model=rules.arbiter.model) if rules.arbiter is not None else off),
        ("server", gettext("a model called server/model goes to that server")),
        ("list", gettext("else to a server that lists the model")),
        ("default", default or upstream),
    ]
    hits = log().layer_hits([name for name, _ in wanted], view.filters.start, view.filters.end)
    return [LayerRow(name, words, hits.get(name, NOTHING)) for name, words in wanted]
