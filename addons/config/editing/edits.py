"""What can be done to the routes, aliases and servers of a rules file, one at a time, as a page or a program sends it.

Routes are named by their place in the file, from 0, as the text has them that the edit is for. `place` speaks of the
order in which routes are tried: where priorities stand in the way, it changes that of the one route that is placed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from switchman.addons.config.editing.rewriting import NotEditable, Order, rewritten, rules_in
from switchman.addons.core.rules.reading.yamltext import Path

USUAL_PRIORITY = 500
ROUTES: Path = ("routes",)

At = Annotated[int, Field(ge=0)]


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Add(_Edit):
    """A new route; `at`: its place in the file, None for the last one."""

    do: Literal["add"]
    route: dict[str, Any]
    at: At | None = None


class Change(_Edit):
    """What the route at this place is now, whole: a key that is not there is taken out."""

    do: Literal["change"]
    at: At
    route: dict[str, Any]


class Remove(_Edit):
    """A route goes."""

    do: Literal["remove"]
    at: At


class Enable(_Edit):
    """A route is tried, or passed over; all its fields stay."""

    do: Literal["enable"]
    at: At
    enabled: bool


class Place(_Edit):
    """A route is tried as the one of this number, from 0, of all routes, those that are off included."""

    do: Literal["place"]
    at: At
    number: At


class Alias(_Edit):
    """An alias's instances; None takes it out."""

    do: Literal["alias"]
    name: Annotated[str, Field(min_length=1)]
    instances: list[Any] | None


class Server(_Edit):
    """What a server is, whole, as the file would have it; None takes it out, with what `models:` has of it."""

    do: Literal["server"]
    name: Annotated[str, Field(min_length=1)]
    server: dict[str, Any] | str | None


class EnableServer(_Edit):
    """A server is used, or off; all its keys stay."""

    do: Literal["enable_server"]
    name: Annotated[str, Field(min_length=1)]
    enabled: bool


class Facts(_Edit):
    """The facts of `models:` about one `server/model`; None takes them out."""

    do: Literal["facts"]
    name: Annotated[str, Field(min_length=3)]
    facts: dict[str, Any] | None


AnyEdit = Annotated[
    Add | Change | Remove | Enable | Place | Alias | Server | EnableServer | Facts, Field(discriminator="do")
]


def edited(text: str, edit: AnyEdit) -> str:
    """The text with one edit. Raises NotEditable with a sentence, and RulesError for a text that cannot be read."""
    data, routes = rules_in(text)
    if isinstance(edit, Alias):
        return rewritten(text, _with_alias(data, edit))
    if isinstance(edit, Server):
        return rewritten(text, _with_server(data, edit))
    if isinstance(edit, EnableServer):
        return rewritten(text, _with_enabled(data, edit))
    if isinstance(edit, Facts):
        return rewritten(text, _with_entry(data, "models", edit.name, edit.facts))
    now, order = _routes_after(routes, edit)
    return rewritten(text, {**data, "routes": now}, {ROUTES: order})


def _routes_after(routes: list[Any], edit: Add | Change | Remove | Enable | Place) -> tuple[list[Any], Order]:
    order: list[int | None] = list(range(len(routes)))
    now = list(routes)
    if isinstance(edit, Add):
        at = len(routes) if edit.at is None else min(edit.at, len(routes))
        now.insert(at, in_order(edit.route))
        order.insert(at, None)
        return now, order
    if edit.at >= len(routes) or not isinstance(routes[edit.at], dict):
        raise NotEditable(f"there is no route {edit.at + 1}")
    if isinstance(edit, Change):
        now[edit.at] = in_order(edit.route)
    elif isinstance(edit, Enable):
        now[edit.at] = _enabled(routes[edit.at], edit.enabled)
    elif isinstance(edit, Remove):
        del now[edit.at], order[edit.at]
    else:
        return _placed(routes, edit)
    return now, order


