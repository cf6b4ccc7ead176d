"""Probing: finds out, in the background, what servers speak whose `dialect` the rules do not tell.

1. At the start and after each reload of the rules, every undeclared server is asked, many at a time.
2. One that did not tell, as it was down, is asked again every RETRY seconds; where there are so many that asking them
   takes long, less often.
3. No request waits for this. Until something is found out, a server is spoken to as the client speaks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress

from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers import dialectsigns
from switchman.addons.core.servers.dialectsigns import Dialects
from switchman.addons.core.servers.servers import Server
from switchman.addons.state.learned.upstream_reader import AT_ONCE, UNREACHABLE, TooLong, UpstreamReader
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

TIMEOUT = 3.0  # seconds for one server, all its questions together
RETRY = 30.0  # seconds until a server that did not tell is asked again
RESTS = 9  # times as long as the asking took: with many dead servers it would never end

QUESTIONS = (
    ("/api/version", dialectsigns.of_version),
    ("/", dialectsigns.of_root),
    ("/v1/models", dialectsigns.of_models),
)


class Probing:
    """Fills `runtime.dialects.found`."""

    def __init__(self, runtime: Runtime, retry: float = RETRY) -> None:
        self.runtime, self.retry = runtime, retry
        self.task: asyncio.Task[None] | None = None

    def running(self) -> None:
        self.task = asyncio.create_task(self._watch(), name="switchman dialects")

    async def done(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def _watch(self) -> None:
        reader = UpstreamReader(TIMEOUT, self.runtime.keys)
        probed: Ruleset | None = None
        try:
            while True:
                rules, began = self.runtime.rules.current, time.monotonic()
                await self._probe(rules, reader, anew=rules is not probed)
                probed, took = rules, time.monotonic() - began
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.runtime.reloads.after(probed), max(self.retry, RESTS * took))
        finally:
            await reader.close()

    async def _probe(self, rules: Ruleset, reader: UpstreamReader, anew: bool) -> None:
        found = self.runtime.dialects.found
        servers = undeclared(rules)
        told = await probe([server for server in servers if anew or server not in found], reader)
        for server, dialects in told.items():
            if dialects is not None and found.get(server) != dialects:
                logger.info("%s speaks %s", server.name, " and ".join(dialects))
        # What a server told once holds while it is silent; one that is no longer in the rules is forgotten.
        kept = {server: found[server] for server in servers if server in found}
        self.runtime.dialects.found = kept | {server: d for server, d in told.items() if d is not None}


def undeclared(rules: Ruleset) -> list[Server]:
    """The servers whose dialect has to be found out."""
    return [
        server
        for server in dict.fromkeys((*rules.upstreams, rules.default))
        if server.enabled and server.dialect is None
    ]


async def probe(
    servers: Iterable[Server], reader: UpstreamReader, seconds: float = TIMEOUT
) -> dict[Server, Dialects | None]:
    """What each server speaks, asked many at a time; None for one that did not tell in time."""
    told: dict[Server, Dialects | None] = {}
    waiting = iter(servers)

    async def ask_on() -> None:
        for server in waiting:
            told[server] = await _ask(server, reader, seconds)

    await asyncio.gather(*(ask_on() for _ in range(AT_ONCE)))
    return told


async def _ask(server: Server, reader: UpstreamReader, seconds: float) -> Dialects | None:
    try:
        async with asyncio.timeout(seconds):
            for path, signs in QUESTIONS:
                try:
                    status, body = await reader.get(server, path, None)
                except TooLong:
                    continue
                if (dialects := signs(status, body)) is not None:
                    return dialects
    except (TimeoutError, *UNREACHABLE):
        pass
    return None
