"""Routing: asks the pure core for a Plan, and keeps the rules fresh."""

from __future__ import annotations

import asyncio
import time

from mitmproxy import http

from switchman.addons.core.decide import Ask, decide
from switchman.addons.core.plan import Candidate, Plan, TraceLine
from switchman.addons.exchange import exchange
from switchman.addons.runtime import Runtime

# Twice a second, so that an edited file is in force within one second.
POLL_SECONDS = 0.5


class Routing:
    """Puts the Plan into the Exchange. What is no LLM call goes to the default upstream as it is."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.poller: asyncio.Task[None] | None = None

    def running(self) -> None:
        self.poller = asyncio.create_task(self._poll(), name="switchman rules")

    def done(self) -> None:
        if self.poller is not None:
            self.poller.cancel()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await asyncio.to_thread(self.runtime.rules.poll)

    def request(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response:
            return
        rules = self.runtime.rules.current
        if x.call is None:
            line = TraceLine(
                "default", "hit", "Not a request that names a model: passed through to the default upstream."
            )
            x.plan = Plan((Candidate(rules.default, ""),), "default", "default", (line,))
        else:
            ask = Ask(model=x.call.model, source=x.client, dialect=x.call.dialect, operation=x.call.endpoint.operation)
            asked = x.call.model
            x.plan = decide(ask, rules, lambda candidate: self._is_open(candidate, asked), self.runtime.live)
        x.trace.extend(x.plan.trace)

    def _is_open(self, candidate: Candidate, asked: str) -> bool:
        return self.runtime.breakers.is_open(candidate.named(asked), time.monotonic())
