"""Warn of what a rules file may hold but hardly means: rules that never match, targets that do not exist."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from switchman.addons.core.request.clients import Network
from switchman.addons.core.routes.conditions import GroupIs, HealthIs, MaxCost, MaxLatency, TokenIs
from switchman.addons.core.routes.logic import AllOf, AnyOf, Not
from switchman.addons.core.routes.names import find, short
from switchman.addons.core.routes.routes import Alias, Instance, Match, ModelMap, Route
from switchman.addons.core.routes.subject import Condition
from switchman.addons.core.routes.targets import instances_named
from switchman.addons.core.rules.problems import MAX_TOLD, Problem, hint
from switchman.addons.core.rules.reading.yamltext import Document, Path
from switchman.addons.core.servers.credentials import may_be_stranger, strangers
from switchman.addons.core.servers.servers import Server

# Common patterns that match every name. Whether two patterns overlap in general is not decided here.
_EVERYTHING = frozenset({"", ".*", "^.*", ".*$", "^.*$", ".*?", "^", "$", "()", "(.*)", "^(.*)$"})

_DIGEST = re.compile(r"[0-9a-f]{64}")  # of a client's own key

NEVER = "this route can never match"  # how the warnings of routes begin that no request reaches

# Pairs of rules that are compared for shadowing: a file of ten thousand rules must not delay a reload.
_MAX_COMPARED = 200_000


def routing_warnings(
    document: Document,
    routes: Sequence[Route],
    aliases: Mapping[str, Alias],
    servers: Mapping[str, Server],
    model_map: ModelMap,
    local_only: frozenset[str] = frozenset(),
    fallbacks: Sequence[Instance] = (),
    default_set: bool = True,
) -> list[Problem]:
    """Every warning about aliases and routes. `routes` are in the order they are tried, `fallbacks` follow each."""
    return [
        *_never_matching(document, routes, aliases, model_map),
        *_never_true(document, routes, servers),
        *_missing_targets(document, routes, aliases, servers, default_set),
        *_nowhere_to_go(document, routes, aliases, servers, fallbacks),
        *_fallbacks_not_tried(document, routes, aliases, servers, local_only),
        *_unreachable_aliases(document, aliases, model_map),
        *_without_credentials(document, routes, aliases, servers, fallbacks),
    ]


def token_warnings(document: Document, routes: Sequence[Route]) -> list[Problem]:
    """Warnings about routes that ask for a token by its name, or for a group, where no request comes with a token."""
    return [
        document.problem(
            ("routes", route.position, "match"),
            f"no request has a token to be asked for ({condition}): set CLIENT_AUTH=TOKENS",
            at_key=True,
            warning=True,
        )
        for route in routes
        if route.match.condition is not None and (condition := _names_a_token(route.match.condition)) is not None
    ]


def _names_a_token(condition: Condition) -> Condition | None:
    match condition:
        case AllOf() | AnyOf():
            return next(filter(None, map(_names_a_token, condition.parts)), None)
        case Not():
            return _names_a_token(condition.part)
        case GroupIs():
            return condition
        case TokenIs() if not all(_DIGEST.fullmatch(one) for one in condition.tokens):
            return condition
    return None


def layer_warnings(
    document: Document, targets: Mapping[Path, str], known: Callable[[str], bool], names: Sequence[str]
) -> list[Problem]:
    """Warnings about targets of the layers of `auto`, by place in the file, that do not exist: each is a miss."""
    return [
        document.problem(path, f"{target!r} is no target{hint(target, names)}: this never answers", warning=True)
        for path, target in targets.items()
        if not known(target)
    ]


def _never_matching(
    document: Document, routes: Sequence[Route], aliases: Mapping[str, Alias], model_map: ModelMap
) -> Iterator[Problem]:
    shadows = _Shadows(routes)
    for index, route in enumerate(routes):
        if reason := _answered_before(route.match, aliases, model_map) or shadows.of(index):
            yield document.problem(("routes", route.position), f"{NEVER}: {reason}", warning=True)


def _answered_before(match: Match, aliases: Mapping[str, Alias], model_map: ModelMap) -> str | None:
    """The reason why a request for exactly this model never reaches the routes; None if it does."""
    if match.model is None or match.pattern is not None:
        return None
    if (rewrite := model_map.rewrite(match.model)) and short(rewrite.model) != short(match.model):
        return f"MODEL_MAP turns {match.model} into {rewrite.model} before"
    if (alias := find(aliases, match.model)) is not None:
        return f"the alias {alias.name} answers before"
    return None


class _Shadows:
    """Find, for a route, an earlier one that takes all requests that it could match."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self._left = _MAX_COMPARED
        self._exact: dict[str, list[int]] = {}
        self._others: list[int] = []
        for index, route in enumerate(routes):
            match = route.match
            if match.model is not None and match.pattern is None:
                self._exact.setdefault(short(match.model), []).append(index)
            else:
                self._others.append(index)

    def of(self, index: int) -> str | None:
        match = self._routes[index].match
        same = self._exact.get(short(match.model), []) if match.model is not None else []
        for earlier in sorted([*same, *self._others]):
            if earlier >= index or self._left <= 0:
                return None
            self._left -= 1
            other = self._routes[earlier]
            if (
                other.match.condition in (None, match.condition)
                and _covers_model(other.match, match)
                and _covers_source(other.match.source, match.source)
            ):
                return f"{other.name} (line {other.line}), which is tried before, takes all that it could"
        return None


