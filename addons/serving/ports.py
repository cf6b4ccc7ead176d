"""One port for several processes (SO_REUSEPORT), without sharing it with a stranger by accident."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from switchman.addons.core.servers.scarcity import is_scarcity

DESCRIPTOR_PATIENCE = 2.0  # seconds that a connection to a server waits for a descriptor
DESCRIPTOR_POLL = 0.05
ACCEPTED_AT_ONCE = 8  # connections, in one turn of the event loop


class CannotListen(Exception):
    """The port is another program's, or the case is one of those below. The message says which port, and why."""


class NoSuchAddress(CannotListen):
    """The host is no address of this machine, or no name of one."""


class PortForbidden(CannotListen):
    """Only root may listen on such a low port."""


class SharedPortLoop(asyncio.SelectorEventLoop):
    """An event loop whose servers share their port with the other workers: the kernel spreads the connections."""

    async def create_server(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: Any = None, port: Any = None, **options: Any
    ) -> asyncio.Server:
        options.setdefault("reuse_port", True)
        return await super().create_server(protocol_factory, host, port, **options)

    def _accept_connection(
        self, protocol_factory: Any, sock: socket.socket, sslcontext: Any = None, server: Any = None,
        backlog: int = ACCEPTED_AT_ONCE, *rest: Any,
    ) -> None:  # fmt: skip
        # asyncio would take a hundred new ones in before anybody can close others for them.
        least = min(backlog, ACCEPTED_AT_ONCE)
        super()._accept_connection(protocol_factory, sock, sslcontext, server, least, *rest)  # type: ignore[misc]

    def _start_serving(self, protocol_factory: Any, sock: socket.socket, *rest: Any) -> None:
        # Called again a second after a connection could not be accepted: by then the router may have been stopped.
        if sock.fileno() >= 0:
            super()._start_serving(protocol_factory, sock, *rest)  # type: ignore[misc]

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        """As stock, but it waits for a descriptor where there is none: requests that are under way end."""
        end = self.time() + DESCRIPTOR_PATIENCE
        while True:
            try:
                return await super().create_connection(*arguments, **options)
            except OSError as error:
                if not is_scarcity(error) or self.time() > end:
                    raise
            await asyncio.sleep(DESCRIPTOR_POLL)


def reserve(host: str, port: int) -> tuple[int, ExitStack]:
    """Make sure that nobody else has the port, and keep it for our own processes. 0 picks a free one.

    Returns the port, and a stack whose closing gives it up. The sockets kept are bound but never listen, so they get
    no connection; they keep the port ours while workers come and go. `host` "" means all interfaces.
    Raises CannotListen. SO_REUSEPORT alone would not notice: it lets us share the port with whoever also set it.
    """
    held = ExitStack()
    try:
        for family, address in _addresses(host, port):
            with _bound(family, address, reuse_address=True) as probe:
                probe.listen(1)  # some systems only say here that the port is taken
                port = probe.getsockname()[1]  # with port 0, the first address picks and the others follow
            held.enter_context(_shared(family, (address[0], port, *address[2:])))
    except OSError as e:
        held.close()
        where = f"cannot listen on {host or '*'}"
        if isinstance(e, socket.gaierror):
            raise NoSuchAddress(f"{where}: that is no address, and no name of one ({e.strerror})") from e
        if e.errno == errno.EADDRNOTAVAIL:
            raise NoSuchAddress(f"{where}: this machine does not have that address") from e
        kind = PortForbidden if e.errno == errno.EACCES else CannotListen
        raise kind(f"{where}:{port}: {e.strerror or e}") from e
    return port, held


def reachable(host: str) -> str:
    """An address at which a listener on `host` answers from this machine."""
    ours = "127.0.0.1"
    return {"": ours, "*": ours, "0.0.0.0": ours, "::": "::1"}.get(host, host)  # nosec B104  # nothing is bound here


def url_host(host: str) -> str:
    """`host` as a URL for a client on this machine names it: reachable, and IPv6 in brackets."""
    name = reachable(host)
    return f"[{name}]" if ":" in name else name


def _addresses(host: str, port: int) -> Sequence[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    unique = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    if port == 0:  # IPv4 and IPv6 would each pick their own
        return unique[:1]
    return unique


def _shared(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    try:
        return _bound(family, address, reuse_port=True)
    except OSError:
        # Old connections in TIME_WAIT. A port kept this way can be taken while no worker listens, but not unnoticed:
        # the workers' own listening then fails.
        return _bound(family, address, reuse_port=True, reuse_address=True)


def _bound(
    family: socket.AddressFamily, address: tuple[Any, ...], reuse_port: bool = False, reuse_address: bool = False
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse_address)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuse_port)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
