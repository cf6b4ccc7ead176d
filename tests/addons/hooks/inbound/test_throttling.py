"""Throttling: each reader obeys its tap, before anything is read."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from mitmproxy.proxy.server import ConnectionIO
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import taddons, tflow

from switchman.addons.hooks.inbound.throttling import Throttling
from switchman.addons.memory.taps import TappedReader, tap_of


def test_a_connection_is_read_by_its_tap() -> None:
    """The reader that mitmproxy will read is one that the tap shuts."""
    asyncio.run(connect_and_read("client"))


def test_a_connection_to_a_server_is_too() -> None:
    """So that nothing comes while what came is still being read."""
    asyncio.run(connect_and_read("server"))


async def connect_and_read(side: str) -> None:
    client, connection = tflow.tclient_conn(), tflow.tserver_conn() if side == "server" else None

    async def read(most: int) -> bytes:
        return b"x" * most

    transport = ConnectionIO(reader=SimpleNamespace(read=read))  # type: ignore[arg-type]
    server: Any = SimpleNamespace(
        name="proxyserver", connections={client.id: SimpleNamespace(transports={connection or client: transport})}
    )
    addon = Throttling()
    with taddons.context(addon) as context:
        context.master.addons.add(server)
        if connection is None:
            addon.client_connected(client)
        else:
            addon.server_connected(ServerConnectionHookData(connection, client))
    assert isinstance(transport.reader, TappedReader)
    assert await transport.reader.read(2) == b"xx"
    tap_of(connection or client).shut("room")
    assert not tap_of(connection or client).is_open


def test_a_connection_that_is_gone_is_left_alone() -> None:
    """It may have been closed before its hook ran."""
    asyncio.run(connect_in_vain())


async def connect_in_vain() -> None:
    with taddons.context(addon := Throttling()) as context:
        context.master.addons.add(SimpleNamespace(name="proxyserver", connections={}))
        addon.client_connected(tflow.tclient_conn())
