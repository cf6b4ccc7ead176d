"""Clients that hold connections and ask for nothing: there is always room for one that asks."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from switchman.addons.serving.ports import reserve
from switchman.addons.state.descriptors import raise_limit
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes

PATH = "/v1/chat/completions"
BODY = b'{"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}'
STREAMED = BODY[:-1] + b', "stream": true}'
RULES = "servers: {{up: {{url: '{url}', dialect: openai}}}}\n"
LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
print("listening at 127.0.0.1:{port}", flush=True)
from switchman.addons.serving.worker import main
main(["--confdir", {confdir!r}])
"""
EARLY = """
import asyncio
from mitmproxy import ctx
from switchman.addons.serving import worker


class Early:
    async def running(self):
        reader, self.writer = await asyncio.open_connection("127.0.0.1", {port})
        self.writer.write(b"GET /healthz HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n")
        for gone in (b"", b"GET /healthz HTTP/1.1\\r\\n", b"\\x16\\x03\\x01"):
            _, writer = await asyncio.open_connection("127.0.0.1", {port})
            writer.write(gone)
            writer.close()
        while len(ctx.master.addons.get("proxyserver").connections) < 4:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        self.task = asyncio.create_task(self.tell(reader))

    async def tell(self, reader):
        print("early:", await reader.readline(), flush=True)
        self.writer.close()


assemble = worker.assemble
worker.assemble = lambda: [Early(), *assemble()]
print("listening at 127.0.0.1:{port}", flush=True)
worker.main(["--confdir", {confdir!r}])
"""
CROWDS = {
    "nothing": b"",
    "blank lines": b"\r\n\r\n",
    "half a head": b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n",
    "half a body": request_bytes(PATH, BODY)[:-5],
    "half of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a request before": request_bytes(PATH, BODY),
}


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def sockets(pid: int) -> int:
    """Those alone: the router opens files of its own meanwhile."""
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            found += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
    return found


def memory(pid: int) -> int:
    """Bytes that a process has in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@contextmanager
def crowd(port: int, size: int, first: bytes) -> Iterator[list[socket.socket]]:
    """So many connections, each of which has sent `first`, and sends no more."""
    with ExitStack() as held:
        clients = []
        for _ in range(size):
            client = held.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            with suppress(OSError):
                client.sendall(first)
            clients.append(client)
        yield clients


@pytest.fixture(scope="module")
def limited(start_shared: Any, upstream: FakeUpstream, full: bool) -> Iterator[Any]:
    """A worker that may have few descriptors: `ulimit -n 1024` in full."""
    port, kept = reserve("127.0.0.1", 0)
    limit = 1024 if full else 150

    def command(proxy: Any) -> list[str]:
        return ["-c", LIMITED.format(limit=limit, port=port, confdir=str(proxy.folder / "mitmproxy"))]

    with kept:
        proxy = start_shared(RULES.format(url=upstream.url), {"LISTEN_PORT": str(port)}, command)
        proxy.limit = limit
        yield proxy


@pytest.mark.soak
@pytest.mark.parametrize("kind", CROWDS)
def test_a_crowd_that_asks_nothing_keeps_nobody_out(kind: str, limited: Any, full: bool) -> None:
    """There are more of them than the process may have descriptors; who asks is answered while they stay."""
    raise_limit()
    size = 2000 if full else 120
    pid = limited.process.pid
    before = memory(pid)
    with crowd(limited.port, size, CROWDS[kind]):
        for _ in range(3):
            assert (
                limited.openai()
                .chat.completions.create(model="up/m", messages=[{"role": "user", "content": "hi"}])
                .choices[0]
                .message.content
            )
        assert limited.chat("up/m", stream=True).status_code == 200
        assert descriptors(pid) < limited.limit
        assert memory(pid) - before < size * 200_000
    limited.wait_output("Connections of clients:")
    assert "Traceback" not in limited.output and "cannot open more" not in limited.output
    assert limited.output.count("Connections of clients:") < 10


@pytest.fixture(scope="module")
def narrow(start_shared: Any, upstream: FakeUpstream, upstream_factory: Callable[..., FakeUpstream]) -> Any:
    """A router with room for four connections, of which one address may have three."""
    servers = [upstream_factory("openai", name=f"s{number}") for number in range(8)]
    rules = ", ".join(f"s{n}: {{url: '{server.url}', dialect: openai}}" for n, server in enumerate(servers))
    env = {"LISTEN_HOST": "0.0.0.0", "CLIENT_AUTH": "NONE", "MAX_CONNECTIONS": "4"}
    return start_shared(f"servers: {{{rules}, up: {{url: '{upstream.url}', dialect: openai}}}}\n", env)


def test_who_finds_all_of_them_busy_is_told_so(narrow: Any, upstream: FakeUpstream) -> None:
    """A 503 with the setting's name, before the request is read; who is being answered notices nothing."""
    go_on = Event()
    asked = len(upstream.inferences)
    upstream.script([Behaviour(text="one two", stall_after=1, resume=go_on) for _ in range(4)])
    with ExitStack() as held:
        busy = [held.enter_context(RawClient(narrow.port)) for _ in range(4)]
        for client in busy:
            client.send(request_bytes(PATH, STREAMED))
        upstream.wait_for(lambda: len(upstream.inferences) >= asked + 4, 60)
        for _ in range(3):
            with RawClient(narrow.port) as late:
                reply = late.ask(PATH, BODY)
                assert (reply.status, reply.header("retry-after")) == (503, "1")
                assert "MAX_CONNECTIONS" in reply.json()["error"]["message"]
        go_on.set()
        assert [client.reply().status for client in busy] == [200] * 4
    assert narrow.chat("up/m").status_code == 200
    narrow.wait_output("refused with 503")
    assert narrow.output.count("refused with 503") == 1


