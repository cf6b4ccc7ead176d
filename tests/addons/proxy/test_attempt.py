"""How failures are read: of connecting, of a connection that broke, of an invalid head."""

from __future__ import annotations

import pytest
from mitmproxy import http

from switchman.addons.core.access.admission.handshake import Handshake
from switchman.addons.core.servers.deadlines import not_connected
from switchman.addons.proxy.attempt import answer_begun, classify_connect_error, invalid_head


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (not_connected(2.0), "timeout"),
        ("[Errno 110] Connection timed out", "connect"),
        ("[Errno 111] Connection refused", "connect"),
        ("[Errno -2] Name or service not known", "dns"),
        ("[Errno 8] nodename nor servname provided, or not known", "dns"),
        ("[Errno -3] Temporary failure in name resolution", "dns"),
        ("[Errno -5] No address associated with hostname", "dns"),
        ("Certificate verify failed: self-signed certificate", "tls"),
        ("The remote server does not speak TLS.", "tls"),
    ],
)
def test_a_message_tells_the_kind_of_failure(message: str, kind: str) -> None:
    """Our own deadline is a timeout; what the operating system gives up is no connection."""
    assert classify_connect_error(message) == kind


def test_the_first_byte_tells_a_broken_answer_from_a_closed_connection() -> None:
    """In mitmproxy's words; test_running_attempt.py has them from mitmproxy itself."""
    assert answer_begun("unexpected server response: b'HTTP'")
    assert not answer_begun("server closed connection")


def head(status: int = 200, **fields: str) -> http.Response:
    return http.Response.make(status, b"", http.Headers([(k.encode(), v.encode()) for k, v in fields.items()]))


# RFC 6455 section 1.3
WEBSOCKET = Handshake("dGhlIHNhbXBsZSBub25jZQ==")
SWITCHED = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}


@pytest.mark.parametrize(
    ("asked", "response", "words"),
    [
        (None, head(), None),
        (WEBSOCKET, head(), None),
        (WEBSOCKET, head(101, **SWITCHED), None),
        (WEBSOCKET, head(101), "another protocol than WebSocket"),
        (WEBSOCKET, head(101, **SWITCHED | {"x": "a\0b"}), "a line break or NUL in 'x'"),
        (None, head(101, **SWITCHED), "has the status 101"),
        (None, head(102), "has the status 102"),
        (WEBSOCKET, head(102), "has the status 102"),
        (None, head(x="a\0b"), "a line break or NUL in 'x'"),
        (None, head(x="a\nb"), "a line break or NUL in 'x'"),
        (None, head(x="a\rb"), "a line break or NUL in 'x'"),
    ],
)
def test_a_head_that_cannot_be_relayed_has_a_reason(
    asked: Handshake | None, response: http.Response, words: str | None
) -> None:
    """Headers that would smuggle an answer, and statuses that nobody asked for."""
    problem = invalid_head(asked, response)
    assert (problem is None) if words is None else (problem is not None and words in problem)


def test_two_lengths_are_invalid() -> None:
    """Two recipients would see two bodies."""
    response = head()
    response.headers.fields = ((b"content-length", b"1"), (b"content-length", b"2"))
    assert invalid_head(None, response) is not None
