"""mitmproxy's HTTP layer, with streams that fail over, and one timer for all deadlines of a connection.

What a request goes through is in its stream: stream.py. How the two ends are spoken to is in client_connection.py and
upstream_connection.py. Here is what belongs to the connection as a whole: which server connections there are, and when
somebody must be woken. A keep-alive connection with a thousand requests has one sleeping task (`_tend`), not as many.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Literal

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    GetHttpConnectionCompleted,
    HttpClient,
    HttpLayer,
    HTTPMode,
    RegisterHttpConnection,
)

from switchman.addons.core.keys.known import NO_KEYS, KnownKeys
from switchman.addons.core.servers.deadlines import EARLY, not_connected
from switchman.addons.core.servers.reaching.reach import Proxy
from switchman.addons.memory.budget import Budget
from switchman.addons.proxy.attempt import Connect, DeadlineExpired, RouterIsFull, RouterStops
from switchman.addons.proxy.client_connection import RoutedServer
from switchman.addons.proxy.dialing import Upstream, socket_of, stack_for
from switchman.addons.proxy.stream import RoutedStream
from switchman.addons.proxy.upstream_connection import is_idle, let_go, take_over
from switchman.addons.proxy.websockets.relay import Relay

MAX_IDLE = 4  # connections to servers that one client connection keeps for later
MAX_WAYS = 4  # through one proxy, for one client connection: of the five that mitmproxy opens, one stays for the next


@dataclass(eq=False)
class _Opening:
    """A connection being opened, and its deadline."""

    connection: Connection
    due: float
    timeout: float


@dataclass
class Stopping(events.Event):
    """The router stops: end what still runs, and tell each client so."""


@dataclass
class MakeRoom(events.Event):
    """Connections are wanted: close those to servers that nobody uses; with `client`, the client's too, if its request
    has not come in yet."""

    client: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What a client's connection waits for, and since when.

    "idle": a request. "body": the rest of a request. "busy": an answer, or it is a tunnel by now.
    """

    kind: Literal["idle", "body", "busy"]
    since: float


