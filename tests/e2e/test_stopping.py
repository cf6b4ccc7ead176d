"""The router stops while requests run: they get their time, then words of their own, and each its row."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient, RawReply, request_bytes

PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
HEADERS = [("content-type", "application/json"), ("anthropic-version", "2023-06-01")]
ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 99}
STOPPED = "The router was stopped before the answer was complete."
ENDLESS = Behaviour(pieces=[f"word{n} " for n in range(10_000)], delay=0.02)
LONG = 3600.0  # a grace that no test waits for


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream(name="up") as server:
        yield server


def begin(proxy: Any, path: str = PATHS["openai"], **fields: Any) -> RawClient:
    client = RawClient(proxy.port)
    client.send(request_bytes(path, json.dumps(ASKED | fields).encode(), headers=HEADERS))
    return client


def rules_of(servers: Mapping[str, FakeUpstream]) -> str:
    """Servers of these names, each of a declared dialect."""
    lines = (f"  {name}: {{url: '{server.url}', dialect: {server.dialect}}}" for name, server in servers.items())
    return "\n".join(["servers:", *lines, ""])


def terminate(proxy: Any) -> None:
    proxy.process.send_signal(signal.SIGTERM)


def accepts(proxy: Any) -> bool:
    try:
        socket.create_connection(("127.0.0.1", proxy.port), 10).close()
    except OSError:
        return False
    return True


def wait_for_no_entry(proxy: Any) -> None:
    deadline = time.monotonic() + 60
    while accepts(proxy):
        assert time.monotonic() < deadline, "it still takes connections"
        time.sleep(0.02)


def test_running_requests_end_by_themselves(start: Any, upstream: FakeUpstream) -> None:
    """No new connection is taken; a stream that runs is delivered whole; then the process ends, and waits no longer."""
    upstream.default = Behaviour(pieces=[f"word{n} " for n in range(20)], delay=0.1)
    proxy = start(env={"DEFAULT_UPSTREAM": upstream.url, "SHUTDOWN_GRACE": str(LONG)})
    with begin(proxy, stream=True) as client:
        head = client.head()
        assert client.chunk(head)
        terminate(proxy)
        wait_for_no_entry(proxy)
        while client.chunk(head):
            pass
        assert head.body.endswith(b"data: [DONE]\n\n") and b"word19" in head.body
        assert client.ended()
    assert proxy.process.wait(60) == 0
    row = proxy.row(requested_model="m")
    assert (row["status"], row["outcome"]) == (200, "ok")


def test_an_idle_connection_holds_nothing_up(start: Any, upstream: FakeUpstream) -> None:
    """A client that keeps its connection without asking anything is let go at once."""
    proxy = start(env={"DEFAULT_UPSTREAM": upstream.url, "SHUTDOWN_GRACE": str(LONG)})
    with RawClient(proxy.port) as client, RawClient(proxy.port) as mute:
        assert client.ask(PATHS["openai"], ASKED).status == 200
        terminate(proxy)
        assert client.ended() and mute.ended()
        assert proxy.process.wait(60) == 0


class Cut:
    """A proxy that was stopped while it streamed to a client of each dialect: what each of them got, and its row."""

    def __init__(self, proxy: Any, servers: dict[str, FakeUpstream], how: str) -> None:
        with ExitStack() as stack:
            clients = {
                dialect: stack.enter_context(begin(proxy, path, model=f"{dialect}/m", stream=True))
                for dialect, path in PATHS.items()
            }
            self.replies = {dialect: client.head() for dialect, client in clients.items()}
            for dialect, client in clients.items():
                assert client.chunk(self.replies[dialect])
            terminate(proxy)
            if how == "a second signal":
                wait_for_no_entry(proxy)
                terminate(proxy)
            self.last = {dialect: read_on(client, self.replies[dialect]) for dialect, client in clients.items()}
            self.ended = {dialect: client.ended() for dialect, client in clients.items()}
        self.code = proxy.process.wait(60)
        self.disconnected = {name: server.inferences[-1].disconnected.wait(10) for name, server in servers.items()}
        self.rows = {dialect: proxy.row(requested_model=f"{dialect}/m") for dialect in PATHS}


def read_on(client: RawClient, reply: RawReply) -> bytes:
    """To the end of the reply; the last chunk, which is empty if the body ended properly."""
    while chunk := client.chunk(reply):
        pass
    return chunk


@pytest.fixture(scope="module", params=["its grace is over", "a second signal"])
def cut(request: pytest.FixtureRequest, start_shared: Any) -> Cut:
    grace = "0.3" if request.param == "its grace is over" else str(LONG)
    with ExitStack() as stack:
        servers = {dialect: stack.enter_context(FakeUpstream(dialect, default=ENDLESS)) for dialect in PATHS}
        return Cut(start_shared(rules_of(servers), env={"SHUTDOWN_GRACE": grace}), servers, request.param)


@pytest.mark.parametrize("dialect", PATHS)
def test_a_stream_that_is_cut_ends_with_an_error_event(dialect: str, cut: Cut) -> None:
    """In the client's dialect, with a clean end; the row says that it was us, and the server is not blamed."""
    reply, row = cut.replies[dialect], cut.rows[dialect]
    assert cut.last[dialect] == b"", "the chunked body must end properly"
    assert STOPPED.encode() in reply.body and b'"error"' in reply.body
    assert cut.ended[dialect] and cut.code == 0 and cut.disconnected[dialect]
    assert (row["status"], row["outcome"], row["error"]) == (200, "stream_error", STOPPED)
    assert [a["outcome"] for a in row["attempts"]] == ["cancelled"]
    assert row["response"] == reply.body


