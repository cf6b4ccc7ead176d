"""Warming: keeps the servers' lists of models warm, so that no request has to wait for them."""

from __future__ import annotations

import asyncio

from switchman.addons.state.runtime import Runtime


class Warming:
    """Runs `runtime.lists.keep_warm` while the proxy runs. Answers closes the lists."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.task: asyncio.Task[None] | None = None

    def running(self) -> None:
        rules = self.runtime.rules
        work = self.runtime.lists.keep_warm(lambda: rules.current, self.runtime.reloads)
        self.task = asyncio.create_task(work, name="switchman lists")

    async def done(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