class RoutedHttpLayer(HttpLayer):
    """HttpLayer whose streams fail over, whose dead connections are forgotten, and which watches deadlines."""

    def __init__(
        self,
        context: Context,
        mode: HTTPMode,
        body_timeout: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        keys: Callable[[], KnownKeys] = lambda: NO_KEYS,
        body_rate: float = 0.0,
        head_timeout: float = inf,
        budget: Budget | None = None,
    ) -> None:
        """`body_timeout`: seconds of silence in a request's body. `clock`: seconds, only forward. `keys`: those that no
        answer of a server may bring to a client.

        `body_rate`: the least bytes a second of a body, after twice `body_timeout`. `head_timeout`: seconds from
        the first byte of a head to its end, a client's and a server's. `budget`: that of all connections; None: without
        a limit.
        """
        super().__init__(context, mode)
        self.keys = keys
        self.clock = clock
        self.budget = budget or Budget(sys.maxsize)
        self.over: list[RoutedStream] = []  # streams that have ended since the last event
        self.body_timeout = body_timeout
        self.body_rate = body_rate
        self.head_timeout = head_timeout
        self.idle_since: float | None = clock()  # since when no request runs; None while one does
        # Clients' stream ids are odd (HTTP/1: counted up by two from 1; HTTP/2: RFC 9113 section 5.1.1).
        self.attempt_ids: Iterator[int] = itertools.count(2, 2)
        self.used: set[Connection] = set()  # connections that have brought an answer before
        self.opening: dict[Connection, _Opening] = {}
        self.watches: dict[commands.RequestWakeup, float] = {}
        self.wanted: float = inf

    @property
    def is_busy(self) -> bool:
        """Does a request run?"""
        return bool(self.streams)

    @property
    def standing(self) -> Standing:
        """What the client's connection waits for."""
        if self.idle_since is not None:
            return Standing("idle", self.idle_since)
        streams = [stream for stream in self.streams.values() if isinstance(stream, RoutedStream)]
        ours = self.connections.get(self.context.client)
        is_here = isinstance(ours, RoutedServer) and ours.request_done  # all of it, though a hook may hold it up
        if streams and not is_here and all(stream.deadlines.phase == "body" for stream in streams):
            return Standing("body", min(stream.deadlines.body_started for stream in streams))
        return Standing("busy", 0.0)

    @property
    def reads_head(self) -> bool:
        """Is a part of a request's head here? Its own timer ends what takes too long."""
        ours = self.connections.get(self.context.client)
        return isinstance(ours, RoutedServer) and ours.head_timer.since is not None

    @property
    def upstreams(self) -> int:
        """How many connections to servers there are."""
        return sum(1 for connection in self.connections if connection is not self.context.client)

    def watch(self, due: float) -> None:
        """Have `_tend` run at `due` or earlier."""
        self.wanted = min(self.wanted, due)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from self._react(event)
        while self.over:
            self.over.pop().let_go()

    def _react(self, event: events.Event) -> layer.CommandGenerator[None]:
        if type(event) is events.DataReceived:
            if event.connection not in self.connections and self._is_forgotten(event.connection):
                return
        elif isinstance(event, events.Start):
            if not (self.context.client.alpn == b"h2" or (self.context.client.alpn or b"").startswith(b"h3")):
                ours = RoutedServer(self.context.fork(), self.head_timeout, self.clock)
                self.connections.setdefault(self.context.client, ours)
        elif isinstance(event, events.Wakeup) and event.command in self.watches:
            del self.watches[event.command]
            yield from self._tend()
            return
        elif isinstance(event, (Stopping, MakeRoom)):
            yield from self._obey(event)
            return
        elif isinstance(event, events.ConnectionEvent) and self._is_forgotten(event.connection):
            return
        yield from super()._handle_event(event)
        yield from self._after(event)

    def _after(self, event: events.Event) -> layer.CommandGenerator[None]:
        """What there is to see to once mitmproxy's own layer has had an event."""
        if self.streams:
            self.idle_since = None
        elif self.idle_since is None:
            self.idle_since = self.clock()
        if isinstance(event, events.ConnectionClosed):
            self._forget(event.connection)
            if event.connection is self.context.client:
                let_go(self.connections.get(event.connection))
                self._tell_who_wait()
        if self.wanted != inf:
            yield from self._arm()

    def _tell_who_wait(self) -> None:
        """The client is gone: a request of its that waits for a server, within a hook, hears of that at once."""
        for stream in self.streams.values():
            if isinstance(stream, RoutedStream) and (x := stream.x) is not None and x.leaves is not None:
                x.leaves()

    def _obey(self, event: Stopping | MakeRoom) -> layer.CommandGenerator[None]:
        if isinstance(event, Stopping):
            yield from self._stop_streams()
            return
        yield from self._rest(0)
        if event.client:
            yield from self._give_up_client()

    def _stop_streams(self) -> layer.CommandGenerator[None]:
        for stream in {id(s): s for s in self.streams.values()}.values():
            if isinstance(stream, RoutedStream) and (
                stream.child_layer is None or isinstance(stream.child_layer, Relay)
            ):
                yield from self.event_to_child(stream, RouterStops(stream.stream_id))

    def _give_up_client(self) -> layer.CommandGenerator[None]:
        """Close the client's connection, where its request has not come in yet; one that has begun is answered."""
        standing = self.standing
        if standing.kind == "idle":
            yield commands.CloseConnection(self.context.client)
        elif standing.kind == "body":
            for stream in {id(s): s for s in self.streams.values()}.values():
                yield from self.event_to_child(stream, RouterIsFull(stream.stream_id))

    def _rest(self, most: int) -> layer.CommandGenerator[None]:
        """Close the oldest connections to servers on which no request runs, until there are `most`."""
        idle = [c for c in self.connections if isinstance(c, Upstream) and is_idle(self.connections[c])]
        for one in idle[: max(0, len(idle) - most)]:
            yield commands.CloseConnection(socket_of(one))
            self._drop(one)

    def _is_forgotten(self, connection: Connection) -> bool:
        return connection not in self.connections and connection is not self.context.server

    def _forget(self, connection: Connection) -> None:
        """Remove a closed server connection; stock mitmproxy would keep it and answer from its error."""
        if connection is not self.context.client and connection.state is ConnectionState.CLOSED:
            for gone in [c for c in self.connections if socket_of(c) is connection]:
                self._drop(gone)

    def _drop(self, connection: Connection) -> None:
        for gone in (connection, socket_of(connection)):
            let_go(self.connections.pop(gone, None))
            self.used.discard(gone)
            self.opening.pop(gone, None)

    def _arm(self) -> layer.CommandGenerator[None]:
        """Set one timer for the earliest deadline; a later deadline waits for the timer that is already set."""
        due, self.wanted = self.wanted, inf
        if any(at <= due for at in self.watches.values()):
            return
        wakeup = commands.RequestWakeup(max(0.0, due - self.clock()))
        self.watches[wakeup] = due
        yield wakeup

    def _tend(self) -> layer.CommandGenerator[None]:
        """A timer rang: fire what is due, and set the next timer."""
        now = self.clock() + EARLY
        for opening in [o for o in self.opening.values() if o.due <= now]:
            yield from self._give_up_opening(opening)
        streams = {id(s): s for s in self.streams.values() if isinstance(s, RoutedStream)}
        for stream in streams.values():
            if stream.deadlines.due <= now:
                yield from self.event_to_child(stream, DeadlineExpired(stream.stream_id))
        # A stream that waits for an addon keeps the event for later, and then has itself watched again.
        later = [s.deadlines.due for s in streams.values() if s.deadlines.due > now]
        self.wanted = min([self.wanted, *later, *(o.due for o in self.opening.values())])
        if self.wanted != inf:
            yield from self._arm()

    def _give_up_opening(self, opening: _Opening) -> layer.CommandGenerator[None]:
        self.opening.pop(opening.connection, None)
        if opening.connection not in self.waiting_for_establishment:
            return
        yield commands.CloseConnection(socket_of(opening.connection))
        message = not_connected(opening.timeout)
        if isinstance(opening.connection, Upstream) and (proxy := opening.connection.reach.proxy) is not None:
            message += f" through the proxy {proxy}"
        yield from self.register_connection(RegisterHttpConnection(opening.connection, message))

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        stream = RoutedStream(self.context.fork(), stream_id, self)
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, events.Start())

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> layer.CommandGenerator[None]:
        if not isinstance(event, Connect):
            yield from super().get_connection(event, reuse=reuse)
            return
        if reuse and not event.fresh and (known := self._known(event)) is not None:
            stream = self.command_sources.pop(event)
            yield from self.event_to_child(stream, GetHttpConnectionCompleted(event, (known, None)))
            return
        yield from self._rest(MAX_IDLE - 1)
        if event.reach.proxy is not None:
            yield from self._make_room(event.reach.proxy)
        context = self.context.fork()
        stack = stack_for(context, event.address, event.tls, event.reach)
        stack /= HttpClient(context)
        connection = context.server
        self.connections[connection] = stack[0]
        self.waiting_for_establishment[connection].append(event)
        # The first command of a new connection blocks its layer, so by the time this returns it is only waiting.
        yield from self.event_to_child(stack[0], events.Start())
        if connection in self.waiting_for_establishment:
            due = self.clock() + event.timeout
            self.opening[connection] = _Opening(connection, due, event.timeout)
            self.watch(due)

    def _known(self, event: Connect) -> Connection | None:
        """A connection that stands, and will do. Each request has one of its own while it runs."""
        return next((c for c in self.connections if c.connected and event.connection_spec_matches(c)), None)

    def _make_room(self, proxy: Proxy) -> layer.CommandGenerator[None]:
        """Close the oldest idle ways through a proxy: mitmproxy opens five connections to one address, then waits."""
        ways = [c for c in self.connections if isinstance(c, Upstream) and c.reach.proxy == proxy]
        for way in [c for c in ways if is_idle(self.connections[c])][: max(0, len(ways) - MAX_WAYS + 1)]:
            yield commands.CloseConnection(socket_of(way))
            self._drop(way)

    def register_connection(self, command: RegisterHttpConnection) -> layer.CommandGenerator[None]:
        self.opening.pop(command.connection, None)
        if command.connection not in self.waiting_for_establishment:
            # Given up before; if it opened after all, nobody wants it.
            if not command.err:
                yield commands.CloseConnection(socket_of(command.connection))
            return
        if not command.err and (handler := self.connections.get(command.connection)) is not None:
            yield from take_over(handler, self.head_timeout, self.clock)
        yield from super().register_connection(command)
        if command.err:
            self._drop(command.connection)
