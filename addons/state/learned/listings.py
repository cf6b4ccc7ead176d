"""Listings: the models that upstreams list, fetched in parallel, kept for a while, never waited for twice.

1. An upstream's list is fetched when somebody needs it and none is kept, or the kept one is old.
2. Only the very first answer is waited for, and that no longer than TIMEOUT; after that, what is kept is handed out at
   once and fetched anew in the background, one fetch at a time.
3. A fetch that fails keeps the last good list.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from math import inf
from typing import Any

import httpx

from switchman.addons.core.decision.catalogue import Model, read_models
from switchman.addons.core.keys.known import NO_KEYS, KnownKeys
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.servers.reaching.addressing import address
from switchman.addons.core.servers.scarcity import is_scarcity
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.texts.unicode import read_json
from switchman.addons.state.learned.upstream_reader import UNREACHABLE, Credentials, TooLong, UpstreamReader

TIMEOUT = 2.0  # seconds for one upstream, all of it: connection, answer, and the second dialect tried
FRESH = 30.0  # seconds that a good list is not asked for again
RETRY = 5.0  # the same after a failure
MAX_KEPT = 256  # lists; one per upstream, and for the default one also per client key

PATHS: dict[DialectName, str] = {
    "openai": "/v1/models",
    "ollama": "/api/tags",
    "anthropic": "/v1/models?limit=1000",  # its page has 20 entries if not asked for more, and 1000 at most
}


@dataclass(slots=True, eq=False)
class ModelList:
    """What is known of one upstream. `models` None: it never listed any. `reached` None: it was not tried yet.

    `reached` says that it gave an HTTP answer, be it an error; `problem` is why the last fetch gave no list, `absent`
    that this was because no connection could be made.
    """

    models: tuple[Model, ...] | None = None
    reached: bool | None = None
    problem: str | None = None
    absent: bool = False
    ended: float = -inf  # when the last fetch ended: monotonic seconds
    fetch: asyncio.Task[None] | None = None


class Refused(ValueError):
    """The upstream answered, but not with a list. `unknown`: it may be a server of another dialect."""

    def __init__(self, message: str, unknown: bool = True) -> None:
        super().__init__(message)
        self.unknown = unknown


def declared(server: Server) -> DialectName | None:
    return server.dialect


class Listings:
    """All upstreams' lists. Bound to the event loop that first uses it; `close()` ends what still runs.

    `speaks`: a server's dialect, None where it is not known. `keys`: those that no list may bring to a client.
    """

    def __init__(
        self,
        timeout: float = TIMEOUT,
        fresh: float = FRESH,
        retry: float = RETRY,
        speaks: Callable[[Server], DialectName | None] = declared,
        keys: Callable[[], KnownKeys] = lambda: NO_KEYS,
    ) -> None:
        self.timeout, self._fresh, self.retry = timeout, fresh, retry
        self.speaks = speaks
        self._listings: OrderedDict[tuple[Server, bytes], ModelList] = OrderedDict()
        self._reader = UpstreamReader(timeout, keys)
        self.fetched = 0  # fetches that ended so far, of lists that no client's credentials were needed for

    async def of(self, servers: Iterable[Server], credentials: dict[Server, Credentials]) -> dict[str, ModelList]:
        """What is known of each server, by name. Waits for those never tried, no longer than the timeout, and as
        long for their turn, where many are asked.

        `credentials` are the client's own, for servers that are to get them.
        """
        listings = {server.name: self.ask(server, credentials.get(server, ())) for server in servers}
        first = [one.fetch for one in listings.values() if one.reached is None and one.fetch is not None]
        if first:
            # Each ends by itself, and is not cancelled with the request that waits for it.
            await asyncio.wait(first, timeout=2 * self.timeout)
        return listings

    def ask(self, server: Server, credentials: Credentials = (), max_age: float | None = None) -> ModelList:
        """What is known of one server now; starts a fetch if that is older than `max_age` seconds, or due by itself."""
        key = (server, _digest(credentials))
        listing = self._listings.setdefault(key, ModelList())
        self._listings.move_to_end(key)
        limit = min(self.retry if listing.problem else self._fresh, inf if max_age is None else max_age)
        if listing.fetch is None and time.monotonic() - listing.ended >= limit:
            listing.fetch = asyncio.create_task(self._refresh(listing, server, credentials), name=f"list {server.name}")
        while len(self._listings) > MAX_KEPT:
            # Clients' keys are many, and must not push out what the servers list without them.
            del self._listings[next((one for one in self._listings if one[1]), next(iter(self._listings)))]
        return listing

    def kept(self, server: Server) -> ModelList | None:
        """What is known of a server now, without a client's credentials. Nothing is fetched for this."""
        return self._listings.get((server, b""))

    async def close(self) -> None:
        """Ends the fetches that run, and the connections."""
        running = [listing.fetch for listing in self._listings.values() if listing.fetch is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._reader.close()

    async def _refresh(self, listing: ModelList, server: Server, credentials: Credentials) -> None:
        listing.absent = False
        try:
            async with self._reader.turn(), asyncio.timeout(self.timeout):
                listing.models = await _fetch(self._reader, server, credentials, self.speaks(server))
            listing.reached, listing.problem = True, None
        except (Refused, TooLong) as error:
            listing.reached, listing.problem = True, str(error)
        except TimeoutError:
            listing.reached, listing.problem = False, f"no answer within {self.timeout:g} s"
        except UNREACHABLE as error:
            if is_scarcity(error):
                return  # of our own: nothing is known of the server
            listing.reached, listing.problem = False, str(error) or type(error).__name__
            listing.absent = isinstance(error, httpx.ConnectError)
        finally:
            listing.ended, listing.fetch = time.monotonic(), None
            self.fetched += not credentials


async def _fetch(
    reader: UpstreamReader, server: Server, credentials: Credentials, dialect: DialectName | None
) -> tuple[Model, ...]:
    """The list in the server's dialect. Where that is not known, try OpenAI's, then Ollama's."""
    if dialect is not None:
        return await _fetch_as(dialect, reader, server, credentials)
    try:
        return await _fetch_as("openai", reader, server, credentials)
    except Refused as refused:
        if not refused.unknown:
            raise
        try:
            return await _fetch_as("ollama", reader, server, credentials)
        except Refused:
            raise refused from None


async def _fetch_as(
    dialect: DialectName, reader: UpstreamReader, server: Server, credentials: Credentials
) -> tuple[Model, ...]:
    path = PATHS[dialect]
    status, body = await reader.get(server, path, dialect, credentials)
    if status != 200:
        raise Refused(f"{status} for {address(server, path).partition('?')[0]}", unknown=status in (404, 405))
    return _parse(body)


def _parse(body: bytes) -> tuple[Model, ...]:
    try:
        answer: Any = read_json(body)
    except ValueError as error:
        raise Refused(f"the list is not JSON: {error}") from None
    try:
        return read_models(answer)
    except ValueError as error:
        raise Refused(str(error)) from None


def _digest(credentials: Credentials) -> bytes:
    """Tells clients' keys apart without keeping them."""
    return sha256(repr(credentials).encode()).digest() if credentials else b""
