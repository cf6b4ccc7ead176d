"""Which servers may answer a request, in which order, and why: the decision as a pure function.

    decide
    1. MODEL_MAP        the name may be rewritten; the rest goes by the new one
    2. alias            the name stands for several instances           -> its instances, in order
    3. rules            the first whose match holds: model, source, rest    -> its target, then its fallbacks
       3a. upstream given            -> that server, with the route's model or the name as it is
       3b. only a model given        -> alias (one hop), then server/model, then 5, then 6
    4. server/model     the part before the first slash is a server     -> that server, with the rest as model
    5. lists            servers list the name; not asked where DEFAULT_UPSTREAM was given: it was given to get all that
                        no rule names                                   -> those servers, in the order of the file
    6. DEFAULT_UPSTREAM                                                 -> that server, with the name as it is
       6a. where it is only assumed, and nothing answers there          -> nobody: a 404 with the nearest names
    For `auto`, or no model: 3, then `default:`, then the first alias, the first chat model that is known, 6. The chain
    tries its other layers in between, by match_rules, plan_for_target and default_plan.

    then, whatever answered (candidates.py):
    7. the global fallbacks follow, where a rule or `default:` answered
    8. if the first target's server is among local_only, candidates on other servers are removed
    9. candidates that the caller's token may not use are removed; where none is left, nobody is asked
    10. candidates on servers that are off (`enabled: false`) are removed; where none is left, nobody is asked
    11. candidates that cannot serve the request are removed, unless none can
    12. candidates whose breaker is open move behind the others; none is removed
    13. the others are put in the order of their alias's or rule's strategy, where it has one (balancing/)

A name and its twin (`name:latest`) are one model: where a step does not know the one, it looks for the other.
Every step that runs leaves a TraceLine. No step guesses: names are compared whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.grants import is_restricted
from switchman.addons.core.decision.balancing.moment import NO_MOMENT, Moment
from switchman.addons.core.decision.candidates import Answer, Decision, plan_of, refused, shown
from switchman.addons.core.decision.names.bare import bare, by_auto_default, by_list, by_upstream, the_lists
from switchman.addons.core.decision.names.known import NOTHING_KNOWN, KnownModels
from switchman.addons.core.decision.names.unknown import refusal_of
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.request.clients import parse_address
from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.live import NO_FIGURES, Live
from switchman.addons.core.routes.names import find
from switchman.addons.core.routes.plan import Candidate, ListsUse, Plan, TraceLine
from switchman.addons.core.routes.routes import Instance, Place, Route
from switchman.addons.core.routes.subject import LocalTime, Subject
from switchman.addons.core.routes.targets import in_words, instances_named, instances_of_model, server_and_model
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.rules.rulesfile import AUTO

LAYERS = (
    "model_map",
    "alias",
    "route",
    "server",
    "list",
    "default",
    "fallbacks",
    "local_only",
    "token",
    "off",
    "capability",
    "breaker",
    "balance",
)

# The operations that `default:` is for; others need models of their own kind.
TEXT_OPERATIONS = (None, "chat", "completion", "responses", "count_tokens")

_MOST_NAMED = 5  # rules that a trace names where it could name hundreds

# How a trace begins to tell of rules that may match, for all that is known.
UNDECIDED = "Skipped, as a figure they need is not known"


@dataclass(frozen=True, slots=True)
class RoutingQuery:
    """The input of a decision. `model` is "" where the client named none; `source` is the client's address.

    `features`: those of the body, None where it was not read. `headers` by lower-case name. `token`: the SHA-256 of the
    client's own key, "" for none. `now`: the local time. None means not known, and no condition on it holds. `caller`:
    whose token came with it, and what that may use; None: one that may use all. `moment`: what strategies go by.
    """

    model: str
    source: str = ""
    dialect: DialectName | None = None
    operation: str | None = None
    features: Features | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    now: LocalTime | None = None
    caller: Caller | None = None
    moment: Moment = NO_MOMENT


@dataclass(frozen=True, slots=True)
class RuleHit:
    """The rule that matched, and its plan."""

    route: Route
    plan: Plan


def never(candidate: Candidate) -> bool:
    """Report every breaker as closed, for dry runs."""
    return False


def decide(
    query: RoutingQuery,
    rules: Ruleset,
    is_open: Callable[[Candidate], bool] = never,
    live: Live = NO_FIGURES,
    known: KnownModels = NOTHING_KNOWN,
) -> Plan:
    """The plan for a request, whatever the client sent. `is_open` is called once per candidate."""
    decision = Decision(query, rules, known, is_open, live, [])
    # 1. MODEL_MAP
    model, map_key = _mapped(query, rules, decision.trace)
    if rules.is_auto(model):
        # 3. rules, then `default:`, which is for text
        answer = _by_rule(model, decision)
        if answer is None:
            text = query.operation in TEXT_OPERATIONS
            answer = by_auto_default(model, decision) if text else by_upstream(model, map_key, decision)
        return _planned(answer, model, decision)
    # 2. alias, 3. rules, 4. server/model, 5. lists, 6. DEFAULT_UPSTREAM: the first that answers
    answer = (
        _by_alias(model, decision)
        or _by_rule(model, decision)
        or _by_server(model, decision)
        or by_list(model, decision)
        or by_upstream(model, map_key, decision)
    )
    return _planned(answer, model, decision)


def match_rules(
    query: RoutingQuery,
    rules: Ruleset,
    live: Live = NO_FIGURES,
    is_open: Callable[[Candidate], bool] = never,
    trace: list[TraceLine] | None = None,
    known: KnownModels = NOTHING_KNOWN,
) -> RuleHit | None:
    """The first rule that matches, by step 3 alone. A miss appends its lines to `trace`; a hit has them in its plan."""
    decision = Decision(query, rules, known, is_open, live, [])
    model = _mapped_model(query, rules)
    answer = _by_rule(model, decision)
    if answer is None or answer.rule is None:
        if trace is not None:
            trace += decision.trace
        return None
    return RuleHit(answer.rule, _planned(answer, model, decision))


def default_plan(
    query: RoutingQuery,
    rules: Ruleset,
    is_open: Callable[[Candidate], bool] = never,
    known: KnownModels = NOTHING_KNOWN,
) -> Plan:
    """Where `auto` goes when every layer misses: `default:`, the first alias, the first chat model that is known, or
    DEFAULT_UPSTREAM with the name as it is.
    """
    decision = Decision(query, rules, known, is_open, NO_FIGURES, [])
    model = _mapped_model(query, rules)
    return _planned(by_auto_default(model, decision), model, decision)


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

    None where there is no such target: a miss. Steps 8 to 11 check the candidates against `query`.
    """
    instances = known_target(name, rules)
    if not instances:
        return None
    decision = Decision(query or RoutingQuery(AUTO), rules, NOTHING_KNOWN, is_open, NO_FIGURES, [])
    decision.trace.append(TraceLine(layer, "hit", f"{route or layer} leads to {in_words(instances)}."))
    return plan_of(Answer(layer, route, instances, widens=True), _mapped_model(decision.query, rules), decision)


