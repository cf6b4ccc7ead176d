"""Which servers may answer a request, in which order, and why: the decision as a pure function.

    decide
    1. MODEL_MAP        the name may be rewritten; the rest goes by the new one
    2. alias            the name stands for several instances           -> its instances, in order
    3. rules            the first that accepts model, source and all it asks -> its target, then its fallbacks
       3a. upstream given            -> that server, with the route's model or the name as it is
       3b. only a model given        -> alias (one hop), then server/model, then DEFAULT_UPSTREAM
    4. server/model     the part before the first slash is a server     -> that server, with the rest as model
    5. DEFAULT_UPSTREAM                                                 -> that server, with the name as it is
    For `auto`, or no model: 3, then `default:`. The chain asks its other layers in between, by match_rules,
    plan_for_target and default_plan.

    then, whatever answered:
    6. the global fallbacks follow, where a rule or `default:` answered
    7. a target among local_only keeps to those servers; others are taken out
    8. candidates that cannot serve the request are taken out, if any can
    9. candidates whose breaker is open move behind the others, and none is removed

Every step that was asked leaves a TraceLine. No step guesses: names are compared whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from switchman.addons.core.decision.capabilities import usable
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.request.clients import parse_address
from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.live import NO_FIGURES, Live
from switchman.addons.core.routes.plan import Candidate, Plan, TraceLine
from switchman.addons.core.routes.routes import Instance, Route
from switchman.addons.core.routes.subject import LocalTime, Subject
from switchman.addons.core.routes.targets import instances_named, instances_of_model, named, server_and_model
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.rules.rulesfile import AUTO

LAYERS = ("model_map", "alias", "route", "server", "default", "fallbacks", "local_only", "capability", "breaker")

# Where `default:` is for: other operations need models of their own kind.
TEXT_OPERATIONS = (None, "chat", "completion", "responses", "count_tokens")

_SHOWN = 80  # characters of a client's own text that a trace repeats
_MOST_NAMED = 5  # rules that a trace names where it could name hundreds


@dataclass(frozen=True, slots=True)
class RoutingQuery:
    """What a decision is made from. `model` is "" where the client named none; `source` is the client's address.

    `features`: what is asked, None where nobody looked. `headers` by lower-case name. `token`: the caller's id, "" for
    none. `now`: the local time. What is None is not known, and no condition on it holds.
    """

    model: str
    source: str = ""
    dialect: DialectName | None = None
    operation: str | None = None
    features: Features | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    now: LocalTime | None = None


@dataclass(frozen=True, slots=True)
class RuleHit:
    """The rule that matched, and its plan."""

    route: Route
    plan: Plan


@dataclass(frozen=True, slots=True)
class _Answer:
    """One layer's candidates, before steps 6 to 9. `widens`: the global fallbacks follow."""

    layer: str
    route: str
    instances: Sequence[Instance]
    widens: bool = False
    rule: Route | None = None


@dataclass(frozen=True, slots=True)
class _Decision:
    """One decision on its way: what is asked, and whom."""

    ask: RoutingQuery
    rules: Ruleset
    is_open: Callable[[Candidate], bool]
    live: Live
    trace: list[TraceLine]


def never(candidate: Candidate) -> bool:
    """No breaker is open: what dry runs assume."""
    return False


def decide(
    ask: RoutingQuery, rules: Ruleset, is_open: Callable[[Candidate], bool] = never, live: Live = NO_FIGURES
) -> Plan:
    """The plan for a request: never empty, whatever the client sent. `is_open` is asked once per candidate."""
    asking = _Decision(ask, rules, is_open, live, [])
    # 1. MODEL_MAP
    model, map_key = _mapped(ask.model, rules, asking.trace)
    if rules.is_auto(model):
        # 3. rules, then `default:`, which is for text
        answer = _by_rule(model, asking)
        if answer is None:
            text = ask.operation in TEXT_OPERATIONS
            answer = _by_auto_default(model, asking) if text else _by_upstream(model, map_key, asking)
        return _plan(answer, model, asking)
    # 2. alias, 3. rules, 4. server/model, 5. DEFAULT_UPSTREAM: the first that answers
    answer = (
        _by_alias(model, asking)
        or _by_rule(model, asking)
        or _by_server(model, asking)
        or _by_upstream(model, map_key, asking)
    )
    return _plan(answer, model, asking)


def match_rules(
    ask: RoutingQuery,
    rules: Ruleset,
    live: Live = NO_FIGURES,
    is_open: Callable[[Candidate], bool] = never,
    trace: list[TraceLine] | None = None,
) -> RuleHit | None:
    """The first rule that matches, by step 3 alone. The steps' lines go to `trace`, and on a hit into the plan only."""
    asking = _Decision(ask, rules, is_open, live, [])
    model = _named(ask, rules)
    answer = _by_rule(model, asking)
    if answer is None or answer.rule is None:
        if trace is not None:
            trace += asking.trace
        return None
    return RuleHit(answer.rule, _plan(answer, model, asking))


