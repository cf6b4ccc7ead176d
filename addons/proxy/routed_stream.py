"""One request and its attempts: the stream of our HTTP layer.

Sans-io, like the stream it extends: events in, commands out. It decides nothing. What to try next is asked of the
addons by the `upstream_failed` hook; what this file knows is how to send one request several times:

1. Each attempt goes out under its own attempt id, registered in the layer's `streams`. A late event of an attempt
   that was given up carries an id nobody listens to, and is dropped.
2. Until the first byte has gone to the client, an attempt that fails (no connection, no answer in time, a retriable
   status, a broken body) is closed and `upstream_failed` names the next one, or the final answer.
3. After the first byte there is no silent switch: `upstream_failed` gives the tail that ends the stream cleanly.

A flow without an Exchange is none of our business and takes the stock path.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from math import inf
from typing import cast

from mitmproxy import flow, http
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import DropStream, SendHttp
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
    HttpResponseHeadersHook,
)

from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.servers.retry import FailureKind
from switchman.addons.flow.exchange import Exchange, exchange
from switchman.addons.flow.refusal import refusal
from switchman.addons.proxy.attempt import (
    Connect,
    DeadlineExpired,
    RouterStops,
    UpstreamFailedHook,
    UpstreamFailure,
    answer_begun,
    classify_connect_error,
    invalid_head,
)
from switchman.addons.proxy.client_connection import RoutedServer
from switchman.addons.proxy.keepalive import ping_of
from switchman.addons.proxy.request_stream import RequestStream

MAX_HELD = 1024 * 1024  # bytes kept of an error body, to be handed on verbatim if nothing better comes
MAX_WHOLE_REPLY = 64 * 1024 * 1024  # bytes; a larger one is not held back for the stages, but streamed on as it is
EARLY = 0.001  # seconds: a timer may ring so much before its time


class RoutedStream(RequestStream):
    """One request and its attempts."""

    attempt_id: int = 0  # 0: no attempt is under way
    ping_after: float = inf  # seconds without output until the client is sent a ping
    idle: float = inf  # seconds between two events of the answer
    reused: bool = False
    first_due: float = inf  # monotonic seconds: when the answer must have begun
    held_answer: http.Response | None = None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if type(event) is ResponseData:  # by far the most frequent event, so it takes the shortest way
            if event.stream_id == self.attempt_id or not self.attempt_id:
                if self.due != inf:
                    self.heard = now = time.monotonic()
                    self.due = min(now + self.idle, self.last, self.ping_at)
                yield from self.server_state(event)
            return
        if isinstance(event, (ResponseHeaders, ResponseTrailers, ResponseEndOfMessage, ResponseProtocolError)):
            if self.attempt_id and event.stream_id != self.attempt_id:
                return  # an attempt that was given up
            if self.due != inf:
                self._wake_in(self.idle)
        elif isinstance(event, DeadlineExpired):
            yield from self.deadline_expired()
            return
        elif isinstance(event, RouterStops):
            yield from self.stop()
            return
        yield from super()._handle_event(event)

    # --- an attempt goes out

    def send_attempt(self, x: Exchange, fresh: bool = False) -> layer.CommandGenerator[None]:
        """Send `flow.request`, as the addons made it for the current attempt."""
        request, attempt = self.flow.request, x.attempt
        assert attempt is not None
        limits = attempt.candidate.server.timeout
        self.idle = limits.idle
        self.last = self.end_of(x)
        keepalive = attempt.candidate.server.keepalive
        self.ping_after = keepalive.after if keepalive.after and ping_of(x) else inf
        # Pings that have begun go on in their own time, whatever the next server's settings are.
        early = keepalive.before_answer or x.pinged
        self.ping_at = min(self.ping_at, time.monotonic() + self.ping_after) if early else inf
        self.response_body_buf.clear()
        self.held_answer = None
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
            self.first_due = time.monotonic() + limits.first_byte
            self._wake_in(limits.first_byte)

    def end_of(self, x: Exchange) -> float:
        """When the request as a whole, or the attempt that runs, must be over: monotonic seconds."""
        assert x.attempt is not None
        return min(x.deadline, x.attempt.started + x.attempt.candidate.server.timeout.total)

    # --- the answer comes in

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> layer.CommandGenerator[None]:
        x = exchange(self.flow)
        if x is None:
            yield from super().state_wait_for_response_headers(event)
            return
        self.parent.used.add(self.context.server)
        response = event.response
        if problem := invalid_head(self.flow.request, response):
            yield from self.abandon()
            yield from self.fail("reset", problem)
            return
        attempt = x.attempt
        assert attempt is not None
        attempt.first_byte = time.monotonic()
        attempt.status = response.status_code
        if response.status_code in attempt.held_statuses:
            self.held_answer = response
            self.server_state = self.state_hold_error
            return
        yield from super().state_wait_for_response_headers(event)

    def check_invalid(self, request: bool) -> layer.CommandGenerator[bool]:
        if not request and exchange(self.flow) is not None:
            return False  # looked at above, where a bad answer is a reason for another attempt
        # A client's headers were looked at as they were read; what is left is the request line.
        if request and isinstance(self.parent.connections.get(self.context.client), RoutedServer):
            return (yield from self.check_request_line())
        return (yield from super().check_invalid(request))

    def state_hold_error(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        """An answer that is worth another attempt: keep it, bounded, in case it is the best there is."""
        answer = self.held_answer
        assert answer is not None
        if isinstance(event, ResponseData):
            self.response_body_buf += event.data
            if len(self.response_body_buf) > MAX_HELD:
                yield from self.abandon()
                yield from self.fail("status", f"status {answer.status_code} with an endless body")
        elif isinstance(event, ResponseEndOfMessage):
            self._attempt_over()
            answer.data.content = bytes(self.response_body_buf)
            yield from self.fail("status", f"status {answer.status_code}", answer)

    def state_consume_response_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super().state_consume_response_body(event)
        if len(self.response_body_buf) > MAX_WHOLE_REPLY and self.flow.response is not None:
            # What the client has heard, or must hear in its own dialect, cannot be followed by a reply as it comes.
            x = exchange(self.flow)
            if x is not None and (x.pinged or (x.attempt is not None and x.attempt.answer is not None)):
                yield from self.abandon()
                yield from self.fail("reset", f"a reply of more than {MAX_WHOLE_REPLY} bytes that is no stream")
                return
            self.flow.response.stream = True
            body = bytes(self.response_body_buf)
            self.response_body_buf.clear()
            yield from self.start_response_stream()
            yield SendHttp(ResponseData(self.stream_id, body), self.context.client)

    def start_response_stream(self) -> layer.CommandGenerator[None]:
        # As stock, less one log record per stream.
        assert self.flow.response
        x = self._exchange_or_none()
        if x is None or not x.pinged:
            yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, False), self.context.client)
        self.server_state = self.state_stream_response_body
        if self.due != inf:
            self.ping_at = time.monotonic() + self.ping_after
            self._wake_in(self.idle)

    def state_stream_response_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        # As stock for data, but without looking up an option (which copies its value) for each event of a stream.
        pipe = self.flow.response.stream if self.flow.response else None
        if type(event) is ResponseData and callable(pipe):
            for chunk in cast(list[bytes], pipe(event.data)):
                self.ping_at = self.heard + self.ping_after
                yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)
        else:
            yield from super().state_stream_response_body(event)

    @abstractmethod
    def ping(self, x: Exchange) -> layer.CommandGenerator[None]:
        """The client has heard nothing for long, and the server's time is not over."""

    @abstractmethod
    def stop(self) -> layer.CommandGenerator[None]:
        """The router stops, and this request's time to end by itself is over."""

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

    def fail(
        self,
        kind: FailureKind,
        message: str,
        response: http.Response | None = None,
        reused: bool = False,
        failed: Failed | None = None,
    ) -> layer.CommandGenerator[None]:
        """Nothing has gone to the client yet: ask for the next attempt, or the final answer."""
        self.due = inf
        self.flow.response = None
        failure = UpstreamFailure(self.flow, kind, message, response, failed, reused=reused)
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

    def break_off(self, message: str, kind: FailureKind = "stream") -> layer.CommandGenerator[None]:
        """The upstream died after bytes had gone to the client: say so in the stream, and end it cleanly."""
        self.due = inf
        failure = UpstreamFailure(self.flow, kind, message, begun=True)
        yield UpstreamFailedHook(failure)
        if (yield from self.check_killed(True)):
            return
        if failure.tail is None:
            self.flow.error = flow.Error(message)
            yield HttpErrorHook(self.flow)
            yield SendHttp(
                ResponseProtocolError(self.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR), self.context.client
            )
            self.server_state = self.state_errored
            self.flow.live = False
            yield DropStream(self.stream_id)
            return
        for chunk in failure.tail:
            yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)
        yield from self.send_response(already_streamed=True)

    def deadline_expired(self) -> layer.CommandGenerator[None]:
        x, now = self._exchange_or_none(), time.monotonic()
        if now < self.due or x is None:
            return
        if now < min(self.heard + self.patience, self.last) - EARLY:
            if self.ping_at <= now + EARLY:
                yield from self.ping(x)
                self.ping_at = time.monotonic() + self.ping_after
            self.due = min(self.heard + self.patience, self.last, self.ping_at)
            self.parent.watch(self.due)
            return
        if self.client_state == self.state_consume_request_body:
            message = f"The request's body did not arrive: nothing came for {self.parent.body_timeout:g} s."
            yield from self._refuse_connection(message, 408)
            return
        message = self._what_took_too_long()
        streaming = self.server_state == self.state_stream_response_body
        yield from self.abandon()
        if streaming:
            yield from self.break_off(message)
        elif self.unsent():
            yield from self.fail("timeout", message)

    def unsent(self) -> bool:
        """Is an attempt under way of which the client has nothing yet?"""
        return self.server_state in (
            self.state_wait_for_response_headers,
            self.state_hold_error,
            self.state_consume_response_body,
        )

    def _what_took_too_long(self) -> str:
        x = exchange(self.flow)
        if x is None or (attempt := x.attempt) is None:
            return "the deadline has passed"
        limits, now = attempt.candidate.server.timeout, time.monotonic()
        if now >= x.deadline or now >= attempt.started + limits.total:
            return f"no complete answer within the total deadline of {min(limits.total, x.deadline - x.started):g} s"
        if self.server_state == self.state_wait_for_response_headers or self.idle == inf:
            return f"no answer within the first-byte deadline of {limits.first_byte:g} s"
        return f"nothing came for {limits.idle:g} s, the idle deadline"

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> layer.CommandGenerator[None]:
        x = self._exchange_or_none()
        if x is None:
            yield from super().handle_protocol_error(event)
        elif isinstance(event, RequestProtocolError):
            yield from self._client_failed(x, event)
        elif self.server_state == self.state_stream_response_body:
            self._attempt_over()
            yield from self.break_off(event.message)
        elif self.server_state == self.state_wait_for_response_headers:
            reused, self.reused = self.reused and not answer_begun(event.message), False
            self._attempt_over()
            yield from self.fail("reset", event.message, reused=reused)
        elif self.unsent():
            self._attempt_over()
            yield from self.fail("reset", event.message)
        else:
            yield from super().handle_protocol_error(event)

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
