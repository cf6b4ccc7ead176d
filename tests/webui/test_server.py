"""The dashboard as a server: what waitress lets through, a clean stop, and what the process imports."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from flask import Flask

from switchman.addons.store.opening import Store
from switchman.webui import WebConfig
from switchman.webui.server import DashboardServer

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
