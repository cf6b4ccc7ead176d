"""WebSockets through a real router, with wsproto at both ends; what of them is kept; and upgrades that are none."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wsproto
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes

PATIENCE = 60.0  # seconds
MB = 1_000_000
MESSAGE = 2 * MB  # MAX_WEBSOCKET_MESSAGE
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
HANDSHAKE = [
    ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Version", "13"),
]  # fmt: skip


class End:
    """One end of a WebSocket on a socket: wsproto, and events as they come."""

    def __init__(self, sock: socket.socket, kind: wsproto.ConnectionType) -> None:
        self.socket = sock
        self.socket.settimeout(PATIENCE)
        self.ws = wsproto.WSConnection(kind)
        self.kind = kind

    def send(self, event: Event) -> None:
        self.socket.sendall(self.ws.send(event))

    def events(self) -> Iterator[Event]:
        """Until the other end is gone. Pings are answered."""
        while True:
            for event in self.ws.events():
                if isinstance(event, Ping):
                    self.send(event.response())
                yield event
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                return
            self.ws.receive_data(data)

    def next(self, kind: type[Event]) -> Any:
        return next(event for event in self.events() if isinstance(event, kind))

    def message(self) -> bytes | str:
        """A whole message."""
        parts: list[Any] = []
        for event in self.events():
            assert isinstance(event, Message), event
            parts.append(event.data)
            if event.message_finished:
                return (b"" if isinstance(event, BytesMessage) else "").join(parts)
        raise AssertionError("no message")


Script = Callable[[End, Request], None]


class Server:
    """A WebSocket server that plays the script of a path; `heads` are those of what was passed on to it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.scripts: dict[str, Script] = {}
        self.raw: dict[str, Callable[[socket.socket], None]] = {}
        self.heads: list[bytes] = []
        self.threads: list[threading.Thread] = []
        self.acceptor = threading.Thread(target=self._accept)
        self.acceptor.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self.threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionError, wsproto.utilities.LocalProtocolError):
            connection.settimeout(PATIENCE)
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := connection.recv(1 << 16)):
                    return
                head += data
            if b"python-httpx" not in head:  # with that the router asks for lists of models by itself
                self.heads.append(head)
            path = head.split(b" ")[1].decode()
            if path in self.raw:
                self.raw[path](connection)
                return
            if path not in self.scripts:
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nplain")
                return
            end = End(connection, wsproto.ConnectionType.SERVER)
            end.ws.receive_data(head)
            request = next(event for event in end.ws.events() if isinstance(event, Request))
            self.scripts[path](end, request)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in (self.acceptor, *self.threads):
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, server: Server, upstream: FakeUpstream) -> Any:
    rules = f"servers:\n  up: {{url: '{upstream.url}', dialect: openai, api_key: owner-key}}\n"
    return start_shared(rules, {"DEFAULT_UPSTREAM": server.url, "MAX_WEBSOCKET_MESSAGE": str(MESSAGE)})


@pytest.fixture
def connect(proxy: Any) -> Iterator[Callable[..., tuple[End, Any]]]:
    """connect(path, **request): an open WebSocket through the router, and what its handshake was answered with."""
    with contextlib.ExitStack() as stack:

        def open_(path: str, **more: Any) -> tuple[End, Any]:
            end = End(
                stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port))), wsproto.ConnectionType.CLIENT
            )
            end.send(Request(host="localhost", target=path, **more))
            return end, next(event for event in end.events() if isinstance(event, AcceptConnection | RejectConnection))

        yield open_


