"""Clients and servers that are slow, or have no end: what is read is counted, and nothing waits for ever."""

from __future__ import annotations

import json
import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient, RawReply, request_bytes

PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "ollama": "/api/chat"}
BODY = json.dumps({"model": "up/m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}).encode()
CHUNKED = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PATIENCE = 30.0  # seconds
PAUSE = 0.02  # seconds between two pieces of what trickles
MB = 1_000_000


def memory(pid: int) -> int:
    """Bytes that a process has in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def trickle(client: RawClient, start: bytes, piece: bytes = b"x") -> RawReply:
    """Send `start`, then one piece after the other until there is an answer."""
    client.send(start)
    end = time.monotonic() + PATIENCE
    while not select.select([client.socket], [], [], PAUSE)[0]:
        assert time.monotonic() < end, "it goes on for ever"
        client.send(piece)
    return client.reply()


def pour(client: socket.socket, piece: bytes, most: int) -> int:
    """Send the piece again and again, until the other side has closed; the bytes that it took."""
    sent = 0
    with suppress(OSError):
        while sent < most:
            sent += client.send(piece)
    return sent


def said(reply: RawReply, dialect: str = "openai") -> str:
    error = reply.json()["error"]
    return str(error if dialect == "ollama" else error["message"])


class Endless:
    """A server that answers each request with `first`, and then with `again` until nobody takes it."""

    def __init__(self) -> None:
        self.first = self.again = b""
        self.pause = 0.0  # seconds between two of `again`
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = Thread(target=self._serve, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                Thread(target=self._answer, args=(self.listener.accept()[0],), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            data = b""
            while not data.endswith(b"}") and (more := connection.recv(65_536)):
                data += more
            connection.sendall(self.first)
            while self.again:
                connection.sendall(self.again)
                time.sleep(self.pause)
            connection.recv(1)


@pytest.fixture(scope="module")
def end() -> Iterator[Endless]:
    server = Endless()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def hasty(start_shared: Any, upstream: FakeUpstream, end: Endless) -> Any:
    """A proxy whose deadlines are short. The alias eN asks the server without end first."""
    env = {"HEAD_TIMEOUT": "0.5", "BODY_TIMEOUT": "0.3", "MIN_BODY_RATE": "100000", "IDLE_TIMEOUT": "1"}
    aliases = ", ".join(f"e{number}: {{instances: [end/m{number}, up/m]}}" for number in range(20))
    aliases += "".join(f", late{number}: {{instances: [late/m{number}, up/m]}}" for number in range(6))
    late = f"late: {{url: '{end.url}', dialect: openai, timeout: {{first_byte: 0.6}}}}"
    servers = f"{late}, end: {{url: '{end.url}', dialect: openai}}, up: {{url: '{upstream.url}', dialect: openai}}"
    return start_shared(f"servers: {{{servers}}}\naliases: {{{aliases}}}\n", env)


@pytest.mark.parametrize("dialect", PATHS)
def test_a_head_that_trickles_is_a_408(dialect: str, hasty: Any) -> None:
    """It names the setting, in the client's dialect, and the row says the same; the connection is then closed."""
    path = f"{PATHS[dialect]}?of={dialect}"
    with RawClient(hasty.port) as client:
        reply = trickle(client, b"POST %s HTTP/1.1\r\nHost: a\r\nX-A: " % path.encode())
        assert reply.status == 408 and "HEAD_TIMEOUT" in said(reply, dialect)
        assert client.ended()
    row = hasty.row(path=path)
    assert (row["status"], row["outcome"], "HEAD_TIMEOUT" in row["error"]) == (408, "refused", True)


def test_a_second_head_on_a_connection_has_its_own_time(hasty: Any) -> None:
    """It counts from its own first byte on, whatever was before."""
    with RawClient(hasty.port) as client:
        client.send(request_bytes(PATHS["openai"], BODY)[:30])
        client.send(request_bytes(PATHS["openai"], BODY)[30:])
        assert client.reply().status == 200
        reply = trickle(client, b"POST /v1/chat/completions HTTP/1.1\r\n", b"A: b\r\n")
        assert reply.status == 408


@pytest.mark.parametrize("dialect", PATHS)
def test_a_body_that_trickles_is_a_408(dialect: str, hasty: Any) -> None:
    """There is never a silence as long as BODY_TIMEOUT, yet it is slower than MIN_BODY_RATE; by length, in chunks."""
    head = b"POST %s HTTP/1.1\r\nHost: a\r\n" % PATHS[dialect].encode()
    for framing, piece in ((b"Content-Length: 1000000", b"x"), (b"Transfer-Encoding: chunked", b"1\r\nx\r\n")):
        with RawClient(hasty.port) as client:
            reply = trickle(client, head + framing + b"\r\n\r\n", piece)
            assert reply.status == 408 and "MIN_BODY_RATE" in said(reply, dialect)
            assert client.ended()


def test_a_connection_without_a_request_is_closed(hasty: Any) -> None:
    """One on which nothing ever came, one that is idle after an answer, and half a TLS handshake; silently."""
    with RawClient(hasty.port) as bare, RawClient(hasty.port) as kept, RawClient(hasty.port) as secure:
        assert kept.ask(PATHS["openai"], BODY).status == 200
        secure.send(b"\x16\x03\x01\x02\x00\x01")
        assert bare.ended() and secure.ended() and kept.ended()
    hasty.wait_output("closed, as no request had begun in time (HEAD_TIMEOUT)")


def test_nothing_is_idle_while_a_request_runs(hasty: Any, upstream: FakeUpstream) -> None:
    """The settings for idle connections and heads say nothing of how long an answer takes."""
    upstream.script([Behaviour(text="late", latency=1.5)])
    with RawClient(hasty.port) as client:
        reply = client.ask(PATHS["openai"], BODY)
        assert (reply.status, reply.json()["choices"][0]["message"]["content"]) == (200, "late")


@pytest.mark.parametrize(
    ("start_with", "again", "status"),
    [
        (b"", b"\r\n" * 10_000, 431),
        (b"", b"\n" * 20_000, 431),
        (b"GET / HTTP/1.1\r\n", b"A: b\r\n" * 3_000, 431),
        (b"GET /" + b"a" * 1000, b"a" * 20_000, 431),
        (CHUNKED, b"1;" + b"x" * 20_000 + b"\r\nx\r\n", 400),
        (CHUNKED + b"0\r\n", b"A: b\r\n" * 3_000, 400),
    ],
    ids=["blank lines", "newlines", "fields", "a path", "chunk extensions", "trailers"],
)
def test_what_has_no_end_is_not_read_to_its_end(
    start_with: bytes, again: bytes, status: int, hasty: Any, full: bool
) -> None:
    """Some is read and thrown away after the refusal, so that it reaches the client; memory does not grow by it."""
    before = memory(hasty.process.pid)
    with RawClient(hasty.port) as client:
        client.send(start_with)
        took = pour(client.socket, again, 400 * MB if full else 60 * MB)
        assert took < 60 * MB
        with suppress(ConnectionError):
            reply = client.reply()
            assert reply.status == status
            assert "MAX_HEADER_BYTES" in said(reply)
    assert memory(hasty.process.pid) - before < 20 * MB


ENDLESS = {
    "blank lines": (b"", b"\r\n" * 10_000),
    "blank lines between": (b"HTTP/1.1 103 Early\r\n\r\n", b"\r\n\r\n" * 5_000),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
    "a status line": (b"HTTP/1.1 200 ", b"O" * 20_000),
    "fields": (OK, b"A: b\r\n" * 3_000),
    "chunk extensions": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 20_000 + b"\r\n \r\n"),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"A: b\r\n" * 3_000),
    "an error's body": (
        b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"4e20\r\n" + b"x" * 20_000 + b"\r\n",
    ),
    "an error of CRs": (b"HTTP/1.1 500 No\r\nContent-Type: text/html\r\n\r\n", b"\r" * 20_000),
    "half a head": (b"HTTP/1.1 200 OK\r\nX: ", b""),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_server_without_end_is_a_failed_attempt(what: str, hasty: Any, end: Endless) -> None:
    """The next server answers; what was read of the endless one is not kept."""
    assert hasty.chat("up/m").status_code == 200
    before = memory(hasty.process.pid)
    end.first, end.again = ENDLESS[what]
    response = hasty.chat(f"e{list(ENDLESS).index(what)}")
    assert response.status_code == 200
    first, second = hasty.row_of(response)["attempts"]
    assert first["outcome"] in ("reset", "status") and second["outcome"] == "ok"
    assert (what == "half a head") == ("HEAD_TIMEOUT" in str(first["error"]))
    assert memory(hasty.process.pid) - before < 20 * MB


@pytest.fixture
def pausing(end: Endless) -> Iterator[Endless]:
    """The server without end, with a pause after each piece."""
    end.pause = 0.05
    yield end
    end.pause, end.again = 0.0, b""


@pytest.mark.parametrize(
    ("model", "again"), [("late0", b": ping\n\n"), ("late1", b"\n\n"), ("late2", b"event: ping\ndata:\n\n")]
)
def test_comments_are_no_first_token(model: str, again: bytes, hasty: Any, pausing: Endless) -> None:
    """They may keep a connection for as long as they like, but the first-byte deadline holds."""
    pausing.first, pausing.again = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", again
    response = hasty.chat(model, stream=True)
    assert response.status_code == 200 and "Hello" in response.text
    first, second = hasty.row_of(response)["attempts"]
    assert "first-byte deadline" in first["error"] and second["outcome"] == "ok"


@pytest.mark.parametrize(("model", "again"), [("late3", b" " * 10), ("late4", b"\r\n"), ("late5", b"\t")])
def test_white_space_is_no_answer(model: str, again: bytes, hasty: Any, pausing: Endless) -> None:
    """Nor is it the first token of a whole answer."""
    pausing.first, pausing.again = OK + b"\r\n", again
    response = hasty.chat(model)
    assert response.status_code == 200
    first, second = hasty.row_of(response)["attempts"]
    assert "first-byte deadline" in first["error"] and second["outcome"] == "ok"
