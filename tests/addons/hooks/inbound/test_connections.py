"""Whose connections count for whose share, how many there may be, and that a burst is told once.

What becomes of connections is shown in tests/e2e/security/test_connections.py, with real ones.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from typing import Any

import pytest
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy.mode_specs import ProxyMode

from switchman.addons.core.request.clients import parse_networks
from switchman.addons.hooks.inbound.connections import FEWEST, RESERVE, Connections, Told


def client(address: str, mode: str = "reverse:http://127.0.0.1:9") -> Client:
    return Client(
        peername=(address, 1), sockname=("127.0.0.1", 2), timestamp_start=0.0, state=ConnectionState.OPEN,
        proxy_mode=ProxyMode.parse(mode),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "share"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("127.0.0.1", ""),
        ("127.9.9.9", ""),
        ("::1", ""),
        ("10.0.0.1", ""),
        ("", ""),
    ],
)
def test_an_address_has_its_share(address: str, share: str, make_runtime: Any) -> None:
    """This machine and trusted proxies have none of their own, and a network of IPv6 is one client's."""
    runtime = make_runtime(trusted_proxies=parse_networks("10.0.0.0/8"))
    assert Connections(runtime, ())._share(client(address)) == share


async def _limits(connections: Connections) -> tuple[int, int]:
    connections.running()
    found = (connections.most, connections.most_of_one)
    connections.done()
    await asyncio.sleep(0)
    return found


@pytest.mark.parametrize(
    ("most", "of_one", "descriptors", "expected"),
    [
        (4096, 512, 1_000_000, (4096, 512)),
        (4096, 512, 1024, ((1024 - RESERVE) // 2, (1024 - RESERVE) * 3 // 8)),
        (4096, 512, 64, (FEWEST, FEWEST * 3 // 4)),
        (4096, 512, resource.RLIM_INFINITY, (4096, 512)),
        (1, 1, 1024, (1, 1)),
    ],
)
def test_there_may_be_as_many_as_there_are_descriptors_for(
    most: int,
    of_one: int,
    descriptors: int,
    expected: tuple[int, int],
    make_runtime: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each may need one more, to a server; and no address has all of them."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (descriptors, descriptors))
    connections = Connections(make_runtime(max_connections=most, max_connections_per_address=of_one), ())
    assert asyncio.run(_limits(connections)) == expected


def test_a_burst_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """What follows within a minute is counted, and told after it."""
    times = [0.0]
    told = Told(lambda: times[-1])
    with caplog.at_level(logging.WARNING):
        for now in (0.0, 1.0, 59.0):
            times.append(now)
            for _ in range(100):
                told.count("closed")
            told.say()
        assert [record.getMessage() for record in caplog.records] == ["Connections of clients: 100 closed."]
        times.append(60.5)
        told.say()
    assert caplog.records[-1].getMessage() == "Connections of clients: 200 closed."


def test_what_may_be_no_http_is_left_alone(make_runtime: Any) -> None:
    """In transparent mode, say, a client may speak anything, and say nothing at all."""
    connections = Connections(make_runtime(), (), lambda: 100.0)
    connections.most = connections.most_of_one = 10
    for mode, kind in (
        ("reverse:http://a:1", "idle"),
        ("regular", "idle"),
        ("transparent", "busy"),
        ("reverse:tcp://a:1", "busy"),
    ):
        one = client("192.0.2.1", mode)
        connections.client_connected(one)
        assert connections._standing(connections._known[one.id], None).kind == kind
        connections.client_disconnected(one)
    assert not connections._known and not connections._shares


class Handler:
    """Of a connection that was told to make room: its body is refused by then, or was here after all."""

    def __init__(self, client: Client, refused: bool) -> None:
        self.client, self.refused = client, refused

    async def server_event(self, event: object) -> None:
        if self.refused:
            self.client.state = ConnectionState.CAN_READ


@pytest.mark.parametrize("refused", [True, False])
def test_who_is_answered_after_all_counts_again(refused: bool, make_runtime: Any) -> None:
    """Else it would stand outside of all limits for as long as it likes."""
    connections = Connections(make_runtime(), (), lambda: 100.0)
    connections.most = connections.most_of_one = 10
    one = client("192.0.2.1")
    connections.client_connected(one)
    known = connections._known[one.id]
    connections.client_disconnected(one)
    handler: Any = Handler(one, refused)
    asyncio.run(connections._refuse_body(known, handler))
    assert (one.id not in connections._known, connections._shares["192.0.2.1"]) == (refused, 0 if refused else 1)
