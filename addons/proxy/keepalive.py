"""Keep-alive: what a client is sent while a stream is silent, so that nothing on the way gives the connection up.

An SSE client gets a comment (OpenAI) or a ping event (Anthropic); Ollama's lines have no place for either, and whole
answers are never touched. core/servers/deadlines.py says when pings are due; here is which bytes they are, and how they
go out.

Where pings begin before the answer has (`keepalive.before_answer`), the status 200 goes out with the first of them.
Another server can still be tried, as only pings were sent; an answer that then is an error is told as an event.
"""

from __future__ import annotations

import time
from typing import Final

from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseHeaders

from switchman.addons.core.dialects import framing_of, stream_error
from switchman.addons.core.dialects.codecs import CODECS, FORMATS
from switchman.addons.core.dialects.errors import decode_error
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.translate import as_stream
from switchman.addons.core.request.call import GENERATING, DialectName
from switchman.addons.core.texts.unicode import read_json
from switchman.addons.flow.exchange import Exchange
from switchman.addons.flow.labels import label, make_open_ended

# A comment is what the specification of server-sent events names for this: https://html.spec.whatwg.org, section 9.2.7.
# Anthropic documents its own: https://docs.anthropic.com/en/docs/build-with-claude/streaming#ping-events
PINGS: Final[dict[DialectName, bytes]] = {
    "openai": b": ping\n\n",
    "anthropic": b'event: ping\ndata: {"type": "ping"}\n\n',
}


def ping_of(x: Exchange) -> bytes:
    """The ping that this client understands; b"" for one that waits for no stream, or has no form for it."""
    if x.call is None or not x.call.stream or x.call.endpoint.operation not in GENERATING:
        return b""
    return PINGS.get(x.call.dialect, b"")


class Pings:
    """Send pings to a waiting client. `x.pinged`: its head has gone out."""

    def __init__(self, stream_id: int, client: Connection) -> None:
        self._stream_id = stream_id
        self._client = client

    def before_answer(
        self, x: Exchange, pings: list[bytes], head: http.Response | None, request: http.Request
    ) -> layer.CommandGenerator[None]:
        """Send pings under a head that says that an answer is coming; any server may still give it.

        `head`: that of the stream whose first event is awaited; None where no server has begun one.
        """
        if pings and not x.pinged:
            x.pinged = True
            head = head or early_head(x, request)
            yield SendHttp(ResponseHeaders(self._stream_id, head, False), self._client)
        for ping in pings:
            yield SendHttp(ResponseData(self._stream_id, ping), self._client)

    def within_stream(self, x: Exchange) -> layer.CommandGenerator[None]:
        """Send a ping between two events of a stream; nothing in the middle of one."""
        for ping in x.pipe.aside(ping_of(x)) if x.pipe is not None else ():
            yield SendHttp(ResponseData(self._stream_id, ping), self._client)


def early_head(x: Exchange, request: http.Request) -> http.Response:
    """The head of a stream whose answer is still to come."""
    head = http.Response.make(200, b"", {"content-type": "text/event-stream; charset=utf-8"})
    head.timestamp_start = time.time()
    make_open_ended(head)
    label(head, x, request)
    return head


def as_events(x: Exchange, response: http.Response) -> bytes:
    """A whole answer for a client that already has the head of a stream: the stream it is, or an error event."""
    assert x.call is not None
    content = response.get_content(strict=False) or b""
    status = response.status_code
    if status < 400 and framing_of(response.headers.get("content-type", "")) == "sse":
        return content
    if status < 400:
        if (stream := _told(x, content)) is not None:
            return stream
        status, message = 502, "The server answered in one piece, although a stream was asked for."
    else:
        message = decode_error(status, content).message
    return stream_error(x.call.endpoint, status, message)


def _told(x: Exchange, content: bytes) -> bytes | None:
    """A whole answer in the client's own dialect, as the stream that the client waits for; None if it is none."""
    assert x.call is not None
    format = FORMATS[x.call.dialect, x.call.endpoint.operation]  # who is pinged waits for one that there is
    try:
        obj = read_json(content)
        reply = CODECS[format].decode_reply(obj) if isinstance(obj, dict) and not obj.get("error") else None
    except (ValueError, RecursionError):
        return None
    if reply is None or not any(choice.parts for choice in reply.choices):
        return None
    return as_stream(reply, format, Stamp(x.id, x.started_at, x.call.model, x.call.wants_usage))
