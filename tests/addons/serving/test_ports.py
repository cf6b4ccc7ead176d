"""One port for several of our processes, and for nobody else."""

from __future__ import annotations

import asyncio
import socket

import pytest

from switchman.addons.serving.ports import CannotListen, NoSuchAddress, SharedPortLoop, reserve, url_host


def test_a_port_that_somebody_listens_on_is_refused() -> None:
    """A listener of any other program is noticed, and named with its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            reserve("127.0.0.1", port)


def test_a_listener_that_shares_its_port_is_noticed_too() -> None:
    """SO_REUSEPORT on the other side does not let us in by accident: half the requests would be theirs."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken, pytest.raises(CannotListen):
        reserve("127.0.0.1", taken.getsockname()[1])


def test_an_address_that_is_not_ours_is_explained() -> None:
    """An address of another machine cannot be listened on, and neither can a name that does not exist."""
    with pytest.raises(NoSuchAddress, match=r"cannot listen on 192\.0\.2\.1: this machine does not have that address"):
        reserve("192.0.2.1", 0)
    with pytest.raises(NoSuchAddress, match=r"cannot listen on no-such-host\.invalid: that is no address"):
        reserve("no-such-host.invalid", 1234)


def test_a_reserved_port_serves_several_loops_and_nobody_else() -> None:
    """Workers listen side by side on the reserved port; a stranger cannot; closing the reservation frees it."""

    async def listen(port: int) -> None:
        async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        first = await asyncio.start_server(nothing, "127.0.0.1", port)
        second = await asyncio.start_server(nothing, "127.0.0.1", port)
        first.close()
        second.close()

    port, held = reserve("127.0.0.1", 0)
    with held:
        asyncio.run(listen(port), loop_factory=SharedPortLoop)
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port))
    socket.create_server(("127.0.0.1", port)).close()


def test_the_reservation_itself_gets_no_connection() -> None:
    """Where no worker listens, a client is refused at once instead of waiting in nobody's queue."""
    port, held = reserve("127.0.0.1", 0)
    with held, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("box.lan", "box.lan")],
)
def test_the_address_that_is_printed_can_be_opened(host: str, shown: str) -> None:
    """A listener on all interfaces is named by one that a client can use."""
    assert url_host(host) == shown
