"""What a server says to those around the router, and what it frames badly, does not go on; told by the bytes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from switchman.addons.core.streams.heads import DROPPED
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.broken import says
from switchman.addons.testing.rawclient import RawClient, RawReply

WHOLE = b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}'
STREAM = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
ODD = [
    *((name.decode().title(), "1") for name in DROPPED),
    ("X-Accel-Redirect", "/internal/secret"),
    ("x-accel-buffering", "yes"),
    ("Set-Cookie", "sid=1"),
    ("SET-cookie", "a=b, Switchman_Session=x; Domain=localhost"),
    ("X-Control", "a\x01b"),
]
GONE = {name.lower() for name, _ in ODD}
HEAD = "".join(f"{name}: {value}\r\n" for name, value in ODD).encode()
JSON, SSE, HTML = b"application/json", b"text/event-stream", b"text/html"


def answer(status: bytes, kind: bytes, body: bytes, more: bytes = HEAD, framing: bytes = b"") -> bytes:
    framing = framing or b"content-length: %d\r\n" % len(body)
    return b"HTTP/1.1 %b\r\ncontent-type: %b\r\n%b%bx-last: 1\r\n\r\n%b" % (status, kind, more, framing, body)


CHUNKED = b"transfer-encoding: chunked\r\n"
LINE = b"%x\r\n%b\r\n"
SERVERS = {
    "whole": answer(b"200 Fine\rX-Injected: 1", JSON, WHOLE),
    "stream": answer("200 Schön".encode("latin-1"), SSE, LINE % (len(STREAM), STREAM) + b"0\r\n\r\n", framing=CHUNKED),
    "error": answer(b"418 \x1b[31mteapot", HTML, b"<script>alert(1)</script>"),
    "page": answer(b"200 OK", HTML, b"<p>hi</p>"),
    "empty204": b"HTTP/1.1 204 Odd\r\ncontent-length: 3\r\n\r\nbad",
    "empty304": b"HTTP/1.1 304 Odd\r\ncontent-length: 3\r\n\r\nbad",
    "badstatus": answer(b"999 OK", JSON, WHOLE),
    "folded": answer(b"200 OK", JSON, WHOLE, b"X-A: b\r\n X-B: c\r\n"),
    "lengths": answer(b"200 OK", JSON, WHOLE, b"content-length: 3\r\n"),
    "both": answer(b"200 OK", JSON, LINE % (len(WHOLE), WHOLE) + b"0\r\n\r\n", b"content-length: 3\r\n", CHUNKED),
    "identity": answer(b"200 OK", JSON, WHOLE, b"", b"transfer-encoding: identity\r\n"),
    "coded": answer(b"200 OK", JSON, WHOLE, b"", b"transfer-encoding: gzip\r\n"),
    "odd": answer(b"200 OK", JSON, WHOLE, b"X A: b\r\n"),
    "short": answer(b"200 OK", JSON, WHOLE, b"", b"content-length: 999\r\n"),
    "long": answer(b"200 OK", JSON, WHOLE, b"") + b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad",
    "barelf": answer(b"200 OK", JSON, WHOLE, b"").replace(b"\r\n", b"\n"),
    "wrongchunk": answer(b"200 OK", JSON, b"5\r\n" + WHOLE + b"\r\n0\r\n\r\n", b"", CHUNKED),
    "hugechunk": answer(b"200 OK", JSON, b"f" * 20 + b"\r\n" + WHOLE + b"\r\n0\r\n\r\n", b"", CHUNKED),
    "negchunk": answer(b"200 OK", JSON, b"-5\r\n" + WHOLE + b"\r\n0\r\n\r\n", b"", CHUNKED),
    "cutchunk": answer(b"200 OK", JSON, LINE % (len(WHOLE), WHOLE), b"", CHUNKED),
    "cutstream": answer(b"200 OK", SSE, (LINE % (len(STREAM), STREAM))[:40], b"", CHUNKED),
    "badstream": answer(b"200 OK", SSE, b"30\r\n" + STREAM + b"\r\n0\r\n\r\n", b"", CHUNKED),
}  # fmt: skip
FAILED = [
    "badstatus", "folded", "lengths", "both", "coded", "odd", "short", "wrongchunk", "hugechunk", "negchunk",
    "cutchunk",
]  # fmt: skip


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream) -> Iterator[Any]:
    with contextlib.ExitStack() as stack:
        urls = {name: stack.enter_context(says(reply)) for name, reply in SERVERS.items()} | {"up": upstream.url}
        lines = [f"  {name}: {{url: '{url}', dialect: openai}}" for name, url in urls.items()]
        yield start_shared("\n".join(["servers:", *lines, "cache: {exact: {ttl: 60}, models: ['up/*']}", ""]), {
            "DEFAULT_UPSTREAM": urls["page"],
        })  # fmt: skip


def ask(client: RawClient, server: str, stream: bool = False, path: str = "/v1/chat/completions") -> RawReply:
    body = {"model": f"{server}/m", "messages": [{"role": "user", "content": "hi"}], "stream": stream, "max_tokens": 9}
    return client.ask(path, body)


def names(reply: RawReply) -> list[str]:
    return [name.lower() for name, _ in reply.headers]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat"])
@pytest.mark.parametrize(("server", "stream"), [("whole", False), ("stream", True), ("whole", True), ("error", False)])
def test_fields_for_those_around_us_do_not_go_on(server: str, stream: bool, path: str, proxy: Any) -> None:
    """Whole and streamed, in one dialect and translated, in errors too; all others do, and a browser does not guess."""
    with RawClient(proxy.port) as client:
        reply = ask(client, server, stream, path)
    assert reply.status == (418 if server == "error" else 200) and reply.complete, reply.body
    assert not GONE.difference({"x-accel-buffering"}) & set(names(reply))
    assert reply.header("x-accel-buffering") == ("no" if stream and server == "stream" else None)
    assert reply.header("x-content-type-options") == "nosniff"
    assert reply.header("x-last") == "1" and reply.header("x-injected") is None
    assert reply.reason == {"whole": "OK", "stream": "OK", "error": "I'm a Teapot"}[server]
    if "html" in (reply.header("content-type") or ""):
        assert (reply.header("content-security-policy") or "").startswith("sandbox")


def test_a_page_that_is_passed_through_may_set_its_own_cookies_only(proxy: Any) -> None:
    """It is the server's own page, with scripts of its own."""
    with RawClient(proxy.port) as client:
        reply = client.ask("/", method="POST", headers=[])
    assert (reply.status, reply.body) == (200, b"<p>hi</p>")
    assert [value for name, value in reply.headers if name.lower() == "set-cookie"] == ["sid=1"]
    assert not GONE.difference({"set-cookie"}) & set(names(reply))
    assert reply.header("content-security-policy") is None


