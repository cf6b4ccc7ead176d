"""Asks upstreams small questions on the router's own account: what they list, what they speak, what they run."""

from __future__ import annotations

import asyncio

import httpx

from switchman.addons.core.request.call import DialectName
from switchman.addons.core.servers.addressing import address, is_azure
from switchman.addons.core.servers.credentials import header_for
from switchman.addons.core.servers.servers import Server

MAX_BYTES = 8 * 1024 * 1024  # the largest known answer, OpenRouter's list, has under 1 MB
ANTHROPIC_VERSION = "2023-06-01"

# What a question to a server may raise, beside TimeoutError.
UNREACHABLE = (httpx.HTTPError, httpx.InvalidURL, OSError)

Credentials = tuple[tuple[str, str], ...]  # header names in lower case, and values


class TooLong(ValueError):
    """The answer is longer than any answer to such a question."""


class UpstreamReader:
    """One HTTP client, opened when it is first needed, on the event loop that needs it.

    `timeout`: seconds for each step of a request; a caller that needs a bound for all of it sets one around the call.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def get(
        self, server: Server, path: str, dialect: DialectName | None, credentials: Credentials = ()
    ) -> tuple[int, bytes]:
        """Status and body of GET `path` (canonical, as for `join`). Raises what UNREACHABLE names, TooLong, or
        TimeoutError.
        """
        client = await self._open()
        url = f"{server.url.scheme}://{server.url.authority}{address(server, path)}"
        async with client.stream("GET", url, headers=_headers(dialect, server, credentials)) as response:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise TooLong(f"a list of more than {MAX_BYTES} bytes")
            return response.status_code, bytes(body)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _open(self) -> httpx.AsyncClient:
        async with self._opening:
            if self._client is None:
                # Reading the certificates takes tens of milliseconds, which the event loop does not have. No
                # environment: HTTPS_PROXY may well name this very router.
                tls = await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)
                self._client = httpx.AsyncClient(verify=tls, trust_env=False, timeout=self._timeout)
        return self._client


def _headers(dialect: DialectName | None, server: Server, credentials: Credentials) -> list[tuple[bytes, bytes]]:
    """As bytes: httpx raises UnicodeEncodeError for text that is not ASCII, as a key may be."""
    headers = {"accept": "application/json", **dict(credentials)}
    if dialect == "anthropic":
        headers["anthropic-version"] = ANTHROPIC_VERSION
    if server.api_key is not None:
        key = server.api_key.get_secret_value()
        headers |= dict([header_for(key, dialect, azure=is_azure(server))])
    headers |= {name.lower(): value for name, value in server.headers.items()}
    return [(_raw(name), _raw(value)) for name, value in headers.items()]


def _raw(text: str) -> bytes:
    """The bytes that a client's field had before mitmproxy decoded it."""
    return text.encode("utf-8", "surrogateescape")
