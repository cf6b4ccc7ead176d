"""Throttling: has each connection read only as far as its tap lets it."""

from __future__ import annotations

from mitmproxy import ctx
from mitmproxy.connection import Client, Connection
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from switchman.addons.memory.taps import TappedReader, tap_of


class Throttling:
    """Puts a TappedReader in the place of the reader of each new connection. The layers turn its tap."""

    def client_connected(self, client: Client) -> None:
        """Called before anything is read of it."""
        _put_tap(client, client)

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """Called before anything is read of it."""
        _put_tap(data.client, data.server)


def _put_tap(client: Client, connection: Connection) -> None:
    """`connection`: the client's, or one to a server that was opened for it."""
    server = ctx.master.addons.get("proxyserver")
    handler = server.connections.get(client.id)
    if handler is not None and (transport := handler.transports.get(connection)) is not None:
        transport.reader = TappedReader(transport.reader, tap_of(connection))