@pytest.mark.parametrize("server", FAILED)
def test_an_answer_that_is_badly_framed_is_none(server: str, proxy: Any) -> None:
    """Nothing of it reaches the client, who gets an error with a reason."""
    with RawClient(proxy.port) as client:
        reply = ask(client, server)
        assert reply.status == 502 and reply.complete
        assert WHOLE not in reply.body and f"{server}/m" in reply.json()["error"]["message"]
        assert proxy.row(id=reply.header("x-switchman-request-id"))["outcome"] == "failed"


@pytest.mark.parametrize("server", ["identity", "long", "barelf"])
def test_what_can_be_read_in_one_way_goes_on_in_the_usual_one(server: str, proxy: Any) -> None:
    """What a server sends behind its answer is not the next one's."""
    with RawClient(proxy.port) as client:
        for _ in range(2):
            reply = ask(client, server)
            assert (reply.status, reply.complete, reply.body) == (200, True, WHOLE)


@pytest.mark.parametrize("server", ["cutstream", "badstream"])
def test_a_broken_chunk_of_a_stream_does_not_go_on_as_if_it_were_whole(server: str, proxy: Any) -> None:
    """Half an event is none; what the client gets is an error, before the answer or within it."""
    with RawClient(proxy.port) as client:
        reply = ask(client, server, stream=True)
    assert b'"error"' in reply.body and b"[DONE]" not in reply.body.replace(b"\n\ndata: [DONE]\n\n", b"", 1)
    for line in reply.body.splitlines():
        if line.startswith(b"data: {"):
            json.loads(line[6:])


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_has_none(status: int, proxy: Any) -> None:
    """Whatever its head says of one, and whatever follows it: the next answer is the next one's own."""
    with RawClient(proxy.port) as client:
        for _ in range(2):
            reply = client.ask(f"/x?model=empty{status}/m", method="GET", headers=[])
            assert (reply.status, reply.body) == (status, b"")
            assert (reply.header("content-length") is None) is (status == 204)
        assert client.ask("/healthz", method="GET", headers=[]).json() == {"status": "ok"}


def test_an_answer_to_head_has_no_body(proxy: Any) -> None:
    """Although the server sends one."""
    with RawClient(proxy.port) as client:
        client.send(b"HEAD /x?model=page/m HTTP/1.1\r\nhost: localhost\r\n\r\n")
        reply = client.head()
        assert (reply.status, reply.header("content-length")) == (200, "9")
        assert client.ask("/healthz", method="GET", headers=[]).json() == {"status": "ok"}


def test_a_replayed_answer_has_a_head_of_its_own(proxy: Any, upstream: FakeUpstream) -> None:
    """What the server said around its answer was for that time."""
    upstream.default = Behaviour(headers=[pair for pair in ODD if "\x01" not in pair[1]])
    try:
        with RawClient(proxy.port) as client:
            ask(client, "up")
            reply = proxy.until(lambda: (r := ask(client, "up")).header("x-switchman-cache") == "hit" and r, "a hit")
    finally:
        upstream.default = Behaviour()
    assert not GONE & set(names(reply)) and reply.header("x-content-type-options") == "nosniff"