WAITING = {  # what the server does, and whether a stream was asked for
    "no answer yet": (Behaviour(never_answer=True), False),
    "a head and no event": (Behaviour(stall_after=0), True),
    "half an answer": (Behaviour(stall_after=0), False),
}


def server_name(what: str, dialect: str) -> str:
    return f"{dialect}-{what.replace(' ', '-')}"


@pytest.fixture(scope="module")
def waited(start_shared: Any) -> dict[str, tuple[RawReply, dict[str, Any]]]:
    """A proxy that was stopped while servers of each dialect kept it waiting in each way: the replies, and the rows."""
    cases = [(what, dialect) for what in WAITING for dialect in PATHS]
    with ExitStack() as stack:
        servers = {
            server_name(what, dialect): stack.enter_context(FakeUpstream(dialect, default=WAITING[what][0]))
            for what, dialect in cases
        }
        proxy = start_shared(rules_of(servers), env={"SHUTDOWN_GRACE": "0.2"})
        clients = {
            (name := server_name(what, dialect)): stack.enter_context(
                begin(proxy, PATHS[dialect], model=f"{name}/m", stream=WAITING[what][1])
            )
            for what, dialect in cases
        }
        for server in servers.values():
            server.wait_for(lambda server=server: bool(server.inferences), 60)
        terminate(proxy)
        replies = {name: client.reply() for name, client in clients.items()}
        assert proxy.process.wait(60) == 0
    return {name: (reply, proxy.row(requested_model=f"{name}/m")) for name, reply in replies.items()}


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("what", WAITING)
def test_a_request_without_an_answer_gets_a_503(what: str, dialect: str, waited: Any) -> None:
    """Which its SDK knows as a reason to ask again, and by then there may be a router again."""
    reply, row = waited[server_name(what, dialect)]
    assert (reply.status, reply.header("retry-after")) == (503, "1")
    assert STOPPED in reply.body.decode()
    assert (row["status"], row["outcome"], row["error"]) == (503, "failed", STOPPED)
    assert [a["outcome"] for a in row["attempts"]] == ["cancelled"]


def test_a_request_that_is_still_being_sent_gets_a_503(start: Any, upstream: FakeUpstream) -> None:
    """Its client learns why nobody reads on."""
    proxy = start(env={"DEFAULT_UPSTREAM": upstream.url, "SHUTDOWN_GRACE": "0.2"})
    with RawClient(proxy.port) as client:
        client.send(request_bytes(PATHS["openai"], json.dumps(ASKED).encode())[:-10])
        proxy.wait_read(client)
        terminate(proxy)
        assert client.reply().status == 503
    assert proxy.process.wait(60) == 0
    assert proxy.row(status=503)["error"] == STOPPED


def test_the_openai_client_raises_what_it_can_tell_from_an_answer(start: Any, upstream: FakeUpstream) -> None:
    """openai-python raises APIError with our message instead of taking half a stream for a whole one."""
    upstream.default = ENDLESS
    proxy = start(env={"DEFAULT_UPSTREAM": upstream.url, "SHUTDOWN_GRACE": "0.2"})
    stream = proxy.openai().chat.completions.create(model="m", messages=ASKED["messages"], stream=True)
    next(iter(stream))
    terminate(proxy)
    with pytest.raises(openai.APIError, match="router was stopped"):
        for _ in stream:
            pass
    assert proxy.process.wait(60) == 0


def test_a_client_that_does_not_read_holds_nothing_up(start: Any, upstream: FakeUpstream) -> None:
    """Its stream stands still, its buffers are full, and the router ends all the same."""
    upstream.default = Behaviour(pieces=["x" * 100_000] * 2000)
    proxy = start(env={"DEFAULT_UPSTREAM": upstream.url, "SHUTDOWN_GRACE": "0.2"})
    with begin(proxy, stream=True) as client:
        assert client.chunk(client.head())
        terminate(proxy)
        assert proxy.process.wait(60) == 0
    assert proxy.row(requested_model="m")["outcome"] in ("stream_error", "cancelled")
