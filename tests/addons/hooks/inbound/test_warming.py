"""The lists are warm while the proxy runs, and nothing of it is left behind its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from switchman.addons.hooks.inbound.warming import Warming
from switchman.addons.state.reloads import Reloads
from switchman.addons.state.runtime import Runtime
from switchman.addons.testing import FakeUpstream


def test_it_fetches_from_the_start_to_the_end(make_runtime: Callable[..., Runtime]) -> None:
    """Nobody asked for anything."""
    with FakeUpstream(models=["a"]) as up:
        runtime = make_runtime(f'servers: {{up: "{up.url}"}}')

        async def work() -> None:
            runtime.reloads = Reloads(runtime.rules)
            warming = Warming(runtime)
            warming.running()
            await asyncio.to_thread(up.wait_requests, 1)
            await warming.done()
            assert warming.task is not None and warming.task.done()
            await runtime.listings.close()

        asyncio.run(work())
