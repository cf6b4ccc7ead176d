"""HTTP as servers and clients really speak it: close-delimited, cut, early, pipelined, upgraded, or not at all."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.broken import says
from switchman.addons.testing.rawclient import RawClient, request_bytes

PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
ASKED = {"messages": [{"role": "user", "content": "hi"}]}
MESSAGE = {"role": "assistant", "content": "fine"}
WHOLE = json.dumps({"choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}]}).encode()
DELTA = {"choices": [{"index": 0, "delta": {"content": "fine"}, "finish_reason": "stop"}]}
EVENTS = b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(DELTA).encode()
JSON, SSE = b"content-type: application/json\r\n", b"content-type: text/event-stream\r\n"
LENGTH = b"content-length: %d\r\n"

# Of the connection between the router and the server, and no business of the client's. True: a stream.
FRAMINGS: dict[str, tuple[bytes, bool]] = {
    "HTTP/1.0 until it closes": (b"HTTP/1.0 200 OK\r\n" + JSON + b"\r\n" + WHOLE, False),
    "HTTP/1.0 with a length": (b"HTTP/1.0 200 OK\r\n" + JSON + LENGTH % len(WHOLE) + b"\r\n" + WHOLE, False),
    "HTTP/1.0 stream": (b"HTTP/1.0 200 OK\r\n" + SSE + b"\r\n" + EVENTS, True),
    "closing stream": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + SSE + b"\r\n" + EVENTS, True),
    "closing": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + JSON + LENGTH % len(WHOLE) + b"\r\n" + WHOLE, False),
    "line ends without CR": (b"HTTP/1.1 200 OK\n" + LENGTH % len(WHOLE) + b"\r\n" + WHOLE, False),
    "a second answer nobody asked for": (
        b"HTTP/1.1 200 OK\r\n" + JSON + LENGTH % len(WHOLE) + b"\r\n" + WHOLE + b"HTTP/1.1 200 OK\r\n\r\nmore",
        False,
    ),
}
NO_ANSWERS: dict[str, tuple[bytes, bool]] = {
    "101 unasked": (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", False),
    "a status that is none": (b"HTTP/1.1 099 What\r\n" + JSON + LENGTH % len(WHOLE) + b"\r\n" + WHOLE, False),
    "nothing but interim answers": (b"HTTP/1.1 102 Processing\r\n\r\n" * 3, False),
    "a head without end": (b"HTTP/1.1 200 OK\r\n" + b"x-y: zzzzzzzzzzzzzzzzzzzz\r\n" * 100_000, False),
    "half a head": (b"HTTP/1.1 200 OK\r\ncontent-ty", False),
    "a body shorter than its length": (b"HTTP/1.1 200 OK\r\n" + JSON + LENGTH % 999 + b"\r\n" + WHOLE, False),
    "no chunk": (b"HTTP/1.1 200 OK\r\n" + SSE + b"transfer-encoding: chunked\r\n\r\nzzz\r\n" + EVENTS, True),
    "no chunk, whole": (b"HTTP/1.1 200 OK\r\n" + JSON + b"transfer-encoding: chunked\r\n\r\n-5\r\n" + WHOLE, False),
    "a line break in a header": (
        b"HTTP/1.1 200 OK\r\nx-a: b\rset-cookie: c=d\r\n" + JSON + LENGTH % 2 + b"\r\n{}",
        False,
    ),
    "a NUL in a header": (b"HTTP/1.1 200 OK\r\nx-a: b\0c\r\n" + JSON + LENGTH % 2 + b"\r\n{}", False),
    "a chunk's line without end": (
        b"HTTP/1.1 200 OK\r\n" + JSON + b"transfer-encoding: chunked\r\n\r\n5;" + b"x" * 2_000_000,
        False,
    ),
    "an empty body": (b"HTTP/1.1 200 OK\r\n" + JSON + LENGTH % 0 + b"\r\n", False),
    "an empty stream": (b"HTTP/1.1 200 OK\r\n" + SSE + LENGTH % 0 + b"\r\n", True),
    "a stream without an event": (b"HTTP/1.1 200 OK\r\n" + SSE + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", True),
    "204": (b"HTTP/1.1 204 No Content\r\n" + SSE + b"\r\n", True),
}


def slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


@pytest.fixture(scope="module")
def good(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="good")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, good: FakeUpstream) -> Iterator[Any]:
    with contextlib.ExitStack() as stack:
        odd = {name: stack.enter_context(says(reply)) for name, (reply, _) in {**FRAMINGS, **NO_ANSWERS}.items()}
        servers = [f"  {slug(name)}: {{url: '{url}', dialect: openai}}" for name, url in odd.items()]
        aliases = [f"  al-{slug(name)}: {{instances: [{slug(name)}/m, good/m]}}" for name in odd]
        lines = ["servers:", f"  good: {{url: '{good.url}', dialect: openai}}", *servers, "aliases:", *aliases]
        yield start_shared("\n".join([*lines, ""]))


def ask(client: RawClient, model: str, stream: bool = False) -> Any:
    return client.ask(PATHS["openai"], {"model": model, "stream": stream, **ASKED})


@pytest.mark.parametrize("name", FRAMINGS)
def test_what_is_between_router_and_server_stays_there(name: str, proxy: Any) -> None:
    """Its version of HTTP, its closing: the client gets a well-framed HTTP/1.1 answer, and keeps its connection."""
    _, stream = FRAMINGS[name]
    with RawClient(proxy.port) as client:
        reply = ask(client, f"{slug(name)}/m", stream)
        assert (reply.version, reply.status, reply.complete) == ("HTTP/1.1", 200, True)
        assert reply.header("connection") is None
        assert reply.body == EVENTS if stream else reply.json()["choices"][0]["message"] == MESSAGE
        assert ask(client, "good/m").status == 200
    assert proxy.row(id=reply.header("x-switchman-request-id"))["outcome"] == "ok"


@pytest.mark.parametrize("name", ["HTTP/1.0 until it closes", "HTTP/1.0 stream", "closing stream"])
def test_a_client_of_http_1_0_gets_no_chunks(name: str, proxy: Any) -> None:
    """It does not know them: its answer ends with the connection, as the server's did."""
    _, stream = FRAMINGS[name]
    body = json.dumps({"model": f"{slug(name)}/m", "stream": stream, **ASKED}).encode()
    with RawClient(proxy.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n" % len(body))
        client.send(b"Content-Type: application/json\r\n\r\n" + body)
        reply = client.reply()
        assert (reply.header("transfer-encoding"), reply.header("connection")) == (None, "close")
        assert reply.body == EVENTS if stream else reply.json()["choices"][0]["message"] == MESSAGE
        assert client.ended()


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_is_no_answer_lets_another_server_answer(name: str, proxy: Any) -> None:
    """The attempt failed, whatever it was that came."""
    _, stream = NO_ANSWERS[name]
    with RawClient(proxy.port) as client:
        reply = ask(client, f"al-{slug(name)}", stream)
        assert (reply.status, reply.complete, b"good" in reply.body) == (200, True, True), reply.body
        assert ask(client, "good/m").status == 200
    first, second = proxy.row(id=reply.header("x-switchman-request-id"))["attempts"]
    assert (first["outcome"], second["server"]) == ("reset", "good")


@pytest.mark.parametrize("name", ["204", "an empty body"])
def test_an_empty_answer_is_none_where_nobody_else_is_asked_either(name: str, proxy: Any) -> None:
    """Its client would wait for words in it. A 204 has neither body nor framing, so the next answer is found."""
    with RawClient(proxy.port) as client:
        reply = ask(client, f"{slug(name)}/m", NO_ANSWERS[name][1])
        assert (reply.status, reply.complete) == (502, True)
        assert "the server's answer is empty" in reply.json()["error"]["message"]
        assert ask(client, "good/m").status == 200


@pytest.fixture(scope="module")
def own(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="own")


@pytest.fixture(scope="module")
def speakers(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    return {dialect: upstream_factory(dialect) for dialect in PATHS}


@pytest.fixture(scope="module")
def shared_impatient(start_shared: Any, own: FakeUpstream, speakers: dict[str, FakeUpstream]) -> Any:
    lines = [f"  bounded: {{url: '{own.url}', dialect: openai, timeout: {{idle: 2, total: 4}}}}"]
    lines += [f"  {dialect}: {{url: '{server.url}', dialect: {dialect}}}" for dialect, server in speakers.items()]
    return start_shared("\n".join(["servers:", *lines, ""]), {"BODY_TIMEOUT": "1.5", "DEFAULT_UPSTREAM": own.url})


@pytest.fixture
def impatient(shared_impatient: Any) -> Iterator[Any]:
    """With short deadlines. Its output is looked at after each test."""
    yield shared_impatient
    shared_impatient.check_output()


@pytest.mark.parametrize("event", [b": still here\n\n", b'data: {"choices":[{"index":0,"delta":{"content":""}}]}\n\n'])
def test_pings_without_end_are_ended_by_the_total_deadline(event: bytes, impatient: Any, own: FakeUpstream) -> None:
    """A server that sends anything at all is not idle, however long; its time as a whole is bounded."""
    first = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
    own.script([Behaviour(events=[first] + [event] * 10_000, delay=0.05)])
    with RawClient(impatient.port) as client:
        reply = ask(client, "bounded/m", stream=True)
    assert reply.complete and b"total deadline of 4 s" in reply.body
    row = impatient.row(id=reply.header("x-switchman-request-id"))
    assert (row["outcome"], row["duration_ms"] >= 4000) == ("stream_error", True)


def test_pipelined_requests_are_answered_in_order(proxy: Any, good: FakeUpstream) -> None:
    """Sent at once, and sent while the first one is being answered."""
    texts = [f"answer {n}" for n in range(3)]
    good.script([Behaviour(text=text, latency=0.3) for text in texts])
    body = json.dumps({"model": "good/m", **ASKED}).encode()
    with RawClient(proxy.port) as client:
        before = len(good.inferences)
        client.send(request_bytes(PATHS["openai"], body) * 2)
        good.wait_for(lambda: len(good.inferences) > before, 60)
        client.send(request_bytes(PATHS["openai"], body))
        assert [client.reply().json()["choices"][0]["message"]["content"] for _ in texts] == texts


class Early:
    """A server that answers from a request's head on, and closes without reading the body."""

    def __init__(self, status: int) -> None:
        self.reply = b"HTTP/1.1 %d No\r\ncontent-length: 2\r\n%bconnection: close\r\n\r\n{}" % (status, JSON)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Early:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                head = b""
                while b"\r\n\r\n" not in head and (data := connection.recv(1000)):
                    head += data
                connection.sendall(self.reply)
                connection.shutdown(socket.SHUT_WR)
                while head.startswith(b"POST") and connection.recv(65536):
                    pass


@pytest.mark.parametrize("status", [413, 503])
def test_an_answer_before_the_request_was_sent_whole(status: int, start: Any, good: FakeUpstream) -> None:
    """A server need not read what it refuses: a 413 is the client's answer, after a 503 another server is asked."""
    with Early(status) as early:
        proxy = start(
            f"servers: {{early: '{early.url}', good: '{good.url}'}}\n"
            "aliases: {al: {instances: [early/m, good/m]}}\n"
        )
        body = {"model": "al", "messages": [{"role": "user", "content": "x" * 20_000_000}]}
        response = proxy.post(PATHS["openai"], body)
        assert response.status_code == (413 if status == 413 else 200)
        assert [a["status"] for a in proxy.row_of(response)["attempts"]] == [413] if status == 413 else [503, 200]


@pytest.mark.parametrize("dialect", PATHS)
def test_a_body_that_stops_coming_is_refused(
    dialect: str, impatient: Any, speakers: dict[str, FakeUpstream], own: FakeUpstream
) -> None:
    """BODY_TIMEOUT: the client is told, in its dialect, and the row says so; one that is only slow is served."""
    body = json.dumps({"model": f"{dialect}/m", "stream": False, "max_tokens": 9, **ASKED}).encode()
    asked = len(own.inferences)
    with RawClient(impatient.port) as client:
        client.send(request_bytes(PATHS[dialect], body)[:-20])
        reply = client.reply()
        assert reply.status == 408
        error = reply.json()["error"]
        assert "nothing came for 1.5 s" in (error if dialect == "ollama" else error["message"])
        assert client.ended()
    row = impatient.row(status=408, path=PATHS[dialect])
    assert row["outcome"] == "refused"
    assert not speakers[dialect].inferences and len(own.inferences) == asked
    with RawClient(impatient.port) as client:
        whole = request_bytes(PATHS[dialect], body, [("content-type", "application/json"), ("anthropic-version", "1")])
        client.send(whole[:-20])
        for at in range(-20, 0, 4):
            time.sleep(0.4)
            client.send(whole[at : at + 4 or None])
        assert client.reply().status == 200


def _echo(listener: socket.socket) -> None:
    """A WebSocket server of one connection at a time, for short frames. RFC 6455."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            head = connection.recv(65536)
            lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            if b"sec-websocket-key" not in lines:
                connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                continue
            key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))[19:]
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
            connection.sendall(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            while frame := connection.recv(200):
                length, mask = frame[1] & 127, frame[2:6]
                text = bytes(byte ^ mask[i % 4] for i, byte in enumerate(frame[6 : 6 + length]))
                connection.sendall(bytes([frame[0], len(text)]) + text)
                if frame[0] == 0x88:
                    break


def test_a_websocket_passes_through(start: Any) -> None:
    """OpenAI's realtime API, for one: frames go both ways, and a stop of the router ends it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        proxy = start(
            env={"DEFAULT_UPSTREAM": f"http://127.0.0.1:{listener.getsockname()[1]}", "SHUTDOWN_GRACE": "0.2"}
        )
        with RawClient(proxy.port) as client:
            client.send(b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
            client.send(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
            assert client.head().status == 101
            client.send(b"\x81\x85\0\0\0\0hello")
            assert client.socket.recv(7, socket.MSG_WAITALL) == b"\x81\x05hello"
            proxy.stop()
            frame = client.socket.recv(4, socket.MSG_WAITALL)
            assert (frame[0], int.from_bytes(frame[2:])) == (0x88, 1001)
        row = proxy.row(path="/v1/realtime")
        assert row["status"] == 101 and row["error"].startswith("The router closed the WebSocket with 1001")
        listener.shutdown(socket.SHUT_RDWR)