def known_target(name: str, rules: Ruleset) -> tuple[Instance, ...]:
    """The instances that a target's name stands for, in order; none for an unknown name."""
    found = instances_named(name, rules.servers, rules.aliases)
    return found or (instances_of_model(name, rules.servers, rules.models) if name else ())


def _mapped_model(query: RoutingQuery, rules: Ruleset) -> str:
    """The model's name after MODEL_MAP, by which the layers of `auto` decide."""
    return _mapped(query, rules, [])[0]


def _mapped(query: RoutingQuery, rules: Ruleset, trace: list[TraceLine]) -> tuple[str, str]:
    """The model's name after MODEL_MAP, and the entry that changed it ("" for none)."""
    model = query.model
    if not rules.model_map:
        return model, ""
    rewrite = rules.model_map.rewrite(model, query.dialect == "ollama")
    if rewrite is None:
        trace.append(TraceLine("model_map", "miss", f"MODEL_MAP has no entry for {shown(model)}."))
        return model, ""
    detail = f"MODEL_MAP turns {shown(model)} into {shown(rewrite.model)} by its entry {rewrite.key}."
    trace.append(TraceLine("model_map", "hit", detail))
    return rewrite.model, rewrite.key


def _by_alias(model: str, decision: Decision) -> Answer | None:
    aliases = decision.rules.aliases
    alias = find(aliases, model)
    if alias is None:
        why = f"No alias is named {shown(model)}." if aliases else "There are no aliases."
        decision.trace.append(TraceLine("alias", "miss", why))
        return None
    decision.trace.append(TraceLine("alias", "hit", f"The alias {alias.name} stands for {in_words(alias.instances)}."))
    return Answer("alias", alias.name, alias.instances)


