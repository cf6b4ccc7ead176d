"""The upstream's side of an HTTP/1 connection, where mitmproxy's own falls short.

1. It knows no trailers: it raises NotImplementedError in the middle of a message that has some. A recipient may discard
   them (RFC 9110, section 6.5.1), and so they are dropped, here and for the client's side.
2. It takes an interim answer (100, 102, 103) for the answer. A proxy may discard those that it did not ask for
   (RFC 9110, section 15.2).
3. It leaves a compressed body as it is. Where the request asked for none (`accept-encoding: identity`), and the coding
   is known, the answer goes on as if the server had obeyed; what cannot be decoded is a broken answer.
4. It passes on what is between the server and us alone: its version of HTTP, the header fields of this connection
   (core/request/hopbyhop.py), and a body whose end is that of the connection. The client's connection has its own.
5. It reads a head, and the line of a chunk, without end: in bytes and in time. Here all that is read counts, be it
   kept or not: blank lines and interim answers before the head, and what frames the pieces of a body.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import h11
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpClient
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    HttpEvent,
    RequestHeaders,
    ResponseData,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection

from switchman.addons.core.request.hopbyhop import end_to_end
from switchman.addons.core.servers.deadlines import EARLY
from switchman.addons.core.servers.reaching.proxies import refusal
from switchman.addons.core.servers.reaching.reach import Proxy
from switchman.addons.core.servers.urls import BaseURL
from switchman.addons.core.streams.decoding import Decoder, Undecodable, decoder_for
from switchman.addons.proxy.dialing import Upstream

Clock = Callable[[], float]  # monotonic seconds

MAX_HEAD = 1024 * 1024  # bytes; servers allow themselves a few kilobytes
INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)")  # 101 is final: it switches protocols
INTERIM_BYTES = 12  # as far as INTERIM looks
BLANK_LINES = re.compile(rb"(?:\r?\n)+")
# What frames the pieces of a chunked body (each piece's line, with its extensions, and its end) may be so many times
# the body itself: pieces of one byte have five bytes around them.
FRAMING_FACTOR = 16
SINGLY = 4 * 1024  # bytes of one read that go on chunk by chunk; what comes behind them is joined
JOINED = 16 * 1024  # bytes; a piece that is as large goes on by itself


class CountingBuffer(ReceiveBuffer):
    """What has come of a message, and how much was taken out of it since `begin`: `read` is both together."""

    taken = 0

    def _extract(self, count: int) -> bytearray:
        self.taken += min(count, len(self._data))
        found: bytearray = super()._extract(count)
        return found

    @property
    def read(self) -> int:
        """How many bytes have come since `begin`."""
        return self.taken + len(self)

    def begin(self) -> None:
        """A message begins with what is here."""
        self.taken = 0

    def starts(self, count: int) -> bytes:
        """The first bytes, without a copy of all."""
        return bytes(self._data[:count])

    def skip_blank_lines(self) -> None:
        """A recipient may ignore empty lines before a head (RFC 9112, section 2.2). They count as read."""
        if (found := BLANK_LINES.match(self._data)) is not None:
            self._extract(found.end())

    def is_over(self, limit: int) -> bool:
        """Has more than `limit` come, without a whole head within it?"""
        return self.read > limit and not has_head(self, limit - self.taken)


class HeadTimer:
    """How long a head may take, from its first byte on. At most one timer runs for a connection at any time.

    `timeout`: seconds. `clock`: seconds, only forward.
    """

    def __init__(self, timeout: float, clock: Clock) -> None:
        self.timeout, self._clock = timeout, clock
        self.since: float | None = None  # when the head that is being read began
        self._timer: commands.RequestWakeup | None = None

    def goes_on(self) -> layer.CommandGenerator[None]:
        """A part of a head is here, and the rest is awaited."""
        if self.since is None:
            self.since = self._clock()
        if self._timer is None and self.timeout < inf:
            self._timer = commands.RequestWakeup(max(0.0, self.since + self.timeout - self._clock()))
            yield self._timer

    def clear(self) -> None:
        """The head is complete; a timer that runs is left to ring in vain."""
        self.since = None

    def rings(self, event: events.Event) -> bool:
        """Is the event this timer's? `is_over` and `goes_on` say what follows."""
        if not isinstance(event, events.Wakeup) or event.command is not self._timer:
            return False
        self._timer = None
        return True

    @property
    def is_over(self) -> bool:
        """Has the head taken too long?"""
        return self.since is not None and self._clock() >= self.since + self.timeout - EARLY


class TimedHeads(Http1Connection):
    """A side of an HTTP/1 connection that counts what it reads, and has a timer for the head. The first of its bases.

    `head_timeout`: seconds from the first byte of a head to its end.
    """

    buf: CountingBuffer

    def __init__(self, context: Context, head_timeout: float = inf, clock: Clock = time.monotonic) -> None:
        super().__init__(context)  # type: ignore[call-arg]  # that of mitmproxy's side
        self.buf = CountingBuffer()
        self.head_timer = HeadTimer(head_timeout, clock)


