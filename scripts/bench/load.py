"""A light HTTP/1.1 load generator: one prebuilt request, sent again and again over keep-alive connections."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came of one run. `latencies` are seconds, unsorted; `last` is the last reply, head and body."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    last: bytes = b""


class Client(asyncio.Protocol):
    """One connection: sends, waits for the whole reply, sends again until the deadline (or once)."""

    def __init__(self, request: bytes, load: Load, until: float, once: bool) -> None:
        self.request, self.load, self.until, self.once = request, load, until, once
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = bytearray()
        self.length: int | None = None  # of head and body together; None: unknown yet, or chunked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.received.clear()
        self.length = None
        self.sent = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self._complete():
            return
        now = time.perf_counter()
        if self.received.startswith(b"HTTP/1.1 200"):
            self.load.latencies.append(now - self.sent)
        else:
            self.load.errors += 1
        if self.once or now >= self.until:
            self.load.last = bytes(self.received)
            self.transport.close()
            self._finish()
        else:
            self._send()

    def _complete(self) -> bool:
        if self.length is None:
            split = self.received.find(b"\r\n\r\n")
            if split < 0:
                return False
            _, found, rest = bytes(self.received[:split]).lower().partition(b"content-length:")
            if not found:
                return self.received.endswith(b"0\r\n\r\n")
            self.length = split + 4 + int(rest.split(b"\r\n")[0])
        return len(self.received) >= self.length

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.load.errors += 1
            self._finish()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


def http_request(port: int, body: bytes, path: str, key: str = "sk-none") -> bytes:
    """A POST request, as a client sends it."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {key}\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n%s" % (len(body), body)


def run(
    port: int,
    body: bytes,
    connections: int,
    seconds: float,
    once: bool = False,
    path: str = "/v1/chat/completions",
    key: str = "sk-none",
) -> Load:
    """Send for `seconds` over so many connections, or one request on each; a stuck one ends the run after a minute."""

    async def main() -> Load:
        load = Load()
        request = http_request(port, body, path, key)
        loop = asyncio.get_running_loop()
        start = time.perf_counter()
        clients = [
            (await loop.create_connection(lambda: Client(request, load, start + seconds, once), "127.0.0.1", port))[1]
            for _ in range(connections)
        ]
        async with asyncio.timeout(seconds + 60):
            await asyncio.gather(*(client.done for client in clients))
        load.seconds = time.perf_counter() - start
        return load

    return asyncio.run(main())
