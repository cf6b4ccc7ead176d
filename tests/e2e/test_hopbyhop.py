"""Header fields of one connection stay on it, in both directions; told by the bytes on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.broken import says
from switchman.addons.testing.rawclient import RawClient

BODY = json.dumps({"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}).encode()
STREAMED = BODY.replace(b'"messages"', b'"stream":true,"messages"')
# Sent with each request, in odd case; whatever is not in STAYS reaches the server as it is.
FIELDS = [
    ("X-First", "1"),
    ("CONNECTION", "keep-alive, X-Secret"),
    ("X-Secret", "s"),
    ("Keep-Alive", "timeout=5"),
    ("TE", "trailers"),
    ("proxy-AUTHORIZATION", "Basic c2VjcmV0"),
    ("Proxy-Connection", "keep-alive"),
    ("Proxy-Authenticate", "Basic"),
    ("Trailer", "x-sum"),
    ("Upgrade", "IRC/6.9"),  # h2c is taken out by an addon of mitmproxy itself
    ("connection", "http2-Settings, x-OTHER"),
    ("HTTP2-Settings", "AAMAAABk"),
    ("x-other", "s"),
    ("X-Last", "2"),
]
SENT = [("content-type", "application/json"), *FIELDS]
STAYS = {name.lower() for name, _ in FIELDS} - {"x-first", "x-last"}


@pytest.fixture(scope="module")
def failing() -> Iterator[FakeUpstream]:
    with FakeUpstream(default=Behaviour(status=503)) as server:
        yield server


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream, failing: FakeUpstream) -> Iterator[Any]:
    upstream.paths["/some/where"] = Behaviour(body=b"ok", headers={"content-type": "text/plain"})
    head = b"".join(f"{name}: {value}\r\n".encode() for name, value in FIELDS)
    kind, sse = b"content-type: application/json\r\n", b"content-type: text/event-stream\r\n"
    whole = b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}'
    event = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    framed = b"content-length: %d\r\n\r\n%b"
    quiet = b"Keep-Alive: timeout=5\r\nPROXY-connection: x\r\n"
    with (
        says(b"HTTP/1.1 200 OK\r\n" + head + kind + framed % (len(whole), whole)) as odd,
        says(b"HTTP/1.1 200 OK\r\n" + head + sse + framed % (len(event), event)) as stream,
        says(b"HTTP/1.1 200 OK\r\n" + quiet + kind + framed % (len(whole), whole)) as unnamed,
    ):
        urls = {"up": upstream.url, "odd": odd, "stream": stream, "unnamed": unnamed, "bad": failing.url}
        lines = [f"  {name}: {{url: '{url}', dialect: openai}}" for name, url in urls.items()]
        lines.append("aliases: {both: {instances: [bad/m, up/m]}}")
        yield start_shared("\n".join(["servers:", *lines, ""]), {"DEFAULT_UPSTREAM": upstream.url})


def names(fields: Any) -> set[str]:
    return {name.lower() if isinstance(name, str) else name.decode().lower() for name, _ in fields}


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/chat/completions", BODY), ("/v1/chat/completions", STREAMED), ("/some/where", BODY)],
    ids=["whole", "stream", "no LLM call"],
)
def test_a_clients_own_do_not_go_upstream(path: str, body: bytes, proxy: Any, upstream: FakeUpstream) -> None:
    """Those of the standard, and what either Connection field names, in any case; all others go on."""
    with RawClient(proxy.port) as client:
        assert client.ask(path, body, headers=SENT).status == 200
    asked = upstream.requests[-1]
    assert asked.target == path
    assert not names(asked.headers) & STAYS
    assert {"x-first", "x-last", "content-type", "content-length", "host"} <= names(asked.headers)


@pytest.mark.parametrize("model", ["odd", "stream"])
def test_a_servers_own_do_not_come_to_the_client(model: str, proxy: Any) -> None:
    """The same list."""
    body = {"model": f"{model}/m", "messages": [], "stream": model == "stream"}
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions", body)
        assert (reply.status, reply.complete) == (200, True)
        assert client.ask("/v1/chat/completions", BODY).status == 200  # the connection is still there
    assert not names(reply.headers) & STAYS
    assert {"x-first", "x-last", "content-type"} <= names(reply.headers)


def test_they_do_not_come_without_a_connection_field_either(proxy: Any) -> None:
    """Some servers send Keep-Alive without one."""
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions", {"model": "unnamed/m", "messages": []})
    assert (reply.status, names(reply.headers) & STAYS) == (200, set())


def test_what_frames_a_body_goes_on_though_connection_names_it(proxy: Any, upstream: FakeUpstream) -> None:
    """Without its length the server would take the body for the next request."""
    headers = [("content-type", "application/json"), ("Connection", "Content-Length, Host")]
    with RawClient(proxy.port) as client:
        assert client.ask("/v1/chat/completions", BODY, headers=headers).status == 200
    asked = upstream.inferences[-1]
    assert (asked.body, asked.header("content-length")) == (BODY.replace(b"up/m", b"m"), str(len(BODY) - 3))


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/some/where", "/healthz"])
def test_a_client_that_asks_to_close_gets_its_connection_closed(path: str, proxy: Any, upstream: FakeUpstream) -> None:
    """Which is between it and the router: the server's connection is used again."""
    method = "GET" if path == "/healthz" else "POST"
    with RawClient(proxy.port) as client:
        body = b"" if method == "GET" else BODY
        reply = client.ask(
            path, body, method=method, headers=[("connection", "Close"), ("content-type", "application/json")]
        )
        assert (reply.status, reply.header("connection"), reply.complete) == (200, "close", True)
        assert client.ended()
    if method == "POST":
        assert upstream.requests[-1].header("connection") is None


def test_a_client_of_http_1_0_that_asks_for_it_keeps_its_connection(proxy: Any) -> None:
    """Although what it asks for does not go upstream."""
    head = (
        b"POST /v1/chat/completions HTTP/1.0\r\nhost: x\r\nConnection: keep-alive\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    with RawClient(proxy.port) as client:
        for _ in range(3):
            client.send(head % len(BODY) + BODY)
            assert client.reply().status == 200


def test_a_word_with_close_in_it_closes_nothing(proxy: Any) -> None:
    """Options are compared whole."""
    headers = [("connection", "x-enclosed"), ("content-type", "application/json")]
    with RawClient(proxy.port) as client:
        for _ in range(2):
            reply = client.ask("/v1/chat/completions", BODY, headers=headers)
            assert (reply.status, reply.header("connection")) == (200, None)


def test_a_failed_over_request_has_them_no_more(proxy: Any, upstream: FakeUpstream, failing: FakeUpstream) -> None:
    """Each attempt starts from what the client sent, and each one leaves them out."""
    with RawClient(proxy.port) as client:
        assert client.ask("/v1/chat/completions", BODY.replace(b"up/m", b"both"), headers=SENT).status == 200
    assert not (names(failing.inferences[-1].headers) | names(upstream.inferences[-1].headers)) & STAYS
