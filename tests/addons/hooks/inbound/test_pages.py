"""Web pages that call the router: what is answered at once, what is refused, and what goes on."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from switchman.addons.flow.exchange import exchange
from switchman.addons.hooks.inbound.gate import Gate
from switchman.addons.hooks.inbound.pages import TOLD_AT_MOST, Pages

CHAT = {"model": "m", "messages": []}
ASKING = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}


@pytest.fixture
def ask(make_runtime: Any, make_flow: Any) -> Any:
    """ask(origin, method, path, headers): the flow as it leaves Pages."""
    runtime = make_runtime(allowed_hosts=("llm.example.com", "*"))
    gate, pages = Gate(runtime), Pages(runtime)

    def send(origin: str | None, method: str = "POST", path: str = "/v1/chat/completions", **more: Any) -> Any:
        mode = {"mode": more.pop("mode")} if "mode" in more else {}
        headers = more | ({"origin": origin} if origin is not None else {})
        flow = make_flow(path, CHAT, method=method, headers=headers, **mode)
        gate.requestheaders(flow)
        pages.request(flow)
        return flow

    return send


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/v1/chat/completions", lambda body: body["error"]["message"]),
        ("/v1/messages", lambda body: body["error"]["message"]),
        ("/api/chat", lambda body: body["error"]),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_page_that_may_not_call_is_refused(ask: Any, path: str, read: Any, content_type: str) -> None:
    """In the dialect of the path, whatever it says its body is: text/plain is sent without a preflight."""
    flow = ask("https://evil.example", path=path, **{"content-type": content_type})
    assert flow.response.status_code == 403
    message = read(json.loads(flow.response.content))
    assert "'https://evil.example' may not call this router" in message and "CORS_ORIGINS" in message
    assert exchange(flow).outcome == "refused"


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT"])
def test_no_method_of_such_a_page_goes_on(ask: Any, method: str) -> None:
    """GET: it may ask for a WebSocket. OPTIONS: its browser learns so before it sends more."""
    assert ask("https://evil.example", method, **(ASKING if method == "OPTIONS" else {})).response.status_code == 403


def test_a_preflight_is_answered_by_the_router(ask: Any) -> None:
    """Servers do not hear of it."""
    flow = ask("http://localhost:3000", "OPTIONS", **ASKING)
    assert (flow.response.status_code, flow.response.content) == (204, b"")
    assert flow.response.headers["access-control-allow-headers"] == "authorization"
    assert exchange(flow).outcome == "answered"


@pytest.mark.parametrize(
    ("origin", "more"),
    [(None, {}), ("http://localhost:3000", {}), ("http://localhost:3000", {"method": "OPTIONS"}), ("app://x", {})],
)
def test_everything_else_goes_on(ask: Any, origin: str | None, more: Any) -> None:
    """Requests of no page, of pages that may, and OPTIONS that are no preflight."""
    assert ask(origin, **more).response is None


def test_in_other_modes_the_servers_say_which_pages_may(ask: Any) -> None:
    """There a page calls a server, and the router is on the way."""
    assert ask("https://chat.example", mode="regular").response is None


def test_the_log_names_each_refused_page_once(ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    """And no more than so many: pages choose their names."""
    with caplog.at_level(logging.WARNING):
        for number in range(TOLD_AT_MOST + 5):
            ask(f"https://evil{number}.example")
            ask("https://evil0.example")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == TOLD_AT_MOST and "CORS_ORIGINS" in lines[0]


@pytest.mark.parametrize("path", ["/v1/realtime", "/some/thing?model=m", "/v1/chat/completions", "/v1/models/gpt"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_an_image_of_a_foreign_page_gets_nothing(ask: Any, site: str, path: str) -> None:
    """Its browser tells no origin, but from where it is."""
    flow = ask(None, "GET", path, **{"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"})
    assert flow.response.status_code == 403 and exchange(flow).outcome == "refused"


@pytest.mark.parametrize(("path", "goes_on"), [("/", True), ("/v1/models", True), ("/some/thing?model=m", False)])
def test_a_link_of_a_foreign_page_leads_to_the_routers_own(ask: Any, path: str, goes_on: bool) -> None:
    """What a server would be asked for is not had by a link."""
    by_link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert (ask(None, "GET", path, **by_link).response is None) is goes_on


def test_an_image_of_a_page_that_may_call_goes_on(ask: Any) -> None:
    """It is known by its Referer."""
    given = {"sec-fetch-site": "cross-site", "referer": "http://localhost:3000/chat"}
    assert ask(None, "GET", "/some/thing", **given).response is None


def test_a_page_that_the_router_passed_through_may_call(ask: Any) -> None:
    """By a name that is known to be the router's: not by any, where any is let in."""
    assert ask("http://box:1234", host="box:1234").response is None
    assert ask("https://llm.example.com", host="llm.example.com").response is None
    assert ask("http://evil:1234", host="box:1234").response.status_code == 403
    assert ask("http://evil.example:1234", host="evil.example:1234").response.status_code == 403


@pytest.mark.parametrize("origin", ["null", "", "http://localhost:3000, https://evil.example"])
def test_an_origin_that_is_none_is_refused(ask: Any, origin: str) -> None:
    """A frame without an origin, and two origins."""
    assert ask(origin, "GET", "/v1/realtime").response.status_code == 403