def default_plan(ask: RoutingQuery, rules: Ruleset, is_open: Callable[[Candidate], bool] = never) -> Plan:
    """Where `auto` goes when every layer misses: `default:`, or DEFAULT_UPSTREAM with the name as it is."""
    asking = _Decision(ask, rules, is_open, NO_FIGURES, [])
    model = _named(ask, rules)
    return _plan(_by_auto_default(model, asking), model, asking)


def plan_for_target(
    name: str,
    rules: Ruleset,
    layer: str,
    route: str,
    *,
    ask: RoutingQuery | None = None,
    is_open: Callable[[Candidate], bool] = never,
) -> Plan | None:
    """The plan of a layer that names its target: an alias, `server/model`, or a model that `models:` knows of.

    None where there is no such target: a miss. `ask` is what steps 8 and 9 are held against.
    """
    instances = known_target(name, rules)
    if not instances:
        return None
    asking = _Decision(ask or RoutingQuery(AUTO), rules, is_open, NO_FIGURES, [])
    asking.trace.append(TraceLine(layer, "hit", f"{route or layer} leads to {named(instances)}."))
    return _plan(_Answer(layer, route, instances, widens=True), _named(asking.ask, rules), asking)


def known_target(name: str, rules: Ruleset) -> tuple[Instance, ...]:
    """What a target's name stands for, in order; nothing for a name that is not known."""
    found = instances_named(name, rules.servers, rules.aliases)
    return found or (instances_of_model(name, rules.servers, rules.models) if name else ())


def _named(ask: RoutingQuery, rules: Ruleset) -> str:
    """The name after MODEL_MAP, for the layers of `auto`, which are asked when that is settled."""
    return _mapped(ask.model, rules, [])[0]


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


def _by_alias(model: str, asking: _Decision) -> _Answer | None:
    aliases = asking.rules.aliases
    alias = aliases.get(model)
    if alias is None:
        why = f"No alias is named {_shown(model)}." if aliases else "There are no aliases."
        asking.trace.append(TraceLine("alias", "miss", why))
        return None
    asking.trace.append(TraceLine("alias", "hit", f"The alias {alias.name} stands for {named(alias.instances)}."))
    return _Answer("alias", alias.name, alias.instances)


def _by_rule(model: str, asking: _Decision) -> _Answer | None:
    ask, rules, trace = asking.ask, asking.rules, asking.trace
    if not rules.routes:
        trace.append(TraceLine("route", "miss", "There are no routes."))
        return None
    models = rules.auto_group(model)
    address = parse_address(ask.source)
    subject = Subject(models, address, ask.headers, ask.token, ask.features, ask.now, asking.live)
    unknown: list[str] = []
    for route in rules.routes_for(*models):
        match = route.match
        if match.source is not None and not match.accepts_source(address):
            continue
        condition = match.condition
        verdict = True if condition is None else condition.test(subject)
        if verdict:
            return _rule_answer(route, model, asking, unknown)
        if verdict is None:
            unknown.append(route.name)
    detail = f"None of the {len(rules.routes)} routes matches {_shown(model)} from {_shown(ask.source)}."
    trace.append(TraceLine("route", "miss", detail + _undecided(unknown)))
    return None


def _rule_answer(route: Route, model: str, asking: _Decision, unknown: Sequence[str]) -> _Answer:
    instances = (*_target(route, model, asking.rules), *route.fallbacks)
    where = f" (line {route.line})" if route.line else ""
    detail = f"{route.name}{where} matches {route.match}; it leads to {named(instances)}."
    asking.trace.append(TraceLine("route", "hit", detail + _undecided(unknown)))
    return _Answer("route", route.name, instances, widens=True, rule=route)


