"""The dashboard as a server: what waitress lets through, a clean stop, and what the process imports."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from switchman.addons.core.request.clients import parse_networks
from switchman.addons.store.opening import Store
from switchman.webui import WebConfig
from switchman.webui.server import Channel, DashboardServer

SCRIPT = """
import sys
from switchman.addons.store.opening import open_store
from switchman.webui import WebConfig, create_app
from switchman.webui import server

with open_store(db_path=sys.argv[1] + "/requests.db", blob_path=sys.argv[1] + "/blobs") as store:
    app = create_app(WebConfig(queries=store.queries))
    server.serve(app, "127.0.0.1", int(sys.argv[2]))
print("closed")
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for(address: str) -> httpx.Response:
    deadline = time.monotonic() + 30
    while True:
        try:
            return httpx.get(address)
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the dashboard did not start"
            time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(tmp_path: Path, number: int) -> None:
    """The process ends by itself, with status 0 and what comes after `serve` done."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert wait_for(f"http://127.0.0.1:{port}/").status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, out.strip(), err) == (0, "closed", "")


def test_the_pages_never_import_the_proxy() -> None:
    """A fresh interpreter with all of the dashboard has no mitmproxy, and no plotly: only its file is served."""
    root = Path(__file__).parents[2]
    paths = [path.relative_to(root).with_suffix("") for path in (root / "webui").rglob("*.py")]
    modules = [".".join(("switchman", *path.parts)) for path in paths if path.name != "__init__"]
    assert len(modules) > 15
    code = (
        f"import sys, importlib; [importlib.import_module(name) for name in {modules!r}]; "
        "print([name for name in sys.modules if name.split('.')[0] in ('mitmproxy', 'plotly')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(modules) > 10 and done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For",
        "x-real-ip",
        "CF-Connecting-IP",
        "X-FORWARDED-PROTO",
        "X-Forwarded-Host",
        "x-original-forwarded-for",
        "Forwarded",
    ],
)
def test_proxy_headers_reach_the_app_through_waitress(store: Store, serve_dashboard, header: str) -> None:
    """waitress drops some of them by default; then a proxied request would look local."""
    with serve_dashboard(WebConfig(queries=store.queries)) as address:
        assert httpx.get(address).status_code == 200
        assert httpx.get(address, headers={header: "for=1.2.3.4"}).status_code == 403


def test_an_answer_that_was_begun_is_finished_when_it_stops() -> None:
    """A stop waits for what is being answered, and takes nothing new."""
    begun, go_on = threading.Event(), threading.Event()
    app = Flask(__name__)

    @app.get("/")
    def slow() -> str:
        begun.set()
        go_on.wait(30)
        return "x" * 500_000

    server = DashboardServer(app, "127.0.0.1", 0)
    serving = threading.Thread(target=server.run)
    serving.start()
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(httpx.get(f"http://127.0.0.1:{server.port}/", timeout=30)))
    asking.start()
    assert begun.wait(30)
    server.stop()
    go_on.set()
    asking.join(30)
    serving.join(30)
    assert not serving.is_alive() and len(answers[0].text) == 500_000
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_an_address_in_use_is_an_error() -> None:
    """At once, not at the first request."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError):
        DashboardServer(Flask(__name__), "127.0.0.1", taken.getsockname()[1])


@contextmanager
def serving(most: int, host: str = "127.0.0.1", **named: Any) -> Iterator[DashboardServer]:
    """A dashboard of one page, which takes so many connections."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "here")
    server = DashboardServer(app, host, 0, most, **named)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(30)


def own_address() -> str | None:
    """An address of this machine that is not a loopback one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        address = str(probe.getsockname()[0])
        return None if address.startswith("127.") else address
    return None


def ended(client: socket.socket) -> bool:
    client.settimeout(30)
    try:
        return client.recv(1000) == b""
    except ConnectionError:
        return True


@pytest.mark.soak
@pytest.mark.parametrize("first", [b"", b"\r\n", b"GET / HTTP/1.1\r\nA: b\r\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_idle_connections_keep_nobody_out(first: bytes, full: bool) -> None:
    """However many there are, and whatever they have sent: the longest idle one is closed for a new one."""
    size = 1500 if full else 150
    with serving(size // 3) as server, ExitStack() as held:
        crowd = []
        for _ in range(size):
            crowd.append(held.enter_context(socket.create_connection(("127.0.0.1", server.port), 30)))
            crowd[-1].sendall(first)
        for _ in range(3):
            assert httpx.get(f"http://127.0.0.1:{server.port}/", timeout=30).text == "here"
        assert len(server._channels) <= size // 3 + 2


def test_a_request_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head of a byte now and then, a body that does not come, and an idle connection are closed."""
    monkeypatch.setattr("switchman.webui.server.REQUEST_SECONDS", 0.3)
    monkeypatch.setattr("switchman.webui.server.IDLE_SECONDS", 0.6)
    with serving(10) as server, ExitStack() as held:
        clients = [held.enter_context(socket.create_connection(("127.0.0.1", server.port), 30)) for _ in range(3)]
        clients[0].sendall(b"GET / HTTP/1.1\r\nA: ")
        clients[1].sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nx")
        assert all(map(ended, clients))


@pytest.mark.parametrize("endless", [b"\r\n" * 2000, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 12_000])
def test_a_request_without_end_is_not_read_to_its_end(endless: bytes) -> None:
    """Blank lines and heads are read up to a limit."""
    with serving(10) as server, socket.create_connection(("127.0.0.1", server.port), 30) as client:
        with suppress(OSError):
            for _ in range(1000):
                client.sendall(endless)
            pytest.fail("it takes all")
        assert httpx.get(f"http://127.0.0.1:{server.port}/", timeout=30).text == "here"


def test_who_finds_all_connections_busy_is_told_so() -> None:
    """With a 503, and one line in the log for all of them."""
    begun, go_on = threading.Event(), threading.Event()
    app = Flask(__name__)

    @app.get("/")
    def slow() -> str:
        begun.set()
        go_on.wait(30)
        return "late"

    server = DashboardServer(app, "127.0.0.1", 0, 1)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), 30) as busy:
            busy.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert begun.wait(30)
            with socket.create_connection(("127.0.0.1", server.port), 30) as late:
                assert b"503 Service Unavailable" in late.recv(1000)
            go_on.set()
            assert b"200 OK" in busy.recv(1000)
    finally:
        go_on.set()
        server.stop()
        thread.join(30)


def test_one_address_has_no_more_than_its_share() -> None:
    """It loses its own idle ones; this machine's, and those of proxies that are trusted, have no share of their own."""
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    for shared, kept in (((), 2), (parse_networks(f"{address}/32"), 4)):
        with serving(4, host="0.0.0.0", shared=shared) as server, ExitStack() as held:
            clients = [held.enter_context(socket.create_connection((address, server.port), 30)) for _ in range(4)]
            clients[3].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200 OK" in clients[3].recv(1000)
            assert sum(1 for channel in server._channels.values() if isinstance(channel, Channel)) == kept