def test_who_speaks_tls_is_told_so_in_tls(narrow: Any, upstream: FakeUpstream) -> None:
    """An alert: words of HTTP would be WRONG_VERSION_NUMBER to it, as of a server that knows no TLS."""
    go_on = Event()
    asked = len(upstream.inferences)
    upstream.script([Behaviour(text="one two", stall_after=1, resume=go_on) for _ in range(4)])
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with ExitStack() as held:
        busy = [held.enter_context(RawClient(narrow.port)) for _ in range(4)]
        for client in busy:
            client.send(request_bytes(PATH, STREAMED))
        upstream.wait_for(lambda: len(upstream.inferences) >= asked + 4, 60)
        with socket.create_connection(("127.0.0.1", narrow.port), 60) as plain, pytest.raises(ssl.SSLError) as caught:
            context.wrap_socket(plain, server_hostname="localhost")
        assert caught.value.reason == "TLSV1_ALERT_INTERNAL_ERROR"
        go_on.set()
        assert [client.reply().status for client in busy] == [200] * 4


def test_who_comes_before_the_router_has_started_is_answered_when_it_has(start: Any) -> None:
    """The port opens first. Clients that have left by then do no harm."""
    port, held = reserve("127.0.0.1", 0)

    def command(proxy: Any) -> list[str]:
        proxy.env["LISTEN_PORT"] = str(port)
        return ["-c", EARLY.format(port=port, confdir=str(proxy.folder / "mitmproxy"))]

    with held:
        proxy = start("", command=command)
        proxy.wait_output("early: b'HTTP/1.1 200 OK\\r\\n'")
    assert "MAX_CONNECTIONS" not in proxy.output


def test_nothing_listens_on_udp(start: Any) -> None:
    """HTTP/3 would come in past all limits of a head; mitmproxy listens for it where the upstream is one of https."""
    proxy = start("", {"DEFAULT_UPSTREAM": "https://127.0.0.1:9"})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", proxy.port))


def test_in_a_burst_nobody_is_closed_without_an_answer(narrow: Any, upstream: FakeUpstream) -> None:
    """Requests that came while the router did something else: those that there is no room for are told so."""
    narrow.process.send_signal(signal.SIGSTOP)
    upstream.script([Behaviour(latency=0.5) for _ in range(4)])
    with ExitStack() as held:
        try:
            clients = [held.enter_context(RawClient(narrow.port)) for _ in range(12)]
            for client in clients:
                client.send(request_bytes(PATH, BODY))
        finally:
            narrow.process.send_signal(signal.SIGCONT)
        assert sorted(client.reply().status for client in clients) == [200] * 4 + [503] * 8


