"""Routing: asks the pure core for a Plan. Sticking remembers where a conversation was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mitmproxy import http
from mitmproxy.addonmanager import Loader

from switchman.addons.core.decision.decide import decide
from switchman.addons.core.routes.plan import Candidate, Plan, TraceLine
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.flow.exchange import Exchange, exchange
from switchman.addons.flow.refusal import no_plan
from switchman.addons.hooks import seen
from switchman.addons.hooks.resting import Resting
from switchman.addons.hooks.routing.balancing import Balancing
from switchman.addons.hooks.routing.chain import Chain
from switchman.addons.hooks.routing.unserved import beyond_token, passed_on, switched_off, unknown_path, without_model
from switchman.addons.state.runtime import Runtime

STICK_PATIENCE = 0.02  # seconds
LARGE = 256 * 1024  # characters: reading such a body, deciding on it, and writing it each take milliseconds


class Routing:
    """Puts the Plan into the Exchange: by the chain for `auto`, else by name.

    What names no model goes to the default upstream as it is, where there is one that was set. A model that nothing
    knows is a 404.

    Writes: auto, moment, plan, rules, trace.
    """

    def __init__(self, runtime: Runtime, chain: Chain, balancing: Balancing | None = None) -> None:
        self.runtime = runtime
        self.chain = chain
        self.balancing = balancing or Balancing(runtime)
        self.watching: asyncio.Task[None] | None = None
        self.preparing: asyncio.Task[None] | None = None

    def load(self, loader: Loader) -> None:
        self.chain.start()

    def running(self) -> None:
        self.watching = asyncio.create_task(self._watch(), name="switchman layers")

    async def done(self) -> None:
        for task in (self.watching, self.preparing):
            if task is not None:
                task.cancel()
        await self.chain.close()

    async def _watch(self) -> None:
        """Have the layers prepared for the rules of the start, and for those that replace them."""
        rules: Ruleset | None = None
        while True:
            rules = await self.runtime.reloads.after(rules)
            # Not awaited: a layer that takes long over one set of rules does not keep the next from being prepared.
            self.preparing = asyncio.create_task(self.chain.prepare(), name="switchman layers prepared")

    async def request(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response or x.plan is not None:
            return
        x.rules = rules = self.runtime.rules.current
        flow.response = unknown_path(flow, x, rules, self.runtime.settings.listen_port) or switched_off(x, rules)
        if flow.response is not None:
            return
        if x.call is None:
            line = TraceLine(
                "default", "hit", "Not a request that names a model: passed through to the default upstream."
            )
            x.plan = Plan((Candidate(rules.default, ""),), "default", "default", (line,))
        else:
            requested_model, large = x.call.model, len(x.call.text) > LARGE
            if large:
                await asyncio.sleep(0)  # other requests have their turn between reading, deciding and writing
            if rules.affinities:
                x.moment = await self.balancing.moment(x, rules)
            resting = Resting(self.runtime, x, requested_model)
            plan = await self._plan(x, rules, resting)
            x.trace.extend(resting.lines)
            if large:
                await asyncio.sleep(0)
            if plan.refusal is not None:
                x.trace.extend(plan.trace)
                flow.response = without_model(x, plan, rules) or no_plan(x, plan)
                return
            x.plan = plan
            if rules.affinities:
                self.runtime.live.chosen(plan.candidates[0].target_for(requested_model))
        x.trace.extend(x.plan.trace)
        flow.response = without_model(x, x.plan, rules) or beyond_token(flow, x, x.plan, rules)
        if flow.response is None:
            passed = passed_on(flow, x, x.plan)
            if isinstance(passed, Plan):
                x.plan = passed
            else:
                flow.response = passed

    async def _plan(self, x: Exchange, rules: Ruleset, is_open: Callable[[Candidate], bool]) -> Plan:
        if x.auto or seen.is_auto(x, rules):
            x.auto = True
            return await self.chain.plan(x, is_open)
        features = seen.features(x, self.runtime.tasks) if rules.needs_features else None
        query, live = seen.routing_query(x, features), self.runtime.live
        return await self.runtime.lists.plan(rules, lambda known: decide(query, rules, is_open, live, known))


class Sticking:
    """Holds a conversation to the target that answered it: see Chain.

    Writes: nothing.
    """

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.tasks: set[asyncio.Task[None]] = set()

    async def response(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or x.conversation is None or not x.was_answered:
            return
        task = asyncio.create_task(self.chain.remember(x), name="switchman conversation")
        self.tasks.add(task)  # the event loop itself holds its tasks only weakly
        task.add_done_callback(self.tasks.discard)
        # An agent's next turn may come at once, and should find it; but no answer waits long for this.
        await asyncio.wait([task], timeout=STICK_PATIENCE)

    async def error(self, flow: http.HTTPFlow) -> None:
        """The client left. If it had the whole answer by then, the conversation stays with the target."""
        await self.response(flow)