def _covers_model(wide: Match, narrow: Match) -> bool:
    if wide.model is None or (wide.pattern is not None and wide.pattern.pattern in _EVERYTHING):
        return True
    if narrow.model is None:
        return False
    if narrow.pattern is not None:
        return wide.model == narrow.model
    return wide.accepts_model(narrow.model)


def _covers_source(wide: Sequence[Network] | None, narrow: Sequence[Network] | None) -> bool:
    if wide is None:
        return True
    if narrow is None:
        return False
    return all(any(_contains(outer, inner) for outer in wide) for inner in narrow)


def _contains(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and outer.prefixlen <= inner.prefixlen and inner.network_address in outer


def _never_true(document: Document, routes: Sequence[Route], servers: Mapping[str, Server]) -> Iterator[Problem]:
    for route in routes:
        if route.match.condition is not None and (why := _why_never_true(route.match.condition, servers)):
            path = ("routes", route.position, "match")
            yield document.problem(path, f"{NEVER}: {why}", at_key=True, warning=True)


def _why_never_true(condition: Condition, servers: Mapping[str, Server]) -> str | None:
    """The reason why a condition is never True, as far as the file shows; None where none shows."""
    match condition:
        case AllOf():
            return next(filter(None, (_why_never_true(part, servers) for part in condition.parts)), None)
        case AnyOf():
            reasons = [_why_never_true(part, servers) for part in condition.parts]
            return None if None in reasons else (reasons[0] if reasons else "any: of nothing never holds")
        case Not():
            if condition.part == AllOf(()):
                return "not: of no condition never holds"
            # What is not known is not known of the opposite either.
            unknown = isinstance(condition.part, MaxCost) and condition.part.known is None
            return _why_never_true(condition.part, servers) if unknown else None
        case MaxCost(known=float(known)) if known > condition.limit:
            return f"{condition.target} costs {known:g}, more than max_cost"
        case MaxCost(target=str(target), known=None) if target:
            return f"max_cost: no price of {target} is known: set `models: {{{target}: {{input_cost: ...}}}}`"
        case MaxCost(target="") | MaxLatency(target=""):
            return f"{condition}: the route names no single target whose figure this could compare"
        case HealthIs() if condition.server not in servers:
            return f"provider_health: no server is named {condition.server!r}{hint(condition.server, servers)}"
    return None


def _nowhere_to_go(
    document: Document,
    routes: Sequence[Route],
    aliases: Mapping[str, Alias],
    servers: Mapping[str, Server],
    fallbacks: Sequence[Instance],
) -> Iterator[Problem]:
    """Warn of routes that say for what the next candidate is asked, and have one candidate."""
    for route in routes:
        if not route.fallback_on or route.fallbacks or fallbacks:
            continue
        named = [] if route.upstream is not None else instances_named(route.model or "", servers, aliases)
        if route.upstream is not None or len(named) == 1:
            path = ("routes", route.position, "route", "fallback_on")
            message = "this route has one candidate, so there is no next one: give it fallbacks"
            yield document.problem(path, message, warning=True)


def _fallbacks_not_tried(
    document: Document,
    routes: Sequence[Route],
    aliases: Mapping[str, Alias],
    servers: Mapping[str, Server],
    local_only: frozenset[str],
) -> Iterator[Problem]:
    """Warn of fallbacks that leave a local_only set: they are not tried."""
    for route in routes:
        leading = _first_server(route, aliases, servers)
        if leading is None or (leading.name not in local_only and not route.local_only):
            continue
        first = leading.name
        left = [f.server.name for f in route.fallbacks if f.server.name != first and f.server.name not in local_only]
        if left:
            path = ("routes", route.position, "route", "fallbacks")
            message = f"{first} is local_only here, so its fallbacks to {', '.join(left)} are never tried"
            yield document.problem(path, message, at_key=True, warning=True)
    for alias in aliases.values():
        first = alias.instances[0].server.name if alias.instances else ""
        left = [i.server.name for i in alias.instances if i.server.name not in local_only]
        if first in local_only and left:
            message = f"{first} is local_only, so the instances on {', '.join(left)} are never tried"
            yield document.problem(("aliases", alias.name), message, at_key=True, warning=True)


def _first_server(route: Route, aliases: Mapping[str, Alias], servers: Mapping[str, Server]) -> Server | None:
    if route.upstream is not None:
        return route.upstream
    if route.parts:
        return route.parts[0].server
    found = instances_named(route.model or "", servers, aliases)
    return found[0].server if found else None


def _without_credentials(
    document: Document,
    routes: Sequence[Route],
    aliases: Mapping[str, Alias],
    servers: Mapping[str, Server],
    fallbacks: Sequence[Instance],
) -> Iterator[Problem]:
    """Warn of public servers without a key that follow one of another owner: they will refuse the request."""

    def problem(path: Path, later: Iterable[Instance], first: Server, at_key: bool = True) -> Iterator[Problem]:
        if names := ", ".join(server.name for server in strangers((one.server for one in later), first)):
            message = (
                f"after {first.name} the client's credentials do not go to {names}, and no others are set: "
                "set api_key, or forward_auth (true: send the client's, false: none are needed)"
            )
            yield document.problem(path, message, at_key=at_key, warning=True)

    for alias in aliases.values():
        if alias.instances:
            yield from problem(("aliases", alias.name), alias.instances[1:], alias.instances[0].server)
    leading: dict[str, Server] = {}  # each once: routes are many, and so are fallbacks
    for route in routes:
        if (first := _first_server(route, aliases, servers)) is not None:
            leading[first.name] = first
            yield from problem(("routes", route.position, "route", "fallbacks"), route.fallbacks, first)
    for index, fallback in enumerate(fallbacks):
        if may_be_stranger(fallback.server):
            first_choice = next((first for first in leading.values() if strangers([fallback.server], first)), None)
        else:
            first_choice = None
        if first_choice is not None:
            yield from problem(("fallbacks", index), [fallback], first_choice, at_key=False)


def _missing_targets(
    document: Document,
    routes: Sequence[Route],
    aliases: Mapping[str, Alias],
    servers: Mapping[str, Server],
    default_set: bool,
) -> Iterator[Problem]:
    told = 0
    for route in routes:
        if route.model is None:
            continue
        path = ("routes", route.position, "route", "model")
        if route.upstream is not None:
            if route.model in aliases:
                message = f"{route.model!r} is an alias, but as upstream is given too, the name is sent as it stands"
                yield document.problem(path, message, warning=True)
        elif route.model not in aliases and route.model.partition("/")[0] not in servers:
            # What is compared costs milliseconds where there are thousands of names.
            close = hint(route.model.partition("/")[0], servers, aliases) if told < MAX_TOLD else ""
            told += 1
            message = f"{route.model!r} names no server and no alias{close}; it goes {_bare_target(default_set)}"
            yield document.problem(path, message, warning=True)


def _bare_target(default_set: bool) -> str:
    """Where a target goes that names no server and no alias."""
    return "to DEFAULT_UPSTREAM under this name" if default_set else "to the server that lists a model of this name"


def _unreachable_aliases(document: Document, aliases: Mapping[str, Alias], model_map: ModelMap) -> Iterator[Problem]:
    for name in aliases:
        if (rewrite := model_map.rewrite(name)) and short(rewrite.model) != short(name):
            message = f"MODEL_MAP turns {name} into {rewrite.model} before this alias is looked at"
            yield document.problem(("aliases", name), message, at_key=True, warning=True)
