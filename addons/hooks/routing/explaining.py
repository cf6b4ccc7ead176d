"""Where a request would go, and why, by the functions that the proxy uses, without sending it anywhere.

For `switchman explain` and for the dashboard's page of rules. Where that hangs on what servers list, they are asked for
their lists of models, as the proxy asks them. No breaker is open here, and no live figure is known.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from switchman.addons.config.configuration import load_task_rules
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.capturing import Captured
from switchman.addons.core.access.prices.price import MILLION
from switchman.addons.core.access.prices.words import told
from switchman.addons.core.decision.decide import RoutingQuery, decide, default_plan, match_rules, plan_for_target
from switchman.addons.core.decision.names.known import NOTHING_KNOWN
from switchman.addons.core.decision.verdicts.expecting import expected_opening, why_held
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.rendering import ServerProfile, render
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call, Endpoint
from switchman.addons.core.request.features import Features, features_of
from switchman.addons.core.routes.plan import Candidate, Plan, TraceLine
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.credentials import source
from switchman.addons.core.servers.models.thinking import resolve
from switchman.addons.core.servers.reaching.egress import Denied
from switchman.addons.core.texts.redaction.redactor import Redactor, merged
from switchman.addons.core.texts.redaction.redactor import told as told_of
from switchman.addons.core.texts.redaction.requests import Unreadable, redact_body
from switchman.addons.hooks.routing.layers import LayerRequest, Miss
from switchman.addons.hooks.routing.semantic_layer import SemanticLayer
from switchman.addons.semantics.service import open_client
from switchman.addons.state.access.capturing import applying
from switchman.addons.state.learned.listings import Listings
from switchman.addons.state.learned.routing_lists import DecideBy, RoutingLists
from switchman.addons.state.learned.server_dialects import ServerDialects
from switchman.addons.state.reaching.deny import deny_addresses

LISTS_TIMEOUT: Final = 5.0  # seconds; a person can wait for longer than a request
CHAT: Final = Endpoint("openai", "chat", "/v1/chat/completions")
_SHOWN = ("task", "task_confidence", "language", "input_tokens", "modalities", "tools", "depth", "turns")
_CACHE_SKIPPED = "Not looked up; the proxy looks here first for an answer given before, exact or alike."
_ARBITER_SKIPPED = "Not asked, as it is an upstream; the proxy asks it here."
_SEMANTIC_SKIPPED = "Not asked; --with-layers asks it here, as the proxy does."


@dataclass(frozen=True, slots=True)
class Question:
    """A request to be explained. `body`: of OpenAI's chat. `headers` by lower-case name; `token`: the SHA-256 of a
    client's own key. `with_layers`: embeddings are asked, too; `offline`: servers are not asked for their lists.
    """

    body: dict[str, Any]
    source: str = "127.0.0.1"
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    caller: Caller | None = None
    with_layers: bool = False
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was found out of a request, and its plan. `prices`: of each candidate, in words, by its target."""

    query: RoutingQuery
    features: Features
    plan: Plan
    captured: Captured
    prices: dict[str, str]
    fallback_on: dict[str, list[str]]  # by target: for what a request that it refuses goes to the next one
    mirror: str | None  # who is asked as well, in words
    limits: dict[str, str]  # of each candidate's server, by its name, as the file has them

    def as_json(self) -> dict[str, Any]:
        told_values = {"prices": self.prices, "capture": str(self.captured)}
        moves = {"fallback_on": self.fallback_on, "mirror": self.mirror, "limits": self.limits}
        return {**as_json(self.query, self.features, self.plan), **told_values, **moves}


