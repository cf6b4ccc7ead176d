"""Decides recorded requests by one set of rules, through the functions that the proxy decides by.

    1. caches           as they answered then: knowing.py               (`auto`, and what `cache: models:` names)
    2. conversation     held by the turns that were replayed before it  (stick: conversation)
    3. rules            match_rules(); what names a model: decide()
    4. semantic, arbiter, plug-ins     as they answered then: layers.py
    5. default          default_plan()

It is taken for granted that every server is well, no budget is used up, and the first target answers. Time of day,
latencies and health are those of then. Where a strategy takes turns, each request takes one; how busy servers were, and
how soon they began to answer, is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from switchman.addons.core.decision.balancing.moment import Moment
from switchman.addons.core.decision.balancing.ordering import LAYER as LAYER_OF_BALANCE
from switchman.addons.core.decision.balancing.ranking import hangs_on
from switchman.addons.core.decision.decide import (
    UNDECIDED,
    RoutingQuery,
    decide,
    default_plan,
    match_rules,
    never,
)
from switchman.addons.core.decision.names.known import NOTHING_KNOWN, KnownModels
from switchman.addons.core.decision.replaying.conversations import Conversations
from switchman.addons.core.decision.replaying.decided import Decided, Place, Reason, decided, unknown
from switchman.addons.core.decision.replaying.knowing import (
    cache_answers,
    compared_headers,
    key_digests,
    listed,
    lists_are_same,
    needs_figures,
)
from switchman.addons.core.decision.replaying.layers import Found, by_arbiter, by_meaning, by_plugin
from switchman.addons.core.decision.replaying.past import PastFigures
from switchman.addons.core.decision.replaying.recorded import Asked, Recorded
from switchman.addons.core.decision.stickiness import LAYER, Held, held_plan
from switchman.addons.core.dialects.codecs import FORMATS
from switchman.addons.core.routes.live import NO_FIGURES, Live
from switchman.addons.core.routes.plan import Plan, TraceLine
from switchman.addons.core.routes.routes import Route
from switchman.addons.core.rules.ruleset import Ruleset

Settled = Plan | Reason


class Replayer:
    """One set of rules. `base`: those that the log is of, as far as is known: the rules in force."""

    def __init__(self, rules: Ruleset, base: Ruleset, *, has_plugins: bool = False) -> None:
        self.rules, self._base, self._has_plugins = rules, base, has_plugins
        self._turns: Counter[str] = Counter()
        self._digests = key_digests(rules)
        self._headers = compared_headers(rules)
        self._lists_are_same = lists_are_same(rules, base)
        self._figures = PastFigures() if needs_figures(rules) else None
        self._conversations = Conversations() if any(route.stick for route in rules.routes) else None

    def decided(self, asked: Asked) -> Decided:
        """What the decision comes to. Requests come in the order of their start."""
        one = asked.recorded
        if self._figures is not None:
            self._figures.at(one.started_at)
        auto = self._is_auto(one)
        cached = cache_answers(one, self.rules, self._base, auto)
        if cached:
            return Decided("cache", layer=one.layer or "", route=one.route or "", cached=True)
        if any(asked.hides(name) for name in self._headers):
            return unknown("header")
        tokens = ("", *self._digests) if asked.has_masked_key else ("",)
        moment = Moment(turn=self._turn())
        settled = [self._settled(asked, replace(_query(asked, token), moment=moment), auto) for token in tokens]
        found = [self._told(one, plan) for plan in settled]
        if any(other.kind != found[0].kind or not other.goes_where(found[0]) for other in found[1:]):
            return unknown("key")
        if auto and self._conversations is not None and not isinstance(settled[0], str):
            self._keep(asked, settled[0])
        return replace(found[0], cached=cached)

    def _turn(self) -> Callable[[str], int]:
        """As hooks/routing/balancing.py: a request takes one turn."""
        taken: dict[str, int] = {}

        def turn(pool: str) -> int:
            if pool not in taken:
                taken[pool] = self._turns[pool]
                self._turns[pool] += 1
            return taken[pool]

        return turn

    def note(self, one: Recorded) -> None:
        """Count a request to the figures of its time."""
        if self._figures is not None:
            self._figures.note(one)

    def _told(self, one: Recorded, plan: Settled) -> Decided:
        return unknown(plan) if isinstance(plan, str) else decided(plan, one.requested_model)

    def _is_auto(self, one: Recorded) -> bool:
        if one.dialect is None or one.operation is None or (one.dialect, one.operation) not in FORMATS:
            return False
        mapping = self.rules.model_map
        rewritten = mapping.rewrite(one.requested_model, one.dialect == "ollama") if mapping else None
        return self.rules.is_auto(rewritten.model if rewritten is not None else one.requested_model)

    @property
    def _live(self) -> Live:
        return self._figures if self._figures is not None else NO_FIGURES

    def _settled(self, asked: Asked, query: RoutingQuery, auto: bool) -> Settled:
        if auto:
            return self._chain(asked, replace(query, features=asked.features))
        if self.rules.needs_features:
            query = replace(query, features=asked.features)
        plan = self._listed(asked, lambda known: decide(query, self.rules, never, self._live, known))
        return self._checked(plan, query)

    def _chain(self, asked: Asked, query: RoutingQuery) -> Settled:
        """As Chain.plan() of hooks/routing/chain.py."""
        if (held := self._held(asked, query)) is not None:
            return held
        trace: list[TraceLine] = []
        hit = match_rules(query, self.rules, self._live, never, trace)
        if hit is None and query.features is None and _is_undecided(trace):
            return "body"
        if hit is not None:
            first = hit.plan
            plan = self._listed(asked, lambda known: self._ruled(first, query, known))
            if isinstance(plan, str) or not plan.moves_on:
                return self._checked(plan, query)
        found: Found = (
            by_meaning(asked, query, self.rules, self._base)
            or by_arbiter(asked, query, self.rules, self._base)
            or by_plugin(asked, query, self.rules, self._has_plugins)
        )
        if found is None:
            found = self._listed(asked, lambda known: default_plan(query, self.rules, never, known))
        return self._checked(found, query)

    def _ruled(self, plan: Plan, query: RoutingQuery, known: KnownModels) -> Plan:
        hit = match_rules(query, self.rules, self._live, never, known=known)
        return hit.plan if hit is not None else plan

    def _listed(self, asked: Asked, by: Callable[[KnownModels], Plan]) -> Settled:
        """The plan; where servers' lists decide, by what they must have said then."""
        plan = by(NOTHING_KNOWN)
        if not plan.lists:
            return plan
        known = listed(asked.recorded, self.rules, plan.layer) if self._lists_are_same else None
        return by(known) if known is not None else "lists"

    def _checked(self, plan: Settled, query: RoutingQuery) -> Settled:
        """The plan, unless it may be another one with figures of then, or the features of a body that is not kept."""
        if isinstance(plan, str):
            return plan
        chosen = [hangs_on(line.detail) for line in plan.trace if line.layer == LAYER_OF_BALANCE]
        if "moment" in chosen:
            return "balance"
        if query.features is not None:
            return plan
        if "request" in chosen:
            return "body"
        if _is_undecided(plan.trace):
            return "body"
        if len(plan.candidates) > 1:
            first = plan.candidates[0]
            facts = self.rules.facts(first.server, first.model or query.model)
            if facts.modalities or facts.context:
                return "body"
        return plan

    # ---- conversations ----

    def _held(self, asked: Asked, query: RoutingQuery) -> Settled | None:
        if self._conversations is None:
            return None
        one = asked.recorded
        held = None
        if query.features is not None:
            if query.features.depth <= 1:
                return None
            key = self._conversations.key(asked)
            held = self._conversations.held(key, one.started_at) if key is not None else None
        if held is None and one.layer == LAYER and one.route is not None and one.server is not None:
            # It began before the first request that is replayed.
            if not _is_same_rule(one.route, self.rules, self._base):
                return "conversation"
            held = Held((f"{one.server}/{one.model}",), one.route, one.server)
        if held is None:
            return None
        plan = held_plan(held, query, self.rules, never)
        return plan if isinstance(plan, Plan) else None

    def _keep(self, asked: Asked, plan: Plan) -> None:
        if self._conversations is None or plan.stick != "conversation" or not asked.recorded.answered:
            return
        if plan.candidates and (key := self._conversations.key(asked)) is not None:
            self._conversations.keep(key, plan, asked.recorded.ended_at)


