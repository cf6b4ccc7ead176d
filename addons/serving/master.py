"""mitmproxy's master with only the addons a router needs; the stock one spends half its time in the others.

`mitmdump -s` and `mitmweb -s` run the same pipeline on the stock master.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mitmproxy import master, options
from mitmproxy.addons import core, disable_h2c, errorcheck, next_layer, proxyserver, tlsconfig

from switchman.addons.runtime import StoppingHook
from switchman.addons.serving.hooktable import HookTable


class QuickOptions(options.Options):
    """Options whose plain values are looked up once. mitmproxy copies a value deeply each time it is asked for one,
    which is about fifteen times for each request."""

    def __init__(self) -> None:
        super().__init__()
        self.changed.connect(self._forget)  # the first to be connected, so nobody sees an old value

    def __getattr__(self, name: str) -> Any:
        value = super().__getattr__(name)
        if name in self._options and (value is None or isinstance(value, (bool, int, str))):
            self.__dict__[name] = value  # from now on Python finds it without asking us
        return value

    def _forget(self, updated: set[str]) -> None:
        for name in updated:
            self.__dict__.pop(name, None)


class LeanMaster(master.Master):
    """Core, HTTP and TLS of mitmproxy, then our own addons in their order."""

    addons: HookTable

    def __init__(self, addons: Sequence[Any], event_loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(QuickOptions(), event_loop)
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

    def listen(self, host: str, port: int, upstream: str, confdir: Path | None = None) -> None:
        """Say where to listen. `upstream` is the URL where a request goes that no decision has touched.

        How to connect upstream, and all deadlines, are the pipeline's business. Raises mitmproxy's OptionsError.
        """
        chosen: dict[str, Any] = {"mode": [f"reverse:{origin(upstream)}"], "listen_host": host, "listen_port": port}
        if confdir is not None:
            chosen["confdir"] = str(confdir)
        self.options.update(**chosen)

    async def hang_up(self, patience: float) -> None:
        """Stop accepting, close every client connection, and wait up to `patience` seconds for their last hooks.

        Closing ends running flows with mitmproxy's `error` hook, so each leaves its row in the log.
        """
        await self.addons.trigger_event(StoppingHook())
        server = self.addons.get("proxyserver")
        await server.servers.update([])
        for handler in list(server.connections.values()):
            transport = handler.transports.get(handler.client)
            if transport is not None and transport.handler is not None:
                transport.handler.cancel("the router is shutting down")
        try:
            async with asyncio.timeout(patience):
                while server.connections:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pass  # what hangs now is cut when the loop ends


def origin(url: str) -> str:
    """`scheme://host:port` of a URL: mitmproxy's reverse mode takes no path; ours is added by the decision."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
