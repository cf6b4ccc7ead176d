"""What a request holds of its caller's limits comes back, however it ends: its place, and what it reserved.

Each caller here has one place. When its request is over, nothing is held, and the next one may go.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Event, RejectConnection, Request, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from switchman.addons.core.access.caller import Allowance, Budget, Terms
from switchman.addons.core.access.limits.account import Account
from switchman.addons.state.access.sqliteledger import look_into
from switchman.addons.store.access.opening import open_access
from switchman.addons.testing import Behaviour, FakeUpstream

PATIENCE = 60.0  # seconds
ROUTES = """
servers:
  up: {{url: "{up}", dialect: openai}}
  other: {{url: "{other}", dialect: anthropic}}
  good: {{url: "{good}", dialect: openai, free: true}}
models:
  up/gpt: {{input_cost: 1, output_cost: 1}}
  other/gpt: {{input_cost: 1, output_cost: 1}}
"""
ONE = Allowance(10**6, 10**9, 1, 100_000, (Budget(10**9, "usd", "month"), Budget(10**9, "tokens", "day")))
SOCKETS = Allowance(10**6, concurrent=1, budgets=(Budget(10**9, "tokens", "day"),))  # nobody knows what one costs
LARGE = 6_000_000  # bytes: an event, or an answer, of which the work is done in a thread

Proxy = Any


class Live:
    """A WebSocket server: it takes what comes, unless its query says `refuse`. Told "cut", it hangs up; told "close",
    it closes. What is no WebSocket (the router asks for a list of models) gets no answer."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                thread = threading.Thread(target=self._serve, args=(connection,))
                thread.start()
                self.threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, LocalProtocolError, RemoteProtocolError):
            connection.settimeout(PATIENCE)
            ws = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
            for event in events_of(connection, ws):
                answer: Event | None = None
                if isinstance(event, Request):
                    refused = RejectConnection(status_code=403)
                    answer = refused if "refuse" in event.target else AcceptConnection()
                elif isinstance(event, CloseConnection):
                    answer = event.response()
                elif isinstance(event, TextMessage) and event.data == "cut":
                    return
                elif isinstance(event, TextMessage):
                    answer = CloseConnection(code=1000)
                if answer is not None:
                    connection.sendall(ws.send(answer))

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def events_of(connection: socket.socket, ws: wsproto.WSConnection) -> Iterator[Event]:
    """As they come, until the other end is gone."""
    while data := connection.recv(1 << 16):
        ws.receive_data(data)
        yield from ws.events()


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    server = Live()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def other() -> Iterator[FakeUpstream]:
    with FakeUpstream("anthropic") as fake:
        yield fake


@pytest.fixture(scope="module")
def good() -> Iterator[FakeUpstream]:
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(scope="module")
def shared_proxy(
    start_shared: Any, upstream: FakeUpstream, other: FakeUpstream, good: FakeUpstream, live: Live
) -> Proxy:
    routes = ROUTES.format(up=upstream.url, other=other.url, good=good.url)
    return start_shared(routes, {"CLIENT_AUTH": "TOKENS", "DEFAULT_UPSTREAM": live.url})


@pytest.fixture(autouse=True)
def _well_behaved(upstream: FakeUpstream, other: FakeUpstream) -> None:
    for one in (upstream, other):
        one.default = Behaviour()
        one.requests.clear()


