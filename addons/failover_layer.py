"""mitmproxy's HTTP layer, with failover, deadlines and errors in the client's own dialect.

Sans-io, like the layer it extends: events in, commands out. It decides nothing. What to try next is asked of the
addons by the `upstream_failed` hook; what this file knows is how to send one request several times:

1. Each attempt goes out under its own attempt id, registered in the parent's `streams`. A late event of an attempt
   that was given up carries an id nobody listens to, and is dropped.
2. Until the first byte has gone to the client, an attempt that fails (no connection, no answer in time, a retriable
   status, a broken body) is closed and `upstream_failed` names the next one, or the final answer.
3. After the first byte there is no silent switch: `upstream_failed` gives the tail that ends the stream cleanly.
4. Every deadline of a connection is watched by one timer (`RoutedHttpLayer._tend`), so a keep-alive connection with
   a thousand requests has one sleeping task, not a thousand.

A flow without an Exchange is none of our business and takes the stock path.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Literal

from mitmproxy import flow, http
from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HTTPMode,
    HttpLayer,
    HttpStream,
    RegisterHttpConnection,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    HttpEvent,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server, make_body_reader

from switchman.addons.exchange import Exchange, exchange
from switchman.addons.refusal import raw_refusal, refusal

# A swallowed error body is kept up to this size, to be handed on verbatim if nothing better comes.
MAX_SWALLOWED = 1024 * 1024
# A whole reply above this size is no longer held back for the stages, but streamed on as it is.
MAX_WHOLE_REPLY = 64 * 1024 * 1024
# A request body over the limit is read and thrown away up to this many times the limit, so the client, which
# writes before it reads, gets to see the 413; past that the connection is closed.
DISCARD_FACTOR = 8
# A client that promised more body than it sends is answered with 408 after this many seconds of silence.
BODY_IDLE = 60.0
# After a refusal for a malformed head the rest of what the client sends is thrown away for this long (seconds).
LINGER = 5.0

FailureKind = Literal["connect", "dns", "tls", "timeout", "status", "reset", "protocol", "stream"]


@dataclass(eq=False)
class UpstreamFailure:
    """What the `upstream_failed` hook is given, and what it answers.

    In: `flow`, `kind`, `message` (for a person), and `response` for kind "status" (None where its body was too large
    to keep). Out: `retry` (the flow's request is the next attempt; `fresh` asks for a new connection), or
    `flow.response` set to the final answer; for kind "stream" `tail` is what still goes to the client, None if a
    clean end is impossible.
    """

    flow: http.HTTPFlow
    kind: FailureKind
    message: str
    response: http.Response | None = None
    reused: bool = False  # the connection had served before, and closed before any byte of this answer
    retry: bool = False
    fresh: bool = False
    tail: list[bytes] | None = None


@dataclass
class UpstreamFailedHook(commands.StartHook):
    """An attempt failed. The addon says what comes next by filling in the UpstreamFailure."""

    failure: UpstreamFailure


@dataclass
class MalformedRequest(RequestProtocolError):
    """The client sent what cannot be read; it has been told so with `status`."""

    status: int = 400


@dataclass
class Refusal(ResponseProtocolError):
    """Answer with `status` in the middle of the request, and close."""

    status: int = 400


@dataclass
class DeadlineExpired(HttpEvent):
    """The stream's `due` has passed."""


@dataclass(eq=False)
class Connect(GetHttpConnection):
    """GetHttpConnection with a deadline in seconds, and the wish for a connection that was not used before."""

    timeout: float = inf
    fresh: bool = False

    def __hash__(self) -> int:
        return id(self)


@dataclass(eq=False)
class _Opening:
    """A connection being opened, and its deadline."""

    connection: Connection
    due: float
    timeout: float


def classify_connect_error(message: str) -> FailureKind:
    """Which kind of failure mitmproxy's (that is: the operating system's or OpenSSL's) message tells of."""
    text = message.lower()
    if "timed out" in text and "no connection within" in text:
        return "timeout"
    if any(sign in text for sign in ("tls", "ssl", "certificate", "handshake")):
        return "tls"
    if any(sign in text for sign in ("name or service", "nodename nor", "getaddrinfo", "name resolution", "no address associated")):
        return "dns"
    return "connect"


class RoutedServer(Http1Server):
    """The client's HTTP/1 connection, with a limit on the head and refusals in the client's dialect."""

    def _refuse(self, status: int, message: str, head: list[bytes]) -> layer.CommandGenerator[None]:
        """Answer, let the flow (if there is enough of one) be recorded, and close after a while of deaf listening."""
        request = self.request or _request_from(head)
        self.request = request
        yield commands.SendData(self.conn, raw_refusal(request, status, message))
        yield ReceiveHttp(RequestHeaders(self.stream_id, request, False))
        yield ReceiveHttp(MalformedRequest(self.stream_id, message, ErrorCode.GENERIC_CLIENT_ERROR, status))
        yield from self._linger()

    def _linger(self) -> layer.CommandGenerator[None]:
        # Closing at once, with unread data in the socket, makes the kernel send a reset, which can wipe the answer
        # out before the client has read it. So only our side is closed, and what still comes is thrown away.
        self.state = self.deaf
        yield commands.CloseTcpConnection(self.conn, half_close=True)
        yield commands.RequestWakeup(LINGER)

    def deaf(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            self.buf.maybe_extract_at_most(len(self.buf))
        elif isinstance(event, (events.ConnectionClosed, events.Wakeup)):
            yield commands.CloseConnection(self.conn)
            self.state = self.done

    def done(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from ()

    def send(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        if self.state in (self.deaf, self.done):
            return
        if isinstance(event, ResponseProtocolError) and not self.response and self.request:
            status = event.status if isinstance(event, Refusal) else event.code.http_status_code()
            if status is not None and self.conn.state & ConnectionState.CAN_WRITE:
                yield commands.SendData(self.conn, raw_refusal(self.request, status, event.message))
                yield from self._linger()
                return
        yield from super().send(event)

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.DataReceived):
            yield from super().read_headers(event)
            return
        limit = self.context.options.switchman_max_header_bytes
        if len(self.buf) > limit and not _ends_within(bytes(self.buf), limit):
            head = bytes(self.buf)[:2048].split(b"\r\n")
            yield from self._refuse(431, f"The request's headers are larger than {limit} bytes.", head[:1])
            return
        lines = self.buf.maybe_extract_lines()
        if not lines:
            return
        head = [bytes(line) for line in lines]
        try:
            self.request = http1.read_request_head(head)
            expected = http1.expected_http_body_size(self.request)
        except ValueError as e:
            yield from self._refuse(400, f"The request cannot be read: {e}.", head)
            return
        yield ReceiveHttp(RequestHeaders(self.stream_id, self.request, expected == 0))
        self.body_reader = make_body_reader(expected)
        self.state = self.read_body
        yield from self.state(event)

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.ConnectionClosed) and self.conn.state & ConnectionState.CAN_WRITE:
            # Half-closed: this client may still read. A full close looks the same here, and then nobody reads it.
            message = "The request's body ended before the length that its headers announced."
            yield commands.SendData(self.conn, raw_refusal(self.request, 400, message))
            yield ReceiveHttp(RequestProtocolError(self.stream_id, message, ErrorCode.CLIENT_DISCONNECTED))
            yield commands.CloseConnection(self.conn)
            self.state = self.done
            return
        if isinstance(event, events.Wakeup):
            return
        for command in super().read_body(event):
            if isinstance(command, commands.CloseConnection) and not self.request_done and self.request:
                yield commands.SendData(self.conn, raw_refusal(self.request, 400, "The request's body is not well framed."))
            yield command


def _ends_within(buffer: bytes, limit: int) -> bool:
    window = buffer[: limit + 4]
    return b"\n\r\n" in window or b"\n\n" in window


def _request_from(head: list[bytes]) -> http.Request:
    """Enough of a request for the record, from a head that could not be parsed."""
    words = (head[0] if head else b"").split(b" ")
    method = words[0][:16] if words[0].isalpha() else b"?"
    path = words[1][:2048] if len(words) > 1 else b"/"
    now = time.time()
    return http.Request("", 0, method, b"http", b"", path, b"HTTP/1.1", http.Headers(), b"", None, now, now)


class RoutedStream(HttpStream):
    """One request and its attempts."""

    parent: RoutedHttpLayer
    attempt_id: int = 0  # 0: no attempt is under way
    due: float = inf  # monotonic seconds
    reused: bool = False
    swallowed: http.Response | None = None
    discarded: int = 0  # bytes of a body over the limit that were thrown away

    def __init__(self, context: Context, stream_id: int, parent: RoutedHttpLayer) -> None:
        super().__init__(context, stream_id)
        self.parent = parent

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, (ResponseHeaders, ResponseData, ResponseTrailers, ResponseEndOfMessage, ResponseProtocolError)):
            if self.attempt_id and event.stream_id != self.attempt_id:
                return  # an attempt that was given up
            if self.due != inf:
                self._await_more()
        elif isinstance(event, DeadlineExpired):
            yield from self.deadline_expired()
            return
        yield from super()._handle_event(event)

    # --- the request comes in

    def state_wait_for_request_headers(self, event: RequestHeaders) -> layer.CommandGenerator[None]:
        if not event.end_stream:
            self._wake_in(BODY_IDLE)
        yield from super().state_wait_for_request_headers(event)

    def state_consume_request_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        x = exchange(self.flow)
        if x is None:
            yield from super().state_consume_request_body(event)
        elif isinstance(event, RequestData):
            self._wake_in(BODY_IDLE)
            yield from self._take_body(event.data)
        elif isinstance(event, RequestEndOfMessage):
            self.due = inf
            self.flow.request.timestamp_end = time.time()
            self.flow.request.data.content = bytes(self.request_body_buf)
            self.request_body_buf.clear()
            self.client_state = self.state_done
            if self.discarded:
                limit = self.context.options.switchman_max_body_bytes
                self.flow.response = refusal(x, 413, f"The request's body is larger than {limit} bytes.")
            else:
                yield HttpRequestHook(self.flow)
            if (yield from self.check_killed(True)):
                return
            if self.flow.response:
                yield from self.answer_locally()
            else:
                yield from self.send_attempt(x)
        elif isinstance(event, RequestTrailers):
            self.flow.request.trailers = event.trailers

    def _take_body(self, data: bytes) -> layer.CommandGenerator[None]:
        limit: int = self.context.options.switchman_max_body_bytes
        if not self.discarded and len(self.request_body_buf) + len(data) <= limit:
            self.request_body_buf += data
            return
        self.discarded += len(self.request_body_buf) + len(data)
        self.request_body_buf.clear()
        if self.discarded > limit * DISCARD_FACTOR:
            message = f"The request's body is larger than {limit} bytes."
            yield from self._refuse_connection(message, 413)

    def _refuse_connection(self, message: str, status: int) -> layer.CommandGenerator[None]:
        """Answer in the middle of the request's body: the connection cannot be used any further."""
        self.due = inf
        self.flow.error = flow.Error(message)
        x = exchange(self.flow)
        if x is not None:
            x.outcome, x.error, x.status = "refused", message, status
        yield HttpErrorHook(self.flow)
        refused = Refusal(self.stream_id, message, ErrorCode.GENERIC_CLIENT_ERROR, status)
        yield SendHttp(refused, self.context.client)
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield DropStream(self.stream_id)

    # --- an attempt goes out

    def send_attempt(self, x: Exchange, fresh: bool = False) -> layer.CommandGenerator[None]:
        """Send `flow.request`, as the addons made it for the current attempt."""
        request, attempt = self.flow.request, x.attempt
        assert attempt is not None
        limits = attempt.candidate.server.timeout
        self.response_body_buf.clear()
        self.swallowed = None
        self.server_state = self.state_wait_for_response_headers
        connection, err = yield Connect(
            (request.host, request.port),
            request.scheme == "https",
            self.flow.server_conn.via,
            "tcp",
            timeout=max(0.0, min(limits.connect, x.deadline - time.monotonic())),
            fresh=fresh,
        )
        if (yield from self.check_killed(True)):
            return
        if err:
            yield from self.fail(classify_connect_error(err), err)
            return
        self.context.server = self.flow.server_conn = connection
        self.reused = connection in self.parent.used
        # An upgraded connection (WebSocket) addresses its stream by the client's id, and has no second attempt.
        self.attempt_id = self.stream_id if "upgrade" in request.headers else next(self.parent.attempt_ids)
        self.parent.streams[self.attempt_id] = self
        content = request.raw_content
        yield SendHttp(RequestHeaders(self.attempt_id, request, not (content or request.trailers)), connection)
        if content:
            yield SendHttp(RequestData(self.attempt_id, content), connection)
        if request.trailers:
            yield SendHttp(RequestTrailers(self.attempt_id, request.trailers), connection)
        yield SendHttp(RequestEndOfMessage(self.attempt_id), connection)
        if self.attempt_id:  # else sending failed at once, and that has been dealt with
            self._wake_in(limits.first_byte)

    def _wake_in(self, seconds: float) -> None:
        """Set this stream's deadline; never past what the request as a whole, or the attempt, has left."""
        now = time.monotonic()
        due = now + seconds
        x = self._exchange_or_none()
        if x is not None:
            due = min(due, x.deadline)
            if (attempt := x.attempt) is not None:
                due = min(due, attempt.started + attempt.candidate.server.timeout.total)
        self.due = due
        self.parent.watch(due)

    def _exchange_or_none(self) -> Exchange | None:
        return exchange(self.flow) if hasattr(self, "flow") else None

    def _await_more(self) -> None:
        x = self._exchange_or_none()
        if x is not None and (attempt := x.attempt) is not None:
            self._wake_in(attempt.candidate.server.timeout.idle)

    # --- the answer comes in

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> layer.CommandGenerator[None]:
        x = exchange(self.flow)
        if x is None:
            yield from super().state_wait_for_response_headers(event)
            return
        self.parent.used.add(self.context.server)
        response = event.response
        if problem := _invalid(response):
            yield from self.abandon()
            yield from self.fail("protocol", problem)
            return
        attempt = x.attempt
        assert attempt is not None
        attempt.first_byte = time.monotonic()
        attempt.status = response.status_code
        if response.status_code in attempt.swallow:
            self.swallowed = response
            self.server_state = self.state_swallow_answer
            return
        yield from super().state_wait_for_response_headers(event)

    def state_swallow_answer(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        """An answer that is worth another attempt: keep it, bounded, in case it is the best there is."""
        answer = self.swallowed
        assert answer is not None
        if isinstance(event, ResponseData):
            self.response_body_buf += event.data
            if len(self.response_body_buf) > MAX_SWALLOWED:
                yield from self.abandon()
                yield from self.fail("status", f"status {answer.status_code} with an endless body")
        elif isinstance(event, ResponseEndOfMessage):
            self._attempt_over()
            answer.data.content = bytes(self.response_body_buf)
            yield from self.fail("status", f"status {answer.status_code}", answer)

    def state_consume_response_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super().state_consume_response_body(event)
        if len(self.response_body_buf) > MAX_WHOLE_REPLY and self.flow.response is not None:
            self.flow.response.stream = True
            body = bytes(self.response_body_buf)
            self.response_body_buf.clear()
            yield from self.start_response_stream()
            yield SendHttp(ResponseData(self.stream_id, body), self.context.client)

    def start_response_stream(self) -> layer.CommandGenerator[None]:
        # As stock, less one log record per stream.
        assert self.flow.response
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, False), self.context.client)
        self.server_state = self.state_stream_response_body

    def answer_locally(self) -> layer.CommandGenerator[None]:
        """Send the answer that an addon has set."""
        self.due = inf
        assert self.flow.response
        now = time.time()
        self.flow.response.timestamp_start = self.flow.response.timestamp_start or now
        yield HttpResponseHeadersHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        self.flow.response.stream = False
        yield from self.send_response()

    def flow_done(self) -> layer.CommandGenerator[None]:
        self.due = inf
        if self.flow.response is None or self.flow.response.status_code != 101:
            self._attempt_over()
        yield from super().flow_done()

    # --- something went wrong

    def _attempt_over(self) -> None:
        """Later events of this attempt are nobody's."""
        if self.attempt_id and self.attempt_id != self.stream_id:
            self.parent.streams.pop(self.attempt_id, None)
            self.attempt_id = -1
        self.due = inf

    def abandon(self) -> layer.CommandGenerator[None]:
        """Give the running attempt up: its connection is closed, its events are dropped."""
        attempt_id = self.attempt_id
        self._attempt_over()
        if attempt_id > 0 and self.context.server in self.parent.connections:
            error = RequestProtocolError(attempt_id, "attempt given up", ErrorCode.CANCEL)
            yield SendHttp(error, self.context.server)

    def fail(self, kind: FailureKind, message: str, response: http.Response | None = None, reused: bool = False) -> layer.CommandGenerator[None]:
        """Nothing has gone to the client yet: ask for the next attempt, or the final answer."""
        self.due = inf
        self.flow.response = None
        failure = UpstreamFailure(self.flow, kind, message, response, reused)
        yield UpstreamFailedHook(failure)
        if (yield from self.check_killed(True)):
            return
        x = exchange(self.flow)
        assert x is not None
        if failure.retry:
            yield from self.send_attempt(x, failure.fresh)
            return
        if self.flow.response is None:  # the addon crashed; the client must not be left waiting
            self.flow.response = refusal(x, 502, message)
        yield from self.answer_locally()

    def break_off(self, message: str) -> layer.CommandGenerator[None]:
        """The upstream died after bytes had gone to the client: say so in the stream, and end it cleanly."""
        self.due = inf
        failure = UpstreamFailure(self.flow, "stream", message)
        yield UpstreamFailedHook(failure)
        if (yield from self.check_killed(True)):
            return
        if failure.tail is None:
            self.flow.error = flow.Error(message)
            yield HttpErrorHook(self.flow)
            yield SendHttp(ResponseProtocolError(self.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR), self.context.client)
            self.server_state = self.state_errored
            self.flow.live = False
            yield DropStream(self.stream_id)
            return
        for chunk in failure.tail:
            yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)
        yield from self.send_response(already_streamed=True)

    def deadline_expired(self) -> layer.CommandGenerator[None]:
        if time.monotonic() < self.due:
            return
        if self.client_state == self.state_consume_request_body:
            message = f"The request's body did not arrive: nothing came for {BODY_IDLE:g} s."
            yield from self._refuse_connection(message, 408)
            return
        message = self._what_took_too_long()
        streaming = self.server_state == self.state_stream_response_body
        yield from self.abandon()
        if streaming:
            yield from self.break_off(message)
        elif self.server_state in (self.state_wait_for_response_headers, self.state_swallow_answer, self.state_consume_response_body):
            yield from self.fail("timeout", message)

    def _what_took_too_long(self) -> str:
        x = exchange(self.flow)
        if x is None or (attempt := x.attempt) is None:
            return "the deadline has passed"
        limits, now = attempt.candidate.server.timeout, time.monotonic()
        if now >= x.deadline or now >= attempt.started + limits.total:
            return f"no complete answer within the total deadline of {min(limits.total, x.deadline - x.started):g} s"
        if self.server_state == self.state_wait_for_response_headers:
            return f"no answer within the first-byte deadline of {limits.first_byte:g} s"
        return f"nothing came for {limits.idle:g} s, the idle deadline"

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> layer.CommandGenerator[None]:
        x = self._exchange_or_none()
        if x is None:
            yield from super().handle_protocol_error(event)
        elif isinstance(event, RequestProtocolError):
            yield from self._client_failed(x, event)
        elif self.server_state == self.state_stream_response_body:
            self._attempt_over()
            yield from self.break_off(event.message)
        elif self.server_state == self.state_wait_for_response_headers:
            reused, self.reused = self.reused and not _answer_begun(event.message), False
            self._attempt_over()
            yield from self.fail("reset", event.message, reused=reused)
        elif self.server_state in (self.state_swallow_answer, self.state_consume_response_body):
            self._attempt_over()
            yield from self.fail("reset", event.message)
        else:
            yield from super().handle_protocol_error(event)

    def _note_refusal(self, event: events.Event) -> None:
        """Tell a request that was refused for its form from a client that left."""
        x = self._exchange_or_none()
        if x is not None and isinstance(event, MalformedRequest):
            x.outcome, x.error, x.status = "refused", event.message, event.status

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        for event in self._paused_event_queue:
            self._note_refusal(event)
        return (yield from super().check_killed(emit_error_hook))

    def _client_failed(self, x: Exchange, event: RequestProtocolError) -> layer.CommandGenerator[None]:
        """The client left, or sent what cannot be read. An upstream at work for it is stopped."""
        self._note_refusal(event)
        unfinished = self.server_state not in (self.state_done, self.state_errored)
        if self.client_state == self.state_done and unfinished:
            yield from self.abandon()
        if unfinished and self.client_state != self.state_errored:
            self.flow.error = flow.Error(event.message)
            yield HttpErrorHook(self.flow)
        self.due = inf
        self.client_state = self.server_state = self.state_errored
        self.flow.live = False
        yield DropStream(self.stream_id)


