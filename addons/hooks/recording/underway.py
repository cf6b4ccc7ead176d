"""Underway: shows the dashboard which requests are still running, and which targets are left alone.

Once a second it writes down the requests that have run for longer than a second and the targets whose breaker is not
closed, and replaces those it wrote before. While there are none, it writes nothing. A log that cannot be written costs
no request anything.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from typing import TYPE_CHECKING

from switchman.addons.core.record import Resting, Running
from switchman.addons.flow.exchange import Exchange, exchange
from switchman.addons.state.runtime import Runtime

if TYPE_CHECKING:
    from switchman.addons.store import Store

logger = logging.getLogger(__name__)

EVERY = 1.0  # seconds
LASTING = 1.0  # seconds; a shorter request is in the log soon enough


class Underway:
    """Writes down `runtime.underway`, which Gate fills and Recording empties."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.worker = f"{os.getpid()}-{secrets.token_hex(4)}"
        self.task: asyncio.Task[None] | None = None

    def running(self) -> None:
        if self.runtime.store is not None:
            self.task = asyncio.create_task(self._watch(self.runtime.store), name="switchman underway")

    async def done(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def _watch(self, store: Store) -> None:
        written = rested = False
        while True:
            await asyncio.sleep(EVERY)
            path = self.runtime.capturing.path
            lasting = [running(x, path(x, x.sent.path if x.sent else "")) for x in self._lasting()]
            if lasting or written:
                problem = await asyncio.to_thread(store.write_underway, self.worker, lasting, time.time())
                if problem is not None:
                    logger.debug("what is under way could not be written down: %s", problem)
                written = bool(lasting)
            rests = self._resting()
            if rests or rested:
                problem = await asyncio.to_thread(store.write_resting, self.worker, rests, time.time())
                if problem is not None:
                    logger.debug("what rests could not be written down: %s", problem)
                rested = bool(rests)

    def _resting(self) -> list[Resting]:
        now = time.time()
        if (breakers := vars(self.runtime).get("breakers")) is None:  # nothing is configured yet
            return []
        return [
            Resting(target, target.partition("/")[0], state, now + left)
            for target, state, left in breakers.resting(time.monotonic())
            if state != "closed"
        ]

    def _lasting(self) -> list[Exchange]:
        since = time.monotonic() - LASTING
        found = [exchange(flow) for flow in self.runtime.underway.values()]
        return [x for x in found if x is not None and x.started < since]


def running(x: Exchange, path: str | None = None) -> Running:
    """A request as far as it has come. `path`: as it may be shown; None: as it came."""
    candidate = x.candidate
    requested_model = x.call.model if x.call else ""
    return Running(
        id=x.id,
        started_at=x.started_at,
        method=x.sent.method if x.sent else "",
        path=path if path is not None else x.sent.path if x.sent else "",
        client=x.client,
        requested_model=requested_model,
        layer=x.plan.layer if x.plan else None,
        route=x.plan.route if x.plan else None,
        server=candidate.server.name if candidate else None,
        model=(candidate.model or requested_model or None) if candidate else None,
        attempts=len(x.attempts),
    )
