"""Requests that are refused for their form, before they are complete: what goes to the client, and to the addons."""

from __future__ import annotations

from typing import Final

from mitmproxy import flow, http
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


def refuse(refused: http.HTTPFlow, stream_id: int, message: str, status: int) -> layer.CommandGenerator[None]:
    """Answer in the middle of the request: its connection cannot be used any further."""
    refused.error = flow.Error(message)
    note_refusal(refused, message, status)
    yield HttpErrorHook(refused)
    refusal = Refusal(stream_id, message, ErrorCode.GENERIC_CLIENT_ERROR, status)
    yield SendHttp(refusal, refused.client_conn)


def note_malformed(refused: http.HTTPFlow, event: events.Event) -> None:
    """Write down that a request was refused for its form; its client did not just leave."""
    if isinstance(event, MalformedRequest):
        note_refusal(refused, event.message, event.status)


def note_refusal(refused: http.HTTPFlow, message: str, status: int) -> None:
    """Write what the client was told, where no response of the flow says it."""
    if (x := exchange(refused)) is not None:
        x.outcome, x.error, x.status = "refused", message, status
