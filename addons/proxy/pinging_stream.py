"""The stream of our HTTP layer, with what the router says on its own account: pings, and that it stops."""

from __future__ import annotations

import time

from mitmproxy import http
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._events import ResponseData
from mitmproxy.proxy.layers.http._hooks import HttpResponseHook

from switchman.addons.flow.exchange import Exchange
from switchman.addons.proxy.held_stream import HeldStream
from switchman.addons.proxy.keepalive import as_events, early_head, ping_of

STOPPED = "The router was stopped before the answer was complete."


class PingingStream(HeldStream):
    """What is sent on the router's own account. RoutedStream says when, keepalive.py what."""

    def send_response(self, already_streamed: bool = False) -> layer.CommandGenerator[None]:
        x = self._exchange_or_none()
        if already_streamed or x is None or not x.pinged:
            yield from super().send_response(already_streamed)
            return
        # As stock, for a client that has the head of a stream: the answer is told within it.
        assert self.flow.response
        self.flow.response.timestamp_end = time.time()
        yield HttpResponseHook(self.flow)
        self.server_state = self.state_done
        if (yield from self.check_killed(False)):
            return
        yield SendHttp(ResponseData(self.stream_id, as_events(x, self.flow.response)), self.context.client)
        if self.client_state == self.state_done:
            yield from self.flow_done()

    def ping(self, x: Exchange) -> layer.CommandGenerator[None]:
        """The client has heard nothing for long, and the server's time is not over: tell it that all is well."""
        if self.server_state != self.state_stream_response_body:
            yield from self.send_pings(x, [ping_of(x)])
        elif x.pipe is not None:
            for chunk in x.pipe.aside(ping_of(x)):
                yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)

    def stop(self) -> layer.CommandGenerator[None]:
        """The router stops: end this request with words for its client."""
        if self.client_state == self.state_consume_request_body:
            yield from self._refuse_connection(STOPPED, 503)
        elif self.server_state == self.state_stream_response_body:
            yield from self.abandon()
            yield from self.break_off(STOPPED, "cancelled")
        elif self.unsent() and self._exchange_or_none() is not None:
            yield from self.abandon()
            yield from self.fail("cancelled", STOPPED)

    def head_for_pings(self, x: Exchange) -> http.Response:
        """Its own, where the answer has one already."""
        waiting = self.server_state == self.state_await_first_event
        return self.flow.response if waiting and self.flow.response else early_head(x, self.flow.request)
