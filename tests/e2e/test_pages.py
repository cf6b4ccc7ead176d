"""Web pages that call the router: by the bytes on the wire, and in a real browser."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient, RawReply, request_bytes

PAGE = "http://localhost:3000"
EVIL = "https://evil.example"
JSON = ("content-type", "application/json")
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--host-resolver-rules=MAP evil.example 127.0.0.1",
]  # fmt: skip
CHAT = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}


def chat(mark: str) -> dict[str, Any]:
    """One that the upstream is asked, or not, by a text of its own."""
    return CHAT | {"messages": [{"role": "user", "content": mark}]}


RULES = """\
servers:
  up: {{url: '{up}', dialect: openai, api_key: owner-key, pass_through: true}}
  other: {{url: '{other}', dialect: anthropic}}
  bad: {{url: '{bad}', dialect: openai}}
"""


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream, upstream_factory: Any) -> Any:
    upstream.paths["/some/where"] = Behaviour(
        body=b"ok", headers={"content-type": "text/plain", "access-control-allow-origin": "*"}
    )
    bad = upstream_factory(name="bad", default=Behaviour(status=400))
    other = upstream_factory(name="other")
    rules = RULES.format(up=upstream.url, other=other.url, bad=bad.url)
    return start_shared(rules, {"DEFAULT_UPSTREAM": upstream.url, "MAX_BODY_BYTES": "100000"})


def allowed(reply: RawReply) -> list[str]:
    return [value for name, value in reply.headers if name.lower() == "access-control-allow-origin"]


ANSWERS: dict[str, tuple[int, bytes]] = {
    "whole": (200, request_bytes("/v1/chat/completions", json.dumps(CHAT).encode(), [JSON, ("origin", PAGE)])),
    "stream": (
        200,
        request_bytes("/v1/chat/completions", json.dumps(CHAT | {"stream": True}).encode(), [JSON, ("origin", PAGE)]),
    ),
    "translated": (200, request_bytes("/api/chat", json.dumps(CHAT).encode(), [JSON, ("origin", PAGE)])),
    "list": (200, request_bytes("/v1/models", method="GET", headers=[("Origin", PAGE)])),
    "health": (200, request_bytes("/healthz", method="GET", headers=[("origin", PAGE)])),
    "passed through": (200, request_bytes("/some/where", b"{}", [JSON, ("origin", PAGE)])),
    "server's error": (400, request_bytes("/v1/chat/completions", b'{"model":"bad/m"}', [JSON, ("origin", PAGE)])),
    "no JSON": (400, request_bytes("/v1/chat/completions", b"{", [JSON, ("origin", PAGE)])),
    "too large": (413, request_bytes("/v1/messages", b"x" * 200_000, [JSON, ("origin", PAGE)])),
    "two hosts": (400, request_bytes("/v1/messages", b"{}", [JSON, ("origin", PAGE), ("host", "x")])),
    "bad chunks": (
        400,
        f"POST /v1/messages HTTP/1.1\r\nhost: x\r\norigin: {PAGE}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".encode(),
    ),
    "TRACE": (405, request_bytes("/v1/models", method="TRACE", headers=[("origin", PAGE)])),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_says_that_the_page_may_read_it(name: str, proxy: Any) -> None:
    """Once, for its own origin, wherever the answer was made; what a server says of pages is left out."""
    status, request = ANSWERS[name]
    with RawClient(proxy.port) as client:
        client.send(request)
        reply = client.reply()
    assert (reply.status, allowed(reply)) == (status, [PAGE])
    assert "Origin" in [value for key, value in reply.headers if key.lower() == "vary"]
    assert reply.header("access-control-expose-headers") == "*"


def test_a_program_is_told_nothing_of_pages(proxy: Any) -> None:
    """Neither by us nor by a server, whose word would open our answers to all pages."""
    with RawClient(proxy.port) as client:
        replies = [client.ask("/some/where", b"{}"), client.ask("/v1/chat/completions", CHAT)]
    assert [(reply.status, allowed(reply)) for reply in replies] == [(200, []), (200, [])]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat", "/some/where"])
def test_no_server_hears_of_a_page_that_may_not_call(
    content_type: str, path: str, proxy: Any, upstream: FakeUpstream
) -> None:
    """It leaves a row that says what to do."""
    mark = f"{content_type} to {path}"
    with RawClient(proxy.port) as client:
        reply = client.ask(path, chat(mark), headers=[("content-type", content_type), ("origin", EVIL)])
    assert (reply.status, allowed(reply)) == (403, [])
    assert not upstream.heard(mark)
    proxy.wait_output(f"The web page at '{EVIL}' may not call this router")
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert row["status"] == 403 and "CORS_ORIGINS" in row["error"]


def test_its_websocket_is_refused_too(proxy: Any, upstream: FakeUpstream) -> None:
    """A handshake is a GET, and browsers ask nothing before it."""
    fields = [("origin", EVIL), ("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")]
    with RawClient(proxy.port) as client:
        assert client.ask("/v1/realtime?evil", method="GET", headers=fields).status == 403
    assert not upstream.heard("?evil")


def test_a_preflight_is_answered_by_the_router_and_leaves_no_row(proxy: Any, upstream: FakeUpstream) -> None:
    """Browsers ask before nearly each request."""
    fields = [("origin", PAGE), ("access-control-request-method", "POST"), ("access-control-request-headers", "x-a")]
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions", method="OPTIONS", headers=fields)
        later = client.ask("/v1/chat/completions", chat("after it was asked"))
    assert (reply.status, reply.header("access-control-allow-headers"), allowed(reply)) == (204, "x-a", [PAGE])
    assert len(upstream.heard("after it was asked")) == 1
    assert "OPTIONS" not in [request.method for request in upstream.requests]
    proxy.row(id=later.header("x-switchman-request-id"))  # written after what came before it
    assert proxy.rows(method="OPTIONS") == []


# In a browser


class Site(BaseHTTPRequestHandler):
    """An empty page at every path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>chat</title>")

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


