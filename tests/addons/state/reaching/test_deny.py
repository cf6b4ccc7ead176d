"""The event loop connects to no address that is denied, whoever asks, by whatever name."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import pytest

from switchman.addons.core.servers.reaching.egress import Denied
from switchman.addons.state.reaching.deny import AddressDenied, deny_addresses
from switchman.addons.testing import FakeUpstream

LOOPBACK = Denied.parse("loopback")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "::ffff:127.0.0.1", "0"])
def test_no_form_of_a_denied_address_is_connected_to(host: str) -> None:
    """What a resolver makes of it counts; the server never sees a connection."""

    async def ask(port: int) -> None:
        deny_addresses(asyncio.get_running_loop(), LOOPBACK)
        with pytest.raises(OSError, match=r"EGRESS_DENY=loopback|getaddrinfo|Name or service|not known"):
            await asyncio.open_connection(host, port)
        with pytest.raises(httpx.ConnectError):
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.get(f"http://{f'[{host}]' if ':' in host else host}:{port}/v1/models")

    with FakeUpstream() as up:
        asyncio.run(ask(up.port))
        assert up.connections == 0


def test_a_name_that_changes_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the address of the connection itself that is looked at: what a look-up said before does not matter."""
    answers = iter(["203.0.113.1", "127.0.0.1"])

    async def rebinding(_host: str, port: int, **more: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    async def ask(port: int) -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", rebinding)
        deny_addresses(loop, LOOPBACK)
        looked_up = await loop.getaddrinfo("rebind.example", port)
        assert LOOPBACK.word_for(looked_up[0][4][0]) is None
        with pytest.raises(AddressDenied, match=r"the address 127\.0\.0\.1 is not connected to"):
            await asyncio.open_connection("rebind.example", port)

    with FakeUpstream() as up:
        asyncio.run(ask(up.port))
        assert up.connections == 0


def test_others_are_connected_to_until_it_ends() -> None:
    """And what is connected once it has ended."""

    async def asked(url: str) -> int:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{url}/v1/models")).status_code

    async def ask(url: str) -> None:
        loop = asyncio.get_running_loop()
        end = deny_addresses(loop, Denied.parse("metadata"))
        assert await asked(url) == 200
        end()
        end = deny_addresses(loop, LOOPBACK)
        with pytest.raises(httpx.ConnectError):
            await asked(url)
        end()
        assert await asked(url) == 200

    with FakeUpstream() as up:
        asyncio.run(ask(up.url))
