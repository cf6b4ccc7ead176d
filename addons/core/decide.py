"""Which servers may answer a request, in which order, and why: the decision as a pure function.

    decide
    1. MODEL_MAP        the name may be rewritten; the rest goes by the new one
    2. alias            the name stands for several instances           -> its instances, in order
    3. routes           the first that accepts model and source         -> its target, then its fallbacks
       3a. upstream given            -> that server, with the route's model or the name as it is
       3b. only a model given        -> alias (one hop), then server/model, then DEFAULT_UPSTREAM
    4. server/model     the part before the first slash is a server     -> that server, with the rest as model
    5. DEFAULT_UPSTREAM                                                 -> that server, with the name as it is
    then, whatever answered: candidates whose breaker is open move behind the others, and none is removed.

Every step that was asked leaves a TraceLine. No step guesses: names are compared whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from switchman.addons.core.call import DialectName
from switchman.addons.core.clients import parse_address
from switchman.addons.core.plan import Candidate, Plan, TraceLine
from switchman.addons.core.routes import Instance, Route
from switchman.addons.core.ruleset import Ruleset

LAYERS = ("model_map", "alias", "route", "server", "default", "breaker")

_SHOWN = 80  # characters of a client's own text that a trace repeats


@dataclass(frozen=True, slots=True)
class Ask:
    """What a decision is made from. `model` is "" where the client named none; `source` is the client's address."""

    model: str
    source: str = ""
    dialect: DialectName | None = None
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """One layer's candidates, before breakers are asked."""

    layer: str
    route: str
    instances: Sequence[Instance]


def never(candidate: Candidate) -> bool:
    """No breaker is open: what dry runs assume."""
    return False


def decide(ask: Ask, rules: Ruleset, is_open: Callable[[Candidate], bool] = never) -> Plan:
    """The plan for a request: never empty, whatever the client sent. `is_open` is asked once per candidate."""
    trace: list[TraceLine] = []
    # 1. MODEL_MAP
    model, map_key = _mapped(ask.model, rules, trace)
    # 2. alias, 3. routes, 4. server/model, 5. DEFAULT_UPSTREAM: the first that answers
    answer = (
        _by_alias(model, rules, trace)
        or _by_route(model, ask.source, rules, trace)
        or _by_server(model, rules, trace)
        or _by_default(model, map_key, rules, trace)
    )
    # then: breakers
    candidates = dict.fromkeys(_candidate(instance, model, ask.model) for instance in answer.instances)
    return Plan(_healthy_first(candidates, is_open, trace), answer.layer, answer.route, tuple(trace))


def _mapped(model: str, rules: Ruleset, trace: list[TraceLine]) -> tuple[str, str]:
    """The name to go on with, and the MODEL_MAP entry that made it ("" for none)."""
    if not rules.model_map:
        return model, ""
    rewrite = rules.model_map.rewrite(model)
    if rewrite is None:
        trace.append(TraceLine("model_map", "miss", f"MODEL_MAP has no entry for {_shown(model)}."))
        return model, ""
    detail = f"MODEL_MAP turns {_shown(model)} into {_shown(rewrite.model)} by its entry {rewrite.key}."
    trace.append(TraceLine("model_map", "hit", detail))
    return rewrite.model, rewrite.key


def _by_alias(model: str, rules: Ruleset, trace: list[TraceLine]) -> _Answer | None:
    alias = rules.aliases.get(model)
    if alias is None:
        why = f"No alias is named {_shown(model)}." if rules.aliases else "There are no aliases."
        trace.append(TraceLine("alias", "miss", why))
        return None
    trace.append(TraceLine("alias", "hit", f"The alias {alias.name} stands for {_listed(alias.instances)}."))
    return _Answer("alias", alias.name, alias.instances)


def _by_route(model: str, source: str, rules: Ruleset, trace: list[TraceLine]) -> _Answer | None:
    if not rules.routes:
        trace.append(TraceLine("route", "miss", "There are no routes."))
        return None
    address = parse_address(source)
    for route in rules.routes_for(model):
        if route.match.accepts_source(address):
            instances = (*_target(route, model, rules), *route.fallbacks)
            where = f" (line {route.line})" if route.line else ""
            detail = f"{route.name}{where} matches {route.match}; it leads to {_listed(instances)}."
            trace.append(TraceLine("route", "hit", detail))
            return _Answer("route", route.name, instances)
    detail = f"None of the {len(rules.routes)} routes matches {_shown(model)} from {_shown(source)}."
    trace.append(TraceLine("route", "miss", detail))
    return None


def _target(route: Route, model: str, rules: Ruleset) -> tuple[Instance, ...]:
    # 3a. upstream given
    if route.upstream is not None:
        if route.model is not None:
            return (Instance(route.upstream, route.model),)
        server, slash, rest = model.partition("/")
        # The server's own name in front is how the client asked for it, not part of the model's name there.
        return (Instance(route.upstream, rest if slash and server == route.upstream.name else ""),)
    # 3b. only a model given
    name = route.model or model
    if alias := rules.aliases.get(name):
        return alias.instances
    return (_server_and_model(name, rules) or Instance(rules.default, name),)


def _by_server(model: str, rules: Ruleset, trace: list[TraceLine]) -> _Answer | None:
    instance = _server_and_model(model, rules)
    if instance is None:
        detail = f"{_shown(model)} does not begin with a server's name and a slash."
        trace.append(TraceLine("server", "miss", detail))
        return None
    detail = f"{_shown(model)} names the server {instance.server.name} and its model {_shown(instance.model)}."
    trace.append(TraceLine("server", "hit", detail))
    return _Answer("server", instance.server.name, (instance,))


def _server_and_model(name: str, rules: Ruleset) -> Instance | None:
    """`server/model`, split at the first slash; None where that is no known server, or no model follows."""
    server, _, model = name.partition("/")
    known = rules.servers.get(server)
    return Instance(known, model) if known is not None and model else None


def _by_default(model: str, map_key: str, rules: Ruleset, trace: list[TraceLine]) -> _Answer:
    detail = f"{_shown(model)} goes to DEFAULT_UPSTREAM, {rules.default.url}."
    trace.append(TraceLine("default", "hit", detail))
    instances = (Instance(rules.default, ""),)
    return _Answer("model_map", map_key, instances) if map_key else _Answer("default", rules.default.name, instances)


def _candidate(instance: Instance, model: str, asked: str) -> Candidate:
    """`model` is the name after MODEL_MAP: it is written only where it is not what the client sent."""
    return Candidate(instance.server, instance.model or (model if model != asked else ""))


def _healthy_first(
    candidates: Iterable[Candidate], is_open: Callable[[Candidate], bool], trace: list[TraceLine]
) -> tuple[Candidate, ...]:
    healthy: list[Candidate] = []
    resting: list[Candidate] = []
    for candidate in candidates:
        (resting if is_open(candidate) else healthy).append(candidate)
    if resting:
        names = ", ".join(candidate.target for candidate in resting)
        after = "tried after the others" if healthy else "tried all the same, as there is no other"
        trace.append(TraceLine("breaker", "skip", f"Failed lately, and so {after}: {names}."))
    return (*healthy, *resting)


def _listed(instances: Iterable[Instance]) -> str:
    return ", then ".join(f"{i.server.name}/{i.model}" if i.model else i.server.name for i in instances)


def _shown(text: str) -> str:
    """A client's own text in a sentence: bounded, and visible even where it is empty or holds control characters."""
    if not text:
        return "(nothing)"
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return short if short.isprintable() else repr(short)