STREAMS = """async ([url, body]) => {
  const answer = await fetch(url + '/v1/chat/completions', {
    method: 'POST',
    headers: {'content-type': 'application/json', 'authorization': 'Bearer x', 'x-stainless-os': 'Linux'},
    body: JSON.stringify(body),
  });
  return [answer.status, answer.headers.get('x-switchman-target'), await answer.text()];
}"""
SNEAKS = """async ([url, body]) => {
  try {
    await fetch(url + '/v1/chat/completions', {method: 'POST', mode: 'no-cors', body: JSON.stringify(body)});
    return 'sent';
  } catch (error) { return String(error); }
}"""


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_chat_page_of_this_machine_reads_a_stream(
    host: str, browser: Browser, site: int, proxy: Any, upstream: FakeUpstream
) -> None:
    """With the header fields of a client library, for which a browser asks first; it sees our own fields too."""
    page = browser.new_page()
    page.goto(f"http://{host}:{site}/")
    status, target, text = page.evaluate(STREAMS, [proxy.url, CHAT | {"stream": True}])
    page.close()
    assert (status, target) == (200, "up/m")
    assert text.rstrip().endswith("data: [DONE]")


def test_a_page_of_elsewhere_spends_nothing(browser: Browser, site: int, proxy: Any, upstream: FakeUpstream) -> None:
    """Even by the kind of request for which a browser asks nobody."""
    page = browser.new_page()
    page.goto(f"http://evil.example:{site}/")
    page.evaluate(SNEAKS, [proxy.url, chat("from elsewhere")])
    page.close()
    proxy.wait_output(f"The web page at 'http://evil.example:{site}' may not call this router")
    assert not upstream.heard("from elsewhere")
