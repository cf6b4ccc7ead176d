"""The client's side of an HTTP/1 connection: limits on the head, and refusals in the client's own dialect.

mitmproxy reads a head of any size into memory and answers what it cannot read with a page of HTML. Here a head has a
limit, every refusal is the error object that the client's SDK knows, and the request becomes a flow as far as it was
read, so that it leaves a record.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from h11._readers import ChunkedReader
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    HttpEvent,
    RequestData,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server, make_body_reader
from mitmproxy.proxy.mode_specs import ReverseMode

from switchman.addons.core.request.hopbyhop import Fields
from switchman.addons.core.request.origins import for_page, is_preflight, origins
from switchman.addons.flow.refusal import raw_refusal
from switchman.addons.memory.taps import tap_of
from switchman.addons.proxy.request_body import too_large
from switchman.addons.proxy.upstream_connection import CountingBuffer, HeadTimer, WithoutTrailers, is_mostly_framing

# After a refusal the rest of what the client sends is thrown away for this long (seconds).
LINGER = 5.0
# A client writes all of a body before it reads the 413: as long as more comes, so often that time again, and at most so
# many times the limit. After that it sees a reset connection.
LINGERS = 24
DISCARD_FACTOR = 8
# Bytes that a client may send ahead of the answer; more stays in its socket until the answer is over.
AHEAD = 64 * 1024


@dataclass
class MalformedRequest(RequestProtocolError):
    """The client sent what cannot be read; it has been told so with `status`."""

    status: int = 400


@dataclass
class RefusedRequest(RequestHeaders):
    """The head of a request that was refused with `status` for its form: there is nothing to do but to record it."""

    message: str = ""
    status: int = 400


@dataclass
class Refusal(ResponseProtocolError):
    """Answer with `status` in the middle of the request, and close. `fields`: further ones of the answer's head."""

    status: int = 400
    fields: Fields = ()