def _answer_begun(message: str) -> bool:
    # mitmproxy tells "server closed connection" (no byte) from "unexpected server response: ..." (some bytes).
    return "unexpected server response" in message


def _invalid(response: http.Response) -> str | None:
    """Why a response's headers cannot be relayed safely (they would allow response smuggling), or None."""
    try:
        validate_headers(response)
    except ValueError as e:
        return f"the server's headers are invalid: {e}"
    return None


class RoutedHttpLayer(HttpLayer):
    """HttpLayer whose streams fail over, whose dead connections are forgotten, and which watches deadlines."""

    def __init__(self, context: Context, mode: HTTPMode) -> None:
        super().__init__(context, mode)
        # Clients' stream ids are odd (HTTP/1: counted up by two from 1; HTTP/2: RFC 9113 section 5.1.1).
        self.attempt_ids: Iterator[int] = itertools.count(2, 2)
        self.used: set[Connection] = set()  # connections that have brought an answer before
        self.opening: dict[Connection, _Opening] = {}
        self.watches: dict[commands.RequestWakeup, float] = {}
        self.wanted: float = inf

    def watch(self, due: float) -> None:
        """Have `_tend` run at `due` or earlier."""
        self.wanted = min(self.wanted, due)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            if not (self.context.client.alpn == b"h2" or (self.context.client.alpn or b"").startswith(b"h3")):
                self.connections.setdefault(self.context.client, RoutedServer(self.context.fork()))
        elif isinstance(event, events.Wakeup) and event.command in self.watches:
            del self.watches[event.command]
            yield from self._tend()
            return
        elif isinstance(event, events.ConnectionEvent) and self._is_forgotten(event.connection):
            return
        yield from super()._handle_event(event)
        if isinstance(event, events.ConnectionClosed):
            self._forget(event.connection)
        if self.wanted != inf:
            yield from self._arm()

    def _is_forgotten(self, connection: Connection) -> bool:
        return connection not in self.connections and connection is not self.context.server

    def _forget(self, connection: Connection) -> None:
        """A closed server connection is of no more use; stock keeps them all, and answers from the error of the last."""
        if connection is not self.context.client and connection.state is ConnectionState.CLOSED:
            self.connections.pop(connection, None)
            self.used.discard(connection)
            self.opening.pop(connection, None)

    def _arm(self) -> layer.CommandGenerator[None]:
        """One timer for the earliest deadline; a later deadline waits for the timer that is already set."""
        due, self.wanted = self.wanted, inf
        if any(at <= due for at in self.watches.values()):
            return
        wakeup = commands.RequestWakeup(max(0.0, due - time.monotonic()))
        self.watches[wakeup] = due
        yield wakeup

    def _tend(self) -> layer.CommandGenerator[None]:
        """A timer went off: fire what is due, and set the next timer."""
        now = time.monotonic() + 0.001  # the timer may ring a hair early
        for opening in [o for o in self.opening.values() if o.due <= now]:
            yield from self._give_up_opening(opening)
        streams = {id(s): s for s in self.streams.values() if isinstance(s, RoutedStream)}
        for stream in streams.values():
            if stream.due <= now:
                stream.due = min(stream.due, time.monotonic())
                yield from self.event_to_child(stream, DeadlineExpired(stream.stream_id))
        later = [s.due for s in streams.values() if s.due > now] + [o.due for o in self.opening.values()]
        self.wanted = min([self.wanted, *later])
        if self.wanted != inf:
            yield from self._arm()

    def _give_up_opening(self, opening: _Opening) -> layer.CommandGenerator[None]:
        self.opening.pop(opening.connection, None)
        if opening.connection not in self.waiting_for_establishment:
            return
        yield commands.CloseConnection(opening.connection)
        message = f"timed out: no connection within the connect deadline of {opening.timeout:g} s"
        yield from self.register_connection(RegisterHttpConnection(opening.connection, message))

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        stream = RoutedStream(self.context.fork(), stream_id, self)
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, events.Start())

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> layer.CommandGenerator[None]:
        if not isinstance(event, Connect):
            yield from super().get_connection(event, reuse=reuse)
            return
        known = set(self.waiting_for_establishment)
        # The first command of a new connection blocks its layer, so by the time super() returns it is only waiting.
        opened = super().get_connection(event, reuse=reuse and not event.fresh)
        yield from opened
        for connection in self.waiting_for_establishment.keys() - known:
            due = time.monotonic() + event.timeout
            self.opening[connection] = _Opening(connection, due, event.timeout)
            self.watch(due)

    def register_connection(self, command: RegisterHttpConnection) -> layer.CommandGenerator[None]:
        self.opening.pop(command.connection, None)
        if command.connection not in self.waiting_for_establishment:
            # Given up before; if it opened after all, nobody wants it.
            if not command.err:
                yield commands.CloseConnection(command.connection)
            return
        yield from super().register_connection(command)
        if command.err:
            self.connections.pop(command.connection, None)


__all__ = ["RoutedHttpLayer", "RoutedStream", "UpstreamFailedHook", "UpstreamFailure", "classify_connect_error"]