class WithoutTrailers:
    """A chunked body's reader, as mitmproxy calls it, whose end never has headers."""

    def __init__(self, reader: ChunkedReader) -> None:
        self._reader = reader

    def __call__(self, buffer: Any) -> Any:
        event = self._reader(buffer)
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) and event.headers else event

    def read_eof(self) -> None:
        self._reader.read_eof()


class Decoded:
    """A body's reader, as mitmproxy calls it, of what the body is without its coding."""

    def __init__(self, reader: Any, decoder: Decoder) -> None:
        self._reader = reader
        self._decoder = decoder
        self._pieces: Iterator[bytes] = iter(())

    def __call__(self, buffer: Any) -> Any:
        try:
            while not (piece := next(self._pieces, b"")):
                event = self._reader(buffer)
                if not isinstance(event, h11.Data):
                    return self._last(event)
                self._pieces = self._decoder.feed(bytes(event.data))
        except Undecodable as error:
            raise h11.RemoteProtocolError(str(error)) from None
        return h11.Data(data=piece)

    def read_eof(self) -> Any:
        try:
            return self._last(self._reader.read_eof())
        except Undecodable as error:
            raise h11.RemoteProtocolError(str(error)) from None

    def _last(self, event: Any) -> Any:
        if isinstance(event, h11.EndOfMessage):
            self._decoder.end()
        return event


class RoutedClient(TimedHeads, Http1Client):
    """A connection to an upstream that may send interim answers and trailers, and compress although not asked to."""

    decoder: Decoder | None = None  # of the answer that is being read
    received = 0  # bytes of the body, without what frames them

    def send(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        if isinstance(event, RequestHeaders):
            self.buf.begin()
            self.head_timer.clear()
        if isinstance(event, RequestHeaders) and (proxy := asked_proxy(self.conn)) is not None:
            event = RequestHeaders(event.stream_id, for_proxy(event.request, proxy), event.end_stream)
        yield from super().send(event)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Wakeup):
            if self.head_timer.rings(event) and self.state == self.read_headers and self.head_timer.since is not None:
                if self.head_timer.is_over:
                    seconds = self.head_timer.timeout
                    yield from self._break(f"the head of the answer took more than {seconds:g} s (HEAD_TIMEOUT)")
                else:
                    yield from self.head_timer.goes_on()
            return
        for command in super()._handle_event(event):
            if (
                isinstance(command, ReceiveHttp)
                and isinstance(command.event, ResponseProtocolError)
                and isinstance(self.conn, Upstream)
                and self.conn.alert
            ):
                command.event.message = self.conn.alert
            yield command

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and self.request:
            self.buf.skip_blank_lines()
            while INTERIM.match(self.buf.starts(INTERIM_BYTES)) and self.buf.maybe_extract_lines():
                self.buf.skip_blank_lines()
                self.head_timer.clear()
            if self.buf.is_over(MAX_HEAD):
                yield from self._break(f"the head of the answer is larger than {MAX_HEAD} bytes")
                return
            if not self.buf:
                return
            if INTERIM.match(self.buf.starts(INTERIM_BYTES)):  # not all of it is here
                yield from self.head_timer.goes_on()
                return
        for command in super().read_headers(event):
            if isinstance(command, ReceiveHttp) and isinstance(command.event, ResponseHeaders):
                head = command.event
                if head.response.status_code == 407 and (proxy := asked_proxy(self.conn)) is not None:
                    yield commands.CloseConnection(self.conn)
                    message = refusal(proxy, 407, "")
                    yield ReceiveHttp(ResponseProtocolError(head.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR))
                    self.state = self.done
                    return
                head.response = relayed(head.response, head.end_stream)
                self.decoder = None if head.end_stream else self._take_coding(head.response)
                self.buf.begin()
                self.received = 0
                self.head_timer.clear()
            yield command
        if self.state == self.read_headers and self.stream_id is not None and self.buf:
            yield from self.head_timer.goes_on()

    def _take_coding(self, response: http.Response) -> Decoder | None:
        """The decoder of an answer whose coding nobody asked for; its head then says nothing of it any more."""
        headers = response.headers
        if "content-encoding" not in headers or self.request is None:
            return None
        if self.request.headers.get("accept-encoding") != "identity":
            return None
        if (decoder := decoder_for(headers["content-encoding"])) is not None:
            del headers["content-encoding"]
            if headers.pop("content-length", None) is not None:
                headers["transfer-encoding"] = "chunked"
        return decoder

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(self.body_reader, ChunkedReader):
            self.body_reader = WithoutTrailers(self.body_reader)  # type: ignore[assignment]
        if self.decoder is not None:
            self.body_reader, self.decoder = Decoded(self.body_reader, self.decoder), None  # type: ignore[assignment]
        yield from self._joined(super().read_body(event))
        if self.state != self.read_body or self.stream_id is None:
            return
        # Data is taken as it comes: what stays is a chunk's own line, or trailers.
        if len(self.buf) > MAX_HEAD:
            yield from self._break(f"a chunk's line or trailers of more than {MAX_HEAD} bytes")
        elif self.buf.taken > MAX_HEAD and is_mostly_framing(self.buf.taken, self.received, MAX_HEAD):
            yield from self._break(f"a body of {self.received} bytes in chunks of {self.buf.taken} bytes")

    def _joined(self, found: layer.CommandGenerator[None]) -> layer.CommandGenerator[None]:
        """Let the chunks of a large read go on as one piece: what a piece may cost is known before, and has a bound."""
        waiting: ResponseData | None = None
        begin = self.received
        for command in found:
            if isinstance(command, ReceiveHttp) and isinstance(command.event, ResponseData):
                self.received += len(command.event.data)
                if waiting is not None:
                    command.event.data = waiting.data + command.event.data
                waiting = command.event
                if self.received - begin > SINGLY and len(waiting.data) < JOINED:
                    continue
                command, waiting = ReceiveHttp(waiting), None
            elif waiting is not None:
                yield ReceiveHttp(waiting)
                waiting = None
            yield command
        if waiting is not None:
            yield ReceiveHttp(waiting)

    def _break(self, message: str) -> layer.CommandGenerator[None]:
        """Give the connection up: its answer is not to be read."""
        yield commands.CloseConnection(self.conn)
        self.state = self.done
        if self.stream_id is not None:
            yield ReceiveHttp(ResponseProtocolError(self.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR))