class Holder:
    """A caller, and its account."""

    def __init__(self, proxy: Proxy, name: str, allowance: Allowance = ONE) -> None:
        access = open_access(None, proxy.folder / "requests.db")
        try:
            token, self.text = access.tokens.create(Terms(name, allowance=allowance), time.time())
        finally:
            access.close()
        self.proxy, self.name, self.file = proxy, f"token:{token.caller.id}", proxy.folder / "requests.limits.db"
        proxy.until(lambda: self.models() == 200, "the token is known")

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.text}"}

    def models(self) -> int:
        return httpx.get(f"{self.proxy.url}/v1/models", headers=self.headers, trust_env=False).status_code

    def body(self, model: str = "up/gpt", stream: bool = False, content: str = "hi") -> bytes:
        said = [{"role": "user", "content": content}]
        return json.dumps({"model": model, "messages": said, "max_tokens": 50, "stream": stream}).encode()

    def chat(self, model: str = "up/gpt", stream: bool = False) -> httpx.Response:
        return httpx.post(
            f"{self.proxy.url}/v1/chat/completions", content=self.body(model, stream), trust_env=False,
            headers=self.headers | {"content-type": "application/json"}, timeout=PATIENCE,
        )  # fmt: skip

    def send(self, body: bytes, length: int | None = None) -> socket.socket:
        """A request on a connection of its own. `length`: what it says that the body has."""
        sock = socket.create_connection(("127.0.0.1", self.proxy.port))
        sock.settimeout(PATIENCE)
        sock.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {self.text}\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body) if length is None else length}\r\n\r\n".encode()
            + body
        )
        return sock

    @property
    def account(self) -> Account:
        return look_into(self.file, [self.name]).get(self.name, Account())

    @property
    def reserved(self) -> int:
        return sum(amount for held in self.account.held.values() for amount in held.reserved.values())

    def holds(self) -> None:
        """Its request runs: it has its place, and something is reserved in both budgets."""
        self.proxy.until(lambda: self.account.running == 1, "it runs")
        assert self.reserved > 100

    def is_free(self) -> int:
        """Nothing is held, and the next one may go. Returns the micro-dollars that were used before it."""
        self.proxy.until(lambda: not self.account.held, f"nothing is held: {self.account.held}")
        used = sum(purse.used for name, purse in self.account.purses.items() if name.startswith("usd"))
        assert self.chat("good/free").status_code == 200
        self.proxy.until(lambda: not self.account.held, "nothing is held")
        return used


# WebSockets


def connected(holder: Holder, path: str = "/v1/realtime?model=m") -> tuple[socket.socket, Any, Any]:
    """The socket, its protocol, and what the handshake was answered with."""
    sock = socket.create_connection(("127.0.0.1", holder.proxy.port))
    sock.settimeout(PATIENCE)
    ws = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    fields = [(b"authorization", f"Bearer {holder.text}".encode())]
    sock.sendall(ws.send(Request(host="localhost", target=path, extra_headers=fields)))
    return sock, ws, next(one for one in events_of(sock, ws) if isinstance(one, AcceptConnection | RejectConnection))


@pytest.mark.parametrize("how", ["client closes", "client is gone", "server closes", "server is gone"])
def test_a_websocket_has_a_place_as_long_as_it_is_open(proxy: Proxy, how: str) -> None:
    """Another one is a 429 before it is upgraded; when the first has ended, from whichever side, one may come."""
    holder = Holder(proxy, f"socket {how}", SOCKETS)
    sock, ws, accepted = connected(holder)
    with sock:
        assert isinstance(accepted, AcceptConnection)
        fields = {name.lower(): value for name, value in accepted.extra_headers}
        assert fields[b"x-ratelimit-limit-requests"] == b"1000000"
        assert holder.account.running == 1
        second, _, refused = connected(holder)
        second.close()
        assert isinstance(refused, RejectConnection) and refused.status_code == 429
        if how == "client closes":
            sock.sendall(ws.send(CloseConnection(code=1000)))
            assert any(isinstance(event, CloseConnection) for event in events_of(sock, ws))
        elif how.startswith("server"):
            sock.sendall(ws.send(TextMessage("close" if how == "server closes" else "cut")))
            closed = next((event for event in events_of(sock, ws) if isinstance(event, CloseConnection)), None)
            assert (closed is not None) == (how == "server closes")
            if closed is not None:
                sock.sendall(ws.send(closed.response()))
    proxy.overlook()  # the warning of a server that is gone
    assert holder.is_free() == 0
    third, _, accepted = connected(holder)
    third.close()
    assert isinstance(accepted, AcceptConnection)
    assert holder.is_free() == 0


def test_a_handshake_that_the_server_refuses_gives_its_place_back(proxy: Proxy) -> None:
    """It was a request, and no more."""
    holder = Holder(proxy, "refused handshake", SOCKETS)
    sock, _, refused = connected(holder, "/v1/realtime?model=m&refuse=1")
    sock.close()
    assert isinstance(refused, RejectConnection) and refused.status_code == 403
    assert holder.is_free() == 0


# Clients that leave


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["up/gpt", "other/gpt"])
def test_a_client_that_leaves_before_the_head(
    proxy: Proxy, upstream: FakeUpstream, other: FakeUpstream, model: str, stream: bool
) -> None:
    """As it was reserved, passed through and translated."""
    upstream.default = other.default = Behaviour(never_answer=True)
    holder = Holder(proxy, f"before {model} {stream}")
    with holder.send(holder.body(model, stream)):
        holder.holds()
    assert holder.is_free() > 50


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["up/gpt", "other/gpt"])
def test_a_client_that_leaves_in_the_middle_of_an_answer(
    proxy: Proxy, upstream: FakeUpstream, other: FakeUpstream, model: str, stream: bool
) -> None:
    """Something was used, whether the answer was held back to be translated, or went on as it came."""
    resume = threading.Event()
    upstream.default = other.default = Behaviour(text="word " * 40, stall_after=1, resume=resume)
    holder = Holder(proxy, f"middle {model} {stream}")
    with holder.send(holder.body(model, stream)) as sock:
        holder.holds()
        if stream:
            assert b"200" in sock.recv(1 << 16)
    assert holder.is_free() > 0
    resume.set()


