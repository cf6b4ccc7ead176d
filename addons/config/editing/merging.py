"""Rules in other routers' JSON, put into the text of a rules file whose rest stays, and taken out of it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from switchman.addons.config.editing.rewriting import rewritten, rules_in
from switchman.addons.core.rules.reading.routerjson import KEPT, Exported, Imported, routes_from, rules_from
from switchman.addons.core.rules.reading.yamltext import Path, load

ROUTES: Path = ("routes",)


class Merged(NamedTuple):
    """The new text, and how many routes were added, and took the place of one of the same name."""

    text: str
    added: int
    replaced: int


def read_rules(text: str) -> Imported:
    """The routes of a JSON text. Raises ValueError with a sentence."""
    try:
        return routes_from(json.loads(text))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def merged(text: str, imported: Imported) -> Merged:
    """Raises NotEditable, and RulesError for a text that cannot be read."""
    data, found = rules_in(text, sound=True)
    routes = list(found)
    order: list[int | None] = list(range(len(routes)))
    places = {route["name"]: at for at, route in enumerate(routes) if isinstance(route, dict) and route.get("name")}
    replaced = 0
    for route in imported.routes:
        if (place := places.get(route.get("name"))) is not None:
            routes[place] = route
            replaced += 1
        else:
            routes.append(route)
            order.append(None)
    kept = {KEPT: imported.kept} if imported.kept else {}
    wanted = {**data, "routes": routes, **kept}
    return Merged(rewritten(text, wanted, {ROUTES: order}), len(imported.routes) - replaced, replaced)


def exported(text: str, file: str) -> Exported:
    """The rules of a file that loads, as the JSON has them."""
    return rules_from(load(text, file).data or {})


def as_json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