def _undecided(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    shown = f"{', '.join(names[:_MOST_NAMED])}{more}"
    return f" Passed over, as it is not known whether they match (no traffic yet, no price, or the like): {shown}."


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
    return instances_named(name, rules.servers, rules.aliases) or (Instance(rules.default, name),)


def _by_server(model: str, asking: _Decision) -> _Answer | None:
    instance = server_and_model(model, asking.rules.servers)
    if instance is None:
        if model in asking.rules.servers:
            detail = f"{_shown(model)} is a server, and names no model of it: that would be {_shown(model)}/MODEL."
        else:
            detail = f"{_shown(model)} does not begin with a server's name and a slash."
        asking.trace.append(TraceLine("server", "miss", detail))
        return None
    detail = f"{_shown(model)} names the server {instance.server.name} and its model {_shown(instance.model)}."
    asking.trace.append(TraceLine("server", "hit", detail))
    return _Answer("server", instance.server.name, (instance,))


def _by_upstream(model: str, map_key: str, asking: _Decision) -> _Answer:
    default = asking.rules.default
    asking.trace.append(TraceLine("default", "hit", f"{_shown(model)} goes to DEFAULT_UPSTREAM, {default.url}."))
    instances = (Instance(default, ""),)
    return _Answer("model_map", map_key, instances) if map_key else _Answer("default", default.name, instances)


def _by_auto_default(model: str, asking: _Decision) -> _Answer:
    rules = asking.rules
    if rules.auto_default:
        detail = f"No layer named a target; `default:` is {named(rules.auto_default)}."
        asking.trace.append(TraceLine("default", "hit", detail))
        return _Answer("default", "default", rules.auto_default, widens=True)
    detail = (
        f"No layer named a target, and there is no `default:` in the rules; {_shown(model)} goes to DEFAULT_UPSTREAM, "
        f"{rules.default.url}, which must know a model by this name."
    )
    asking.trace.append(TraceLine("default", "hit", detail))
    return _Answer("default", rules.default.name, (Instance(rules.default, ""),), widens=True)


def _plan(answer: _Answer, model: str, asking: _Decision) -> Plan:
    """Steps 6 to 9. `model` is the name after MODEL_MAP: it is written only where it is not what the client sent."""
    rules, trace = asking.rules, asking.trace
    instances = tuple(answer.instances)
    # 6. the global fallbacks
    if answer.widens and rules.fallbacks:
        trace.append(TraceLine("fallbacks", "hit", f"Should all of these fail: {named(rules.fallbacks)}."))
        instances += rules.fallbacks
    renamed = model if model != asking.ask.model else ""
    # By name, as hashing a whole Server costs more than the rest of a decision.
    distinct = {(one.server.name, one.model or renamed): one.server for one in instances}
    candidates = [Candidate(server, name) for (_, name), server in distinct.items()]
    first = candidates[0].server
    # 7. local_only
    candidates = _local(candidates, answer, asking)
    # 8. capabilities
    candidates = _capable(candidates, asking)
    # 9. breakers
    ordered = _healthy_first(candidates, asking)
    plan = Plan(ordered, answer.layer, answer.route, tuple(trace), first=first)
    return replace(plan, thinking=answer.rule.thinking, stick=answer.rule.stick) if answer.rule else plan


def _local(candidates: Sequence[Candidate], answer: _Answer, asking: _Decision) -> list[Candidate]:
    local, first = asking.rules.local_only, candidates[0].server.name
    if first not in local and not (answer.rule and answer.rule.local_only):
        return list(candidates)
    kept = [candidate for candidate in candidates if candidate.server.name == first or candidate.server.name in local]
    if left := [candidate.target for candidate in candidates if candidate not in kept]:
        detail = f"What goes to {first} is local_only, and so not tried: {', '.join(left)}."
        asking.trace.append(TraceLine("local_only", "skip", detail))
    return kept


def _capable(candidates: Sequence[Candidate], asking: _Decision) -> list[Candidate]:
    judged = [(one, usable(one, asking.ask.features, asking.rules, asking.ask.model)) for one in candidates]
    refused = [(candidate, reason) for candidate, reason in judged if reason is not None]
    if not refused:
        return list(candidates)
    if len(refused) < len(judged):
        for candidate, reason in refused:
            detail = f"{candidate.target} is passed over: {reason}."
            asking.trace.append(TraceLine("capability", "skip", detail))
        return [candidate for candidate, reason in judged if reason is None]
    why = "; ".join(f"{candidate.target}: {reason}" for candidate, reason in refused)
    detail = f"No candidate can serve this by what is known of them, and so the order stays. {why}."
    asking.trace.append(TraceLine("capability", "miss", detail))
    return list(candidates)


def _healthy_first(candidates: Sequence[Candidate], asking: _Decision) -> tuple[Candidate, ...]:
    healthy: list[Candidate] = []
    resting: list[Candidate] = []
    for candidate in candidates:
        (resting if asking.is_open(candidate) else healthy).append(candidate)
    if resting:
        names = ", ".join(candidate.target for candidate in resting)
        after = "tried after the others" if healthy else "tried all the same, as there is no other"
        asking.trace.append(TraceLine("breaker", "skip", f"Failed lately, and so {after}: {names}."))
    return (*healthy, *resting)


def _shown(text: str) -> str:
    """A client's own text in a sentence: bounded, and visible even where it is empty or holds control characters."""
    if not text:
        return "(nothing)"
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return short if short.isprintable() else repr(short)
