"""The strict HTTP proxy of the test kit."""

from __future__ import annotations

import contextlib
import gc
import socket

import httpx
import pytest

from switchman.addons.testing import FakeUpstream, HttpProxy


def raw(proxy: HttpProxy, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", proxy.port), 30) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /v1/models HTTP/1.1\r\nHost: h",
        b"GET https://h/ HTTP/1.1\r\nHost: h",
        b"GET http://h/ HTTP/1.1\r\nHost: other",
        b"GET http://h/ HTTP/1.1\r\nAccept: x",
        b"CONNECT h HTTP/1.1\r\nHost: h",
        b"CONNECT h:443 HTTP/1.1\r\nHost: h",
        b"nonsense",
    ],
)
def test_what_is_no_request_to_a_proxy_is_refused(request_head: bytes) -> None:
    """A real one would do something with some of them; here they are faults of who asks."""
    with HttpProxy() as proxy:
        assert raw(proxy, request_head + b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_server_is_reached_by_a_name_that_only_the_proxy_knows() -> None:
    """By its whole URL; what is between client and proxy stays there."""
    with FakeUpstream() as up, HttpProxy("a:b", hosts={"x.example": ("127.0.0.1", up.port)}) as proxy:
        with httpx.Client(proxy=proxy.url_with_user, trust_env=False) as client:
            for _ in range(2):
                assert client.get("http://x.example/v1/models?a=b").status_code == 200
        assert proxy.lines == ["GET http://x.example/v1/models?a=b"] * 2
        assert up.requests[0].target == "/v1/models?a=b" and up.requests[0].header("proxy-authorization") is None


def test_a_wrong_password_is_a_407_and_a_refusal_what_was_set() -> None:
    """Also a port that CONNECT may not name, and a server that is not there."""
    with HttpProxy("a:b") as proxy:
        assert raw(proxy, b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n").startswith(b"HTTP/1.1 407 ")
    with HttpProxy(answer=502) as proxy:
        assert raw(proxy, b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n").startswith(b"HTTP/1.1 502 ")
    with HttpProxy(connect_ports=frozenset({443})) as proxy:
        assert raw(proxy, b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n").startswith(b"HTTP/1.1 403 ")
        assert raw(proxy, b"CONNECT h.invalid:443 HTTP/1.1\r\nHost: h.invalid:443\r\n\r\n")[:12] == b"HTTP/1.1 502"


def test_stopping_ends_connections_that_have_just_come() -> None:
    """None is left open, to be complained of in another test."""
    for _ in range(20):
        proxy = HttpProxy().start()
        clients = [socket.create_connection(("127.0.0.1", proxy.port), timeout=30) for _ in range(5)]
        proxy.stop()
        gc.collect()  # an unclosed socket is a warning here, and so a failure
        for client in clients:
            with client, contextlib.suppress(ConnectionResetError):
                assert client.recv(1) == b""