def _by_rule(model: str, decision: Decision) -> Answer | None:
    query, rules, trace = decision.query, decision.rules, decision.trace
    if not rules.routes:
        trace.append(TraceLine("route", "miss", "There are no routes."))
        return None
    models = rules.auto_group(model, decision.ollama)
    address = parse_address(query.source)
    subject = Subject(
        models, address, query.headers, query.token, query.features, query.now, decision.live, query.caller
    )
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
    detail = f"None of the {len(rules.routes)} routes matches {shown(model)} from {shown(query.source)}."
    trace.append(TraceLine("route", "miss", detail + _undecided(unknown)))
    return None


def _rule_answer(route: Route, model: str, decision: Decision, unknown: Sequence[str]) -> Answer:
    targets, lists = _target(route, model, decision)
    instances = (*targets, *route.fallbacks)
    if route.pool is not None and not route.parts:
        place = (Place(route.pool),)
        own = (replace(one, places=place, weight=route.weight or one.weight) for one in targets)
        instances = (*own, *route.fallbacks)
    where = f" (line {route.line})" if route.line else ""
    leads = f"it leads to {in_words(instances)}" if instances else f"it leads to {shown(route.model or model)}"
    listed = f", which is in {the_lists(targets)}" if lists == "used" else ""
    detail = f"{route.name}{where} matches {route.match}; {leads}{listed}."
    decision.trace.append(TraceLine("route", "hit", detail + _undecided(unknown)))
    return Answer("route", route.name, instances, widens=True, rule=route, lists=lists)


def _undecided(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    shown = f"{', '.join(names[:_MOST_NAMED])}{more}"
    return f" {UNDECIDED} (no traffic yet, no price, or the like): {shown}."


def _target(route: Route, model: str, decision: Decision) -> tuple[tuple[Instance, ...], ListsUse]:
    rules = decision.rules
    if route.parts:
        return route.parts, ""
    # 3a. upstream given
    if route.upstream is not None:
        if route.model is not None:
            return (Instance(route.upstream, route.model),), ""
        server, slash, rest = model.partition("/")
        # A leading name of the server itself selects the server, and is no part of the model's name.
        return (Instance(route.upstream, rest if slash and server == route.upstream.name else ""),), ""
    # 3b. only a model given
    name = route.model or model
    if named := instances_named(name, rules.servers, rules.aliases):
        return named, ""
    return bare(name, decision)


def _by_server(model: str, decision: Decision) -> Answer | None:
    instance = server_and_model(model, decision.rules.servers)
    if instance is None:
        if model in decision.rules.servers:
            detail = f"{shown(model)} is the name of a server, without a model: write {shown(model)}/MODEL."
        else:
            detail = f"{shown(model)} does not begin with a server's name and a slash."
        decision.trace.append(TraceLine("server", "miss", detail))
        return None
    detail = f"{shown(model)} names the server {instance.server.name} and its model {shown(instance.model)}."
    decision.trace.append(TraceLine("server", "hit", detail))
    return Answer("server", instance.server.name, (instance,), from_client=True)


def _named_by_rules(answer: Answer, rules: Ruleset) -> str | None:
    """The model that the answer's rule names, or `default:`; None where the client's own name counts."""
    if answer.rule is not None:
        return answer.rule.model
    return rules.auto_default[0].model if answer.widens and rules.auto_default else None


def _planned(answer: Answer, model: str, decision: Decision) -> Plan:
    """Steps 7 to 13; a refusal where the answer has no instances."""
    if answer.instances or (answer.widens and decision.rules.fallbacks):
        return plan_of(answer, model, decision)
    if is_restricted(decision.query.caller):
        return refused(answer, model, None, decision)
    wanted = _named_by_rules(answer, decision.rules) or model
    refusal = refusal_of(wanted, shown(wanted) if wanted else "", decision.rules, decision.known)
    return Plan((), answer.layer, answer.route, tuple(decision.trace), lists=answer.lists, refusal=refusal)
