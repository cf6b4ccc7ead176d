"""Which places of a rules file lead to a server: what stands in the way of taking it out. Pure.

A target is written as `server/model`, as a mapping with `server` or `upstream`, or as the server's name alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from switchman.addons.core.rules.reading.yamltext import Path


class Pointing(NamedTuple):
    """`kind`: alias, route, default, fallbacks, local_only, semantic_routes, arbiter, limits. `name`: of the alias, the
    route or the category, "" where there is one only; `at`: the place of a route in the file, from 0.
    """

    kind: str
    name: str
    path: Path
    at: int | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.name else self.kind


def pointing(data: dict[str, Any], server: str) -> list[Pointing]:
    """`data`: the file's values. Each place once, in the file's order of sections."""
    found = [*_aliases(data, server), *_routes(data, server), *_others(data, server)]
    return list(dict.fromkeys(found))


def _aliases(data: dict[str, Any], server: str) -> Iterator[Pointing]:
    for name, alias in _mapping(data.get("aliases")).items():
        if any(_leads(one, server) for one in _list(_mapping(alias).get("instances"))):
            yield Pointing("alias", str(name), ("aliases", name))


def _routes(data: dict[str, Any], server: str) -> Iterator[Pointing]:
    aliases = _mapping(data.get("aliases"))
    for at, route in enumerate(_list(data.get("routes"))):
        target = _mapping(_mapping(route).get("route"))
        upstream, model = target.get("upstream"), target.get("model")
        leads = upstream == server or (upstream is None and model not in aliases and _leads(model, server))
        if leads or any(_leads(one, server) for one in _list(target.get("fallbacks"))):
            yield Pointing("route", str(_mapping(route).get("name") or f"route {at + 1}"), ("routes", at), at)


def _others(data: dict[str, Any], server: str) -> Iterator[Pointing]:
    if _leads(data.get("default"), server):
        yield Pointing("default", "", ("default",))
    if any(_leads(one, server) for one in _list(data.get("fallbacks"))):
        yield Pointing("fallbacks", "", ("fallbacks",))
    if server in _list(data.get("local_only")):
        yield Pointing("local_only", "", ("local_only",))
    categories = _mapping(_mapping(data.get("semantic_routes")).get("categories"))
    for name, category in categories.items():
        if _leads(_mapping(category).get("target"), server):
            yield Pointing("semantic_routes", str(name), ("semantic_routes", "categories", name))
    arbiter = _mapping(data.get("arbiter"))
    targets = _mapping(arbiter.get("targets")).values()
    if arbiter.get("server") == server or any(_leads(one, server) for one in targets):
        yield Pointing("arbiter", "", ("arbiter",))
    if _downgrades(data.get("limits"), server):
        yield Pointing("limits", "", ("limits",))


def _downgrades(value: Any, server: str) -> bool:
    """Whether some budget of the limits goes on with a model of the server, wherever it stands."""
    if isinstance(value, dict):
        return any(
            (key == "downgrade" and _leads(one, server)) or _downgrades(one, server) for key, one in value.items()
        )
    return isinstance(value, list) and any(_downgrades(one, server) for one in value)


def _leads(target: Any, server: str) -> bool:
    if isinstance(target, dict):
        return bool(target.get("server") == server)
    return isinstance(target, str) and target.partition("/")[0] == server


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
