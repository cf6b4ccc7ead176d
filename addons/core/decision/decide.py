"""Which servers may answer a request, in which order, and why: the decision as a pure function.

    decide
    1. MODEL_MAP        the name may be rewritten; the rest goes by the new one
    2. alias            the name stands for several instances           -> its instances, in order
    3. rules            the first whose match holds: model, source, rest    -> its target, then its fallbacks
       3a. upstream given            -> that server, with the route's model or the name as it is
       3b. only a model given        -> alias (one hop), then server/model, then DEFAULT_UPSTREAM
    4. server/model     the part before the first slash is a server     -> that server, with the rest as model
    5. DEFAULT_UPSTREAM                                                 -> that server, with the name as it is
    For `auto`, or no model: 3, then `default:`. The chain tries its other layers in between, by match_rules,
    plan_for_target and default_plan.

    then, whatever answered:
    6. the global fallbacks follow, where a rule or `default:` answered
    7. if the first target's server is among local_only, candidates on other servers are removed
    8. candidates that cannot serve the request are removed, unless none can
    9. candidates whose breaker is open move behind the others; none is removed

Every step that runs leaves a TraceLine. No step guesses: names are compared whole.
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
from switchman.addons.core.routes.targets import in_words, instances_named, instances_of_model, server_and_model
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.rules.rulesfile import AUTO

LAYERS = ("model_map", "alias", "route", "server", "default", "fallbacks", "local_only", "capability", "breaker")

# The operations that `default:` is for; others need models of their own kind.
TEXT_OPERATIONS = (None, "chat", "completion", "responses", "count_tokens")

_SHOWN = 80  # characters of a client's own text that a trace repeats
_MOST_NAMED = 5  # rules that a trace names where it could name hundreds


@dataclass(frozen=True, slots=True)
class RoutingQuery:
    """The input of a decision. `model` is "" where the client named none; `source` is the client's address.

    `features`: those of the body, None where it was not read. `headers` by lower-case name. `token`: the caller's id,
    "" for none. `now`: the local time. None means not known, and no condition on it holds.
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
    """One layer's instances, before steps 6 to 9. `widens`: the global fallbacks follow them."""

    layer: str
    route: str
    instances: Sequence[Instance]
    widens: bool = False
    rule: Route | None = None


@dataclass(frozen=True, slots=True)
class _Decision:
    """One decision in progress: its input, and the trace so far."""

    query: RoutingQuery
    rules: Ruleset
    is_open: Callable[[Candidate], bool]
    live: Live
    trace: list[TraceLine]


def never(candidate: Candidate) -> bool:
    """Report every breaker as closed, for dry runs."""
    return False


def decide(
    query: RoutingQuery, rules: Ruleset, is_open: Callable[[Candidate], bool] = never, live: Live = NO_FIGURES
) -> Plan:
    """The plan for a request: never empty, whatever the client sent. `is_open` is called once per candidate."""
    decision = _Decision(query, rules, is_open, live, [])
    # 1. MODEL_MAP
    model, map_key = _mapped(query.model, rules, decision.trace)
    if rules.is_auto(model):
        # 3. rules, then `default:`, which is for text
        answer = _by_rule(model, decision)
        if answer is None:
            text = query.operation in TEXT_OPERATIONS
            answer = _by_auto_default(model, decision) if text else _by_upstream(model, map_key, decision)
        return _plan(answer, model, decision)
    # 2. alias, 3. rules, 4. server/model, 5. DEFAULT_UPSTREAM: the first that answers
    answer = (
        _by_alias(model, decision)
        or _by_rule(model, decision)
        or _by_server(model, decision)
        or _by_upstream(model, map_key, decision)
    )
    return _plan(answer, model, decision)


def match_rules(
    query: RoutingQuery,
    rules: Ruleset,
    live: Live = NO_FIGURES,
    is_open: Callable[[Candidate], bool] = never,
    trace: list[TraceLine] | None = None,
) -> RuleHit | None:
    """The first rule that matches, by step 3 alone. A miss appends its lines to `trace`; a hit has them in its plan."""
    decision = _Decision(query, rules, is_open, live, [])
    model = _mapped_model(query, rules)
    answer = _by_rule(model, decision)
    if answer is None or answer.rule is None:
        if trace is not None:
            trace += decision.trace
        return None
    return RuleHit(answer.rule, _plan(answer, model, decision))


def default_plan(query: RoutingQuery, rules: Ruleset, is_open: Callable[[Candidate], bool] = never) -> Plan:
    """Where `auto` goes when every layer misses: `default:`, or DEFAULT_UPSTREAM with the name as it is."""
    decision = _Decision(query, rules, is_open, NO_FIGURES, [])
    model = _mapped_model(query, rules)
    return _plan(_by_auto_default(model, decision), model, decision)


