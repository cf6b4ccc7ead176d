"""The attempt that is under way: its connection, its way to the server, and what the addons make of its failure.

1. Each attempt goes out under its own id, registered in the layer's `streams`. A late event of an attempt that was
   given up carries an id nobody listens to, and is dropped.
2. An attempt that fails before the client has a part of its answer is over; `upstream_failed` names the next one, or
   the final answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, cast

from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
)
from mitmproxy.proxy.utils import ReceiveBuffer

from switchman.addons.core.keys.hiding import Hiding
from switchman.addons.core.servers.reaching.reach import Proxy, Reach
from switchman.addons.core.servers.retry import FailureKind
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.streams.pipe import Pipe
from switchman.addons.flow.exchange import Exchange, exchange
from switchman.addons.flow.refusal import refusal
from switchman.addons.memory.taps import tap_of
from switchman.addons.proxy.attempt import (
    Connect,
    LongStep,
    LongStepHook,
    UpstreamFailedHook,
    UpstreamFailure,
    answer_begun,
    classify_connect_error,
)
from switchman.addons.proxy.dialing import socket_of
from switchman.addons.proxy.held_answer import LARGE, Failure, Held, HeldError, HeldStream, whole_failure
from switchman.addons.proxy.keepalive import ping_of

if TYPE_CHECKING:
    from switchman.addons.proxy.failover_layer import RoutedHttpLayer
    from switchman.addons.proxy.stream import RoutedStream

NONE = 0  # none has begun
OVER = -1


class RunningAttempt:
    """Sends one request, several times if need be.

    Of its stream it uses the flow, the deadlines and the clock, and tells it what to wait for: `wait_for_head()`, or
    `answer()` where `flow.response` is set.
    """

    def __init__(self, stream: RoutedStream, parent: RoutedHttpLayer) -> None:
        self.id = NONE
        self._stream = stream
        self._layer = parent
        self._connection: Connection | None = None
        self._reuses = False  # had the connection brought an answer before, to another request?
        self.hiding: Hiding | None = None  # takes our keys out of the body of its answer; None: nothing is looked for

    def hide_keys(self, head: http.Response) -> None:
        """Take our keys out of the head of an answer, and look for them in its body."""
        self.hiding, x = None, self._stream.x
        if x is not None and x.attempt is not None:
            x.attempt.location = head.headers.get("location")
        if x is not None and (keys := self._layer.keys()):
            head.headers.fields = keys.hide_fields(head.headers.fields)
            head.data.reason = keys.hide(head.data.reason)
            self.hiding = Hiding(keys) if head.status_code != 101 else None

    def rest_of_hidden(self) -> bytes:
        """The answer ends: what was held back of it."""
        hiding, self.hiding = self.hiding, None
        return hiding.end() if hiding is not None else b""

    def is_late(self, stream_id: int) -> bool:
        """Is an event with this id one of an attempt that was given up?"""
        return self.id != NONE and stream_id != self.id

    def begin(self, x: Exchange, fresh: bool = False) -> layer.CommandGenerator[None]:
        """Send `flow.request`, as the addons made it for the attempt; on a connection of its own, if it is `fresh`."""
        stream = self._stream
        attempt = x.attempt
        assert attempt is not None
        request, server, now = stream.flow.request, attempt.candidate.server, stream.clock()
        ping_after = server.keepalive.after if server.keepalive.after and ping_of(x) else inf
        early = server.keepalive.before_answer or x.pinged
        self._connection = None
        stream.deadlines.begin_attempt(now, attempt.started, server.timeout, ping_after, early)
        stream.wait_for_head()
        connection, err = yield Connect(
            (request.host, request.port),
            request.scheme == "https",
            None,  # what `reach` says takes its place
            "tcp",
            timeout=stream.deadlines.connect_left(now),
            fresh=fresh,
            reach=self._reach(server),
        )
        if (yield from stream.check_killed(True)):
            return
        if err:
            yield from self.fail(Failure(classify_connect_error(err), err))
            return
        stream.context.server = stream.flow.server_conn = connection
        attempt.connected, attempt.reused = stream.clock(), connection in self._layer.used
        if (yield from self._send(request, connection, upgrades=x.handshake is not None)):
            stream.deadlines.await_answer(stream.clock())
            stream.watch()

    def _reach(self, server: Server) -> Reach:
        """The server's own; `mitmdump --mode upstream:...` names the proxy of those that have none."""
        via = self._layer.context.server.via
        if via is None or server.reach.proxy is not None:
            return server.reach
        return replace(server.reach, proxy=Proxy(via[0], via[1][0], via[1][1]))

    def _send(self, request: http.Request, connection: Connection, *, upgrades: bool) -> layer.CommandGenerator[bool]:
        """Send the request. False where that failed at once, and the stream has dealt with it."""
        self._connection = connection
        self._reuses = connection in self._layer.used
        # An upgraded connection (WebSocket) addresses its stream by the client's id, and has no second attempt.
        self.id = number = self._stream.stream_id if upgrades else next(self._layer.attempt_ids)
        self._layer.streams[number] = self._stream
        content = request.raw_content
        yield SendHttp(RequestHeaders(number, request, not (content or request.trailers)), connection)
        if content:
            yield SendHttp(RequestData(number, content), connection)
        if request.trailers:
            yield SendHttp(RequestTrailers(number, request.trailers), connection)
        yield SendHttp(RequestEndOfMessage(number), connection)
        return self.id == number

    def through(self, pipe: Pipe, data: bytes) -> layer.CommandGenerator[list[bytes]]:
        """What the pipe makes of `data`, which is not small; off the event loop where that takes long."""
        chunks: list[bytes] = yield from self.beside(pipe.is_heavy(data), pipe, data)
        self._stream.hold.buffers(pipe.held)
        return chunks

    def held(self, x: Exchange, held: HeldError | HeldStream, data: bytes) -> layer.CommandGenerator[Held]:
        """What comes of `data`, the next piece of an answer that is held back; as through()."""
        found: Held = yield from self.beside(held.is_heavy(data), held.feed, data)
        waits = x.pipe is not None and not found.begins and found.whole is None
        self._stream.hold.buffers(x.pipe.held if waits and x.pipe is not None else 0)
        return found

    def beside[T](self, is_long: bool, function: Callable[..., T], *args: object) -> layer.CommandGenerator[T]:
        """`function(*args)`; where that takes long, off the event loop. Nothing more is read of the answer meanwhile;
        what came of it, or of the client, is seen to afterwards, in its order. That time is no silence of the server's.
        """
        if not is_long:
            return function(*args)
        step, connection = LongStep(function, args), self._connection
        tap = tap_of(socket_of(connection)) if connection is not None else None
        if tap is not None:
            tap.shut("beside")
        yield LongStepHook(step)
        if tap is not None:
            tap.open("beside")
        self._stream.deadlines.hear(self._stream.clock())
        if not step.is_done:  # the addon crashed, or there is none: better late than never
            step.do()
        return cast("T", step.result)

    def fails_by(self, x: Exchange, body: ReceiveBuffer) -> layer.CommandGenerator[bool]:
        """Judge its whole answer. True: it is none, and what follows has been seen to."""
        is_long = len(body) > LARGE
        failure = yield from self.beside(is_long, whole_failure, x, self._stream.flow.response, body)
        if failure is None:
            return False
        self.end()
        yield from self.fail(failure)
        return True

    def head_arrived(self) -> None:
        """Mark its connection as used: from now on the server may close it while it is idle."""
        if self._connection is not None:
            self._layer.used.add(self._connection)
        self._reuses = False

    def end(self) -> None:
        """Drop late events, and wait for nothing. The connection is left as it is."""
        self._stream.deadlines.clear()
        self._connection = None
        if self.id != NONE:
            if self.id != self._stream.stream_id:
                self._layer.streams.pop(self.id, None)
            self.id = OVER

    def abandon(self) -> layer.CommandGenerator[None]:
        """Close its connection, where its answer is not complete, and drop late events."""
        number, connection = self.id, self._connection
        self.end()
        if connection is not None and connection in self._layer.connections:
            yield SendHttp(RequestProtocolError(number, "attempt given up", ErrorCode.CANCEL), connection)

    def broke(self, message: str) -> layer.CommandGenerator[None]:
        """Fail it: its connection broke, and the client has nothing of its answer."""
        self.end()
        yield from self.fail(Failure("reset", message), reused=self._reuses and not answer_begun(message))

    def fail(self, failure: Failure, reused: bool = False) -> layer.CommandGenerator[None]:
        """Give it up, and ask for the next attempt, or the final answer: the client has nothing yet."""
        yield from self.abandon()
        self._stream.hold.drop_answer()
        flow = self._stream.flow
        flow.response = None
        message = self._layer.keys().hide_text(failure.message)  # it may quote what the server sent
        asked = UpstreamFailure(flow, failure.kind, message, failure.response, failure.failed, reused=reused)
        yield UpstreamFailedHook(asked)
        if (yield from self._stream.check_killed(True)):
            return
        x = exchange(flow)
        assert x is not None
        if asked.retry:
            yield from self.begin(x, asked.fresh)
            return
        if flow.response is None:  # the addon crashed; the client must not be left waiting
            flow.response = refusal(x, 502, message)
        yield from self._stream.answer()

    def tail(self, message: str, kind: FailureKind) -> layer.CommandGenerator[list[bytes] | None]:
        """Give it up, and ask for the bytes that end a stream that has begun; None where it cannot end cleanly."""
        yield from self.abandon()
        asked = UpstreamFailure(self._stream.flow, kind, self._layer.keys().hide_text(message), begun=True)
        yield UpstreamFailedHook(asked)
        return asked.tail
