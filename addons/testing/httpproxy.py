"""HttpProxy: a strict HTTP proxy, as companies have them, to run requests through.

It takes CONNECT with host and port, and http requests by their whole URL; anything else is a 400. Names lead where
`hosts` says, so that a test may use names that nobody but the proxy can resolve.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event, Thread
from typing import Self
from urllib.parse import urlsplit
from weakref import WeakSet

from switchman.addons.testing.wire import TURNS, parse_head, read_head, stop_accepting

OWN_FIELDS = (b"proxy-authorization", b"proxy-connection", b"connection")


@dataclass(frozen=True)
class Asked:
    """What somebody asked of the proxy. `authorization`: the value of Proxy-Authorization."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    authorization: str | None


class HttpProxy:
    """Runs in a thread of its own from start() to stop().

    `user`: `name:password` that it wants (Basic); None: it asks for none. `answer`: the status with which it refuses
    everything that it would else do.
    `hosts`: name, or name:port, -> host and port. `connect_ports`: those that CONNECT may name.
    """

    def __init__(
        self,
        user: str | None = None,
        *,
        answer: int | None = None,
        hosts: Mapping[str, tuple[str, int]] | None = None,
        connect_ports: frozenset[int] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.user, self.answer, self.hosts, self.tls = user, answer, dict(hosts or {}), tls
        self.connect_ports = connect_ports
        self.asked: list[Asked] = []
        self.port = 0
        self._ready = Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: Thread | None = None
        self._writers: WeakSet[asyncio.StreamWriter] = WeakSet()

    @property
    def url(self) -> str:
        """Its address without credentials."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def url_with_user(self) -> str:
        return self.url.replace("://", f"://{self.user}@") if self.user else self.url

    @property
    def lines(self) -> list[str]:
        """What was asked, as `METHOD target`, in order."""
        return [f"{one.method} {one.target}" for one in self.asked]

    def start(self) -> Self:
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), name="proxy", daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def stop(self) -> None:
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        running: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._client(reader, writer))
            running[task] = writer
            task.add_done_callback(running.pop)

        server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        await stop_accepting(server)
        left = dict(running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for writer in (*left.values(), *self._writers):  # a task that had not begun has closed nothing
            writer.transport.abort()  # with TLS, close() would wait for the other side
        if sys.version_info >= (3, 13):  # connections that no task knows of yet
            server.abort_clients()
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            head = await read_head(reader)
            if head is not None:
                await self._request(head, reader, writer)
        except ValueError:
            refuse(writer, 400)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side left
        finally:
            writer.close()

    async def _request(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, headers = parse_head(head)
        fields = {name.lower(): value for name, value in headers}
        given = fields.get(b"proxy-authorization")
        self.asked.append(Asked(method, target, tuple(headers), given.decode("latin-1") if given else None))
        parts = urlsplit(target if "://" in target else f"//{target}")
        connect = method == "CONNECT"
        named = parts.netloc.encode() == fields.get(b"host") and parts.hostname is not None
        if not named or (connect and parts.port is None) or (not connect and parts.scheme != "http"):
            return refuse(writer, 400)
        if self.user is not None and given != b"Basic " + base64.b64encode(self.user.encode()):
            return refuse(writer, 407)
        port = parts.port or 80
        if self.answer is not None or (connect and self.connect_ports is not None and port not in self.connect_ports):
            return refuse(writer, self.answer or 403)
        name = parts.hostname or ""
        host, port = self.hosts.get(f"{name}:{port}") or self.hosts.get(name) or (name, port)
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            return refuse(writer, 502)
        self._writers.add(far_writer)
        if connect:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:  # the rest of the connection is for this one server: each request is answered, and no more are taken
            path = target.partition("://")[2].partition("/")[2]
            kept = [(name, value) for name, value in headers if name.lower() not in OWN_FIELDS]
            lines = b"".join(b"%s: %s\r\n" % field for field in [*kept, (b"Via", b"1.1 strict")])
            far_writer.write(f"{method} /{path} HTTP/1.1\r\n".encode() + lines + b"Connection: close\r\n\r\n")
        try:
            await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer, closing=not connect))
        finally:
            far_writer.close()


def refuse(writer: asyncio.StreamWriter, status: int) -> None:
    more = 'Proxy-Authenticate: Basic realm="company"\r\n' if status == 407 else ""
    page = "<html>Denied by company policy</html>"
    writer.write(f"HTTP/1.1 {status} No\r\n{more}Content-Length: {len(page)}\r\n\r\n{page}".encode())


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, closing: bool = False) -> None:
    """Pass on what comes, until its end; then the other side is closed too. `closing`: an answer's head says so."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        if closing:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(head.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n")
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
