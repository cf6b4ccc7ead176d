"""Requests that are refused for their form, before they are complete: what goes to the client, and to the addons."""

from __future__ import annotations

from typing import Final

from mitmproxy import flow, http
from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import HTTPMode, SendHttp, validate_request
from mitmproxy.proxy.layers.http._events import ErrorCode
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpRequestHeadersHook

from switchman.addons.flow.exchange import exchange
from switchman.addons.proxy.client_connection import MalformedRequest, Refusal, RefusedRequest

NO_TUNNEL: Final = (
    "This port is no forward proxy: give the client this address as its base URL, or send it through "
    "`mitmdump -s addons/pipeline.py`, which is one."
)
CRASHED: Final = "The router failed at this request; its own log says why."

SHORT: Final = 65_536  # bytes of a body that is read to its end although its request is refused
FRAMING: Final = frozenset({b"content-type", b"content-length", b"connection"})  # of an answer, which is made anew


def problem_of(request: http.Request, mode: HTTPMode) -> str | None:
    """Why a request cannot be meant for us, as its first line shows; None where it can."""
    problem = validate_request(mode, request, False)
    return NO_TUNNEL if problem is not None and request.method == "CONNECT" else problem


def record_refused(refused: http.HTTPFlow, event: RefusedRequest) -> layer.CommandGenerator[None]:
    """Let the addons hear of a request whose client has its answer already."""
    refused.request = event.request
    yield HttpRequestHeadersHook(refused)
    note_refusal(refused, event.message, event.status)
    refused.error = flow.Error(event.message)
    yield HttpErrorHook(refused)


def is_over_at_head(refused: http.HTTPFlow) -> bool:
    """Whether the addons have answered by the head alone, and the body is better not read: it is long, of no known
    length, or waits for a word of ours. With a short one the connection stays good.
    """
    if refused.response is None:
        return False
    expected = expected_http_body_size(refused.request)
    return expected is None or expected > SHORT or (expected > 0 and "expect" in refused.request.headers)


def said(refused: http.HTTPFlow) -> tuple[str, int]:
    """What the addons have answered, and its status."""
    x, response = exchange(refused), refused.response
    return (x.error or "" if x else ""), response.status_code if response else 400


def refuse(refused: http.HTTPFlow, stream_id: int, message: str, status: int) -> layer.CommandGenerator[None]:
    """Answer in the middle of the request: its connection cannot be used any further."""
    refused.error = flow.Error(message)
    note_refusal(refused, message, status)
    yield HttpErrorHook(refused)
    fields = refused.response.headers.fields if refused.response else ()
    more = tuple((name, value) for name, value in fields if name.lower() not in FRAMING)
    refusal = Refusal(stream_id, message, ErrorCode.GENERIC_CLIENT_ERROR, status, more)
    yield SendHttp(refusal, refused.client_conn)


def note_malformed(refused: http.HTTPFlow, event: events.Event) -> None:
    """Write down that a request was refused for its form; its client did not just leave."""
    if isinstance(event, MalformedRequest):
        note_refusal(refused, event.message, event.status)


def note_refusal(refused: http.HTTPFlow, message: str, status: int) -> None:
    """Write what the client was told, where no response of the flow says it."""
    if (x := exchange(refused)) is not None:
        x.outcome, x.error, x.status = "refused", message, status