def test_a_client_that_leaves_while_its_body_is_read(proxy: Proxy) -> None:
    """Nothing was taken yet."""
    holder = Holder(proxy, "body")
    holder.send(b"{", length=1000).close()
    assert holder.is_free() == 0
    assert holder.account.requests.total == 1  # the one that is_free() makes


def test_a_body_that_is_too_large_takes_nothing(proxy: Proxy) -> None:
    """By what has come of it: it tells no length."""
    holder = Holder(proxy, "too large")

    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 10_000

    answer = httpx.post(
        f"{proxy.url}/v1/chat/completions", content=chunks(), headers=holder.headers, trust_env=False, timeout=PATIENCE
    )
    assert answer.status_code == 413
    assert holder.is_free() == 0


def test_a_client_that_leaves_while_the_counts_are_asked(proxy: Proxy) -> None:
    """The file is locked by another: what is taken once it is free comes back, as the client is gone by then."""
    holder = Holder(proxy, "waits")
    assert holder.chat().status_code == 200
    used = holder.is_free()
    with contextlib.closing(sqlite3.connect(holder.file, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        holder.send(holder.body()).close()
        time.sleep(0.3)  # whichever comes first, nothing may be left; this makes it the client's leaving, mostly
        db.execute("ROLLBACK")
    proxy.until(lambda: len(proxy.rows(token="waits", method="POST")) >= 3, "its row")
    assert holder.is_free() >= used  # the server may have been asked, and nobody tells what it did


# Servers that fail, and heavy answers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["up/gpt", "other/gpt"])
def test_a_server_that_breaks_off(
    proxy: Proxy, upstream: FakeUpstream, other: FakeUpstream, model: str, stream: bool
) -> None:
    """In the middle of a whole answer, or of a stream."""
    upstream.default = other.default = Behaviour(text="word " * 40, cut_after=5)
    holder = Holder(proxy, f"cut {model} {stream}")
    with contextlib.suppress(httpx.HTTPError):
        holder.chat(model, stream)
    assert holder.is_free() > 0
    proxy.overlook()


@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["up/gpt", "other/gpt"])
def test_an_answer_whose_work_is_done_in_a_thread(
    proxy: Proxy, upstream: FakeUpstream, other: FakeUpstream, model: str, stream: bool, stays: bool
) -> None:
    """Read to its end it is settled by its usage; left, it is settled all the same."""
    upstream.default = other.default = Behaviour(pieces=["wörter " * (LARGE // 8)])
    holder = Holder(proxy, f"heavy {model} {stream} {stays}")
    if stays:
        assert len(holder.chat(model, stream).content) > LARGE // 2
        assert holder.is_free() == 11 + 7
    else:
        with holder.send(holder.body(model, stream)) as sock:
            holder.holds()
            sock.recv(10_000)
        assert holder.is_free() > 0


def test_what_translation_refuses_gives_all_back(proxy: Proxy) -> None:
    """It never went out, and is no use of a budget."""
    holder = Holder(proxy, "untranslatable")
    body = json.dumps({"model": "other/gpt", "messages": [{"role": "user", "content": 7}], "max_tokens": 9}).encode()
    with holder.send(body) as sock:
        assert b" 400 " in sock.recv(1 << 16)[:20]
    assert holder.is_free() == 0


def test_a_router_that_stops_settles_what_runs(start: Any, upstream: FakeUpstream) -> None:
    """Nothing stays reserved for the next start, and what had passed is used."""
    proxy = start(ROUTES.format(up=upstream.url, other=upstream.url, good=upstream.url), {"CLIENT_AUTH": "TOKENS"})
    upstream.default = Behaviour(text="word " * 40, stall_after=10)
    holder = Holder(proxy, "stopped")
    with holder.send(holder.body(stream=True)) as sock:
        assert b"200" in sock.recv(1 << 16)
        holder.holds()
        proxy.process.terminate()
        assert proxy.process.wait(PATIENCE) is not None
    assert not holder.account.held
    assert sum(purse.used for name, purse in holder.account.purses.items() if name.startswith("usd")) > 0
