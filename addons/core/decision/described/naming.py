"""The names in drafted rules: which of them are none here, and which real ones are near to those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from switchman.addons.core.decision.catalogue import Model
from switchman.addons.core.decision.names.known import KnownModels, server_models
from switchman.addons.core.decision.names.unknown import nearest
from switchman.addons.core.routes.names import find
from switchman.addons.core.rules.ruleset import Ruleset

MOST_NAMES: Final = 2_000  # of a list that the router gives


@dataclass(frozen=True, slots=True)
class Finding:
    """`at`: the rule, from 0; `path`: within it. `what`: address, server, model or name. `near`: real names like it."""

    at: int
    path: tuple[str | int, ...]
    what: str
    word: str
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RealNames:
    """What there is to lead to. `listed`: servers whose own lists are known, so that a name they lack is none there."""

    known: KnownModels
    listed: frozenset[str]
    targets: tuple[str, ...]


def real_names(rules: Ruleset, listed: Iterable[str] = ()) -> RealNames:
    """`listed`: the ids of the router's own list of models."""
    models: dict[str, dict[str, Model]] = {}
    from_lists: set[str] = set()

    def take(name: str, from_list: bool = False) -> None:
        server, slash, model = name.partition("/")
        if slash and model and server in rules.servers:
            models.setdefault(server, {})[model] = Model(model)
            if from_list:
                from_lists.add(server)

    for count, name in enumerate(listed):
        if count >= MOST_NAMES:
            break
        take(name, from_list=True)
    targets = [one for alias in rules.aliases.values() for one in alias.instances]
    targets += [one for route in rules.routes for one in (*route.parts, *route.fallbacks)]
    for name in (*rules.models, *(f"{one.server.name}/{one.model}" for one in targets)):
        take(name)
    for route in rules.routes:
        if route.model is not None:
            take(f"{route.upstream.name}/{route.model}" if route.upstream is not None else route.model)
    known = KnownModels({name: server_models(list(found.values())) for name, found in models.items()})
    names = [*rules.aliases, *(f"{server}/{model}" for server in rules.servers for model in models.get(server, ()))]
    return RealNames(known, frozenset(from_lists), tuple(names))


def findings(drafted: Sequence[Mapping[str, Any]], rules: Ruleset, real: RealNames) -> list[Finding]:
    """The names of the rules themselves that are used already, and those that they lead to and nothing has."""
    used = {route.name for route in rules.routes}
    found: list[Finding] = []
    for at, rule in enumerate(drafted):
        name = rule.get("name")
        if isinstance(name, str):
            if name in used:
                found.append(Finding(at, ("name",), "name", name))
            used.add(name)
        for path, server, model in _targets(rule.get("route")):
            if (one := _unknown(at, path, server, model, rules, real)) is not None:
                found.append(one)
    return found


def _targets(route: Any) -> Iterator[tuple[tuple[str | int, ...], str | None, str]]:
    """Each target with its path: its server (None: the name says it), and its model."""
    if not isinstance(route, dict):
        return
    upstream, model = route.get("upstream"), route.get("model")
    if isinstance(upstream, str):
        yield ("route", "upstream"), upstream, model if isinstance(model, str) else ""
    elif isinstance(model, str):
        yield ("route", "model"), None, model
    fallbacks = route.get("fallbacks")
    for at, one in enumerate(fallbacks if isinstance(fallbacks, list) else ()):
        path: tuple[str | int, ...] = ("route", "fallbacks", at)
        if isinstance(one, str):
            yield path, None, one
        elif isinstance(one, dict):
            place, named = one.get("server", one.get("url")), one.get("model", "")
            if isinstance(place, str) and isinstance(named, str):
                yield path, place, named


def _unknown(
    at: int, path: tuple[str | int, ...], server: str | None, model: str, rules: Ruleset, real: RealNames
) -> Finding | None:
    word = model if server is None else f"{server}/{model}" if model else server
    if "://" in word:
        return Finding(at, path, "address", word)
    if server is None:
        if find(rules.aliases, model) is not None:
            return None
        server, _, model = model.partition("/")
    if server not in rules.servers:
        return Finding(at, path, "server", word, _near(word, rules, real))
    if model and server in real.listed and real.known.listed_as(rules.servers[server], model) is None:
        return Finding(at, path, "model", word, _near(word, rules, real))
    return None


def _near(word: str, rules: Ruleset, real: RealNames) -> tuple[str, ...]:
    """As `server/model` or an alias, for what is written into a rule."""
    found = nearest(word, rules, real.known)
    if "/" not in word:  # a bare name's near ones are bare: the first server that has it
        full = [next((one for one in real.targets if one.endswith(f"/{name}")), name) for name in found]
        return tuple(dict.fromkeys(full))
    return tuple(name for name in found if "/" in name or find(rules.aliases, name) is not None)
