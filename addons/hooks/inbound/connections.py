"""Connections: how many clients may hold at a time, for how long, and which one is closed where there is no room.

What is done with a new connection when there are as many as there may be (MAX_CONNECTIONS, and for one address
MAX_CONNECTIONS_PER_ADDRESS):
1. Those are closed on which nothing runs, the longest idle first. A client of HTTP expects that (RFC 9112 section 9.5).
   One whose request is here, though not read yet, is not idle.
2. Where there are none, those whose request has not come in yet: it is answered with 503.
3. Where answers run on all of them, the new one is answered with 503, or 429 where it is its address that has too many.

This machine's own addresses and TRUSTED_PROXIES have no share of their own: a proxy in front has one address for all of
its clients. They count among all. Of IPv6 a network of 64 bits is one address: that is what one client gets.

A port opens before the addons are told that the router runs. Connections that come in between wait for that.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import select
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import nsmallest
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy.mode_specs import RegularMode, ReverseMode
from mitmproxy.proxy.server import ConnectionHandler

from switchman.addons.core.request.clients import in_networks, parse_address
from switchman.addons.flow.refusal import CROWDED, CROWDED_ADDRESS, raw_refusal
from switchman.addons.proxy.failover_layer import MakeRoom, RoutedHttpLayer, Standing
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

RESERVE = 100  # descriptors for what are no connections: the log, its bodies, files, those that are being refused
FEWEST = 16  # connections that are tried for even where the descriptors would not do
PORTION = 16  # one in so many is closed at a time, so that not every new one has to look through all
SHARE = 0.75  # of all connections, which one address may have at most
UPSTREAM_IDLE = 60.0  # seconds; servers keep an idle connection for about as long
LONGEST_TICK = 1.0  # seconds between two looks at the connections
TELL_EVERY = 60.0  # seconds
MAX_REFUSED = 32  # connections that are being told why they get no answer, at a time; others are closed at once
LOOK = 0.25  # seconds in which such a client may show what it speaks
LINGER = 1.0  # seconds in which it may read that
# Alert of TLS, fatal: internal_error, of what has nothing to do with this client (RFC 8446 section 6.2).
TLS_ALERT = b"\x15\x03\x03\x00\x02\x02\x50"


@dataclass(slots=True)
class Known:
    """A client's connection. `share`: whose part of all it counts for; "" for nobody's."""

    client: Client
    share: str
    since: float


@dataclass(slots=True)
class Told:
    """Counts what happens, and says so at once, then once in TELL_EVERY seconds: a burst of it is one line."""

    clock: Callable[[], float]
    _at: dict[str, float] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)

    def count(self, what: str) -> None:
        self._counts[what] += 1

    def say(self) -> None:
        now = self.clock()
        for what, count in list(self._counts.items()):
            if now - self._at.get(what, -TELL_EVERY) >= TELL_EVERY:
                self._at[what] = now
                del self._counts[what]
                logger.warning("Connections of clients: %d %s.", count, what)


class Connections:
    """Bounds the connections of clients. `layers`: our HTTP layers of all of them."""

    def __init__(
        self, runtime: Runtime, layers: Collection[RoutedHttpLayer], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.runtime = runtime
        self._layers = layers
        self._clock = clock
        self._known: dict[str, Known] = {}  # by the client's id, oldest first
        self._shares: Counter[str] = Counter()
        self._told = Told(clock)
        self._refused = 0
        self._started = asyncio.Event()
        self._tending: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()  # clients whose request is refused
        self.most = 0  # connections at a time; 0: the router has not started yet
        self.most_of_one = 0

    def running(self) -> None:
        settings = self.runtime.settings
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.most = settings.max_connections
        if descriptors != resource.RLIM_INFINITY:  # each may need one more, to a server
            self.most = min(self.most, max(FEWEST, (descriptors - RESERVE) // 2))
        self.most_of_one = min(settings.max_connections_per_address, max(1, int(self.most * SHARE)))
        self._tending = asyncio.get_running_loop().create_task(self._tend(), name="connections")
        self._started.set()

    def done(self) -> None:
        if self._tending is not None:
            self._tending.cancel()

    def client_connected(self, client: Client) -> Coroutine[Any, Any, None] | None:
        """Take the connection in, after others were closed for it; or else refuse it."""
        if not self.most:
            return self._connected_early(client)
        known = Known(client, self._share(client), self._clock())
        if known.share and self._shares[known.share] >= self.most_of_one:
            what = "closed, as one address had too many (MAX_CONNECTIONS_PER_ADDRESS)"
            own = (other for other in self._known.values() if other.share == known.share)
            if not self._make_room(own, self.most_of_one, what):
                return self._refuse(client, 429, CROWDED_ADDRESS)
        if len(self._known) >= self.most:
            what = f"closed, as there were {self.most} (MAX_CONNECTIONS, or what the limit of open files allows)"
            if not self._make_room(self._known.values(), self.most, what):
                return self._refuse(client, 503, CROWDED)
        self._known[client.id] = known
        self._shares[known.share] += 1
        return None

    async def _connected_early(self, client: Client) -> None:
        await self._started.wait()
        if (refusing := self.client_connected(client)) is not None:
            await refusing

    def client_disconnected(self, client: Client) -> None:
        if (known := self._known.pop(client.id, None)) is not None:
            self._forget_share(known)

    def _forget_share(self, known: Known) -> None:
        self._shares[known.share] -= 1
        if self._shares[known.share] <= 0:
            del self._shares[known.share]

    def _share(self, client: Client) -> str:
        address = parse_address(str(client.peername[0])) if client.peername else None
        if address is None or address.is_loopback or in_networks(address, self.runtime.settings.trusted_proxies):
            return ""
        if isinstance(address, IPv6Address):
            return str(IPv6Network((int(address), 64), strict=False))
        return str(address)

    # --- room for new ones

    def _make_room(self, among: Iterable[Known], most: int, what: str) -> bool:
        """Close some of these that can be done without; they count no more from now on. Was there one?"""
        standings = [(self._standing(known, layer), known, layer) for known, layer in self._with_layers(among)]
        for kind in ("idle", "body"):
            found = [entry for entry in standings if entry[0].kind == kind]
            if kind == "idle" and found:
                unread = self._unread(known.client for _, known, _ in found)
                found = [entry for entry in found if entry[1].client.id not in unread]
            for _, known, layer in nsmallest(max(1, most // PORTION), found, key=lambda entry: entry[0].since):
                self._told.count(what)
                self.client_disconnected(known.client)
                self._close(known, layer)
            if found:
                return True
        return False

    def _unread(self, clients: Iterable[Client]) -> set[str]:
        """Those that have sent something that nobody has looked at yet: in a burst, their requests."""
        handlers = ctx.master.addons.get("proxyserver").connections
        found, sockets, poll = set(), dict[int, str](), select.poll()
        for client in clients:
            io = handler.transports.get(client) if (handler := handlers.get(client.id)) is not None else None
            if io is None or not isinstance(io.writer, asyncio.StreamWriter):
                continue
            if getattr(io.reader, "_buffer", b""):  # asyncio has no other way to ask
                found.add(client.id)
            elif (descriptor := io.writer.get_extra_info("socket").fileno()) >= 0:
                sockets[descriptor] = client.id
                poll.register(descriptor, select.POLLIN)
        return found | {sockets[descriptor] for descriptor, _ in poll.poll(0)}

    def _with_layers(self, among: Iterable[Known]) -> Iterator[tuple[Known, RoutedHttpLayer | None]]:
        """Each with its innermost HTTP layer: a CONNECT has one within another."""
        layers: dict[str, RoutedHttpLayer] = {}
        for layer in list(self._layers):
            held = layers.get(layer.context.client.id)
            if held is None or len(held.context.layers) < len(layer.context.layers):
                layers[layer.context.client.id] = layer
        for known in among:
            yield known, layers.get(known.client.id)

    def _standing(self, known: Known, layer: RoutedHttpLayer | None) -> Standing:
        if layer is not None:
            return layer.standing
        return Standing("idle" if _is_for_http(known.client) else "busy", known.since)

    def _close(self, known: Known, layer: RoutedHttpLayer | None) -> None:
        handler = ctx.master.addons.get("proxyserver").connections.get(known.client.id)
        if handler is None:
            return
        if layer is not None and layer.standing.kind == "body":
            task = asyncio.get_running_loop().create_task(self._refuse_body(known, handler))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
            return
        io = handler.transports.get(known.client)
        if io is None or io.handler is None:
            return
        io.handler.cancel("closed by the router")
        if isinstance(io.writer, asyncio.StreamWriter):
            io.writer.transport.abort()  # in this turn of the loop; and some do not read their answer

    async def _refuse_body(self, known: Known, handler: ConnectionHandler) -> None:
        await handler.server_event(MakeRoom(client=True))
        if known.client.state is ConnectionState.OPEN and known.client.id not in self._known:
            # The rest of its body came meanwhile, so it is answered after all, and counts again.
            self._known[known.client.id] = known
            self._shares[known.share] += 1

    async def _refuse(self, client: Client, status: int, message: str) -> None:
        """Answer before a request is read, and close. The client is told so where few are being told at a time."""
        client.error = message
        self._told.count(f"refused with {status}: {message}")
        handler = ctx.master.addons.get("proxyserver").connections.get(client.id)
        io = handler.transports.get(client) if handler is not None else None
        if io is None or io.writer is None or io.reader is None or self._refused >= MAX_REFUSED:
            return
        self._refused += 1
        try:
            io.writer.write(await _refusal(io.reader, status, message))
            with suppress(OSError, TimeoutError):
                io.writer.write_eof()
                async with asyncio.timeout(LINGER):  # closing with something unread would reset the connection
                    while await io.reader.read(65_536):
                        pass
        finally:
            self._refused -= 1

    # --- what waits for too long

    async def _tend(self) -> None:
        settings = self.runtime.settings
        tick = min(LONGEST_TICK, settings.head_timeout / 4, settings.idle_timeout / 4)
        while True:
            await asyncio.sleep(tick)
            await self._look()

    async def _look(self) -> None:
        """Close what was idle for too long, and connections to servers that nobody has used for a while."""
        now, settings = self._clock(), self.runtime.settings
        for known, layer in list(self._with_layers(self._known.values())):
            if layer is None:
                if now - known.since < settings.head_timeout or not _is_for_http(known.client):
                    continue
                self._told.count("closed, as no request had begun in time (HEAD_TIMEOUT)")
                self._close(known, layer)
            elif layer.standing.kind == "idle" and not layer.reads_head:
                idle = now - layer.standing.since
                if idle >= settings.idle_timeout:
                    self._close(known, layer)
                elif layer.upstreams and (idle >= UPSTREAM_IDLE or len(self._known) * 2 > self.most):
                    handler = ctx.master.addons.get("proxyserver").connections.get(known.client.id)
                    if handler is not None:
                        await handler.server_event(MakeRoom())
        self._told.say()


async def _refusal(reader: Any, status: int, message: str) -> bytes:
    """An answer in HTTP; an alert for a client that speaks TLS, which would take HTTP for a broken server."""
    with suppress(OSError, EOFError, TimeoutError):
        async with asyncio.timeout(LOOK):
            if starts_like_tls_record(await reader.readexactly(3)):
                return TLS_ALERT
    request = http.Request.make("GET", "http://router/")
    return raw_refusal(request, status, message, ((b"retry-after", b"1"),))


def _is_for_http(client: Client) -> bool:
    """Does a client on this port speak HTTP? In transparent and local mode, say, it may speak anything."""
    mode = client.proxy_mode
    return isinstance(mode, RegularMode) or (isinstance(mode, ReverseMode) and mode.scheme in ("http", "https"))
