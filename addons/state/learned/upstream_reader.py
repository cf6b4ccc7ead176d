"""Asks upstreams small questions on the router's own account: what they list, what they speak, what they run."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import httpx

from switchman.addons.core.keys.collecting import keys_of_server
from switchman.addons.core.keys.known import NO_KEYS, KnownKeys
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.servers.credentials import header_for
from switchman.addons.core.servers.reaching.addressing import address, is_azure
from switchman.addons.core.servers.reaching.reach import Reach
from switchman.addons.core.servers.retry import OWN_KEY_STATUSES
from switchman.addons.core.servers.servers import Server
from switchman.addons.state.reaching import trust

# Questions at a time: of each that waits, httpx's pool looks at all others, and 3,000 at once took 48 s of the loop.
AT_ONCE = 32
MAX_CLIENTS = 64  # of as many ways to servers; most rules have one or two
MAX_BYTES = 8 * 1024 * 1024  # the largest known answer, OpenRouter's list, has under 1 MB
ANTHROPIC_VERSION = "2023-06-01"

# What a question to a server may raise, beside TimeoutError.
UNREACHABLE = (httpx.HTTPError, httpx.InvalidURL, OSError)

Credentials = tuple[tuple[str, str], ...]  # header names in lower case, and values


class TooLong(ValueError):
    """The answer is longer than any answer to such a question."""


class Answer(NamedTuple):
    status: int
    body: bytes
    location: str  # where a redirect leads; "" for none


class UpstreamReader:
    """One HTTP client for each way to servers (core/servers/reaching/reach.py), opened when it is first needed, on the
    event loop that needs it.

    `timeout`: seconds for each step of a request; a caller that needs a bound for all of it sets one around the call.
    `keys`: those that no answer may bring further, beside the server's own.
    """

    def __init__(self, timeout: float, keys: Callable[[], KnownKeys] = lambda: NO_KEYS) -> None:
        self._timeout, self._keys = timeout, keys
        self._clients: OrderedDict[Reach, httpx.AsyncClient] = OrderedDict()
        self._opening = asyncio.Lock()
        self._turns = asyncio.Semaphore(AT_ONCE)

    def turn(self) -> asyncio.Semaphore:
        """To be held while one server is asked, where many are; a bound on its time begins once it is held."""
        return self._turns

    async def get(
        self, server: Server, path: str, dialect: DialectName | None, credentials: Credentials = ()
    ) -> tuple[int, bytes]:
        """Status and body of GET `path` (canonical, as for `join`). Raises what UNREACHABLE names, TooLong, or
        TimeoutError.
        """
        answer = await self.ask(server, path, dialect, credentials)
        return answer.status, answer.body

    async def ask(
        self,
        server: Server,
        path: str,
        dialect: DialectName | None,
        credentials: Credentials = (),
        content: bytes | None = None,
    ) -> Answer:
        """As `get`, with the whole answer. POST, where there is `content`, which is JSON.

        A server of several keys is asked with each in turn, while it refuses them.
        """
        keys = [key.value.get_secret_value() for key in server.keys]
        if server.api_key is not None and len(keys) < 2:
            keys = [server.api_key.get_secret_value()]
        for key in keys[:-1]:
            answer = await self._ask(server, path, dialect, credentials, content, key)
            if answer.status not in OWN_KEY_STATUSES:
                return answer
        return await self._ask(server, path, dialect, credentials, content, keys[-1] if keys else None)

    async def _ask(
        self,
        server: Server,
        path: str,
        dialect: DialectName | None,
        credentials: Credentials,
        content: bytes | None,
        key: str | None,
    ) -> Answer:
        client = await self._open(server.reach)
        url = f"{server.url.scheme}://{server.url.authority}{address(server, path)}"
        headers = _headers(dialect, server, credentials, key)
        if content is not None:
            headers.append((b"content-type", b"application/json"))
        method = "GET" if content is None else "POST"
        async with client.stream(method, url, headers=headers, content=content) as response:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise TooLong(f"a list of more than {MAX_BYTES} bytes")
            location, content = response.headers.get("location", ""), bytes(body)
            for keys in (self._keys(), _keys(server)):
                location, content = keys.hide_text(location), keys.hide(content)
            return Answer(response.status_code, content, location)

    async def client(self, reach: Reach) -> httpx.AsyncClient:
        """The client for one way to servers. It is closed with this reader, or where it is not used for long."""
        return await self._open(reach)

    async def close(self) -> None:
        while self._clients:
            await self._clients.popitem()[1].aclose()

    async def _open(self, reach: Reach) -> httpx.AsyncClient:
        async with self._opening:
            if reach not in self._clients:
                # Reading the certificates takes tens of milliseconds, which the event loop does not have.
                how = await asyncio.to_thread(trust.httpx_arguments, reach)
                self._clients[reach] = httpx.AsyncClient(timeout=self._timeout, **how)
            self._clients.move_to_end(reach)
            if len(self._clients) > MAX_CLIENTS:
                await self._clients.popitem(last=False)[1].aclose()
        return self._clients[reach]


@lru_cache(maxsize=256)
def _keys(server: Server) -> KnownKeys:
    """What the answer may quote of the question, and nobody else may read."""
    return KnownKeys(keys_of_server(server))


def _headers(
    dialect: DialectName | None, server: Server, credentials: Credentials, key: str | None
) -> list[tuple[bytes, bytes]]:
    """As bytes: httpx raises UnicodeEncodeError for text that is not ASCII, as a key may be."""
    headers = {"accept": "application/json", **dict(credentials)}
    if dialect == "anthropic":
        headers["anthropic-version"] = ANTHROPIC_VERSION
    if key is not None:
        headers |= dict([header_for(key, dialect, azure=is_azure(server))])
    headers |= {name.lower(): value for name, value in server.headers.items()}
    return [(_raw(name), _raw(value)) for name, value in headers.items()]


def _raw(text: str) -> bytes:
    """The bytes that a client's field had before mitmproxy decoded it."""
    return text.encode("utf-8", "surrogateescape")
