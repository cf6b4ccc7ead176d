"""The chain that answers `auto`, after the caches: the first layer that names a target wins.

    conversation    it goes on where it was                        (stick: conversation)
    route           L1, the rules
    semantic        L2, categories by meaning                      (semantic_routes:)
    arbiter         L3, a small local model                        (arbiter:)
    ...             plug-ins, in the order of their names
    default         `default:`, else the first alias, the first chat model that is known, DEFAULT_UPSTREAM

Each layer has its own time. Too late, broken, unsure, or naming a target that does not exist: a miss, with a line in
the trace that says which. A layer that keeps failing is not asked for a while.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from switchman.addons.core.cache.fingerprint import policy_digest
from switchman.addons.core.decision import stickiness
from switchman.addons.core.decision.decide import LAYERS, RoutingQuery, default_plan, match_rules, plan_for_target
from switchman.addons.core.decision.names.known import KnownModels
from switchman.addons.core.routes.live import Live
from switchman.addons.core.routes.plan import Candidate, Plan, TraceLine
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.flow.exchange import Exchange, ms_since
from switchman.addons.hooks import seen
from switchman.addons.hooks.routing.layers import Layer, LayerAnswer, LayerRequest, Miss
from switchman.addons.hooks.routing.plugins import load_layers
from switchman.addons.state.runtime import Runtime
from switchman.addons.state.together.shared import CONVERSATIONS, Quota, SharedStoreError

logger = logging.getLogger(__name__)

CONVERSATION_TTL = 3600.0  # seconds after the last answer
CONVERSATION_QUOTA = Quota(50_000, 32 * 1024 * 1024)
CONVERSATION_BUDGET = 0.02  # seconds for a look into the store

# Layers of the trace that no plug-in may be called.
OWN_NAMES = (
    *LAYERS,
    stickiness.LAYER,
    "exact_cache",
    "semantic_cache",
    "translation",
    "thinking",
    "credentials",
    "redaction",
)

IsOpen = Callable[[Candidate], bool]


class Chain:
    """`layers` are those after the rules, in order.

    Writes: conversation, trace.
    """

    def __init__(self, runtime: Runtime, layers: Sequence[Layer]) -> None:
        self.runtime = runtime
        self.layers: list[Layer] = list(layers)
        self._breakers = Breakers()  # of its own: a layer's answer is no attempt of a request, so nothing judges it

    def start(self) -> None:
        """Load the plug-ins. Called once, when the proxy starts."""
        taken = frozenset((*(layer.name for layer in self.layers), *OWN_NAMES))
        self.layers += load_layers(taken)

    async def prepare(self) -> None:
        """Let the layers make what they would otherwise make with their first request."""
        for layer in self.layers:
            if (prepare := getattr(layer, "prepare", None)) is not None:
                try:
                    await prepare()
                except Exception as error:  # noqa: BLE001 - the boundary: it will be tried again with a request
                    logger.warning("The layer %s could not be prepared: %r", layer.name, error)

    async def close(self) -> None:
        for layer in self.layers:
            if (close := getattr(layer, "close", None)) is not None:
                await close()

    async def plan(self, x: Exchange, is_open: IsOpen) -> Plan:
        """The plan for a request that names no model. What was tried in vain goes into the Exchange's trace."""
        rules = x.rules or self.runtime.rules.current
        query = seen.routing_query(x, seen.features(x, self.runtime.tasks))
        plan = await self._by_conversation(x, query, rules, is_open)
        plan = plan or await self._by_rules(x, query, rules, is_open)
        if plan is not None:
            return plan
        request = _layer_request(x, query)
        for layer in self.layers:
            if (plan := await self._by_layer(layer, request, x, query, rules, is_open)) is not None:
                return plan
        return await self.runtime.lists.plan(rules, lambda known: default_plan(query, rules, is_open, known))

    async def _by_rules(self, x: Exchange, query: RoutingQuery, rules: Ruleset, is_open: IsOpen) -> Plan | None:
        started, live = time.monotonic(), self.runtime.live
        missed: list[TraceLine] = []
        try:
            hit = match_rules(query, rules, live, is_open, missed, self.runtime.lists.known(rules))
            plan = hit.plan if hit is not None else None
            if plan is not None and plan.lists:  # the rule names a bare model
                plan = await self.runtime.lists.plan(rules, partial(_ruled, plan, query, rules, live, is_open))
        except Exception as error:  # noqa: BLE001 - the boundary: a layer that crashes is a miss
            logger.error("The rules failed: %r", error)
            detail = f"It failed: {type(error).__name__}."
            x.trace.append(TraceLine("route", "error", detail, elapsed_ms=ms_since(started)))
            return None
        if plan is None or plan.moves_on:
            missed += plan.trace if plan is not None else ()
            missed += [TraceLine("route", "miss", plan.refusal)] if plan is not None and plan.refusal else []
            x.trace += [replace(line, elapsed_ms=ms_since(started)) for line in missed]
            return None
        first, *rest = plan.trace
        return replace(plan, trace=(replace(first, elapsed_ms=ms_since(started)), *rest))

    async def _by_layer(
        self, layer: Layer, request: LayerRequest, x: Exchange, query: RoutingQuery, rules: Ruleset, is_open: IsOpen
    ) -> Plan | None:
        started, target = time.monotonic(), layer.name

        def miss(why: str, score: float | None = None, *, failed: bool = False) -> Plan | None:
            (self._breakers.failure if failed else self._breakers.success)(target, time.monotonic())
            x.trace.append(TraceLine(layer.name, "error" if failed else "miss", why, score, ms_since(started)))
            return None

        if not self._breakers.claim(target, started):
            x.trace.append(TraceLine(layer.name, "skip", "It failed lately, and is not asked for a while."))
            return None
        budget = layer.budget_ms
        try:
            async with asyncio.timeout(budget / 1000):
                answer = await layer.answer(request)
        except TimeoutError:
            return miss(f"No answer within its {budget:g} ms.", failed=True)
        except Miss as reason:
            return miss(str(reason), reason.score)
        except asyncio.CancelledError:
            self._breakers.release(target)
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: a layer that crashes is a miss
            logger.warning("The layer %s failed: %r", layer.name, error)
            return miss(f"It failed: {type(error).__name__}.", failed=True)
        if answer is None:
            return miss("It has no answer.")
        if not _is_answer(answer):
            return miss("Its answer names no target.", failed=True)
        plan = plan_for_target(answer.target, rules, layer.name, str(answer.route), query=query, is_open=is_open)
        if plan is None:
            return miss(f"It names {answer.target[:80]!r}, which is no known target.", answer.score)
        if plan.moves_on:  # its token may not use what it names
            return miss(plan.refusal or "", answer.score)
        self._breakers.success(target, time.monotonic())
        first, *rest = plan.trace
        detail = f"{answer.detail} {first.detail}".strip()
        line = replace(first, detail=detail, score=answer.score, elapsed_ms=ms_since(started))
        return replace(plan, trace=(line, *rest))

    # ---- conversations ----

    async def _by_conversation(self, x: Exchange, query: RoutingQuery, rules: Ruleset, is_open: IsOpen) -> Plan | None:
        if x.call is None or not any(route.stick for route in rules.routes):
            return None
        started = time.monotonic()
        x.conversation = stickiness.conversation_key(x.call, _policy(rules), seen.caller(x))
        if x.conversation is None or query.features is None or query.features.depth <= 1:
            return None  # it begins here
        try:
            async with asyncio.timeout(CONVERSATION_BUDGET):
                value = await self.runtime.shared.get(CONVERSATIONS, x.conversation)
        except (SharedStoreError, TimeoutError) as error:
            detail = f"It could not be looked up: {str(error) or 'too slow'}."
            x.trace.append(TraceLine(stickiness.LAYER, "error", detail, elapsed_ms=ms_since(started)))
            return None
        held = stickiness.unpack(value) if value is not None else None
        if held is None:
            detail = "No target is known that it was with."
            x.trace.append(TraceLine(stickiness.LAYER, "miss", detail, elapsed_ms=ms_since(started)))
            return None
        plan = stickiness.held_plan(held, query, rules, is_open)
        if isinstance(plan, str):
            x.trace.append(TraceLine(stickiness.LAYER, "miss", plan, elapsed_ms=ms_since(started)))
            return None
        return plan

    async def remember(self, x: Exchange) -> None:
        """Hold a sticky conversation to the target that answered it."""
        if x.conversation is None or x.plan is None or x.attempt is None or x.plan.stick != "conversation":
            return
        value = stickiness.pack(stickiness.held_by(x.plan, x.attempt.candidate))
        try:
            await self.runtime.shared.put(CONVERSATIONS, x.conversation, value, CONVERSATION_TTL, CONVERSATION_QUOTA)
        except SharedStoreError as error:
            logger.warning("A conversation's target could not be kept: %s", error)


def _ruled(plan: Plan, query: RoutingQuery, rules: Ruleset, live: Live, is_open: IsOpen, known: KnownModels) -> Plan:
    """The plan of the rule that matches, by other lists than `plan` was made by."""
    hit = match_rules(query, rules, live, is_open, known=known)
    return hit.plan if hit is not None else plan


def _is_answer(answer: object) -> bool:
    """A plug-in may return anything."""
    return isinstance(answer, LayerAnswer) and isinstance(answer.target, str)


def _policy(rules: Ruleset) -> str:
    return policy_digest(rules.digest, rules.default.url)


def _layer_request(x: Exchange, query: RoutingQuery) -> LayerRequest:
    assert x.call is not None and x.features is not None
    named = x.caller.id if x.caller else query.token
    return LayerRequest(x.call.model, x.features, x.call.body, query.headers, x.client, named, x.semantic)