class RoutedServer(Http1Server):
    """The client's HTTP/1 connection, with a limit on the head and refusals in the client's dialect."""

    chunked: bool = False  # the answer that is being sent
    _discard: int = 0  # bytes that are still thrown away after a refusal, however long that takes
    _lingers: int = 0
    _hears: bool = False  # did something come since the last look?
    closing: bool = False  # the client wants the connection closed after it: what goes upstream no longer says so
    received: int = 0  # bytes of the request's body, without what frames them
    buf: CountingBuffer

    def __init__(
        self, context: Context, head_timeout: float = inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`head_timeout`: seconds from the first byte of a head to its end."""
        super().__init__(context)
        self.buf = CountingBuffer()
        self.head_timer = HeadTimer(head_timeout, clock)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if not self.head_timer.rings(event):
            yield from super()._handle_event(event)
        elif self.state != self.read_headers or self.head_timer.since is None:
            pass  # that head was complete in time
        elif not self.head_timer.is_over:
            yield from self.head_timer.goes_on()
        else:
            seconds = self.head_timer.timeout
            message = f"The request's headers were not complete after {seconds:g} s (HEAD_TIMEOUT)."
            head = self.buf.starts(self.context.options.switchman_max_header_bytes).split(b"\r\n")
            yield from self._refuse(408, message, head[:-1] or head)

    @property
    def _most(self) -> int:
        """The bytes of the largest request that there may be."""
        options = self.context.options
        most: int = options.switchman_max_header_bytes + options.switchman_max_body_bytes
        return most

    def _for_page(self, fields: Fields = ()) -> Fields:
        """Header fields of an answer to the request that is read now, with what a web page may see of it.

        In other modes than reverse mode a page calls a server through us, and the server says which pages may.
        """
        if self.request is None or not isinstance(self.context.client.proxy_mode, ReverseMode):
            return fields
        if is_preflight(self.request.method, self.request.headers.fields):
            return fields  # of Pages' own answer
        headers, allowed = self.request.headers, origins(self.context.options.switchman_cors_origins)
        return for_page(fields, headers.get("origin"), headers.get("host", ""), allowed)

    def _raw(self, request: http.Request, status: int, message: str, more: Fields = ()) -> commands.SendData:
        more = more or (((b"retry-after", b"1"),) if status == 503 else ())
        return commands.SendData(self.conn, raw_refusal(request, status, message, (*self._for_page(), *more)))

    def _refuse(self, status: int, message: str, head: list[bytes]) -> layer.CommandGenerator[None]:
        """Answer, record the flow if there is one, discard input for LINGER seconds, then close."""
        request = self.request or _request_from(head)
        self.request = request
        yield self._raw(request, status, message)
        yield ReceiveHttp(RefusedRequest(self.stream_id, request, False, message=message, status=status))
        yield from self._linger(status)

    def _linger(self, status: int = 400) -> layer.CommandGenerator[None]:
        # Closing at once, with unread data in the socket, makes the kernel send a reset, which can wipe the answer
        # out before the client has read it. So only our side is closed, and what still comes is thrown away.
        self.state = self.deaf
        self.buf.begin()
        self.buf.maybe_extract_at_most(len(self.buf))
        self._discard = self._most
        if status in (413, 503):  # of a body that may well be on its way
            self._discard, self._lingers = DISCARD_FACTOR * self.context.options.switchman_max_body_bytes, LINGERS
        yield commands.CloseTcpConnection(self.conn, half_close=True)
        yield commands.RequestWakeup(LINGER)

    def deaf(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and self._discard > 0:
            self.buf.maybe_extract_at_most(len(self.buf))
            self._discard, self._hears = self._discard - len(event.data), True
        elif isinstance(event, events.Wakeup) and self._hears and self._discard > 0 and self._lingers > 0:
            self._lingers, self._hears = self._lingers - 1, False
            yield commands.RequestWakeup(LINGER)
        elif isinstance(event, (events.DataReceived, events.ConnectionClosed, events.Wakeup)):
            yield commands.CloseConnection(self.conn)
            self.state = self.done

    def done(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from ()

    def send(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        if type(event) is ResponseData and self.chunked:
            yield commands.SendData(self.conn, b"%x\r\n%s\r\n" % (len(event.data), event.data))
            return
        if self.state in (self.deaf, self.done):
            return
        if isinstance(event, ResponseHeaders):
            fields = event.response.headers.fields
            if (shown := self._for_page(fields)) is not fields:
                event.response.headers = http.Headers(shown)
            if self.closing and event.response.status_code >= 200:
                event.response.headers["connection"] = "close"  # RFC 9112 section 9.6; and stock then closes it
            # Looked up once: stock does so for every chunk.
            self.chunked = "chunked" in event.response.headers.get("transfer-encoding", "").lower()
            if self.chunked and self.request is not None and self.request.http_version == "HTTP/1.0":
                # It knows no chunks: the body ends with the connection.
                self.chunked = False
                del event.response.headers["transfer-encoding"]
                event.response.headers["connection"] = "close"
        if isinstance(event, ResponseProtocolError) and not self.response and self.request:
            status = event.status if isinstance(event, Refusal) else event.code.http_status_code()
            if status is not None and self.conn.state & ConnectionState.CAN_WRITE:
                more = event.fields if isinstance(event, Refusal) else ()
                yield self._raw(self.request, status, event.message, more)
                yield from self._linger(status)
                return
        yield from super().send(event)

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.DataReceived):
            self.buf.maybe_extract_at_most(len(self.buf))  # half a head, which stock writes into the log: keys and all
            yield from super().read_headers(event)
            return
        limit = self.context.options.switchman_max_header_bytes
        if self.head_timer.since is None:
            self.buf.begin()
        self.buf.skip_blank_lines()
        if self.buf.is_over(limit):
            head = self.buf.starts(limit).split(b"\r\n")
            message = f"The request's headers are larger than {limit} bytes (MAX_HEADER_BYTES)."
            yield from self._refuse(431, message, head[:-1] or head)
            return
        lines = self.buf.maybe_extract_lines()
        if not lines:
            if self.buf.read:
                yield from self.head_timer.goes_on()
            return
        self.head_timer.clear()
        head = [bytes(line) for line in lines]
        try:
            self.request = http1.read_request_head(head)
            if self.context.options.validate_inbound_headers:
                validate_headers(self.request)
            refuse_ambiguous(self.request)
            expected = http1.expected_http_body_size(self.request)
        except ValueError as e:
            yield from self._refuse(400, f"The request cannot be read: {e}.", head)
            return
        most = self.context.options.switchman_max_body_bytes
        if expected is not None and expected > most:
            # At once: one that says `Expect: 100-continue` then sends no body at all (RFC 9110 section 10.1.1).
            yield from self._refuse(413, too_large(most), head)
            return
        request = self.request
        options = {option.strip().lower() for option in request.headers.get("connection", "").split(",")}
        self.closing = "close" in options
        if options != {""} and request.http_version == "HTTP/1.0":
            # Without `keep-alive` its connection ends: that is read again after the answer, and by then the addons have
            # taken it out. Only here, as a copy takes longer than all else.
            self.request = request.copy()
        yield ReceiveHttp(RequestHeaders(self.stream_id, request, expected == 0))
        self.buf.begin()
        self.received = 0
        self.body_reader = make_body_reader(expected)
        if isinstance(self.body_reader, ChunkedReader):
            self.body_reader = WithoutTrailers(self.body_reader)  # type: ignore[assignment]
        self.state = self.read_body
        yield from self.state(event)

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.ConnectionClosed) and self.conn.state & ConnectionState.CAN_WRITE:
            # Half-closed: this client may still read. A full close looks the same here, and then nobody reads it.
            message = "The request's body ended before the length that its headers announced."
            if self.request is not None:
                yield self._raw(self.request, 400, message)
            yield ReceiveHttp(RequestProtocolError(self.stream_id, message, ErrorCode.CLIENT_DISCONNECTED))
            yield commands.CloseConnection(self.conn)
            self.state = self.done
            return
        if isinstance(event, events.Wakeup):
            return
        listening = self.conn.state & ConnectionState.CAN_WRITE
        for command in super().read_body(event):
            if isinstance(command, commands.CloseConnection) and listening and not self.request_done and self.request:
                message = "The request's body is not well framed."
                yield self._raw(self.request, 400, message)
                yield ReceiveHttp(MalformedRequest(self.stream_id, message, ErrorCode.GENERIC_CLIENT_ERROR))
                yield from self._linger()
                return
            if isinstance(command, ReceiveHttp) and isinstance(command.event, RequestData):
                self.received += len(command.event.data)
            yield command
        limit = self.context.options.switchman_max_header_bytes
        if self.state != self.read_body or self.request is None:
            return
        # Data is taken as it comes: what stays is a chunk's own line, or trailers, and nobody counts those.
        if len(self.buf) > limit:
            what = f"a chunk's line or trailers of more than {limit} bytes"
        elif is_mostly_framing(self.buf.taken, self.received, limit):
            what = f"{self.received} bytes in chunks of {self.buf.taken} bytes"
        else:
            return
        message = f"The request's body is not well framed: {what} (MAX_HEADER_BYTES)."
        yield self._raw(self.request, 400, message)
        yield ReceiveHttp(MalformedRequest(self.stream_id, message, ErrorCode.GENERIC_CLIENT_ERROR))
        yield from self._linger()

    def wait(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super().wait(event)
        self._mind_what_is_ahead()

    def mark_done(self, *, request: bool = False, response: bool = False) -> layer.CommandGenerator[None]:
        yield from super().mark_done(request=request, response=response)
        self._mind_what_is_ahead()

    def _mind_what_is_ahead(self) -> None:
        """Of a client that sends further requests before its answer, read only so much."""
        tap = tap_of(self.conn)
        if self.state == self.wait and len(self.buf) > AHEAD:
            tap.shut("ahead")
        elif not tap.is_open:
            tap.open("ahead")


def refuse_ambiguous(request: http.Request) -> None:
    """ValueError for a head that one server reads otherwise than another, so that nothing is smuggled past either.

    A line break within a value (also a folded one) and a NUL: RFC 9110 section 5.5, RFC 9112 section 5.2. More than
    one Host: RFC 9112 section 3.2.
    """
    hosts = 0
    for name, value in request.data.headers.fields:
        if b"\r" in value or b"\n" in value or b"\0" in value:
            raise ValueError(f"a line break or NUL in the value of the header {name.decode('ascii', 'replace')!r}")
        hosts += name.lower() == b"host"
    if hosts > 1:
        raise ValueError("more than one Host header")
    if b"\0" in request.data.path:
        raise ValueError("a NUL in the path")


def _request_from(head: list[bytes]) -> http.Request:
    """Enough of a request for the record, and for a page that may read the answer, from a head that was not parsed."""
    words = (head[0] if head else b"").split(b" ")
    method = words[0][:16] if words[0].isalpha() else b"?"
    path = words[1][:2048] if len(words) > 1 else b"/"
    now = time.time()
    lines = (line.partition(b":") for line in head[1:])
    fields = [(name.lower(), value.strip()) for name, _, value in lines if name.lower() in (b"origin", b"host")]
    shown = http.Headers(fields if len(dict(fields)) == len(fields) else ())
    return http.Request("", 0, method, b"http", b"", path, b"HTTP/1.1", shown, b"", None, now, now)