def explain(question: Question, rules: Ruleset, settings: Settings, now: LocalTime) -> Explanation:
    """Runs a loop of its own: not to be called within one."""
    body = question.body
    features = features_of(body, "openai", "chat", load_task_rules())
    query = RoutingQuery(
        model=body.get("model") or "",
        source=question.source,
        dialect="openai",
        operation="chat",
        features=features,
        headers=question.headers,
        token=question.token,
        caller=question.caller,
        now=now,
    )
    plan = asyncio.run(explained(query, rules, settings, body, question.with_layers, question.offline))
    plan = dataclasses.replace(
        plan, trace=(*plan.trace, *_redaction(plan, rules, body), *_instructions(plan, rules, body))
    )
    captured = captured_of(plan, query.caller, rules, settings)
    prices, moved = prices_of(plan, query.model, rules), fallback_on_of(plan, query.model, rules)
    limits = {one.server.name: str(one.server.limits) for one in plan.candidates if one.server.limits is not None}
    return Explanation(query, features, plan, captured, prices, moved, mirror_of(plan, query.model, rules), limits)


async def explained(
    query: RoutingQuery, rules: Ruleset, settings: Settings, body: dict[str, Any], with_layers: bool, offline: bool
) -> Plan:
    """The plan by the functions that the proxy uses. No breaker is open, and no live figure is known."""
    deny_addresses(asyncio.get_running_loop(), Denied.parse(settings.egress_deny))
    listings = Listings(timeout=LISTS_TIMEOUT)
    lists = None if offline else RoutingLists(listings, patience=LISTS_TIMEOUT)
    try:
        return await _explained(query, rules, settings, body, with_layers, lists)
    finally:
        await listings.close()


async def _explained(
    query: RoutingQuery,
    rules: Ruleset,
    settings: Settings,
    body: dict[str, Any],
    with_layers: bool,
    lists: RoutingLists | None,
) -> Plan:
    async def by(decide_by: DecideBy) -> Plan:
        return decide_by(NOTHING_KNOWN) if lists is None else await lists.plan(rules, decide_by)

    rewritten = rules.model_map.rewrite(query.model, query.dialect == "ollama")
    if not rules.is_auto(rewritten.model if rewritten is not None else query.model):
        return await by(lambda known: decide(query, rules, known=known))
    trace: list[TraceLine] = []
    if rules.cache.exact.ttl > 0:
        trace.append(TraceLine("exact_cache", "skip", _CACHE_SKIPPED))
    if (hit := match_rules(query, rules, trace=trace)) is not None:
        by_rule = await by(lambda known: (match_rules(query, rules, known=known) or hit).plan)
        if not by_rule.moves_on:
            return dataclasses.replace(by_rule, trace=(*trace, *by_rule.trace))
        trace += (*by_rule.trace, TraceLine("route", "miss", by_rule.refusal or ""))
    plan = await _by_meaning(query, rules, settings, body, trace) if with_layers else None
    if rules.semantic_routes is not None and not with_layers:
        trace.append(TraceLine("semantic", "skip", _SEMANTIC_SKIPPED))
    if plan is None:
        if rules.arbiter is not None:
            trace.append(TraceLine("arbiter", "skip", _ARBITER_SKIPPED))
        plan = await by(lambda known: default_plan(query, rules, known=known))
    return dataclasses.replace(plan, trace=(*trace, *plan.trace))


def _redaction(plan: Plan, rules: Ruleset, body: dict[str, Any]) -> list[TraceLine]:
    """What would be redacted in the request; nothing where no rule wants it."""
    if not (wanted := rules.redact_for(plan)):
        return []
    redactor = Redactor(merged(wanted), b"explain")
    try:
        redact_body(body, redactor)
    except Unreadable as fault:
        return [TraceLine("redaction", "error", f"The proxy refuses this request: {fault}.")]
    found = told_of(redactor.counts) or "nothing"
    return [TraceLine("redaction", "hit" if redactor.counts else "miss", f"redacted: {found}")]


