"""The dashboard's server: waitress, on a socket that is bound at once, with a clean stop.

waitress takes no new connection while it has as many as it may, however idle they are, and waits for a request as long
as some byte of it comes now and then. Here a request has its time, a connection that is idle makes room for a new one,
and no address has all of them.
"""

from __future__ import annotations

import logging
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from math import inf
from types import FrameType
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from switchman.addons.core.request.clients import Network, in_networks, parse_address
from switchman.webui.config import AT_STOP

if TYPE_CHECKING:
    from flask import Flask

logger = logging.getLogger(__name__)

THREADS = 8
NOTICE_SECONDS = 0.25  # how late, at most, a stop is noticed
FINISH_SECONDS = 5  # how long requests that are being answered may still take then
# A list kept open by a browser tab polls every few seconds: keep its connection.
IDLE_SECONDS = 60
REQUEST_SECONDS = 30.0  # from the first byte of a request to its last
MAX_CONNECTIONS = 512
SHARE = 0.5  # of them, for one address
RESERVE = 64  # descriptors for what are no connections
FEWEST = 16
MAX_HEAD, MAX_BODY = 65_536, 1_048_576  # bytes of a request; the largest that a page sends is a token
MAX_BLANK = 1024  # bytes of blank lines between two requests
TELL_EVERY = 60.0
FULL = b"The dashboard has too many connections open. Try again in a moment.\n"
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\nRetry-After: 1\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(FULL), FULL)
)


class Channel(HTTPChannel):
    """One connection, and since when it waits for what."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.began = inf  # when the request that is being read began; inf between two
        self.waits_since = time.monotonic()  # when the last request was complete
        self.blank = 0
        super().__init__(*arguments, **named)

    def received(self, data: bytes) -> bool:
        if self.request is None:
            rest = data.lstrip(b"\r\n")
            self.blank += len(data) - len(rest)
            if self.blank > MAX_BLANK:
                self.will_close = True
                return False
            data = rest
        before = len(self.requests)
        taken = bool(super().received(data))
        if len(self.requests) > before:
            self.waits_since, self.blank = time.monotonic(), 0
        self.began = inf if self.request is None else min(self.began, time.monotonic())
        return taken

    @property
    def is_idle(self) -> bool:
        """Is nothing being answered on it?"""
        return not (self.requests or self.total_outbufs_len or self.will_close or self.close_when_flushed)

    def is_overdue(self, now: float) -> bool:
        """Has it waited for too long: for a request, for the rest of one, or for somebody to read its answer?"""
        if self.requests:
            return False
        if self.total_outbufs_len:  # an answer goes out, as long as somebody reads it
            return time.time() - self.last_activity > IDLE_SECONDS
        return now - self.began > REQUEST_SECONDS or now - self.waits_since > IDLE_SECONDS


class Server(TcpWSGIServer):
    """waitress's server with a choice of whom to keep. `most`: connections at a time; `most_of_one`: of one address."""

    channel_class = Channel
    most = most_of_one = MAX_CONNECTIONS
    shared: Sequence[Network] = ()  # addresses that are many clients'
    active_channels: Any  # by descriptor; the types of waitress have it as one channel
    _map: Any
    told = -inf

    def handle_accept(self) -> None:
        """Take one in, after those were closed that nobody needs; refuse it where answers run on all of them."""
        try:
            accepted = self.accept()
        except OSError as error:  # it is tried again when the loop comes round
            self._tell(f"cannot be accepted ({error})")
            time.sleep(NOTICE_SECONDS)
            return
        if accepted is None:
            return
        connection, address = accepted
        channels = list(self.active_channels.values())
        parsed = parse_address(str(address[0]))
        own = [channel for channel in channels if channel.addr[0] == address[0]]
        alone = parsed is not None and not parsed.is_loopback and not in_networks(parsed, self.shared)
        is_full = len(channels) >= self.most and not self._make_room(channels)
        if is_full or (alone and len(own) >= self.most_of_one and not self._make_room(own)):
            self._tell("is refused, as answers run on all there may be")
            with connection:
                connection.setblocking(False)
                try:
                    connection.send(REFUSAL)
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # it has left already
            return
        self.set_socket_options(connection)
        self.channel_class(self, connection, self.fix_addr(address), self.adj, map=self._map)

    def _make_room(self, channels: Iterable[Channel]) -> bool:
        idle = [channel for channel in channels if channel.is_idle]
        if not idle:
            return False
        min(idle, key=lambda channel: channel.waits_since).handle_close()
        self._tell("is closed, as there are as many as there may be")
        return True

    def maintenance(self, now: float) -> None:
        moment = time.monotonic()
        for channel in list(self.active_channels.values()):
            if channel.is_overdue(moment):
                channel.handle_close()

    def _tell(self, what: str) -> None:
        """Once a minute: a burst of it is one line."""
        if time.monotonic() - self.told >= TELL_EVERY:
            self.told = time.monotonic()
            logger.warning("A connection to the dashboard %s; more of that is not told for a minute.", what)


