"""Reporting: shows the dashboard which rules this worker has, so that one that has others than the rest is seen.

It writes that down when they change, and twice a minute, so that it is believed. A log that cannot be written costs no
request anything.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from switchman.addons.core.record import RulesInForce
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.state.access.opening import owner_name
from switchman.addons.state.runtime import Runtime

if TYPE_CHECKING:
    from switchman.addons.store import Store

logger = logging.getLogger(__name__)

RENEW = 30.0  # seconds


class Reporting:
    """Writes down what `runtime.rules` has in force."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.worker = owner_name()
        self.task: asyncio.Task[None] | None = None

    def running(self) -> None:
        if self.runtime.store is not None:
            self.task = asyncio.create_task(self._watch(self.runtime.store), name="switchman rules told")

    async def done(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            if (store := self.runtime.store) is not None:
                await asyncio.to_thread(store.write_rules, self.worker, None, time.time())

    async def _watch(self, store: Store) -> None:
        told: RulesInForce | None = None
        rules: Ruleset | None = None
        while True:
            if told is None or rules is not self.runtime.rules.current:
                rules = self.runtime.rules.current
                told = await asyncio.to_thread(self._in_force, rules)
            problem = await asyncio.to_thread(store.write_rules, self.worker, told, time.time())
            if problem is not None:
                logger.debug("which rules are in force could not be written down: %s", problem)
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW):
                    await self.runtime.reloads.after(rules)

    def _in_force(self, rules: Ruleset) -> RulesInForce:
        """Rules that are in force in spite of a bad file are older than it."""
        now = time.time()
        written_at = 0.0
        if self.runtime.rules.error is None:
            with suppress(OSError):  # no file is no rules, and nothing that others lag behind
                written_at = self.runtime.rules.path.stat().st_mtime
        return RulesInForce(self.worker, rules.digest, written_at, now)
