"""The stream of one request: a state machine with a side for the client and one for the answer.

The client's side (`client_state`). A client that leaves, or sends what cannot be read, makes both sides errored.

    wait_for_request_headers --head--> consume_request_body --its end--> done
               | its form is refused            | silence, or over the limit
               +-----------> errored <----------+

The answer's side (`server_state`). It begins with an attempt; an answer of the addons' own goes to done at once.

      +--------------------------------- `upstream_failed` names another attempt <---------+
      v                                                                                    |
    wait_for_response_headers --- no connection, no head, an invalid one, silence ---> attempt.fail() --an answer--+
      |            |                                                                       ^                       |
      | of a stream, or with a status worth another attempt                                |                       |
      |            +--> hold_answer --- an error, its end, silence: no answer -------------+                       |
      |                   |                                                                |                       |
      | whole             | first event                                                    |                       |
      +--> consume_response_body --- its end: unreadable, or an error with a good status --+                       |
             |            |                                                                                        |
             | too large  v                                                                                        |
             +--> stream_response_body --- breaks off, silence ----> break_off() --no tail--> errored              |
             |            | its end                                   | a tail                                     |
             | its end    v                                           v                                            v
             +---------> done <---------------------------------------+--------------------------------------------+

What was awaited as a stream, and is none, goes from hold_answer to consume_response_body.

Until the client has a part of the answer, an attempt that fails is closed, and the addons name the next one, or the
final answer, by the `upstream_failed` hook. After that there is no silent switch: they give the tail that ends the
stream cleanly. What interrupts it (its timer, a client that leaves, a router that stops) is in interruptions.py.
Sans-io: events in, commands out. Whether an answer is one, core/decision/verdicts/held.py says; what follows a
failure, the addons. A flow without an Exchange is left to mitmproxy.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from mitmproxy import http
from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import DropStream, HttpStream, SendHttp, _events, _hooks
from mitmproxy.proxy.layers.http._events import RequestEndOfMessage, ResponseData, ResponseEndOfMessage, ResponseHeaders

from switchman.addons.core.access.admission import handshake
from switchman.addons.core.servers.deadlines import Deadlines
from switchman.addons.core.streams.pipe import Pipe
from switchman.addons.flow.exchange import Exchange, exchange
from switchman.addons.flow.refusal import refusal
from switchman.addons.memory.budget import Hold
from switchman.addons.memory.taps import tap_of
from switchman.addons.proxy import attempt as attempts
from switchman.addons.proxy import held_answer, refusing
from switchman.addons.proxy.client_connection import RefusedRequest, RoutedServer
from switchman.addons.proxy.held_answer import LARGE, Failure, HeldError, HeldStream
from switchman.addons.proxy.interruptions import Interruptions
from switchman.addons.proxy.keepalive import Pings, as_events
from switchman.addons.proxy.request_body import RequestBody
from switchman.addons.proxy.running_attempt import RunningAttempt
from switchman.addons.proxy.websockets.relay import Relay

if TYPE_CHECKING:
    from switchman.addons.proxy.failover_layer import RoutedHttpLayer

type ProtocolError = _events.RequestProtocolError | _events.ResponseProtocolError
ANSWER = (ResponseHeaders, _events.ResponseTrailers, ResponseEndOfMessage, _events.ResponseProtocolError)


class RoutedStream(HttpStream):
    """One request, its attempts, and its answer."""

    parent: RoutedHttpLayer
    held: HeldError | HeldStream | None = None
    received = 0  # bytes of the request's body
    is_blank = True  # of a whole answer nothing but white space is here
    head_fields: tuple[tuple[bytes, bytes], ...] = ()  # of the answer that has begun, as the server sent them

    def __init__(self, context: Context, stream_id: int, parent: RoutedHttpLayer) -> None:
        super().__init__(context, stream_id)
        self.parent = parent
        self.clock = parent.clock
        deadlines = self.deadlines = Deadlines()
        self.body = RequestBody(context.options.switchman_max_body_bytes)
        self.hold = Hold(parent.budget, tap_of(context.client), lambda on: deadlines.body_waits(on, parent.clock()))
        self.attempt = RunningAttempt(self, parent)
        self.pings = Pings(stream_id, context.client)
        self.interruptions = Interruptions(self)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if type(event) is ResponseData:  # by far the most frequent event, so it takes the shortest way
            attempt_id = self.attempt.id
            if event.stream_id == attempt_id or not attempt_id:
                self.deadlines.heard = self.clock()
                if (hiding := self.attempt.hiding) is not None:
                    event.data = hiding.feed(event.data)
                    if not event.data:
                        return  # all of it may be the beginning of a key
                yield from self.server_state(event)
            return
        if isinstance(event, ANSWER):
            if self.attempt.is_late(event.stream_id):
                return  # Drop late events.
            if isinstance(event, ResponseHeaders):
                self.deadlines.head_arrived(self.clock())
                self.attempt.hide_keys(event.response)
            else:
                self.deadlines.hear(self.clock())
                if (rest := self.attempt.rest_of_hidden()) and isinstance(event, ResponseEndOfMessage):
                    yield from self.server_state(ResponseData(event.stream_id, rest))
                if self.attempt.is_late(event.stream_id):
                    return  # it was given up for what was held back
            self.watch()
        elif isinstance(event, attempts.INTERRUPTIONS):
            yield from self.interruptions.begin(event)
            return
        yield from super()._handle_event(event)

    def watch(self) -> None:
        """Have the layer wake this stream in time."""
        self.parent.watch(self.deadlines.due)

    @property
    def x(self) -> Exchange | None:
        """The request's Exchange; None before its head is here, and for a flow that is left to mitmproxy."""
        return exchange(self.flow) if hasattr(self, "flow") else None

    # --- the request comes in

    def state_wait_for_request_headers(self, event: _events.RequestHeaders) -> layer.CommandGenerator[None]:
        if isinstance(event, RefusedRequest):
            self.flow = http.HTTPFlow(self.context.client, self.context.server)
            yield from refusing.record_refused(self.flow, event)
            yield from self.drop()
            return
        if not event.end_stream:
            self.deadlines.await_body(self.clock(), self.parent.body_timeout)
            self.watch()
            self.hold.expect(expected_http_body_size(event.request))
        yield from super().state_wait_for_request_headers(event)

    def check_invalid(self, request: bool) -> layer.CommandGenerator[bool]:
        if not request and exchange(self.flow) is not None:
            return False  # it was looked at before, where a bad answer is a reason for another attempt
        # A client's headers were looked at as they were read; what is left is the request line.
        if not (request and isinstance(self.parent.connections.get(self.context.client), RoutedServer)):
            return (yield from super().check_invalid(request))
        if (problem := refusing.problem_of(self.flow.request, self.mode)) is None:
            return False
        yield _hooks.HttpRequestHeadersHook(self.flow)  # the addons have not seen it yet
        yield from self.refuse(problem, 400)
        return True

    def state_consume_request_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        x = exchange(self.flow)
        if x is None:
            yield from super().state_consume_request_body(event)
        elif isinstance(event, _events.RequestData):
            self.deadlines.await_body(self.clock(), self.parent.body_timeout)
            self.received += len(event.data)
            self.deadlines.body_came(self.received, self.parent.body_rate, x.deadline)
            self.watch()
            self.hold.body_arrives(len(event.data))
            if not self.body.feed(event.data, x.body_limit):
                yield from self.refuse(self.body.problem, 413)
        elif isinstance(event, RequestEndOfMessage):
            self.deadlines.begin_request(x.started, x.deadline)
            self.flow.request.timestamp_end = time.time()
            self.flow.request.data.content = self.body.take_all()
            self.client_state = self.state_done
            self.hold.body_complete()
            yield _hooks.HttpRequestHook(self.flow)
            if (yield from self.check_killed(True)):
                return
            if not self.flow.response and x.attempt is None:  # an addon crashed; the client must not be left waiting
                self.flow.response = refusal(x, 500, refusing.CRASHED)
            yield from self.answer() if self.flow.response else self.attempt.begin(x)
        elif isinstance(event, _events.RequestTrailers):
            self.flow.request.trailers = event.trailers

    def refuse(self, message: str, status: int) -> layer.CommandGenerator[None]:
        """Answer in the middle of the request."""
        self.deadlines.clear()
        yield from refusing.refuse(self.flow, self.stream_id, message, status)
        yield from self.drop()

    def drop(self) -> layer.CommandGenerator[None]:
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        self.parent.over.append(self)
        yield DropStream(self.stream_id)

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        for event in self._paused_event_queue:
            refusing.note_malformed(self.flow, event)
        if killed := (yield from super().check_killed(emit_error_hook)):
            self.parent.over.append(self)
        elif self.client_state == self.state_wait_for_request_headers and refusing.is_over_at_head(self.flow):
            yield from self.refuse(*refusing.said(self.flow))
            return True
        return killed

    # --- an attempt goes out, its answer comes in, and goes on

    def wait_for_head(self) -> None:
        """An attempt begins: nothing of an answer is here."""
        self.response_body_buf.clear()
        self.held, self.is_blank = None, True
        self.server_state = self.state_wait_for_response_headers

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> layer.CommandGenerator[None]:
        x = exchange(self.flow)
        if x is None:
            yield from super().state_wait_for_response_headers(event)
            return
        self.attempt.head_arrived()
        response = event.response
        if problem := attempts.invalid_head(x.handshake, response):
            yield from self.attempt.fail(Failure("reset", problem))
            return
        attempt = x.attempt
        assert attempt is not None
        attempts.clean_head(response, is_call=x.call is not None)
        attempt.first_byte, attempt.status = self.clock(), response.status_code
        if response.status_code == 101:
            response.headers = http.Headers(handshake.answer(response.headers.fields))
        self.head_fields = response.headers.fields
        if response.status_code in attempt.held_statuses:
            self.held, self.server_state = HeldError(response), self.state_hold_answer
            return
        yield from super().state_wait_for_response_headers(event)

    def state_hold_answer(self, event: events.Event) -> layer.CommandGenerator[None]:
        x, ended = self.x, isinstance(event, ResponseEndOfMessage)
        data = event.data if isinstance(event, ResponseData) else b""
        if x is None or self.held is None or not (data or ended):
            return
        held = yield from self.attempt.held(x, self.held, data)
        if held.whole is not None:
            held_answer.restore_head(x, self.flow, self.head_fields)
            self.deadlines.whole_awaited(self.clock(), x.pinged)
            self.watch()
            self.server_state = self.state_consume_response_body
            yield from self.state_consume_response_body(ResponseData(self.stream_id, held.whole))
            if ended and self.server_state == self.state_consume_response_body:  # else it was too large
                yield from self.state_consume_response_body(event)
        elif held.failure is not None:
            if ended:
                self.attempt.end()
            yield from self.attempt.fail(held.failure)
        elif not held.begins:
            yield from self.pings.before_answer(x, held.chunks, self.flow.response, self.flow.request)
        else:
            yield from self._begin_stream(x)
            for chunk in held.chunks:
                yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)
            if ended:
                yield from self.state_stream_response_body(event)
            else:
                self._mind_the_end()

    def state_consume_response_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        x = self.x
        self.hold.answer_arrives(len(event.data) if isinstance(event, ResponseData) else 0)
        ends = isinstance(event, ResponseEndOfMessage) and x is not None and x.attempt is not None
        if ends and x and (yield from self.attempt.fails_by(x, self.response_body_buf)):
            return
        yield from super().state_consume_response_body(event)
        if isinstance(event, ResponseData) and self.is_blank:
            self.is_blank = not event.data.strip()
            self.deadlines.whole_came(self.clock(), self.is_blank)
            self.watch()
        most = self.hold.most_of_answer(held_answer.MAX_WHOLE_REPLY)
        if len(self.response_body_buf) <= most or self.flow.response is None:
            return
        if (failure := held_answer.oversized_failure(x, self.response_body_buf, most)) is not None:
            yield from self.attempt.fail(failure)
            return
        self.flow.response.stream = True
        body = yield from self.attempt.beside(True, held_answer.take_all, self.response_body_buf)
        self.hold.drop_answer()
        yield from self._begin_stream(x)
        yield SendHttp(ResponseData(self.stream_id, body), self.context.client)

    def start_response_stream(self) -> layer.CommandGenerator[None]:
        x, head = self.x, self.flow.response
        if x is None or x.reply is None or x.attempt is None or head is None:
            yield from self._begin_stream(x)
            return
        declared = http.Headers(self.head_fields).get("content-type", "")
        self.held, self.server_state = HeldStream(x, head, declared), self.state_hold_answer
        self.deadlines.first_event_awaited(self.clock())
        self.watch()

    def _begin_stream(self, x: Exchange | None) -> layer.CommandGenerator[None]:
        # As stock, less one log record per stream.
        assert self.flow.response
        if x is None or not x.pinged:
            yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, False), self.context.client)
        self.server_state = self.state_stream_response_body
        self.deadlines.stream_begins(self.clock())
        self.watch()

    def state_stream_response_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        # As stock for data, but without looking up an option (which copies its value) for each event of a stream.
        pipe = self.flow.response.stream if self.flow.response else None
        if type(event) is ResponseData and callable(pipe):
            if isinstance(pipe, Pipe) and not pipe.is_light(event.data):
                chunks = yield from self.attempt.through(pipe, event.data)
            else:
                chunks = cast(list[bytes], pipe(event.data))
            for chunk in chunks:
                self.deadlines.sent(self.deadlines.heard)
                yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)
            self._mind_the_end()
            return
        if isinstance(event, ResponseEndOfMessage) and isinstance(pipe, Pipe) and pipe.is_heavy(b""):
            for chunk in (yield from self.attempt.through(pipe, b"")):
                yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)
        yield from super().state_stream_response_body(event)

    def _mind_the_end(self) -> None:
        """Once the server has said its last word, the client need not wait long for the end of the body."""
        pipe = self.flow.response.stream if self.flow.response else None
        if isinstance(pipe, Pipe) and pipe.is_said and self.deadlines.phase == "rest":
            self.deadlines.last_word(self.clock())
            self.watch()

    def answer(self) -> layer.CommandGenerator[None]:
        """Send the answer that an addon has set."""
        self.deadlines.clear()
        assert self.flow.response
        self.flow.response.timestamp_start = self.flow.response.timestamp_start or time.time()
        yield _hooks.HttpResponseHeadersHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        self.flow.response.stream = False
        yield from self.send_response()

    def send_response(self, already_streamed: bool = False) -> layer.CommandGenerator[None]:
        x = self.x
        if already_streamed or x is None or not x.pinged:
            yield from super().send_response(already_streamed)
            return
        # As stock, for a client that has the head of a stream: the answer is told within it.
        assert self.flow.response
        self.flow.response.timestamp_end = time.time()
        yield _hooks.HttpResponseHook(self.flow)
        self.server_state = self.state_done
        if (yield from self.check_killed(False)):
            return
        is_large = len(self.flow.response.raw_content or b"") > LARGE
        told = yield from self.attempt.beside(is_large, as_events, x, self.flow.response)
        yield SendHttp(ResponseData(self.stream_id, told), self.context.client)
        if self.client_state == self.state_done:
            yield from self.flow_done()

    def flow_done(self) -> layer.CommandGenerator[None]:
        self.deadlines.clear()
        if self.flow.response is None or self.flow.response.status_code != 101:
            self.attempt.end()
            self.parent.over.append(self)
        elif self.x is not None:
            # As stock, with a layer that keeps nothing, and never one for raw bytes.
            self.child_layer = Relay(self.context, self.flow, self.clock)
            self._handle_event = self.passthrough  # type: ignore[method-assign]
            yield from self.child_layer.handle_event(events.Start())
            yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
            return
        yield from super().flow_done()

    def let_go(self) -> None:
        """The request is over: hold nothing of it. The stream itself stays until Python looks for circles."""
        self.hold.release()
        self.body.take_all()
        if self._paused is None and self.child_layer is None:
            self.held = None
            self.request_body_buf.clear()
            self.response_body_buf.clear()
            self.__dict__.pop("flow", None)

    # --- something went wrong

    @property
    def is_unsent(self) -> bool:
        """Is an attempt under way of which the client has nothing yet?"""
        return self.server_state in (
            self.state_wait_for_response_headers,
            self.state_hold_answer,
            self.state_consume_response_body,
        )

    def handle_protocol_error(self, event: ProtocolError) -> layer.CommandGenerator[None]:
        is_known = yield from self.interruptions.side_fails(event)
        if not is_known and hasattr(self, "flow"):  # else it is over, or has never begun
            yield from super().handle_protocol_error(event)
            self.parent.over.append(self)
