"""Which flows are ours, and with what their Exchange begins."""

from __future__ import annotations

import time
from typing import Any

import pytest

from switchman.addons.flow.exchange import exchange
from switchman.addons.hooks.inbound.gate import Gate

REGULAR = "regular"


@pytest.mark.parametrize(
    ("method", "path", "mode", "ours"),
    [
        ("POST", "/v1/chat/completions", REGULAR, True),
        ("POST", "/v1/chat/completions?api-version=1", REGULAR, True),
        ("POST", "/api/chat", "local", True),
        ("GET", "/v1/chat/completions", REGULAR, False),
        ("POST", "/login", REGULAR, False),
        ("GET", "/v1/models", REGULAR, False),
        ("POST", "/login", "reverse:http://127.0.0.1:9", True),
        ("GET", "/", "reverse:http://127.0.0.1:9", True),
    ],
)
def test_what_is_ours(method: str, path: str, mode: str, ours: bool, make_runtime: Any, make_flow: Any) -> None:
    """Everything in reverse mode; else what is an LLM call by its path, and the rest is not touched."""
    runtime, flow = make_runtime(), make_flow(path, method=method, mode=mode)
    flow.request.authority = "elsewhere:80"
    Gate(runtime).requestheaders(flow)
    x = exchange(flow)
    assert (x is not None) is ours
    assert list(runtime.underway.values()) == ([flow] if ours else [])
    assert flow.request.authority == ("" if ours else "elsewhere:80")


def test_each_exchange_has_an_id_of_its_own_and_a_deadline(make_runtime: Any, make_flow: Any) -> None:
    """The deadline is REQUEST_TIMEOUT from now; errors are written in the dialect of the path."""
    runtime = make_runtime(request_timeout=100)
    gate = Gate(runtime)
    flows = [make_flow(path) for path in ("/api/chat", "/v1/messages", "/whatever")]
    before = time.monotonic()
    for flow in flows:
        gate.requestheaders(flow)
    after = time.monotonic()
    found = [exchange(flow) for flow in flows]
    assert [x.dialect for x in found if x] == ["ollama", "anthropic", "openai"]
    assert len({x.id for x in found if x}) == 3
    assert all(x and before + 100 <= x.deadline <= after + 100 for x in found)
    assert runtime.underway == {id(x): flow for x, flow in zip(found, flows, strict=True)}


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        ("", "10.1.2.3", "127.0.0.1"),
        ("127.0.0.0/8", "10.1.2.3", "10.1.2.3"),
        ("127.0.0.0/8", "6.6.6.6, 10.1.2.3", "10.1.2.3"),
        ("192.168.0.0/16", "10.1.2.3", "127.0.0.1"),
        ("127.0.0.0/8", "", "127.0.0.1"),
    ],
)
def test_the_caller_is_who_connects_or_whom_a_trusted_proxy_names(
    trusted: str, forwarded: str, client: str, make_runtime: Any, make_flow: Any
) -> None:
    """Anybody can write X-Forwarded-For."""
    flow = make_flow("/api/chat", headers={"X-Forwarded-For": forwarded} if forwarded else {})
    flow.client_conn.peername = ("127.0.0.1", 50000)
    Gate(make_runtime(trusted_proxies=trusted)).requestheaders(flow)
    x = exchange(flow)
    assert x is not None and x.client == client


def test_a_connection_that_has_gone_has_no_address(make_runtime: Any, make_flow: Any) -> None:
    """mitmproxy then has no peername."""
    flow = make_flow("/api/chat")
    flow.client_conn.peername = None
    Gate(make_runtime()).requestheaders(flow)
    x = exchange(flow)
    assert x is not None and x.client == ""


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/openai/deployments/gpt/chat/completions?api-version=1", True),
        ("/messages", False),
        ("/api/messages", False),
        ("/shop/v1/messages", False),
        ("/score", False),
        ("/v1/rerank?model=m", False),
    ],
)
def test_of_other_hosts_only_what_cannot_be_anything_else(
    path: str, ours: bool, make_runtime: Any, make_flow: Any
) -> None:
    """Through a forward proxy go all pages of the web, and some have such paths too."""
    flow = make_flow(path, {"model": "m"}, mode=REGULAR)
    Gate(make_runtime()).requestheaders(flow)
    assert (exchange(flow) is not None) is ours


def test_a_path_is_read_once(make_runtime: Any, make_flow: Any) -> None:
    """For all that come after."""
    flow = make_flow("/some/tenant/v1/messages?x=1")
    Gate(make_runtime()).requestheaders(flow)
    x = exchange(flow)
    assert x is not None and x.reading is not None
    assert (x.reading.path, x.reading.prefix, x.dialect) == ("/v1/messages", "/some/tenant", "anthropic")
