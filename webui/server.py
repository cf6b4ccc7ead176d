"""The dashboard's server: waitress, on a socket that is bound at once, with a clean stop."""

from __future__ import annotations

import signal
import socket
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.server import create_server
from waitress.task import ThreadedTaskDispatcher

if TYPE_CHECKING:
    from flask import Flask

THREADS = 8
NOTICE_SECONDS = 0.25  # how late, at most, a stop is noticed
FINISH_SECONDS = 5  # how long requests that are being answered may still take then
# A list kept open by a browser tab polls every few seconds: keep its connection.
IDLE_SECONDS = 60


class DashboardServer:
    """Listens once made (port 0 takes a free one: see `port`); `run` serves until `stop`.

    OSError when the address cannot be listened on.
    """

    def __init__(self, app: Flask, host: str, port: int) -> None:
        self._socket = bound_socket(host, port)
        self.host: str = self._socket.getsockname()[0]
        self.port: int = self._socket.getsockname()[1]
        self._stopping = threading.Event()
        self._channels: dict[int, Any] = {}
        self._dispatcher = ThreadedTaskDispatcher()
        self._dispatcher.set_thread_count(THREADS)
        create_server(
            app,
            map=self._channels,
            _dispatcher=self._dispatcher,
            sockets=[self._socket],
            ident="switchman",
            channel_timeout=IDLE_SECONDS,
            # waitress would drop X-Forwarded-* of peers it does not know, and AUTH_WHEN_PROXIED would see no proxy.
            clear_untrusted_proxy_headers=False,
        )

    def run(self) -> None:
        """Serve until `stop` is called, by any thread or signal handler; then finish what was begun and close."""
        while not self._stopping.is_set():
            wasyncore.loop(timeout=NOTICE_SECONDS, map=self._channels, count=1)
        self._dispatcher.shutdown(timeout=FINISH_SECONDS)
        self._send_what_is_left()
        wasyncore.close_all(self._channels)

    def stop(self) -> None:
        """Ask `run` to end. Only sets a flag: waitress's own wake-up takes a lock, which a signal handler must not."""
        self._stopping.set()

    def _send_what_is_left(self) -> None:
        deadline = time.monotonic() + FINISH_SECONDS
        while time.monotonic() < deadline:
            if not any(getattr(channel, "total_outbufs_len", 0) for channel in self._channels.values()):
                return
            wasyncore.loop(timeout=NOTICE_SECONDS, map=self._channels, count=1)


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