def _query(asked: Asked, token: str) -> RoutingQuery:
    one = asked.recorded
    return RoutingQuery(
        model=one.requested_model,
        source=one.client,
        dialect=one.dialect,
        operation=one.operation,
        headers=asked.headers,
        token=token,
        now=asked.now,
        caller=one.caller,
    )


def _is_undecided(trace: Iterable[TraceLine]) -> bool:
    """Whether a rule was passed over, as something is not known that it asks for."""
    return any(line.layer == "route" and UNDECIDED in line.detail for line in trace)


def _is_same_rule(name: str, rules: Ruleset, base: Ruleset) -> bool:
    """Whether the rules of this name hold conversations by the same words, to the same targets."""
    return (said := _said(name, rules)) != [] and said == _said(name, base)


def _said(name: str, rules: Ruleset) -> list[tuple[object, ...]]:
    def of(route: Route) -> tuple[object, ...]:
        upstream = (route.upstream.name, str(route.upstream.url)) if route.upstream else None
        return (str(route.match), upstream, route.model, route.fallbacks, route.parts, route.priority, route.stick)

    return [of(route) for route in rules.routes if route.name == name]


def as_recorded(one: Recorded, rules: Iterable[Ruleset]) -> Decided:
    """What became of the request. `rules` say where a server of this name is; the first that has one."""
    if one.outcome == "cached":
        return Decided("cache", layer=one.layer or "", route=one.route or "", cached=True)
    if one.server is None:
        return Decided("nobody")
    servers = (server for each in rules for server in (*each.upstreams, each.default) if server.name == one.server)
    url = next((str(server.url) for server in servers), "")
    place = Place(one.server, one.model or one.requested_model, url)
    return Decided("target", place, one.layer or "", one.route or "")
