"""Limits: how much a caller may ask for. One step of the ledger takes all that a request needs, or refuses it.

    requestheaders   a body that is larger than the caller's may be: a 413, before it is read
    request          takes of the minute, the places and the budgets, at the price of the dearest candidate; where a
                     budget with `downgrade` is used up, the plan is made anew for the model that it names

It runs once the plan is known, and after the caches: their answers count as requests, and cost nothing. What the router
answers itself (lists of models, health, refusals) counts as nothing. settling.py writes down what was used, and
flow/labels.py tells how much is left, in the dialect's own header fields.

Where the ledger cannot be asked, budgets are not given away: a 503 says so. Limits a minute and places do not stop a
request then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from mitmproxy import http
from mitmproxy.net.http.http1 import expected_http_body_size

from switchman.addons.config.settings import zone_of
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.limits.asking import (
    NOTHING,
    Reserve,
    Sources,
    Ticket,
    downgrade_of,
    sources_of,
    take_of,
)
from switchman.addons.core.access.limits.bounds import FREE, Bound, bound_of
from switchman.addons.core.access.limits.ledger import Refused, Taken
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.core.access.limits.wording import name_of, refusal_of
from switchman.addons.core.access.limits.written import NO_LIMITS
from switchman.addons.core.decision.decide import plan_for_target
from switchman.addons.core.routes.plan import TraceLine
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.flow.exchange import Exchange, exchange
from switchman.addons.flow.refusal import refusal, worded_refusal
from switchman.addons.hooks import seen
from switchman.addons.hooks.access.pricing import Unpriced, most_in, priced
from switchman.addons.hooks.resting import Resting
from switchman.addons.proxy.request_body import too_large_for_caller
from switchman.addons.state.access.ledgers import LedgerAway
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

LAYER = "limits"
AWAY = (
    "The router cannot tell how much of a budget is left: what counts it does not answer. Requests that a budget "
    "applies to are refused until it does. Try again in a moment."
)
type Redacted = Callable[[http.HTTPFlow, Exchange], Awaitable[bool]]
MOST_CALLERS = 10_000  # remembered at a time
TELL_EVERY = 60.0  # seconds between two lines of the log about a ledger that is away


class Limits:
    """Lets a request go, refuses it, or has another model answer it.

    Writes: body_limit, ticket, plan, trace, conversation, cache.
    """

    def __init__(self, runtime: Runtime, redacted: Redacted | None = None) -> None:
        """`redacted`: redacts by a plan that is another one now; False where it refused the request."""
        self.runtime, self._redacted = runtime, redacted
        self._sources: dict[str, tuple[Caller | None, Ruleset, Sources]] = {}  # by the caller's id
        self._calendar: Calendar | None = None
        self._told = float("-inf")

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response:
            return
        limit = self._of(x.caller, self.runtime.rules.current).body_bytes
        if limit is None:
            return
        x.body_limit = limit
        size = expected_http_body_size(flow.request)
        if size is not None and size > limit:
            flow.response = refusal(x, 413, too_large_for_caller(limit))

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """An awaitable where anything is limited."""
        if (x := exchange(flow)) is None or x.plan is None or (flow.response and x.outcome != "cached"):
            return None
        rules = x.rules or self.runtime.rules.current
        sources = self._of(x.caller, rules)
        return self._guarded(flow, x, rules, sources) if sources.sources else None

    def _of(self, caller: Caller | None, rules: Ruleset) -> Sources:
        """What limits a caller. Made once for each caller and set of rules."""
        if caller is None and rules.limits is NO_LIMITS:
            return NOTHING
        key = caller.id if caller is not None else ""
        found = self._sources.get(key)
        if found is None or found[0] is not caller or found[1] is not rules:
            if len(self._sources) >= MOST_CALLERS:
                self._sources.clear()
            self._sources[key] = found = (caller, rules, sources_of(caller, rules.limits))
            if caller is not None:
                self.runtime.alerts.learn(f"token:{caller.id}", caller.name)
        return found[2]

    async def _guarded(self, flow: http.HTTPFlow, x: Exchange, rules: Ruleset, sources: Sources) -> None:
        """No failure of ours gives a budget away."""
        try:
            await self._admit(flow, x, rules, sources)
        except LedgerAway as error:
            self._away(flow, x, sources, str(error))
        except Exception:
            logger.exception("The limits of a request could not be looked at")
            flow.response = refusal(x, 503, AWAY, headers={"retry-after": "5"})

    async def _admit(self, flow: http.HTTPFlow, x: Exchange, rules: Ruleset, sources: Sources) -> None:
        now = time.time()
        calendar = self._calendar = self._calendar or Calendar(zone_of(self.runtime.settings.budget_timezone))
        if flow.response is not None:  # from a cache
            take = take_of(sources, Reserve(), calendar, now, place=False)
            result = await self.runtime.counters.take(take)
            if isinstance(result, Taken):
                x.ticket = Ticket(take, result)
            else:
                self._refuse(flow, x, result, calendar, now)
            return
        bound = self._bound(x)
        if (reserve := self._reserve(flow, x, rules, sources, bound)) is None:
            return
        take = take_of(sources, reserve, calendar, now)
        result = await self.runtime.counters.take(take)
        downgraded = None
        if isinstance(result, Refused) and result.what == "downgrade":
            downgraded = downgrade_of(sources, result.account, result.purse, result.limit)
            if downgraded is None or not self._replan(x, rules, downgraded, result):
                self._refuse(flow, x, result, calendar, now)
                return
            if self._redacted is not None and not await self._redacted(flow, x):
                return
            bound = self._bound(x)
            if (reserve := self._reserve(flow, x, rules, sources, bound)) is None:
                return
            take = take_of(sources, reserve, calendar, now, soft=False)
            result = await self.runtime.counters.take(take)
        if isinstance(result, Taken):
            x.ticket = Ticket(take, result, downgraded=downgraded, about_in=bound.about_in, reserve=reserve)
        else:
            self._refuse(flow, x, result, calendar, now)

    def _bound(self, x: Exchange) -> Bound:
        """Of what is sent: placeholders may be longer than what they stand for."""
        if x.outgoing is None:
            return Bound()
        counted = x.features.input_tokens if x.features is not None and x.outgoing is x.call else None
        return bound_of(x.outgoing, counted)

    def _reserve(
        self, flow: http.HTTPFlow, x: Exchange, rules: Ruleset, sources: Sources, bound: Bound
    ) -> Reserve | None:
        """The most that the plan's candidates can come to; those whose price is not known are left out of it where a
        budget is in dollars. None where that leaves none: the request is refused.
        """
        assert x.plan is not None
        if x.call is not None and x.call.endpoint.operation in FREE:
            return Reserve()
        usd = 0
        if sources.in_usd:
            found = priced(x, x.plan, rules, bound)
            if isinstance(found, Unpriced):
                flow.response = refusal(x, 403, found.message)
                return None
            usd = found.most
            if found.lines:
                x.plan = replace(x.plan, candidates=found.candidates, first=x.plan.first_choice)
                x.trace += found.lines
        tokens = most_in(x, x.plan, rules, bound) + bound.most_out if sources.in_tokens else 0
        return Reserve(usd, tokens, bound.about_in + bound.about_out)

    def _replan(self, x: Exchange, rules: Ruleset, model: str, refused: Refused) -> bool:
        """Have `model` answer instead; False where there is no such model, or it may not be used."""
        if x.call is None or x.handshake is not None:
            return False
        features = seen.features(x, self.runtime.tasks) if rules.needs_features else None
        query = seen.routing_query(x, features)
        resting = Resting(self.runtime, x, model)
        plan = plan_for_target(model, rules, LAYER, "budget", query=query, is_open=resting)
        if plan is None or plan.refusal is not None or not plan.candidates:
            return False
        unit, period, _ = refused.purse.split("/")
        whose = name_of(refused.account, x.caller.name if x.caller else "")
        detail = f"The {period}'s budget of {whose} (in {unit}) is used up: {model} answers in place of what was asked."
        x.trace += [TraceLine(LAYER, "hit", detail), *plan.trace]
        x.plan = replace(plan, thinking=x.plan.thinking if x.plan else plan.thinking)
        # It is no answer of the model that was asked for, and no target for the rest of the conversation.
        x.conversation = None
        if x.cache is not None:
            x.cache.keeps = False
        return True

    def _refuse(self, flow: http.HTTPFlow, x: Exchange, refused: Refused, calendar: Calendar, now: float) -> None:
        ends = None
        if refused.purse:
            period = refused.purse.split("/")[1]
            ends = calendar.span("day" if period == "day" else "month", now).ends
        whose = name_of(refused.account, x.caller.name if x.caller else "")
        said = refusal_of(refused, x.dialect or "openai", whose, now, ends, calendar.zone)
        x.trace.append(TraceLine(LAYER, "hit", said.message))
        flow.response = worded_refusal(x, said.status, said.message, said.type, said.code, said.fields)

    def _away(self, flow: http.HTTPFlow, x: Exchange, sources: Sources, why: str) -> None:
        now = time.monotonic()
        held = any(source.allowance.budgets for source in sources.sources) and flow.response is None
        if now - self._told >= TELL_EVERY:
            self._told = now
            follows = "requests with a budget are refused, others go on without limits"
            logger.error("Limits cannot be counted, so %s: %s", follows, why)
        if held:
            flow.response = refusal(x, 503, AWAY, headers={"retry-after": "5"})
        else:
            x.trace.append(TraceLine(LAYER, "error", "What counts the limits did not answer: they did not apply."))