def plan_for_target(
    name: str,
    rules: Ruleset,
    layer: str,
    route: str,
    *,
    query: RoutingQuery | None = None,
    is_open: Callable[[Candidate], bool] = never,
) -> Plan | None:
    """The plan of a layer that names its target: an alias, `server/model`, or a model that `models:` knows of.

    None where there is no such target: a miss. Steps 8 and 9 check the candidates against `query`.
    """
    instances = known_target(name, rules)
    if not instances:
        return None
    decision = _Decision(query or RoutingQuery(AUTO), rules, is_open, NO_FIGURES, [])
    decision.trace.append(TraceLine(layer, "hit", f"{route or layer} leads to {in_words(instances)}."))
    return _plan(_Answer(layer, route, instances, widens=True), _mapped_model(decision.query, rules), decision)


def known_target(name: str, rules: Ruleset) -> tuple[Instance, ...]:
    """The instances that a target's name stands for, in order; none for an unknown name."""
    found = instances_named(name, rules.servers, rules.aliases)
    return found or (instances_of_model(name, rules.servers, rules.models) if name else ())


def _mapped_model(query: RoutingQuery, rules: Ruleset) -> str:
    """The model's name after MODEL_MAP, by which the layers of `auto` decide."""
    return _mapped(query.model, rules, [])[0]


def _mapped(model: str, rules: Ruleset, trace: list[TraceLine]) -> tuple[str, str]:
    """The model's name after MODEL_MAP, and the entry that changed it ("" for none)."""
    if not rules.model_map:
        return model, ""
    rewrite = rules.model_map.rewrite(model)
    if rewrite is None:
        trace.append(TraceLine("model_map", "miss", f"MODEL_MAP has no entry for {_shown(model)}."))
        return model, ""
    detail = f"MODEL_MAP turns {_shown(model)} into {_shown(rewrite.model)} by its entry {rewrite.key}."
    trace.append(TraceLine("model_map", "hit", detail))
    return rewrite.model, rewrite.key


def _by_alias(model: str, decision: _Decision) -> _Answer | None:
    aliases = decision.rules.aliases
    alias = aliases.get(model)
    if alias is None:
        why = f"No alias is named {_shown(model)}." if aliases else "There are no aliases."
        decision.trace.append(TraceLine("alias", "miss", why))
        return None
    decision.trace.append(TraceLine("alias", "hit", f"The alias {alias.name} stands for {in_words(alias.instances)}."))
    return _Answer("alias", alias.name, alias.instances)


def _by_rule(model: str, decision: _Decision) -> _Answer | None:
    query, rules, trace = decision.query, decision.rules, decision.trace
    if not rules.routes:
        trace.append(TraceLine("route", "miss", "There are no routes."))
        return None
    models = rules.auto_group(model)
    address = parse_address(query.source)
    subject = Subject(models, address, query.headers, query.token, query.features, query.now, decision.live)
    unknown: list[str] = []
    for route in rules.routes_for(*models):
        match = route.match
        if match.source is not None and not match.accepts_source(address):
            continue
        condition = match.condition
        truth = True if condition is None else condition.test(subject)
        if truth:
            return _rule_answer(route, model, decision, unknown)
        if truth is None:
            unknown.append(route.name)
    detail = f"None of the {len(rules.routes)} routes matches {_shown(model)} from {_shown(query.source)}."
    trace.append(TraceLine("route", "miss", detail + _undecided(unknown)))
    return None


def _rule_answer(route: Route, model: str, decision: _Decision, unknown: Sequence[str]) -> _Answer:
    instances = (*_target(route, model, decision.rules), *route.fallbacks)
    where = f" (line {route.line})" if route.line else ""
    detail = f"{route.name}{where} matches {route.match}; it leads to {in_words(instances)}."
    decision.trace.append(TraceLine("route", "hit", detail + _undecided(unknown)))
    return _Answer("route", route.name, instances, widens=True, rule=route)


