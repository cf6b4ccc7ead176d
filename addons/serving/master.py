"""mitmproxy's master with only the addons a router needs; the stock one spends half its time in the others.

`mitmdump -s` and `mitmweb -s` run the same pipeline on the stock master.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mitmproxy import master, options
from mitmproxy.addons import core, disable_h2c, errorcheck, next_layer, proxyserver, tlsconfig
from mitmproxy.proxy import context, layer, mode_servers, mode_specs
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.server import ConnectionHandler

from switchman.addons.proxy.failover_layer import Stopping
from switchman.addons.serving.hooktable import HookTable
from switchman.addons.state.runtime import StoppingHook

POLL = 0.02  # seconds between two looks at what still runs


class QuickOptions(options.Options):
    """Options whose plain values are looked up once. mitmproxy copies a value deeply each time it is asked for one,
    which is about fifteen times for each request."""

    def __init__(self) -> None:
        super().__init__()
        self.changed.connect(self._forget)  # connected before all others, so nobody sees an old value

    def __getattr__(self, name: str) -> Any:
        value = super().__getattr__(name)
        if name in self._options and (value is None or isinstance(value, (bool, int, str))):
            self.__dict__[name] = value  # from now on Python finds it without this method
        return value

    def _forget(self, updated: set[str]) -> None:
        for name in updated:
            self.__dict__.pop(name, None)


class RouterMode(mode_specs.ReverseMode):
    """mitmproxy's reverse mode over TCP alone; `router:URL` where the stock one is `reverse:URL`.

    For an upstream of https the stock one listens on UDP, too, for HTTP/3. Its clients would come in past what is held
    of HTTP/1 here: the limits of a head, and what is ambiguous in one. And what listens there is threads of Rust, which
    Python knows nothing of: one that asked for Python's lock while the process ended brought it down (SIGSEGV).
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.transport_protocol = mode_specs.TCP


class RouterInstance(mode_servers.AsyncioServerInstance[RouterMode]):
    """What listens for the mode; mitmproxy finds it by this type's parameter."""

    def make_top_layer(self, context: context.Context) -> layer.Layer:
        return modes.ReverseProxy(context)


class LeanMaster(master.Master):
    """Core, HTTP and TLS of mitmproxy, then our own addons in their order."""

    addons: HookTable

    def __init__(
        self, addons: Sequence[Any], event_loop: asyncio.AbstractEventLoop | None = None, confdir: Path | None = None
    ) -> None:
        """`confdir`: where mitmproxy's own authority is, or is made; None: where mitmproxy has it."""
        super().__init__(QuickOptions(), event_loop)
        if confdir is not None:  # before the addons: each one that is added reads the key of the folder that is named
            self.options.update(confdir=str(confdir))
        self._legacy_log_events.uninstall()  # turns each log line into a hook that none of our addons has
        self.addons = HookTable(self)
        self.addons.add(
            core.Core(),
            disable_h2c.DisableH2C(),
            proxyserver.Proxyserver(),
            *addons,  # where `-s` puts them too: before the built-in NextLayer, whose place our failover layer takes
            next_layer.NextLayer(),
            tlsconfig.TlsConfig(),
            errorcheck.ErrorCheck(),
        )

    def listen(self, host: str, port: int, upstream: str) -> None:
        """Set where to listen. `upstream` is the URL to which a request goes that no decision has touched.

        The pipeline sets how to connect upstream, and all deadlines. Raises mitmproxy's OptionsError.
        """
        self.options.update(mode=[f"router:{origin(upstream)}"], listen_host=host, listen_port=port)

    async def wind_down(self, grace: float, hurry: asyncio.Event) -> None:
        """Stop accepting, and wait up to `grace` seconds, or until `hurry`, for the requests that run to end.

        A connection that is idle, or becomes idle, is closed at once, so that no client begins another request on it.
        """
        await self.addons.get("proxyserver").servers.update([])
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while self._close_idle() and not hurry.is_set():
                    await asyncio.sleep(POLL)

    async def hang_up(self, patience: float) -> None:
        """End the requests that still run, each with an answer that says so; then close every connection. Wait up to
        `patience` seconds for each of the two. A request without an end of its own is cut off by mitmproxy's `error`
        hook. Either way it leaves its row in the log.
        """
        await self.addons.trigger_event(StoppingHook())
        server = self.addons.get("proxyserver")
        for handler in list(server.connections.values()):
            if _reader(handler) is not None:  # else its layers have not begun, and take their first event for that
                await handler.server_event(Stopping())
        # What hangs after that is cut when the loop ends.
        for is_open in (self._close_idle, lambda: self._close(server.connections.values())):
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    while is_open():
                        await asyncio.sleep(POLL)

    def _close_idle(self) -> bool:
        """Close the connections on which no request runs. Returns whether there are others."""
        busy = {id(layer.context.client) for layer in self.addons.get("failover").layers if layer.is_busy}
        handlers = self.addons.get("proxyserver").connections.values()
        self._close(handler for handler in handlers if id(handler.client) not in busy)
        return any(id(handler.client) in busy for handler in handlers)

    def _close(self, handlers: Iterable[Any]) -> bool:
        """Close these client connections. Returns whether there were any."""
        closing = list(handlers)
        for handler in closing:
            if (reader := _reader(handler)) is not None:
                reader.cancel("the router is shutting down")
        return bool(closing)


def _reader(handler: ConnectionHandler) -> asyncio.Task[Any] | None:
    """The task that reads from a client; None before its first and after its last turn."""
    transport = handler.transports.get(handler.client)
    return transport.handler if transport is not None else None


def origin(url: str) -> str:
    """`scheme://host:port` of a URL: mitmproxy's reverse mode takes no path; ours is added by the decision."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