def memory(proxy: Any, name: str = "VmRSS") -> int:
    """Bytes of the worker's memory: now, or at most so far (VmHWM)."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{proxy.process.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def row_of(proxy: Any, path: str) -> Any:
    return proxy.row(path=path)


# What passes


def test_one_that_is_silent_ends(start: Any, server: Server) -> None:
    """Both ends are told which setting says so, and the row says it, too. Pings keep it."""
    left: list[Event] = []

    def silent(end: End, request: Request) -> None:
        end.send(AcceptConnection())
        left.extend(event for event in end.events() if isinstance(event, CloseConnection))

    server.scripts["/v1/realtime?silent"] = silent
    proxy = start(env={"DEFAULT_UPSTREAM": server.url, "WEBSOCKET_IDLE_TIMEOUT": "2"})
    with socket.create_connection(("127.0.0.1", proxy.port)) as sock:
        end = End(sock, wsproto.ConnectionType.CLIENT)
        end.send(Request(host="localhost", target="/v1/realtime?silent"))
        assert end.next(AcceptConnection)
        over = time.monotonic() + 2.5
        while time.monotonic() < over:
            time.sleep(0.1)
            end.send(Ping())
        closing = end.next(CloseConnection)
        assert (closing.code, "WEBSOCKET_IDLE_TIMEOUT" in closing.reason) == (1001, True)
        end.send(closing.response())
    proxy.until(lambda: left, "the server's closing frame")
    row = proxy.row(path="/v1/realtime?silent")
    assert (row["outcome"], "WEBSOCKET_IDLE_TIMEOUT" in str(row["trace"])) == ("ok", True)


def test_all_that_a_websocket_has_passes(connect: Any, proxy: Any, server: Server) -> None:
    """A subprotocol, text, binary, fragments with a ping between them, a pong; its own closing code, and a row."""

    def echo(end: End, request: Request) -> None:
        end.send(AcceptConnection(subprotocol=request.subprotocols[0]))
        for event in end.events():
            if isinstance(event, Message):
                end.send(type(event)(event.data, message_finished=event.message_finished))
            elif isinstance(event, CloseConnection):
                end.send(event.response())

    server.scripts["/v1/realtime?model=m&n=1"] = echo
    end, accepted = connect(
        "/v1/realtime?model=m&n=1", subprotocols=["realtime", "beta"], extensions=[PerMessageDeflate()]
    )
    assert (accepted.subprotocol, accepted.extensions) == ("realtime", [])
    end.send(TextMessage("h\u00e9llo \u2603"))
    assert end.message() == "h\u00e9llo \u2603"
    end.send(BytesMessage(b"\0\xff" * 1000, message_finished=False))
    end.send(Ping(b"are you there"))
    end.send(BytesMessage(b"end"))
    seen: list[Any] = []
    while not (seen and isinstance(seen[-1], BytesMessage) and seen[-1].message_finished):
        seen.append(next(end.events()))
    assert b"".join(event.data for event in seen if isinstance(event, BytesMessage)) == b"\0\xff" * 1000 + b"end"
    assert b"are you there" in [bytes(event.payload) for event in seen if isinstance(event, Pong)]
    end.send(CloseConnection(4001, "enough"))
    assert end.next(CloseConnection).code == 4001
    row = row_of(proxy, "/v1/realtime?model=m&n=1")
    assert (row["status"], row["outcome"], row["error"]) == (101, "ok", None)
    (told,) = [line for line in row["trace"] if line["layer"] == "websocket"]
    assert "The client closed the WebSocket with 4001. It had passed" in told["detail"]
    assert [line["detail"] for line in row["trace"] if line["layer"] == "websocket_reason"] == [
        "The client's reason: enough"
    ]
    head = server.heads[-1].lower()
    assert b"sec-websocket-extensions" not in head and b"sec-websocket-protocol: realtime, beta" in head


def test_where_no_content_is_kept_the_row_has_none(start: Any, server: Server) -> None:
    """Neither query nor subprotocols, nor the reason why it was closed; that it was closed, and by whom, is told."""

    def quotes(end: End, request: Request) -> None:
        end.send(AcceptConnection())
        if request.target.endswith("server"):
            end.send(CloseConnection(1011, "zq-quoted by the server"))
            for _ in end.events():
                pass
        else:
            end.send(end.next(CloseConnection).response())

    proxy = start(env={"DEFAULT_UPSTREAM": server.url, "CAPTURE": "metadata"})
    for number, by in enumerate(("client", "server"), 1):
        path = f"/v1/realtime?model=m&who=zq-{by}"
        server.scripts[path] = quotes
        with socket.create_connection(("127.0.0.1", proxy.port)) as sock:
            end = End(sock, wsproto.ConnectionType.CLIENT)
            end.send(Request(host="localhost", target=path, extra_headers=[(b"x-who", b"zq-asker")]))
            assert end.next(AcceptConnection)
            if by == "client":
                end.send(TextMessage("zq-said"))
                end.send(CloseConnection(4001, "zq-quoted by the client"))
            closed = end.next(CloseConnection)
            if by == "server":
                assert closed.reason == "zq-quoted by the server"
                end.send(closed.response())
        proxy.until(lambda number=number: len(proxy.rows(path="/v1/realtime")) == number, "its row")
        row = proxy.rows(path="/v1/realtime")[-1]
        assert row["capture"] == "metadata" and "zq-" not in repr(row)
        (told,) = [line["detail"] for line in row["trace"] if line["layer"] == "websocket"]
        assert f"The {by} closed the WebSocket with" in told


def test_the_row_is_there_at_its_end_only(connect: Any, proxy: Any, server: Server) -> None:
    """And says what the server closed it with."""
    go = threading.Event()

    def closes(end: End, request: Request) -> None:
        end.send(AcceptConnection())
        go.wait(PATIENCE)
        end.send(CloseConnection(1011, "out of memory"))
        for _ in end.events():
            pass

    server.scripts["/v1/responses?n=2"] = closes
    end, _ = connect("/v1/responses?n=2")
    assert proxy.rows(path="/v1/responses?n=2") == []
    go.set()
    closed = end.next(CloseConnection)
    assert (closed.code, closed.reason) == (1011, "out of memory")
    end.send(closed.response())
    row = row_of(proxy, "/v1/responses?n=2")
    assert (row["outcome"], row["error"]) == (
        "stream_error",
        "The server closed the WebSocket with 1011: out of memory.",
    )


# Memory and limits


@pytest.mark.soak
def test_messages_are_not_kept(connect: Any, proxy: Any, server: Server, full: bool) -> None:
    """Of what passes in both directions nothing stays."""
    number = 300 if full else 60

    def both(end: End, request: Request) -> None:
        end.send(AcceptConnection())
        for _ in range(number):
            end.message()
            end.send(BytesMessage(b"s" * MB))
        end.next(CloseConnection)

    server.scripts["/v1/realtime?n=3"] = both
    end, _ = connect("/v1/realtime?n=3")
    before = memory(proxy)
    for _ in range(number):
        end.send(BytesMessage(b"c" * MB))
        assert len(end.message()) == MB
    grown = memory(proxy, "VmHWM") - before
    end.send(CloseConnection(1000))
    assert grown < number * MB / 4, f"{grown} bytes of {2 * number * MB} that passed"


@pytest.mark.soak
def test_a_slow_reader_slows_the_server(connect: Any, proxy: Any, server: Server, full: bool) -> None:
    """What it does not take stays with the server; the router holds a socket's worth of it."""
    total = (400 if full else 100) * MB
    sent, ended = [0], threading.Event()

    def pours(end: End, request: Request) -> None:
        end.send(AcceptConnection())
        try:
            while sent[0] < total:
                end.send(BytesMessage(b"x" * MB))
                sent[0] += MB
        finally:
            ended.set()

    server.scripts["/v1/realtime?n=4"] = pours
    before = memory(proxy)
    end, _ = connect("/v1/realtime?n=4")
    last = -1
    while sent[0] != last:  # until it stands still
        last = sent[0]
        ended.wait(0.3)
    assert sent[0] < total and memory(proxy, "VmRSS") - before < total / 4
    end.socket.close()
    assert ended.wait(PATIENCE)