def _instructions(plan: Plan, rules: Ruleset, body: dict[str, Any]) -> list[TraceLine]:
    """What each candidate's request would have of thinking that the client's has not, and what translation changes. A
    server without a declared dialect is taken to speak the client's; the proxy finds out.
    """
    text = json.dumps(body)
    call = Call(CHAT, "", text, body, jsonedit.parse(text)[1], body.get("model") or "", bool(body.get("stream")))
    found, undetected = [], ServerDialects()
    for candidate in plan.candidates:
        server, target = candidate.server, candidate.target_for(call.model)
        dialect = undetected.to_speak(server, CHAT.dialect)
        choice = resolve(plan.thinking, CHAT, body, rules.disables_thinking_for(candidate, call.model))
        try:
            rendered = render(
                call, candidate, ServerProfile(dialect, choice, quirks=server.quirks), Stamp("", 0.0, target)
            )
        except ValueError as error:
            found.append(TraceLine("translation", "skip", f"{target} cannot be asked this: {error}"))
            continue
        found += rendered.trace_lines(target)
        expected = expected_opening(call, rendered, candidate, rules, learned=None)  # what was learned is the proxy's
        if (held := why_held(expected, candidate, call, rules)) is not None:
            found.append(dataclasses.replace(held, detail=f"In a stream: {held.detail}"))
    return found


async def _by_meaning(
    query: RoutingQuery, rules: Ruleset, settings: Settings, body: dict[str, Any], trace: list[TraceLine]
) -> Plan | None:
    client = open_client(settings, rules)
    layer = SemanticLayer(lambda: client, lambda: rules)
    assert query.features is not None
    try:
        await layer.prepare()
        await client.warm()
        named = query.caller.id if query.caller else query.token
        layer_request = LayerRequest(query.model, query.features, body, query.headers, query.source, named)
        answer = await layer.answer(layer_request)
    except Miss as miss:
        trace.append(TraceLine(layer.name, "miss", str(miss), miss.score))
        return None
    finally:
        await client.close()
    if answer is None:
        return None
    plan = plan_for_target(answer.target, rules, layer.name, answer.route, query=query)
    if plan is None:
        trace.append(TraceLine(layer.name, "miss", f"It names {answer.target!r}, which is no known target."))
        return None
    if plan.moves_on:
        trace.append(TraceLine(layer.name, "miss", plan.refusal or ""))
        return None
    first, *rest = plan.trace
    line = dataclasses.replace(first, detail=f"{answer.detail} {first.detail}".strip(), score=answer.score)
    return dataclasses.replace(plan, trace=(line, *rest))


def shown(features: Features) -> dict[str, Any]:
    found = {name: getattr(features, name) for name in _SHOWN}
    return found | {"modalities": sorted(features.modalities), "task_confidence": round(features.task_confidence, 3)}


def captured_of(plan: Plan, caller: Caller | None, rules: Ruleset, settings: Settings) -> Captured:
    """What the log keeps of the request, where the first candidate answers."""
    servers = [candidate.server for candidate in plan.candidates[:1]]
    return applying(settings.capture, rules, caller, plan.route, servers)


def prices_of(plan: Plan, model: str, rules: Ruleset) -> dict[str, str]:
    """What an answer of each candidate costs, in words, by its target."""
    return {one.target_for(model): told(rules.price_for(one.server, one.model or model)) for one in plan.candidates}


def fallback_on_of(plan: Plan, model: str, rules: Ruleset) -> dict[str, list[str]]:
    return {one.target_for(model): sorted(rules.fallback_on_for(plan, one.server)) for one in plan.candidates}


def mirror_of(plan: Plan, model: str, rules: Ruleset) -> str | None:
    mirror = rules.mirror_for(plan) if plan.candidates else None
    if mirror is None:
        return None
    target = Candidate(mirror.target.server, mirror.target.model).target_for(model)
    return f"{target}, for {mirror.share:.0%} of conversations, up to ${mirror.max_cost / MILLION:g} a day"


def as_json(query: RoutingQuery, features: Features, plan: Plan) -> dict[str, Any]:
    return {
        "model": query.model,
        "features": shown(features),
        "layer": plan.layer,
        "route": plan.route,
        "refusal": plan.refusal,
        "thinking": plan.thinking,
        "stick": plan.stick,
        "candidates": [
            {
                "target": one.target_for(query.model),
                "server": one.server.name,
                "model": one.model or query.model,
                "url": str(one.server.url),
                "credentials": source(one.server, plan.first_choice),
            }
            for one in plan.candidates
        ],
        "trace": [dataclasses.asdict(line) for line in plan.trace],
    }
