"""The stream of our HTTP layer, with pings for a client whose answer is silent, or has not begun."""

from __future__ import annotations

import time

from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseHeaders
from mitmproxy.proxy.layers.http._hooks import HttpResponseHook

from switchman.addons.exchange import Exchange
from switchman.addons.keepalive import as_events, early_head, ping_of
from switchman.addons.routed_stream import RoutedStream


class PingingStream(RoutedStream):
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
        streaming = self.server_state == self.state_stream_response_body
        ping = ping_of(x)
        if streaming:
            pings = x.pipe.aside(ping) if x.pipe is not None else []
        else:
            pings = [ping]
            if not x.pinged:
                x.pinged = True
                head = early_head(x, self.flow.request)
                yield SendHttp(ResponseHeaders(self.stream_id, head, False), self.context.client)
        for chunk in pings:
            yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)
