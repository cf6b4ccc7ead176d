"""The stream of our HTTP layer, while nothing of an answer has gone to the client: is it one?

1. The head of a stream is held back until its first event is here. An error in its place, or an end, or silence past
   the first-byte deadline, lets another server be asked. Comments and pings before it go on at once, under the head,
   as the router's own pings would.
2. A whole answer is looked at for an error that comes with a good status.
"""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from math import inf
from typing import Final

from mitmproxy import http
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseEndOfMessage, ResponseHeaders

from switchman.addons.core.dialects.errors import decode_failure, failure_in
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.flow.exchange import Exchange
from switchman.addons.proxy.keepalive import ping_of
from switchman.addons.proxy.routed_stream import RoutedStream

# An error object is smaller than this; a larger answer is not looked at.
MAX_ERROR = 64 * 1024  # bytes

TEXT: Final = ("chat", "completion", "responses")


class HeldStream(RoutedStream):
    """What turns out to be no answer before the client has any of it."""

    def start_response_stream(self) -> layer.CommandGenerator[None]:
        x = self._exchange_or_none()
        if x is None or x.reply is None or x.attempt is None:
            yield from super().start_response_stream()
            return
        self.server_state = self.state_await_first_event
        self.ping_at = time.monotonic() + self.ping_after
        # Until then it is the first-byte deadline that holds, whatever else comes.
        self.idle, self.last = inf, min(self.last, self.first_due)
        self._wake_in(self.idle)

    def state_await_first_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        x = self._exchange_or_none()
        assert x is not None and x.reply is not None and x.pipe is not None and x.attempt is not None
        ended = isinstance(event, ResponseEndOfMessage)
        if not ended and not isinstance(event, ResponseData):
            return
        chunks = x.pipe(event.data if isinstance(event, ResponseData) else b"")
        retry_statuses = x.attempt.retry_statuses
        if x.reply.refused and x.reply.failure is not None:
            failed = decode_failure(x.reply.failure)
            if failed.status in retry_statuses:
                yield from self.abandon()
                yield from self._refused(x, failed)
                return
        elif ended and not x.reply.begun and retry_statuses:
            self._attempt_over()
            yield from self.fail("reset", "the server's stream ended before its first event")
            return
        elif not ended and not x.reply.begun and (not chunks or ping_of(x)):
            yield from self.send_pings(x, chunks)
            return
        self.idle = x.attempt.candidate.server.timeout.idle
        self.last = self.end_of(x)
        yield from super().start_response_stream()
        for chunk in chunks:
            yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)
        if ended:
            yield from self.state_stream_response_body(event)

    def send_pings(self, x: Exchange, pings: list[bytes]) -> layer.CommandGenerator[None]:
        """Send what is no answer, under a head that says that one is coming; another server may still give it."""
        if pings and not x.pinged:
            x.pinged = True
            yield SendHttp(ResponseHeaders(self.stream_id, self.head_for_pings(x), False), self.context.client)
        for ping in pings:
            yield SendHttp(ResponseData(self.stream_id, ping), self.context.client)

    @abstractmethod
    def head_for_pings(self, x: Exchange) -> http.Response:
        """The head of a stream whose first event is still to come."""

    def state_consume_response_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        x = self._exchange_or_none()
        if isinstance(event, ResponseEndOfMessage) and x is not None and x.attempt is not None:
            if not self.response_body_buf and x.attempt.retry_statuses and self._wants_text(x):
                self._attempt_over()
                yield from self.fail("reset", "the server's answer is empty")
                return
            x.failed = self._failed_whole(x)
            if x.failed is not None and x.failed.status in x.attempt.retry_statuses:
                self._attempt_over()
                yield from self._refused(x, x.failed)
                return
        yield from super().state_consume_response_body(event)

    def _wants_text(self, x: Exchange) -> bool:
        good = self.flow.response is not None and self.flow.response.status_code < 300
        return good and x.call is not None and x.call.endpoint.operation in TEXT

    def _failed_whole(self, x: Exchange) -> Failed | None:
        """The error that a whole answer is in spite of its status."""
        response = self.flow.response
        if x.call is None or response is None or response.status_code >= 400 or len(self.response_body_buf) > MAX_ERROR:
            return None
        body = bytes(self.response_body_buf)
        if b'"error"' not in body:
            return None
        try:
            obj = json.loads(body)
        except (ValueError, RecursionError):
            return None
        return failure_in(obj) if isinstance(obj, dict) else None

    def _refused(self, x: Exchange, failed: Failed) -> layer.CommandGenerator[None]:
        head, x.failed = self.flow.response, None
        message = f"status {x.attempt.status if x.attempt else 200} with an error for an answer: {failed.message}"
        yield from self.fail("error", message, head, failed=failed)

    def unsent(self) -> bool:
        return super().unsent() or self.server_state == self.state_await_first_event
