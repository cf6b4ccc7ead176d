"""HTTP by hand: requests kept to the byte, replies framed, cut and reset as told."""

from __future__ import annotations

import gzip
import json
import socket
import time
from threading import Event
from typing import Any

import httpx
import pytest

from switchman.addons.testing import (
    Behaviour,
    FakeUpstream,
)

HELLO = [{"role": "user", "content": "Say hello."}]
CHAT = {"model": "m", "messages": HELLO}


def ask(
    up: FakeUpstream, body: dict[str, Any] | None = None, path: str = "/v1/chat/completions", **named: Any
) -> httpx.Response:
    return httpx.post(up.url + path, json=CHAT if body is None else body, **{"timeout": 30, **named})


def split_events(text: str) -> list[str]:
    return text.replace("\r\n", "\n").removesuffix("\n\n").split("\n\n")


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_pieces_and_framings_keep_the_bytes(size: int, framing: Any) -> None:
    """However it is cut and framed, the body is the same."""
    with FakeUpstream("openai", Behaviour(text="Grüße 🎉")) as up:
        plain = ask(up, {**CHAT, "stream": True}).content
        up.script([Behaviour(text="Grüße 🎉", write_size=size, framing=framing)])
        cut = ask(up, {**CHAT, "stream": True}).content
    assert cut.replace(b"chatcmpl-2", b"chatcmpl-1") == plain


def test_a_stall_ends_when_it_is_told_to() -> None:
    """What was held back comes, whole; nothing of it before."""
    resume = Event()
    how = Behaviour(pieces=["a", "b"], stall_after=1, resume=resume)
    body = {**CHAT, "stream": True}
    with (
        FakeUpstream("openai", how) as up,
        httpx.stream("POST", up.url + "/v1/chat/completions", json=body, timeout=30) as response,
    ):
        lines = response.iter_lines()
        assert "[DONE]" not in next(lines)
        resume.set()
        assert "data: [DONE]" in list(lines)


def test_line_endings_and_gzip() -> None:
    """A stream may end its lines with CR LF, and may be zipped."""
    with FakeUpstream("openai", Behaviour(line_ending="\r\n", gzip=True)) as up:
        answer = ask(up, {**CHAT, "stream": True})
        assert answer.headers["content-encoding"] == "gzip"
        assert b"\r\n\r\n" in answer.content and b"\n\n" not in answer.content
        assert split_events(answer.text)[-1] == "data: [DONE]"
        raw = b""
        with httpx.stream("POST", f"{up.url}/v1/chat/completions", json=CHAT) as whole:
            raw = b"".join(whole.iter_raw())
        assert json.loads(gzip.decompress(raw))["object"] == "chat.completion"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("how", "error"),
    [
        (Behaviour(reset=True), httpx.ReadError),
        (Behaviour(hang_up=True), httpx.RemoteProtocolError),
        (Behaviour(cut_after=2), httpx.RemoteProtocolError),
        (Behaviour(cut_after=0), httpx.RemoteProtocolError),
        (Behaviour(cut_after=2, cut="rst"), httpx.ReadError),
        (Behaviour(cut_after=99), httpx.RemoteProtocolError),
        (Behaviour(never_answer=True), httpx.ReadTimeout),
        (Behaviour(stall_after=1), httpx.ReadTimeout),
        (Behaviour(latency=30), httpx.ReadTimeout),
    ],
)
def test_failures_on_the_wire(how: Behaviour, error: type[Exception], stream: bool) -> None:
    """A client sees exactly the failure that was asked for, and the next request is answered."""
    with FakeUpstream() as up:
        up.script([how])
        with pytest.raises(error):
            ask(up, {**CHAT, "stream": stream}, timeout=0.4 if error is httpx.ReadTimeout else 30)
        assert ask(up).status_code == 200


def test_cut_stream_has_had_its_events() -> None:
    """What comes before a cut does come."""
    with FakeUpstream(default=Behaviour(cut_after=3)) as up:
        got = b""
        with (
            pytest.raises(httpx.RemoteProtocolError),
            httpx.stream("POST", f"{up.url}/v1/chat/completions", json={**CHAT, "stream": True}) as answer,
        ):
            for piece in answer.iter_raw():
                got += piece
        assert got.count(b"\n\n") == 3
        assert up.requests[0].finished.wait(10)
        assert not up.requests[0].disconnected.is_set()


def test_departure_is_noticed() -> None:
    """A client that leaves in the middle of a stream is noticed at once, not at the next event."""
    with FakeUpstream(default=Behaviour(delay=60)) as up:
        with httpx.stream("POST", f"{up.url}/v1/chat/completions", json={**CHAT, "stream": True}) as answer:
            next(answer.iter_raw())
        left = time.monotonic()
        request = up.requests[0]
        assert request.disconnected.wait(30)  # the next event would be a minute later
        assert request.disconnected_at is not None and request.disconnected_at - left < 30
        assert not request.finished.is_set()


def exchange_raw(up: FakeUpstream, requests: bytes) -> bytes:
    """Sends the bytes, and returns all that comes until the server ends the connection."""
    with socket.create_connection((up.host, up.port), timeout=10) as raw:
        raw.sendall(requests)
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
    return answer


def raw_request(body: bytes = json.dumps(CHAT).encode()) -> bytes:
    head = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def test_close_after_reply_is_silent() -> None:
    """A connection may be closed after a reply whose headers promised to keep it."""
    with FakeUpstream(default=Behaviour(close_after_reply=True)) as up:
        answer = exchange_raw(up, raw_request())
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" not in answer


def test_idle_connections_are_closed() -> None:
    """An idle keep-alive connection is closed when its time is over, without a word of it in the headers."""
    with FakeUpstream(default=Behaviour(close_idle_after=0.05)) as up:
        answer = exchange_raw(up, raw_request() * 2)
        assert answer.count(b"HTTP/1.1 200") == 2
        assert b"connection: close" not in answer
        assert [r.connection for r in up.requests] == [1, 1]


def test_requests_are_kept_to_the_byte() -> None:
    """Header case, order and repetition, and the body's own blanks, are kept."""
    body = b'{ "model":"m",\t"messages": [{"role":"user","content":"x"}] }'
    head = b"POST /v1/chat/completions?a=%%20b HTTP/1.1\r\nX-B: 1\r\nx-a:2 \r\nX-B: 3\r\n"
    head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with FakeUpstream() as up:
        with socket.create_connection((up.host, up.port), timeout=10) as raw:
            raw.sendall(head % len(body) + body)
            assert raw.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        (request,) = up.wait_requests(1)
    assert request.headers[:3] == [(b"X-B", b"1"), (b"x-a", b"2"), (b"X-B", b"3")]
    assert (request.body, request.path, request.query) == (body, "/v1/chat/completions", "a=%20b")
    assert request.head == head % len(body)
    assert request.header("x-b") == "1"


def test_chunked_requests_are_read() -> None:
    """A request whose length is not said beforehand has its body all the same."""
    with FakeUpstream() as up:
        pieces = (piece for piece in (b'{"model":"m",', b'"messages":[{"role":"user","content":"x"}]}'))
        answer = httpx.post(
            f"{up.url}/v1/chat/completions", content=pieces, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 200
        assert up.requests[0].json()["model"] == "m"


def test_what_is_no_http_is_refused() -> None:
    """TLS to the plain port is closed, and the server goes on."""
    with FakeUpstream() as up:
        with pytest.raises(httpx.ConnectError):
            httpx.get(up.url.replace("http", "https"), timeout=10)
        assert ask(up).status_code == 200
