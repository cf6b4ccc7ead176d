"""Requests that are refused before they are complete: what the flow says of them, and the client hears."""

from __future__ import annotations

import pytest
from mitmproxy import http
from mitmproxy.proxy.commands import StartHook
from mitmproxy.proxy.layers.http import HTTPMode, SendHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestProtocolError
from mitmproxy.test import tflow

from switchman.addons.flow.exchange import Exchange, begin
from switchman.addons.proxy.client_connection import MalformedRequest, Refusal, RefusedRequest
from switchman.addons.proxy.refusing import (
    NO_TUNNEL,
    SHORT,
    is_over_at_head,
    note_malformed,
    problem_of,
    record_refused,
    refuse,
    said,
)


@pytest.fixture
def x() -> Exchange:
    return Exchange("x", 0.0, 0.0, "")


@pytest.fixture
def flow(x: Exchange) -> http.HTTPFlow:
    flow = tflow.tflow()
    begin(flow, x)
    return flow


def test_a_refusal_is_heard_by_the_addons_and_then_sent(flow: http.HTTPFlow, x: Exchange) -> None:
    """With the status, and the message."""
    hook, sent = refuse(flow, 7, "too slow", 408)
    assert isinstance(hook, StartHook) and hook.name == "error" and flow.error is not None
    assert (x.outcome, x.status, x.error, flow.error.msg) == ("refused", 408, "too slow", "too slow")
    assert isinstance(sent, SendHttp) and isinstance(sent.event, Refusal) and sent.connection is flow.client_conn
    assert (sent.event.stream_id, sent.event.status, sent.event.message) == (7, 408, "too slow")


def test_a_refusal_that_was_sent_is_recorded(flow: http.HTTPFlow, x: Exchange) -> None:
    """Its request as far as it was read."""
    request = http.Request.make("GET", "http://a/")
    hooks = list(record_refused(flow, RefusedRequest(1, request, False, message="no", status=431)))
    assert [hook.name for hook in hooks] == ["requestheaders", "error"] and flow.request is request
    assert (x.outcome, x.status, x.error) == ("refused", 431, "no")


def test_a_flow_that_is_not_ours_is_refused_too() -> None:
    """There is nothing to write it down in."""
    assert len(list(refuse(tflow.tflow(), 1, "no", 400))) == 2


def test_a_malformed_request_is_told_from_a_client_that_left(flow: http.HTTPFlow, x: Exchange) -> None:
    """Both come as a protocol error."""
    note_malformed(flow, RequestProtocolError(1, "left", ErrorCode.CLIENT_DISCONNECTED))
    assert x.outcome is None
    note_malformed(flow, MalformedRequest(1, "bad", ErrorCode.GENERIC_CLIENT_ERROR))
    assert (x.outcome, x.status, x.error) == ("refused", 400, "bad")


def test_a_request_line_shows_whom_it_is_meant_for() -> None:
    """A tunnel, and an address, are for a forward proxy."""
    assert problem_of(http.Request.make("GET", "http://a/"), HTTPMode.transparent) is None
    connect = http.Request("a", 443, b"CONNECT", b"", b"a:443", b"", b"HTTP/1.1", http.Headers(), b"", None, 0, 0)
    assert problem_of(connect, HTTPMode.transparent) == NO_TUNNEL


@pytest.mark.parametrize(
    ("headers", "over"),
    [
        ({}, False),
        ({"content-length": "0"}, False),
        ({"content-length": str(SHORT)}, False),
        ({"content-length": str(SHORT + 1)}, True),
        ({"transfer-encoding": "chunked"}, True),
        ({"content-length": "1", "expect": "100-continue"}, True),
    ],
)
def test_an_answer_by_the_head_alone(headers: dict[str, str], over: bool, flow: http.HTTPFlow, x: Exchange) -> None:
    """A long body is not read; after a short one the connection goes on. Its fields go with it, but for the framing."""
    flow.request = http.Request.make("POST", "http://a/", b"", {})
    flow.request.headers.pop("content-length", None)
    flow.request.headers.update(headers)
    assert not is_over_at_head(flow)
    fields = {"content-type": "application/json", "content-length": "9", "www-authenticate": "Bearer"}
    flow.response, x.error = http.Response.make(401, b"x", fields), "who?"
    assert is_over_at_head(flow) is over and said(flow) == ("who?", 401)
    _, sent = refuse(flow, 1, *said(flow))
    assert isinstance(sent, SendHttp) and isinstance(sent.event, Refusal)
    assert sent.event.fields == ((b"www-authenticate", b"Bearer"),)
