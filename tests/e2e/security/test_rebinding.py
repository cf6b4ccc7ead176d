"""Names that are not the router's, and pages that are not: by the bytes on the wire, and in a real browser."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    # What a rebound name comes to: its page's name means the router's address.
    "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP llm.given.example 127.0.0.1",
]  # fmt: skip


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream) -> Any:
    upstream.paths["/some/page"] = Behaviour(body=b"<title>passed</title>", headers={"content-type": "text/html"})
    rules = f"servers:\n  up: {{url: '{upstream.url}', dialect: openai, api_key: owner-key, pass_through: true}}\n"
    return start_shared(rules, {"DEFAULT_UPSTREAM": upstream.url, "ALLOWED_HOSTS": "llm.given.example"})


def chat(mark: str) -> dict[str, Any]:
    return {"model": "up/m", "messages": [{"role": "user", "content": mark}]}


def ask(proxy: Any, lines: str, *, path: str = "/v1/models", version: str = "1.1") -> Any:
    with RawClient(proxy.port) as client:
        client.send(f"GET {path} HTTP/{version}\r\n{lines}\r\n".encode("latin-1"))
        return client.reply()


@pytest.mark.parametrize(
    ("lines", "path", "version", "status"),
    [
        ("Host: evil.example:1234\r\n", "/v1/models", "1.1", 421),
        ("Host: evil.example.\r\n", "/healthz", "1.1", 421),
        ("Host: 127.0.0.1@evil.example\r\n", "/v1/models", "1.1", 421),
        ("Host: 2130706433\r\n", "/v1/models", "1.1", 421),
        ("Host: evil.example\r\n", "http://127.0.0.1/v1/models", "1.1", 421),
        ("Host: evil.example\r\n", "/v1/models", "1.0", 421),
        ("Host: evil.example\r\nHost: localhost\r\n", "/v1/models", "1.1", 400),
        ("Host:\r\n", "/v1/models", "1.1", 421),
        ("X: y\r\n", "/v1/models", "1.1", 400),
        ("X: y\r\n", "/v1/models", "1.0", 200),
        ("Host: [::1]:1234\r\n", "/v1/models", "1.1", 200),
        ("Host: [fe80::1%25eth0]\r\n", "/v1/models", "1.1", 200),
        ("Host: switchman:8080\r\n", "/v1/models", "1.1", 200),
        ("Host: host.docker.internal:1234\r\n", "/v1/models", "1.1", 200),
        ("Host: LLM.given.example.:443\r\n", "/v1/models", "1.1", 200),
    ],
)
def test_the_host_field_names_the_router_or_nothing_is_answered(
    lines: str, path: str, version: str, status: int, proxy: Any
) -> None:
    """However it is written."""
    assert ask(proxy, lines, path=path, version=version).status == status


def test_a_refusal_leaves_a_row_with_the_line_to_set(proxy: Any, upstream: FakeUpstream) -> None:
    """And no server hears of it."""
    reply = proxy.post("/v1/chat/completions", chat("by another name"), headers={"host": "other.example"})
    assert reply.status_code == 421 and "set ALLOWED_HOSTS=other.example" in reply.json()["error"]["message"]
    proxy.wait_output("set ALLOWED_HOSTS=other.example")
    row = proxy.row(path="/v1/chat/completions", status=421)
    assert row["outcome"] == "refused" and "set ALLOWED_HOSTS=other.example" in row["error"]
    assert not upstream.heard("by another name")


# In a browser


class Site(BaseHTTPRequestHandler):
    """An empty page at every path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>a page</title>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists() and "CI" not in os.environ:
        pytest.skip(f"{CHROMIUM} is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


FETCHES = """async ([mark, body]) => {
  const seen = [];
  const post = {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body)};
  for (const [path, how] of [['/v1/models?' + mark, {}], ['/v1/chat/completions', post]]) {
    const answer = await fetch(path, how);
    seen.push([answer.status, (await answer.text()).includes('owner-key') ? 'key' : '']);
  }
  return seen;
}"""
IMAGE = "url => new Promise(done => { const i = new Image(); i.onload = i.onerror = e => done(e.type); i.src = url; })"
SOCKET = """url => new Promise(done => {
  const socket = new WebSocket(url);
  socket.onopen = () => done('open');
  socket.onerror = () => done('error');
})"""
OPAQUE = """url => new Promise(done => {
  window.onmessage = event => done(event.data);
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts';
  frame.srcdoc = `<script>
    const socket = new WebSocket('${url}');
    socket.onopen = () => parent.postMessage('open', '*');
    socket.onerror = () => parent.postMessage('error', '*');
  </` + 'script>';
  document.body.append(frame);
})"""


def test_a_rebound_page_gets_nothing(page: Page, proxy: Any, upstream: FakeUpstream) -> None:
    """To the browser the router's answers are the page's own: no rule of origins helps."""
    answer = page.goto(f"http://evil.example:{proxy.port}/?rebound")
    assert answer is not None and answer.status == 421
    assert page.evaluate(FETCHES, ["rebound", chat("rebound")]) == [[421, ""], [421, ""]]
    assert not upstream.heard("rebound")


def test_a_page_of_a_given_name_is_at_home(page: Page, proxy: Any, upstream: FakeUpstream) -> None:
    """One that the router passed through, opened by the name in ALLOWED_HOSTS: it reads, and spends."""
    answer = page.goto(f"http://llm.given.example:{proxy.port}/some/page")
    assert answer is not None and answer.status == 200
    assert [status for status, _ in page.evaluate(FETCHES, ["home", chat("at home")])] == [200, 200]
    assert upstream.heard("at home")


def test_an_image_of_a_foreign_page_spends_nothing(page: Page, site: int, proxy: Any, upstream: FakeUpstream) -> None:
    """Its GET has no Origin, but the browser says that it is cross-site."""
    page.goto(f"http://evil.example:{site}/")
    assert page.evaluate(IMAGE, f"{proxy.url}/some/page?image&model=up/m") == "error"
    assert proxy.row(path="/some/page?image&model=up/m")["status"] == 403
    assert not upstream.heard("page?image")


@pytest.mark.parametrize(("path", "status"), [("/?link", 200), ("/some/page?link", 403)])
def test_a_link_of_a_foreign_page_leads_to_the_routers_own_pages_only(
    path: str, status: int, page: Page, site: int, proxy: Any, upstream: FakeUpstream
) -> None:
    """Else a page could open an address that costs something, as often as it likes."""
    page.goto(f"http://evil.example:{site}/")
    with page.expect_response(f"{proxy.url}{path}") as answer:
        page.evaluate("url => { location.href = url; }", f"{proxy.url}{path}")
    assert answer.value.status == status
    assert not upstream.heard(path)


@pytest.mark.parametrize("script", [SOCKET, OPAQUE], ids=["of a page", "of a frame without an origin"])
def test_a_websocket_of_a_foreign_page_is_not_opened(
    script: str, page: Page, site: int, proxy: Any, upstream: FakeUpstream
) -> None:
    """A browser asks nobody before it; also where the page is of this machine, but hides its origin (null)."""
    host = "evil.example" if script is SOCKET else "localhost"
    page.goto(f"http://{host}:{site}/")
    assert page.evaluate(script, f"ws://127.0.0.1:{proxy.port}/v1/realtime?{host}") == "error"
    assert proxy.row(path=f"/v1/realtime?{host}")["status"] == 403
    assert not upstream.heard(f"/v1/realtime?{host}")