SENDS: dict[str, Callable[[End], None]] = {
    "in one frame": lambda end: end.send(BytesMessage(b"x" * (MESSAGE + 1))),
    "in fragments": lambda end: [
        end.send(BytesMessage(b"x" * MB, message_finished=False)) for _ in range(MESSAGE // MB + 1)
    ] and None,
}  # fmt: skip


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("how", SENDS)
def test_a_message_has_a_limit(how: str, who: str, connect: Any, proxy: Any, server: Server) -> None:
    """Both sides are told 1009 and the setting, and so is the row."""
    path = f"/v1/realtime?limit={how[3:6]}{who}"
    told: list[Any] = []

    def ends(end: End, request: Request) -> None:
        end.send(AcceptConnection())
        if who == "server":
            SENDS[how](end)
        told.append(end.next(CloseConnection))
        end.send(told[0].response())

    server.scripts[path] = ends
    end, _ = connect(path)
    if who == "client":
        SENDS[how](end)
    closed = end.next(CloseConnection)
    end.send(closed.response())
    row = row_of(proxy, path)
    why = f"A message is larger than {MESSAGE} bytes (MAX_WEBSOCKET_MESSAGE)."
    assert [(one.code, one.reason) for one in (closed, *told)] == [(1009, why)] * 2
    assert row["error"] == f"The router closed the WebSocket with 1009 for what the {who} sent: {why}"
    assert row["outcome"] == ("refused" if who == "client" else "stream_error")


def bomb(size: int) -> bytes:
    """A compressed message of so many zeros (RFC 7692 section 7.2.1), as a server's frame."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [packer.compress(bytes(MB)) for _ in range(size // MB)]
    packed = b"".join([*parts, packer.flush(zlib.Z_SYNC_FLUSH)])[:-4]
    return b"\xc2\x7f" + len(packed).to_bytes(8) + packed


@pytest.mark.parametrize("says", [True, False])
def test_a_deflate_bomb_is_no_frame(says: bool, connect: Any, proxy: Any, server: Server) -> None:
    """Whether or not the server says that it compresses: nothing was agreed on, and nothing is inflated."""
    path = f"/v1/realtime?bomb={says}"

    def explodes(end: End, request: Request) -> None:
        extensions = [("Sec-WebSocket-Extensions", "permessage-deflate")] if says else []
        end.socket.sendall(
            end.ws.send(AcceptConnection(extra_headers=[(n.encode(), v.encode()) for n, v in extensions]))
        )
        end.socket.sendall(bomb(100 * MB))
        end.socket.recv(1 << 16)

    server.scripts[path] = explodes
    before = memory(proxy, "VmHWM")
    end, answer = connect(path, extensions=[PerMessageDeflate()])
    row = None
    if says:
        assert isinstance(answer, RejectConnection) and answer.status_code == 502
    else:
        assert end.next(CloseConnection).code == 1002
        end.socket.close()
        row = row_of(proxy, path)
        assert "an extension that was not agreed on" in row["error"]
    assert memory(proxy, "VmHWM") - before < 50 * MB


# What is no WebSocket

DROPPED: dict[str, list[tuple[str, str]]] = {
    "h2c": [
        ("Upgrade", "h2c"),
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ],
    "foo": [("Upgrade", "foo"), ("Connection", "Upgrade")],
    "TLS": [("Upgrade", "TLS/1.0"), ("Connection", "Upgrade")],
    "two of them": [("Upgrade", "h2c"), ("Upgrade", "foo"), ("Connection", "Upgrade")],
    "without Connection": [("Upgrade", "foo")],
}
REFUSED: dict[str, tuple[str, list[tuple[str, str]], int]] = {
    "another path": ("/v1/chat/completions", HANDSHAKE, 404),
    "with another one": ("/v1/realtime", [*HANDSHAKE, ("Upgrade", "h2c")], 400),
    "without Connection": ("/v1/realtime", [HANDSHAKE[0], *HANDSHAKE[2:]], 400),
    "without a key": ("/v1/realtime", [*HANDSHAKE[:2], HANDSHAKE[3]], 400),
    "an old version": ("/v1/realtime", [*HANDSHAKE[:3], ("Sec-WebSocket-Version", "8")], 426),
}
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
SWITCHES: dict[str, tuple[list[tuple[str, str]], bytes]] = {
    "a plain request": ([], b"Upgrade: websocket\r\nConnection: Upgrade\r\n" + ACCEPT),
    "a dropped one": (DROPPED["foo"], b"Upgrade: foo\r\nConnection: Upgrade\r\n"),
    "to another protocol": (HANDSHAKE, b"Upgrade: h2c\r\nConnection: Upgrade\r\n" + ACCEPT),
    "a wrong accept": (HANDSHAKE, b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n"),
    "a wrong subprotocol": (
        HANDSHAKE, b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: x\r\n" + ACCEPT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DROPPED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_upgrade_goes_on_as_a_plain_request(name: str, method: str, proxy: Any, server: Server) -> None:
    """Nothing of it reaches the server."""
    with RawClient(proxy.port) as client:
        client.send(request_bytes("/some/page", method=method, headers=DROPPED[name]))
        reply = client.reply()
    assert (reply.status, reply.body) == (200, b"plain")
    head = server.heads[-1].lower()
    assert b"upgrade" not in head and b"http2-settings" not in head


@pytest.mark.parametrize("name", REFUSED)
def test_a_websocket_that_is_not_valid_is_refused(name: str, proxy: Any, server: Server) -> None:
    """No server hears of it."""
    path, fields, status = REFUSED[name]
    before = len(server.heads)
    with RawClient(proxy.port) as client:
        client.send(request_bytes(path, method="GET", headers=fields))
        assert client.reply().status == status
    assert len(server.heads) == before


@pytest.mark.parametrize("name", SWITCHES)
def test_a_101_that_answers_no_handshake_is_no_tunnel(name: str, proxy: Any, server: Server) -> None:
    """The client gets a 502; what it sends on is not passed, and the server's connection is closed."""
    fields, answer = SWITCHES[name]
    got: list[bytes] = []

    def switches(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + answer + b"\r\nraw bytes of a tunnel")
        got.append(connection.recv(1 << 16))

    server.raw["/v1/realtime?tunnel"] = switches
    with RawClient(proxy.port) as client:
        client.send(request_bytes("/v1/realtime?tunnel", method="GET", headers=fields))
        reply = client.reply()
        client.send(b"GET /admin HTTP/1.1\r\n")
    assert reply.status == 502 and b"raw bytes" not in reply.body
    proxy.until(lambda: got)
    assert got == [b""]


@pytest.mark.parametrize(
    "raw",
    [
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n",
        b"CONNECT /v1/realtime HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=["CONNECT", "CONNECT to a path", "HTTP/2 with prior knowledge"],
)
def test_there_is_no_tunnel_otherwise(raw: bytes, proxy: Any, server: Server) -> None:
    """Nor HTTP/2, whose extended CONNECT would be another one (RFC 8441)."""
    before = len(server.heads)
    with RawClient(proxy.port) as client:
        client.send(raw)
        client.socket.settimeout(PATIENCE)
        answer = client.socket.recv(1 << 16)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert len(server.heads) == before


@pytest.mark.parametrize("name", DROPPED)
def test_a_rule_is_not_passed_by_an_upgrade(name: str, proxy: Any) -> None:
    """A request that names a model goes where the rules send it, whatever it says of upgrades."""
    answer = proxy.chat("up/m", headers=dict(DROPPED[name]))
    assert answer.status_code == 200 and answer.headers["x-switchman-target"] == "up/m"
