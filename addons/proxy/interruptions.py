"""Interrupt the stream of a request: its timer rings, its client leaves, the router stops, the server breaks off.

Each gives the attempt under way up, if there is one. While the client has nothing, the addons name what follows; a
stream of which it has a part ends with the tail that they give, or with a broken connection.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mitmproxy import flow
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    HttpEvent,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpResponseHook

from switchman.addons.core.servers.deadlines import EARLY
from switchman.addons.core.servers.retry import FailureKind
from switchman.addons.flow.exchange import Exchange
from switchman.addons.flow.refusal import CROWDED, STOPPED
from switchman.addons.proxy import held_answer, refusing
from switchman.addons.proxy.attempt import RouterIsFull, RouterStops
from switchman.addons.proxy.held_answer import Failure
from switchman.addons.proxy.keepalive import ping_of

if TYPE_CHECKING:
    from switchman.addons.proxy.stream import RoutedStream

NO_ROOM = "The router holds as many request bodies as it may (MAX_BODY_MEMORY). Try again in a moment."


class Interruptions:
    """Interrupts one stream, in whichever state it is."""

    def __init__(self, stream: RoutedStream) -> None:
        self._stream = stream

    def begin(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        """One of `INTERRUPTIONS`."""
        if isinstance(event, RouterStops):
            yield from self.router_stops()
        elif isinstance(event, RouterIsFull):
            yield from self.router_is_full()
        else:
            yield from self.timer_rings()

    def timer_rings(self) -> layer.CommandGenerator[None]:
        """Send a ping, or end what took too long."""
        stream = self._stream
        x, expired = stream.x, stream.deadlines.expired(stream.clock() + EARLY)
        if x is None:
            stream.deadlines.clear()  # not ours: mitmproxy gives it all the time in the world
        elif expired is None:
            pass
        elif expired == "ping":
            yield from self._ping(x)
        elif expired == "last":
            yield from self._end_of_all_said()
        elif stream.client_state == stream.state_consume_request_body:
            if stream.hold.waits:
                yield from stream.refuse(NO_ROOM, 503)
            else:
                yield from stream.refuse(stream.deadlines.message(expired), 408)
        else:
            yield from self._cut(stream.deadlines.message(expired), "timeout", "stream")
        stream.watch()

    def _ping(self, x: Exchange) -> layer.CommandGenerator[None]:
        stream = self._stream
        if stream.server_state == stream.state_stream_response_body:
            yield from stream.pings.within_stream(x)
        else:
            head = stream.flow.response if stream.server_state == stream.state_hold_answer else None
            yield from stream.pings.before_answer(x, [ping_of(x)], head, stream.flow.request)
        stream.deadlines.sent(stream.clock())

    def _end_of_all_said(self) -> layer.CommandGenerator[None]:
        """End a stream whose server has said its last word, but does not end the body."""
        stream = self._stream
        yield from stream.attempt.abandon()
        yield from stream.state_stream_response_body(ResponseEndOfMessage(stream.stream_id))

    def router_stops(self) -> layer.CommandGenerator[None]:
        """End this request with words for its client."""
        if self._stream.client_state == self._stream.state_consume_request_body:
            yield from self._stream.refuse(STOPPED, 503)
        else:
            yield from self._cut(STOPPED, "cancelled", "cancelled")

    def router_is_full(self) -> layer.CommandGenerator[None]:
        """Refuse a request whose body is still awaited: others want its connection."""
        if self._stream.client_state == self._stream.state_consume_request_body and self._stream.x is not None:
            yield from self._stream.refuse(CROWDED, 503)

    def side_fails(self, event: RequestProtocolError | ResponseProtocolError) -> layer.CommandGenerator[bool]:
        """The client or the server breaks off. False where there is nothing of ours to interrupt."""
        stream, x = self._stream, self._stream.x
        if x is not None and isinstance(event, RequestProtocolError):
            yield from self.client_fails(x, event)
        elif x is not None and stream.server_state == stream.state_stream_response_body:
            stream.attempt.end()
            yield from self.break_off(event.message)
        elif x is not None and stream.is_unsent:
            yield from stream.attempt.broke(event.message)
        else:
            return False
        return True

    def client_fails(self, x: Exchange, event: RequestProtocolError) -> layer.CommandGenerator[None]:
        """The client left, or sent what cannot be read: let a server that works for it go.

        A client that has its whole answer may leave before the server has closed the stream: that is no failure.
        """
        stream = self._stream
        refusing.note_malformed(stream.flow, event)
        unfinished = stream.server_state not in (stream.state_done, stream.state_errored)
        streaming = stream.server_state == stream.state_stream_response_body
        if stream.client_state == stream.state_done and unfinished:
            yield from stream.attempt.abandon()
        if streaming and stream.flow.response is not None and held_answer.is_all_said(x):
            stream.flow.response.timestamp_end = time.time()
            yield HttpResponseHook(stream.flow)
        elif unfinished and stream.client_state != stream.state_errored:
            stream.flow.error = flow.Error(event.message)
            yield HttpErrorHook(stream.flow)
        stream.deadlines.clear()
        yield from stream.drop()

    def break_off(self, message: str, kind: FailureKind = "stream") -> layer.CommandGenerator[None]:
        """End a stream of which the client has a part: with the tail that the addons give, or a broken connection."""
        stream = self._stream
        tail = yield from stream.attempt.tail(message, kind)
        if (yield from stream.check_killed(True)):
            return
        if tail is not None:
            for chunk in tail:
                yield SendHttp(ResponseData(stream.stream_id, chunk), stream.context.client)
            yield from stream.send_response(already_streamed=True)
            return
        stream.flow.error = flow.Error(message)
        yield HttpErrorHook(stream.flow)
        broken = ResponseProtocolError(stream.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR)
        yield SendHttp(broken, stream.context.client)
        yield from stream.drop()

    def _cut(self, message: str, unsent: FailureKind, begun: FailureKind) -> layer.CommandGenerator[None]:
        """Give the attempt up; what follows hangs on whether the client has a part of its answer."""
        stream = self._stream
        if stream.server_state == stream.state_stream_response_body:
            yield from self.break_off(message, begun)
        elif stream.is_unsent and stream.x is not None:
            yield from stream.attempt.fail(Failure(unsent, message))
        else:
            stream.deadlines.clear()  # nothing is under way any more; else the timer would ring again at once