def test_the_longest_idle_one_makes_room(narrow: Any) -> None:
    """Those that have been used since stay."""
    with ExitStack() as held:
        clients = [held.enter_context(RawClient(narrow.port)) for _ in range(4)]
        for client in clients:
            assert client.ask(PATH, BODY).status == 200
        assert clients[0].ask(PATH, BODY).status == 200
        assert narrow.chat("up/m").status_code == 200
        assert clients[1].ended()
        assert [client.ask(PATH, BODY).status for client in (clients[0], clients[2], clients[3])] == [200] * 3


def test_a_body_that_is_awaited_is_refused_where_nothing_is_idle(narrow: Any) -> None:
    """With a 503 in the client's dialect, and a row."""
    with ExitStack() as held:
        clients = [held.enter_context(RawClient(narrow.port)) for _ in range(4)]
        for client in clients:
            client.send(request_bytes("/v1/messages?half", BODY)[:-5])
            narrow.wait_read(client)  # else it would be idle, and closed without a word
        assert narrow.chat("up/m").status_code == 200
        reply = clients[0].reply()
        assert (reply.status, "MAX_CONNECTIONS" in reply.json()["error"]["message"]) == (503, True)
        assert reply.json()["type"] == "error"
    assert narrow.row(path="/v1/messages?half", status=503)["outcome"] == "refused"


def own_address() -> str | None:
    """An address of this machine that is not a loopback one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        address = str(probe.getsockname()[0])
        return None if address.startswith("127.") else address
    return None


def test_one_address_has_its_share(narrow: Any, upstream: FakeUpstream) -> None:
    """It loses its own idle ones, and gets a 429 where it has none; others, and this machine, are let in."""
    if (address := own_address()) is None:
        pytest.skip("this machine has no address but loopback")
    go_on = Event()
    with ExitStack() as held, RawClient(narrow.port) as local:
        assert local.ask(PATH, BODY).status == 200
        idle = [held.enter_context(RawClient(narrow.port, address)) for _ in range(5)]
        assert idle[0].ended() and idle[1].ended()
        asked = len(upstream.inferences)
        upstream.script([Behaviour(stall_after=1, resume=go_on) for _ in range(3)])
        for client in idle[2:]:
            client.send(request_bytes(PATH, STREAMED))
        upstream.wait_for(lambda: len(upstream.inferences) >= asked + 3, 60)
        with RawClient(narrow.port, address) as late:
            reply = late.reply()
            assert (reply.status, "MAX_CONNECTIONS_PER_ADDRESS" in reply.json()["error"]["message"]) == (429, True)
        assert local.ask(PATH, BODY).status == 200
        go_on.set()
        assert [client.reply().status for client in idle[2:]] == [200] * 3


def test_few_idle_connections_to_servers_are_kept(narrow: Any) -> None:
    """One client's connection keeps a few of them, whatever servers it has asked."""
    with RawClient(narrow.port) as client:
        client.ask(PATH, BODY.replace(b"up/m", b"s0/m"))
        before = sockets(narrow.process.pid)
        for number in range(1, 8):
            assert client.ask(PATH, BODY.replace(b"up/m", b"s%d/m" % number)).status == 200
        narrow.until(lambda: sockets(narrow.process.pid) <= before + 4, "closed connections")


def test_http2_is_not_offered_to_clients(narrow: Any) -> None:
    """Its floods (rapid reset, SETTINGS, CONTINUATION) find no HTTP/2: neither by TLS nor by its preface."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", narrow.port), 30) as plain,
        context.wrap_socket(plain, server_hostname="router") as client,
    ):
        assert client.selected_alpn_protocol() == "http/1.1"
    with RawClient(narrow.port) as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0" * 1000)
        assert client.ended()
    with httpx.Client(http1=True, http2=False, trust_env=False) as polite:
        assert polite.get(f"{narrow.url}/healthz").status_code == 200
