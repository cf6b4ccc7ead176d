"""Reloads: the one place in the proxy that looks at the rules file. It wakes those who act on new rules."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from switchman.addons.config.configuration import RulesFile
from switchman.addons.core.rules.ruleset import Ruleset

# Twice a second, so that an edited file is in force within one second.
POLL_SECONDS = 0.5


class Reloads:
    """Keeps `rules` up to date with the file. Belongs to the event loop; the file is looked at in a thread."""

    def __init__(self, rules: RulesFile, every: float = POLL_SECONDS) -> None:
        self._rules, self._every = rules, every
        self._asked = asyncio.Event()
        self._changed = asyncio.Event()  # another one for each change
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._watching = asyncio.create_task(self._watch(), name="switchman rules")

    def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    def look_now(self) -> None:
        """Read the file at once, whether it seems to have changed or not: somebody asks for it."""
        self._asked.set()

    async def after(self, known: Ruleset | None) -> Ruleset:
        """Wait until other rules than `known` are in force, and return them. It may miss rules that came and went."""
        while self._rules.current is known:
            await self._changed.wait()
        return self._rules.current

    async def _watch(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._every)
            anyway = self._asked.is_set()
            self._asked.clear()
            if await asyncio.to_thread(self._rules.poll, anyway):
                changed, self._changed = self._changed, asyncio.Event()
                changed.set()
