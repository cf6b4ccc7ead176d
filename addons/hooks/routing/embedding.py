"""Embedding: keeps the proxy's connection to the semantic process, from the start of the proxy to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from switchman.addons.semantics.service import OFF, open_client
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

RETRY = 0.5  # seconds until a process that is not ready yet is tried again


class Embedding:
    """Awaits `prepare` whenever the rules are new: there, the semantic layer hands over its categories."""

    def __init__(self, runtime: Runtime, prepare: Callable[[], Awaitable[None]]) -> None:
        self.runtime, self._prepare = runtime, prepare
        self._task: asyncio.Task[None] | None = None

    def running(self) -> None:
        self.runtime.semantics = client = open_client(self.runtime.settings, self.runtime.rules.current)
        if client.status().state == "off":
            if self.runtime.settings.semantic_socket != OFF:  # `switchman serve` has said so itself
                logger.info("Embeddings are off: %s", client.status().detail)
        else:
            self._task = asyncio.create_task(self._keep_warm(), name="switchman embeddings")

    async def done(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.runtime.semantics is not None:
            await self.runtime.semantics.close()

    async def _keep_warm(self) -> None:
        """Hand the categories over before the first request needs them, and again when the rules or the process
        changed.
        """
        client = self.runtime.semantics
        assert client is not None
        while True:
            rules = self.runtime.rules.current
            await self._prepare()
            await client.warm()
            if client.prepared:
                await _either(self.runtime.reloads.after(rules), client.lost())
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.runtime.reloads.after(rules), RETRY)


async def _either(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when one of them is over."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