def _undecided(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    shown = f"{', '.join(names[:_MOST_NAMED])}{more}"
    return f" Skipped, as a figure they need is not known (no traffic yet, no price, or the like): {shown}."


def _target(route: Route, model: str, rules: Ruleset) -> tuple[Instance, ...]:
    # 3a. upstream given
    if route.upstream is not None:
        if route.model is not None:
            return (Instance(route.upstream, route.model),)
        server, slash, rest = model.partition("/")
        # A leading name of the server itself selects the server, and is no part of the model's name.
        return (Instance(route.upstream, rest if slash and server == route.upstream.name else ""),)
    # 3b. only a model given
    name = route.model or model
    return instances_named(name, rules.servers, rules.aliases) or (Instance(rules.default, name),)


def _by_server(model: str, decision: _Decision) -> _Answer | None:
    instance = server_and_model(model, decision.rules.servers)
    if instance is None:
        if model in decision.rules.servers:
            detail = f"{_shown(model)} is the name of a server, without a model: write {_shown(model)}/MODEL."
        else:
            detail = f"{_shown(model)} does not begin with a server's name and a slash."
        decision.trace.append(TraceLine("server", "miss", detail))
        return None
    detail = f"{_shown(model)} names the server {instance.server.name} and its model {_shown(instance.model)}."
    decision.trace.append(TraceLine("server", "hit", detail))
    return _Answer("server", instance.server.name, (instance,))


def _by_upstream(model: str, map_key: str, decision: _Decision) -> _Answer:
    default = decision.rules.default
    decision.trace.append(TraceLine("default", "hit", f"{_shown(model)} goes to DEFAULT_UPSTREAM, {default.url}."))
    instances = (Instance(default, ""),)
    return _Answer("model_map", map_key, instances) if map_key else _Answer("default", default.name, instances)


def _by_auto_default(model: str, decision: _Decision) -> _Answer:
    rules = decision.rules
    if rules.auto_default:
        detail = f"No layer named a target; `default:` is {in_words(rules.auto_default)}."
        decision.trace.append(TraceLine("default", "hit", detail))
        return _Answer("default", "default", rules.auto_default, widens=True)
    detail = (
        f"No layer named a target, and there is no `default:` in the rules; {_shown(model)} goes to DEFAULT_UPSTREAM, "
        f"{rules.default.url}, which must know a model by this name."
    )
    decision.trace.append(TraceLine("default", "hit", detail))
    return _Answer("default", rules.default.name, (Instance(rules.default, ""),), widens=True)


def _plan(answer: _Answer, model: str, decision: _Decision) -> Plan:
    """Steps 6 to 9. `model` is the name after MODEL_MAP; candidates get it only where it differs from the client's."""
    rules, trace = decision.rules, decision.trace
    instances = tuple(answer.instances)
    # 6. the global fallbacks
    if answer.widens and rules.fallbacks:
        trace.append(TraceLine("fallbacks", "hit", f"If all of these fail, try {in_words(rules.fallbacks)}."))
        instances += rules.fallbacks
    renamed = model if model != decision.query.model else ""
    # By name, as hashing a whole Server costs more than the rest of a decision.
    distinct = {(one.server.name, one.model or renamed): one.server for one in instances}
    candidates = [Candidate(server, name) for (_, name), server in distinct.items()]
    first = candidates[0].server
    # 7. local_only
    candidates = _local(candidates, answer, decision)
    # 8. capabilities
    candidates = _capable(candidates, decision)
    # 9. breakers
    ordered = _healthy_first(candidates, decision)
    plan = Plan(ordered, answer.layer, answer.route, tuple(trace), first=first)
    return replace(plan, thinking=answer.rule.thinking, stick=answer.rule.stick) if answer.rule else plan


def _local(candidates: Sequence[Candidate], answer: _Answer, decision: _Decision) -> list[Candidate]:
    local, first = decision.rules.local_only, candidates[0].server.name
    if first not in local and not (answer.rule and answer.rule.local_only):
        return list(candidates)
    kept = [candidate for candidate in candidates if candidate.server.name == first or candidate.server.name in local]
    if left := [candidate.target for candidate in candidates if candidate not in kept]:
        detail = f"Requests to {first} are local_only, so these are not tried: {', '.join(left)}."
        decision.trace.append(TraceLine("local_only", "skip", detail))
    return kept


def _capable(candidates: Sequence[Candidate], decision: _Decision) -> list[Candidate]:
    judged = [(one, usable(one, decision.query.features, decision.rules, decision.query.model)) for one in candidates]
    refused = [(candidate, reason) for candidate, reason in judged if reason is not None]
    if not refused:
        return list(candidates)
    if len(refused) < len(judged):
        for candidate, reason in refused:
            detail = f"{candidate.target} is passed over: {reason}."
            decision.trace.append(TraceLine("capability", "skip", detail))
        return [candidate for candidate, reason in judged if reason is None]
    why = "; ".join(f"{candidate.target}: {reason}" for candidate, reason in refused)
    detail = f"The rules file says that no candidate can serve this request, so the order stays. {why}."
    decision.trace.append(TraceLine("capability", "miss", detail))
    return list(candidates)


def _healthy_first(candidates: Sequence[Candidate], decision: _Decision) -> tuple[Candidate, ...]:
    healthy: list[Candidate] = []
    resting: list[Candidate] = []
    for candidate in candidates:
        (resting if decision.is_open(candidate) else healthy).append(candidate)
    if resting:
        names = ", ".join(candidate.target for candidate in resting)
        after = "tried after the others" if healthy else "tried all the same, as there is no other"
        decision.trace.append(TraceLine("breaker", "skip", f"Failed lately, and so {after}: {names}."))
    return (*healthy, *resting)


def _shown(text: str) -> str:
    """A client's own text in a sentence: bounded, and visible even where it is empty or holds control characters."""
    if not text:
        return "(nothing)"
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return short if short.isprintable() else repr(short)
