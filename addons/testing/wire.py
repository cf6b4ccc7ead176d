"""HTTP/1.1 by hand: reads requests to the byte, and writes replies as well or as badly as a Behaviour says.

A library would be kinder: it would fix header case, refuse to cut a reply short, and never reset a connection.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
import time
import zlib
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Event
from typing import Any, cast

from switchman.addons.testing.behaviour import Answer, Behaviour

HEAD_LIMIT = 16 * 1024 * 1024
TURNS = 5  # of the event loop, in which a connection begins or ends: asyncio takes three

RESUMED = 0.02  # seconds between two looks at an event of another thread


class HungUp(Exception):
    """Raised to end the connection now; `reset` says how."""

    def __init__(self, reset: bool):
        super().__init__()
        self.reset = reset


@dataclass(slots=True, eq=False)
class Received:
    """One request as it came in. `headers` are the raw bytes in order; `head` is all of it up to the empty line.

    `finished` is set when the reply is written whole; `disconnected` when the client left before that, at
    `disconnected_at` (`time.monotonic()` seconds). Either one comes, sooner or later, and never both.
    """

    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    head: bytes
    connection: int  # number of the connection it came on, from 1
    number: int  # of the request, from 1
    at: float  # time.monotonic() seconds
    finished: Event = field(default_factory=Event)
    disconnected: Event = field(default_factory=Event)
    disconnected_at: float | None = None

    @property
    def path(self) -> str:
        """Without the query string."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case; None if there is none."""
        wanted = name.lower().encode()
        return next((v.decode("latin-1") for k, v in self.headers if k.lower() == wanted), None)

    def json(self) -> Any:
        """The body, parsed; ValueError if it is not JSON."""
        return json.loads(self.body)


class Connection(asyncio.StreamReaderProtocol):
    """A stream protocol that also says when the other side has gone, though nobody is reading."""

    def __init__(self, *args: Any, **named: Any):
        super().__init__(*args, **named)
        self.gone = asyncio.Event()

    def eof_received(self) -> bool | None:
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        super().connection_lost(exc)