def asked_proxy(connection: Connection) -> Proxy | None:
    """The proxy that requests on this connection are meant for; None where they are for the server."""
    return None if connection.tls or not isinstance(connection, Upstream) else connection.reach.proxy


def for_proxy(request: http.Request, proxy: Proxy) -> http.Request:
    """The head in absolute-form, with the proxy's credentials. The flow's request, which is kept, has neither."""
    data, headers = request.data, request.headers.copy()
    if proxy.authorization:
        headers["proxy-authorization"] = proxy.authorization
    authority = BaseURL("http", data.host, data.port).authority  # whatever `host` the rules set: that is for the server
    return http.Request(
        data.host, data.port, data.method, data.scheme, authority.encode(), data.path, data.http_version, headers,
        None, None, data.timestamp_start, None,
    )  # fmt: skip


def relayed(response: http.Response, is_empty: bool) -> http.Response:
    """The head as it goes on: itself, where it says nothing of its own connection; else a copy."""
    headers = response.headers
    if headers.get("transfer-encoding", "").lower() == "identity" and "content-length" not in headers:
        # A word of old, which says nothing. Beside a length it is refused, as any other coding is.
        del headers["transfer-encoding"]
    kept = end_to_end(headers.fields)
    framed = is_empty or "content-length" in headers or "transfer-encoding" in headers
    if response.status_code == 101 or (response.http_version == "HTTP/1.1" and framed and kept is headers.fields):
        return response
    data = response.data
    made = http.Response(
        b"HTTP/1.1", data.status_code, data.reason, http.Headers(kept), None, None, data.timestamp_start, None
    )
    if not framed:
        made.headers["transfer-encoding"] = "chunked"
    return made


def is_mostly_framing(read: int, body: int, free: int) -> bool:
    """Is what frames a chunked body far more than the body itself? `read`: both; `free`: bytes that nobody counts."""
    return read - body > free + FRAMING_FACTOR * body


def has_head(buffer: bytes | bytearray | ReceiveBuffer, limit: int) -> bool:
    """Is there a whole head in the first `limit` bytes?"""
    window = bytes(buffer)[: max(0, limit + 4)]
    return b"\n\r\n" in window or b"\n\n" in window


def take_over(
    handler: layer.Layer, head_timeout: float = inf, clock: Clock = time.monotonic
) -> layer.CommandGenerator[None]:
    """Put a RoutedClient in the place of the Http1Client that a new connection's `handler` has at its end.

    To be called before the first request goes out on it; HTTP/2 connections are left as they are.
    """
    end = _client(handler)
    if end is None or type(end.child_layer) is not Http1Client:
        return
    ours = RoutedClient(end.context, head_timeout, clock)
    end.child_layer = ours
    end._handle_event = ours.handle_event
    yield from ours.handle_event(events.Start())


def is_idle(handler: layer.Layer) -> bool:
    """Does no request run on a connection with this handler? One that is not taken over is not known to be idle."""
    end = _client(handler)
    ours = getattr(end, "child_layer", None)
    return isinstance(ours, RoutedClient) and ours.stream_id is None


def let_go(handler: layer.Layer | None) -> None:
    """Of a connection that is over, keep neither heads, which may have bodies, nor bytes.

    Its layers know each other, so they stay until Python looks for such circles.
    """
    end: Any = handler
    while end is not None and not isinstance(end, Http1Connection):
        end = getattr(end, "child_layer", None)
    if end is not None:
        end.request = end.response = None
        end.buf.maybe_extract_at_most(len(end.buf))


def _client(handler: layer.Layer) -> Any:
    """The HttpClient at the end of a connection's layers, or None."""
    end: Any = handler
    while end is not None and not isinstance(end, HttpClient):
        end = getattr(end, "child_layer", None)
    return end