def in_order(route: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that are new come where routes usually have them; those that are there stay where they are."""
    usual = ("name", "description", "enabled", "priority", "match", "route", "redact")
    known = {key: place for place, key in enumerate(usual)}
    return dict(sorted(route.items(), key=lambda pair: known.get(pair[0], len(usual))))


def _enabled(route: dict[str, Any], wanted: bool) -> dict[str, Any]:
    if wanted and "enabled" not in route:
        return route
    return in_order({**route, "enabled": wanted})


def priority_of(route: Any) -> int:
    found = route.get("priority", USUAL_PRIORITY) if isinstance(route, dict) else USUAL_PRIORITY
    return found if isinstance(found, int) else USUAL_PRIORITY


def tried(routes: list[Any]) -> list[int]:
    """The places of all routes in the order in which they are tried."""
    return sorted(range(len(routes)), key=lambda at: -priority_of(routes[at]))


def _placed(routes: list[Any], edit: Place) -> tuple[list[Any], Order]:
    others = [at for at in tried(routes) if at != edit.at]
    number = min(edit.number, len(others))
    above = others[number - 1] if number else None
    below = others[number] if number < len(others) else None
    most = priority_of(routes[above]) if above is not None else None
    least = priority_of(routes[below]) if below is not None else None
    own = priority_of(routes[edit.at])
    now = own if most is None else min(own, most)
    now = now if least is None else max(now, least)
    moved = routes[edit.at] if now == own else in_order({**routes[edit.at], "priority": now})
    order = [at for at in range(len(routes)) if at != edit.at]
    # Among those of its priority the file's order counts: behind the one above, or before the one below.
    if above is not None and most == now:
        place = order.index(above) + 1
    elif below is not None and least == now:
        place = order.index(below)
    else:
        place = edit.at
    order.insert(place, edit.at)
    return [moved if at == edit.at else routes[at] for at in order], order


def _with_alias(data: dict[str, Any], edit: Alias) -> dict[str, Any]:
    aliases = dict(data.get("aliases") or {})
    if edit.instances is None:
        if edit.name not in aliases:
            raise NotEditable(f"there is no alias {edit.name!r}")
        del aliases[edit.name]
    else:
        kept = aliases.get(edit.name)
        aliases[edit.name] = {**(kept if isinstance(kept, dict) else {}), "instances": edit.instances}
    return {**data, "aliases": aliases}


def _with_server(data: dict[str, Any], edit: Server) -> dict[str, Any]:
    made = _with_entry(data, "servers", edit.name, edit.server)
    facts = data.get("models")
    if edit.server is None and isinstance(facts, dict):
        kept = {name: one for name, one in facts.items() if not str(name).startswith(f"{edit.name}/")}
        made = {**made, "models": kept} if kept else {name: one for name, one in made.items() if name != "models"}
    return made


def _with_enabled(data: dict[str, Any], edit: EnableServer) -> dict[str, Any]:
    found = servers_in(data).get(edit.name)
    if found is None:
        raise NotEditable(f"there is no server {edit.name!r} in the file")
    if edit.enabled == found.get("enabled", True):
        return data
    return _with_entry(data, "servers", edit.name, {**found, "enabled": edit.enabled})


def _with_entry(data: dict[str, Any], section: str, name: str, value: Any) -> dict[str, Any]:
    """One entry of a section, put in its place; None takes it out, and an empty section with it."""
    entries = data.get(section) or {}
    if not isinstance(entries, dict):
        raise NotEditable(f"`{section}` is no mapping")
    entries = dict(entries)
    if value is not None:
        entries[name] = value
    elif entries.pop(name, None) is None:
        raise NotEditable(f"`{section}` has no {name!r}")
    made = {**data, section: entries}
    return made if entries else {key: one for key, one in made.items() if key != section}


def servers_in(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The servers of a file's values, each as a mapping."""
    found = data.get("servers")
    written = {str(name): {"url": one} if isinstance(one, str) else one for name, one in (found or {}).items()}
    return {name: one for name, one in written.items() if isinstance(one, dict)}
