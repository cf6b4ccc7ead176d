"""The upstream's side of an HTTP/1 connection, where mitmproxy's own falls short.

1. It knows no trailers: it raises NotImplementedError in the middle of a message that has some. A recipient may discard
   them (RFC 9110, section 6.5.1), and so they are dropped, here and for the client's side.
2. It takes an interim answer (100, 102, 103) for the answer. A proxy may discard those that it did not ask for
   (RFC 9110, section 15.2).
"""

from __future__ import annotations

import re
from typing import Any

import h11
from h11._readers import ChunkedReader
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import HttpClient
from mitmproxy.proxy.layers.http._http1 import Http1Client

INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)")  # 101 is final: it switches protocols


class WithoutTrailers:
    """A chunked body's reader, as mitmproxy calls it, whose end never has headers."""

    def __init__(self, reader: ChunkedReader) -> None:
        self._reader = reader

    def __call__(self, buffer: Any) -> Any:
        event = self._reader(buffer)
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) and event.headers else event

    def read_eof(self) -> None:
        self._reader.read_eof()


class RoutedClient(Http1Client):
    """A connection to an upstream that may send interim answers and trailers."""

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and self.request:
            while INTERIM.match(bytes(self.buf)):
                if not self.buf.maybe_extract_lines():
                    return  # not all of it is here
            if not self.buf:
                return
        yield from super().read_headers(event)

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(self.body_reader, ChunkedReader):
            self.body_reader = WithoutTrailers(self.body_reader)  # type: ignore[assignment]
        yield from super().read_body(event)


def take_over(handler: layer.Layer) -> layer.CommandGenerator[None]:
    """Put a RoutedClient in the place of the Http1Client that a new connection's `handler` has at its end.

    To be called before the first request goes out on it; HTTP/2 connections are left as they are.
    """
    end: Any = handler
    while end is not None and not isinstance(end, HttpClient):
        end = getattr(end, "child_layer", None)
    if end is None or type(end.child_layer) is not Http1Client:
        return
    ours = RoutedClient(end.context)
    end.child_layer = ours
    end._handle_event = ours.handle_event
    yield from ours.handle_event(events.Start())
