"""RawClient: an HTTP/1.1 client that sends the bytes it is given, and hides nothing of what comes back.

A library would be kinder: it would fix framing, retry on a closed connection, and never leave half way.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

PATIENCE = 30.0  # seconds that a read may take


@dataclass(slots=True)
class RawReply:
    """One answer. `complete` says whether its framing came to its proper end (by length, last chunk, or close)."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    complete: bool = False
    version: str = "HTTP/1.1"

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case; None if there is none."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def json(self) -> Any:
        return json.loads(self.body)


def request_bytes(
    path: str,
    body: bytes = b"",
    headers: Iterable[tuple[str, str]] = (("content-type", "application/json"),),
    method: str = "POST",
) -> bytes:
    """A well-formed request; `headers` are added to host and content-length."""
    lines = [f"{method} {path} HTTP/1.1", "Host: switchman", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


class RawClient:
    """One connection; a context manager. TimeoutError when nothing comes for PATIENCE seconds."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), PATIENCE)
        self._buffer = bytearray()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def half_close(self) -> None:
        """End sending; answers can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def ask(self, path: str, body: Any = None, **more: Any) -> RawReply:
        """Send a request and read its answer. `body` is bytes, or a value sent as JSON."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send(request_bytes(path, content, **more))
        return self.reply()

    def reply(self) -> RawReply:
        """Read one whole answer; EOFError when the connection ended before its headers."""
        reply = self.head()
        length = reply.header("content-length")
        if reply.status < 200 or reply.status in (204, 304):
            reply.complete = True
        elif "chunked" in (reply.header("transfer-encoding") or ""):
            while chunk := self.chunk(reply):
                pass
            reply.complete = chunk is not None
        elif length is not None:
            reply.body = self._at_most(int(length))
            reply.complete = len(reply.body) == int(length)
        else:
            while self._more():
                pass
            reply.body, self._buffer = bytes(self._buffer), bytearray()
            reply.complete = True
        return reply

    def head(self) -> RawReply:
        """Read an answer's head only."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            raise EOFError(f"the connection ended instead of an answer; it had sent {bytes(self._buffer)!r}")
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        version, status, reason = f"{first} ".split(" ", 2)
        pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return RawReply(int(status), reason.strip(), pairs, version=version)

    def chunk(self, reply: RawReply) -> bytes | None:
        """Read the next chunk into `reply`; b"" is the last one, None a connection that ended without it."""
        line = self._until(b"\r\n")
        if line is None:
            return None
        size = int(line.split(b";")[0], 16)
        data = self._at_most(size + 2)
        if len(data) < size + 2:
            reply.body += data[:size]
            return None
        reply.body += data[:size]
        if size:
            reply.chunks.append(data[:size])
        return data[:size]

    def ended(self) -> bool:
        """Wait until the other side has closed; False when it sends something instead."""
        return not self._buffer and not self._more()

    def _more(self) -> bool:
        if self._ended:
            return False
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self._ended = not data
        self._buffer += data
        return bool(data)

    def _until(self, end: bytes) -> bytes | None:
        while (at := self._buffer.find(end)) < 0:
            if not self._more():
                return None
        found = bytes(self._buffer[: at + len(end)])
        del self._buffer[: at + len(end)]
        return found

    def _at_most(self, size: int) -> bytes:
        while len(self._buffer) < size and self._more():
            pass
        found = bytes(self._buffer[:size])
        del self._buffer[:size]
        return found
