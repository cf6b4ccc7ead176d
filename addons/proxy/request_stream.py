"""How a request comes in: with a limit on its body, a deadline for it, and a record of what was refused.

The first half of the stream of our HTTP layer; routed_stream.py is the second. A flow without an Exchange takes the
stock path.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from math import inf
from typing import TYPE_CHECKING

from mitmproxy import flow, http
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import DropStream, HttpStream, SendHttp, validate_request
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestTrailers,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpRequestHeadersHook, HttpRequestHook

from switchman.addons.flow.exchange import Exchange, exchange
from switchman.addons.flow.refusal import refusal
from switchman.addons.proxy.client_connection import MalformedRequest, Refusal, RefusedRequest

# A request body over the limit is read and thrown away up to this many times the limit, so the client, which
# writes before it reads, gets to see the 413; past that the connection is closed.
DISCARD_FACTOR = 8

NO_TUNNEL = (
    "This port is no forward proxy: give the client this address as its base URL, or send it through "
    "`mitmdump -s addons/pipeline.py`, which is one."
)

if TYPE_CHECKING:
    from switchman.addons.proxy.failover_layer import RoutedHttpLayer


class RequestStream(HttpStream):
    """A request, until it is complete."""

    parent: RoutedHttpLayer
    due: float = inf  # monotonic seconds: when something must be done, be it that the next event must be here
    heard: float = inf  # monotonic seconds: the last sign of the peer that is waited for
    patience: float = inf  # seconds after `heard` in which the next event must be here
    ping_at: float = inf  # monotonic seconds: when the client is to be sent a ping
    last: float = inf  # monotonic seconds: the end of the request as a whole, and of this attempt
    discarded: int = 0  # bytes of a body over the limit that were thrown away

    def __init__(self, context: Context, stream_id: int, parent: RoutedHttpLayer) -> None:
        super().__init__(context, stream_id)
        self.parent = parent

    @abstractmethod
    def send_attempt(self, x: Exchange, fresh: bool = False) -> layer.CommandGenerator[None]:
        """The request is complete, and the addons have made it the first attempt."""

    @abstractmethod
    def answer_locally(self) -> layer.CommandGenerator[None]:
        """The request is complete, and an addon has set its answer."""

    def state_wait_for_request_headers(self, event: RequestHeaders) -> layer.CommandGenerator[None]:
        if isinstance(event, RefusedRequest):
            yield from self._record_refused(event)
            return
        if not event.end_stream:
            self._wake_in(self.parent.body_timeout)
        yield from super().state_wait_for_request_headers(event)

    def check_request_line(self) -> layer.CommandGenerator[bool]:
        """Refuse what cannot be meant for us. True where it was."""
        problem = validate_request(self.mode, self.flow.request, False)
        if problem is None:
            return False
        yield HttpRequestHeadersHook(self.flow)  # the addons have not seen it yet
        yield from self._refuse_connection(NO_TUNNEL if self.flow.request.method == "CONNECT" else problem, 400)
        return True

    def _record_refused(self, event: RefusedRequest) -> layer.CommandGenerator[None]:
        """The client has its answer; the flow is made only so that the addons hear of it."""
        self.flow = http.HTTPFlow(self.context.client, self.context.server)
        self.flow.request = event.request
        yield HttpRequestHeadersHook(self.flow)
        if (x := exchange(self.flow)) is not None:
            x.outcome, x.error, x.status = "refused", event.message, event.status
        self.flow.error = flow.Error(event.message)
        yield HttpErrorHook(self.flow)
        self.client_state = self.server_state = self.state_errored
        yield DropStream(self.stream_id)

    def state_consume_request_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        x = exchange(self.flow)
        if x is None:
            yield from super().state_consume_request_body(event)
        elif isinstance(event, RequestData):
            self._wake_in(self.parent.body_timeout)
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
            if not self.flow.response and x.attempt is None:  # an addon crashed; the client must not be left waiting
                self.flow.response = refusal(x, 500, "The router failed at this request; its own log says why.")
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

    def _wake_in(self, seconds: float) -> None:
        """Set this stream's deadline; never past what the request as a whole, or the attempt, has left."""
        self.heard, self.patience = time.monotonic(), seconds
        self.due = min(self.heard + seconds, self.last, self.ping_at)
        self.parent.watch(self.due)

    def _exchange_or_none(self) -> Exchange | None:
        return exchange(self.flow) if hasattr(self, "flow") else None

    def _note_refusal(self, event: events.Event) -> None:
        """Tell a request that was refused for its form from a client that left."""
        x = self._exchange_or_none()
        if x is not None and isinstance(event, MalformedRequest):
            x.outcome, x.error, x.status = "refused", event.message, event.status

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        for event in self._paused_event_queue:
            self._note_refusal(event)
        return (yield from super().check_killed(emit_error_hook))