async def read_head(reader: asyncio.StreamReader) -> bytes | None:
    """The bytes up to and including the empty line; None when the client closed instead.

    ValueError at the first byte if it cannot begin a request: a TLS client waits for an answer, not for its own rest.
    """
    try:
        first = await reader.readexactly(1)
        if not first.isalpha():
            raise ValueError(f"a request does not begin with {first!r}")
        return first + await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def parse_head(head: bytes) -> tuple[str, str, list[tuple[bytes, bytes]]]:
    """(method, target, headers); ValueError if the request line or a header is not one."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, _ = first.decode("latin-1").split(" ", 2)
    pairs = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise ValueError(f"not a header line: {line!r}")
        pairs.append((name, value.strip(b" \t")))
    return method, target, pairs


async def read_body(reader: asyncio.StreamReader, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The request's body, by its length or its chunks; IncompleteReadError if the client stops half way."""
    by_name = {name.lower(): value for name, value in headers}
    if b"chunked" in by_name.get(b"transfer-encoding", b"").lower():
        body = bytearray()
        while size := int((await reader.readline()).split(b";")[0] or b"0", 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        while (await reader.readline()).strip():
            pass  # trailers
        return bytes(body)
    return await reader.readexactly(int(by_name.get(b"content-length", b"0")))


class Reply:
    """Writes one Answer, as the Behaviour says. HungUp ends the connection, ConnectionError says the client left."""

    def __init__(
        self, writer: asyncio.StreamWriter, gone: asyncio.Event, how: Behaviour, answer: Answer, head_only: bool
    ):
        self._writer, self._gone, self._how, self._answer = writer, gone, how, answer
        self._head_only = head_only
        framing = how.framing
        if framing == "auto":
            framing = "chunked" if answer.events is not None else "length"
        self._chunked, self.closes = framing == "chunked", framing == "close"
        self._zip = zlib.compressobj(wbits=31) if how.gzip and answer.events is not None else None

    async def send(self) -> None:
        if self._answer.events is not None and self._how.framing != "length":
            await self._send_stream()
        else:
            await self._send_whole()

    def _head(self, length: int | None) -> bytes:
        status = self._answer.status
        phrase = HTTPStatus(status).phrase if status in HTTPStatus else "Overloaded" if status == 529 else "Unknown"
        lines = [f"HTTP/1.1 {status} {phrase}"]
        extra = [*self._answer.headers, *self._how.header_list]
        if not any(name.lower() == "content-type" for name, _ in extra):
            lines.append(f"content-type: {self._answer.content_type}")
        lines += [f"{name}: {value}" for name, value in extra]
        if self._how.gzip:
            lines.append("content-encoding: gzip")
        if self._chunked:
            lines.append("transfer-encoding: chunked")
        elif self.closes:
            lines.append("connection: close")
        elif length is not None:
            lines.append(f"content-length: {length}")
        return "\r\n".join([*lines, "", ""]).encode(
            "utf-8", "surrogateescape"
        )  # a test may want bytes that are no text

    async def _write(self, data: bytes) -> None:
        if self._gone.is_set():
            raise ConnectionResetError("the client has left")
        self._writer.write(data)
        await self._writer.drain()

    async def _body(self, data: bytes) -> None:
        """Part of the body, in pieces of `write_size`, each a chunk and a write of its own."""
        size = self._how.write_size or max(len(data), 1)
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            await self._write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    async def _send_whole(self) -> None:
        body = self._answer.body if self._answer.events is None else b"".join(self._answer.events)
        if self._how.gzip:
            body = gzip.compress(body)
        head = self._head(len(body))
        spoilt = self._how.write_size or self._how.cut_after is not None or self._how.stall_after is not None
        if not (spoilt or self._chunked):
            await self._write(head if self._head_only else head + body)  # in one packet, as most servers do
            return
        await self._write(head)
        if self._head_only:
            return
        if self._how.cut_after is not None:
            await self._body(body[: len(body) // 2])
            raise HungUp(self._how.cut == "rst")
        if self._how.stall_after is not None:
            await self._body(body[: len(body) // 2])
            await self.stall()
        await self._body(body)
        await self._end()

    async def _send_stream(self) -> None:
        await self._write(self._head(None))
        if self._head_only:
            return
        for number, event in enumerate(self._answer.events or ()):
            if number == self._how.cut_after:
                raise HungUp(self._how.cut == "rst")
            if number == self._how.stall_after:
                await self.stall()
            if number and self._how.delay:
                await self.pause(self._how.delay)
            data = event
            if self._zip is not None:
                data = self._zip.compress(event) + self._zip.flush(zlib.Z_SYNC_FLUSH)
            await self._body(data)
        if self._how.cut_after is not None:  # more events asked for than there are: cut before the end all the same
            raise HungUp(self._how.cut == "rst")
        if self._how.stall_after is not None:  # all of them have gone out, but for the end of the framing
            await self.stall()
        await self._end()

    async def _end(self) -> None:
        if self._zip is not None:
            await self._body(self._zip.flush())
        if self._chunked:
            await self._write(b"0\r\n\r\n")

    async def pause(self, seconds: float) -> None:
        """Waits, but not longer than the client does."""
        try:
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        except TimeoutError:
            return
        raise ConnectionResetError("the client has left")

    async def stall(self) -> None:
        """Waits until it may go on (`resume`), or the client has left."""
        if (resume := self._how.resume) is not None:
            while not resume.is_set():
                await self.pause(RESUMED)
            return
        await self._gone.wait()
        raise ConnectionResetError("the client has left")


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends the connection with RST: closing a socket that lingers for 0 seconds drops what it holds."""
    sock = cast(socket.socket, writer.get_extra_info("socket"))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def stop_accepting(server: asyncio.Server) -> None:
    """Closes a server when all that it has accepted has its handler: one that is closed takes none, and asyncio would
    leave such a connection's socket open.
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    for _ in range(TURNS):
        await asyncio.sleep(0)
    server.close()


def note_departure(request: Received) -> None:
    request.disconnected_at = time.monotonic()
    request.disconnected.set()