class DashboardServer:
    """Listens once made (port 0 takes a free one: see `port`); `run` serves until `stop`.

    OSError when the address cannot be listened on.
    """

    def __init__(
        self, app: Flask, host: str, port: int, most: int = MAX_CONNECTIONS, shared: Sequence[Network] = ()
    ) -> None:
        """`most`: connections at a time. `shared`: addresses that are many clients', such as a proxy's."""
        self._app = app
        self._socket = bound_socket(host, port)
        self.host: str = self._socket.getsockname()[0]
        self.port: int = self._socket.getsockname()[1]
        self._stopping = threading.Event()
        self._channels: dict[int, Any] = {}
        self._dispatcher = ThreadedTaskDispatcher()
        self._dispatcher.set_thread_count(THREADS)
        listener = self._socket
        adjustments = Adjustments(
            sockets=[listener],
            ident="switchman",
            cleanup_interval=1,
            max_request_header_size=MAX_HEAD,
            max_request_body_size=MAX_BODY,
            connection_limit=1 << 30,  # Server looks after that
            # waitress would drop X-Forwarded-* of peers it does not know, and AUTH_WHEN_PROXIED would see no proxy.
            clear_untrusted_proxy_headers=False,
        )
        server = Server(
            app, self._channels, True, listener, dispatcher=self._dispatcher, adj=adjustments, bind_socket=False,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
        )  # fmt: skip
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if descriptors != resource.RLIM_INFINITY:
            most = min(most, max(FEWEST, descriptors - RESERVE))
        server.most, server.most_of_one, server.shared = most, max(1, int(most * SHARE)), shared

    def run(self) -> None:
        """Serve until `stop` is called, by any thread or signal handler; then finish what was begun and close."""
        while not self._stopping.is_set():
            self._turn()
        self._dispatcher.shutdown(timeout=FINISH_SECONDS)
        self._send_what_is_left()
        wasyncore.close_all(self._channels)
        for end in self._app.extensions.get(AT_STOP, ()):
            end()

    def stop(self) -> None:
        """Ask `run` to end. Only sets a flag: waitress's own wake-up takes a lock, which a signal handler must not."""
        self._stopping.set()

    def _send_what_is_left(self) -> None:
        deadline = time.monotonic() + FINISH_SECONDS
        while time.monotonic() < deadline:
            if not any(getattr(channel, "total_outbufs_len", 0) for channel in self._channels.values()):
                return
            self._turn()

    def _turn(self) -> None:
        # By poll(2): select(2) knows no descriptor above 1023.
        wasyncore.loop(timeout=NOTICE_SECONDS, use_poll=True, map=self._channels, count=1)


def bound_socket(host: str, port: int) -> socket.socket:
    """A TCP socket bound to the first address of `host`."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def serve(app: Flask, host: str, port: int) -> None:
    """Serve `app` until SIGTERM or SIGINT. For the main thread of a process; the old handlers come back at the end."""
    server = DashboardServer(app, host, port)

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
