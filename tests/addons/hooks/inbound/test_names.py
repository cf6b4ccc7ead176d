"""Names: whoever asks for the router by another's name gets nothing."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from switchman.addons.config import hosts
from switchman.addons.flow.exchange import exchange
from switchman.addons.hooks.inbound import names
from switchman.addons.hooks.inbound.gate import Gate
from switchman.addons.hooks.inbound.names import TOLD_AT_MOST, Names

CHAT = {"model": "m", "messages": []}


@pytest.fixture
def ask(make_runtime: Any, make_flow: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """ask(host, path, settings, ...): the flow as it leaves Names; `host` None: without the field."""
    kept: dict[str, Any] = {}

    def send(
        host: str | None,
        path: str = "/v1/chat/completions",
        settings: Any = None,
        mode: str = "reverse:http://d",
        version: str = "HTTP/1.1",
        auth: str = "",
    ) -> Any:
        flow = make_flow(path, CHAT, headers={} if host is None else {"host": host}, mode=mode)
        if host is None:
            flow.request.headers.pop("host", None)
        flow.request.http_version = version
        key = repr(settings)
        if key not in kept:
            kept[key] = make_runtime(**(settings or {}))
            kept[key + "names"] = Names(kept[key])
        Gate(kept[key]).requestheaders(flow)
        options = {"proxyauth": auth} if auth else {}  # `switchman serve` has no such option
        monkeypatch.setattr(names, "ctx", SimpleNamespace(options=SimpleNamespace(**options)))
        kept[key + "names"].request(flow)
        return flow

    return send


@pytest.mark.parametrize("host", ["127.0.0.1:1234", "localhost", "switchman:8080", "host.docker.internal:1234"])
def test_our_own_names_go_on(host: str, ask: Any) -> None:
    """Without a setting."""
    assert ask(host).response is None


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/v1/chat/completions", lambda body: body["error"]["message"]),
        ("/v1/messages", lambda body: body["error"]["message"]),
        ("/api/chat", lambda body: body["error"]),
        ("/v1/models", lambda body: body["error"]["message"]),
        ("/healthz", lambda body: body["error"]["message"]),
    ],
)
def test_another_name_is_refused(path: str, read: Any, ask: Any) -> None:
    """In the dialect of the path, with the line to set."""
    flow = ask("evil.example:1234", path)
    assert flow.response.status_code == 421
    assert "set ALLOWED_HOSTS=evil.example and start" in read(json.loads(flow.response.content))
    assert exchange(flow).outcome == "refused"


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({"allowed_hosts": ("llm.example.com",)}, "LLM.example.com:443"),
        ({"allowed_hosts": ("*",)}, "evil.example"),
        ({"listen_host": "router.example"}, "router.example:1234"),
    ],
)
def test_a_name_that_is_given_goes_on(settings: Any, host: str, ask: Any) -> None:
    """By the setting, or as the name that is listened on."""
    assert ask(host, settings=settings).response is None


def test_the_machines_own_name_goes_on(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gave it to the machine decides what it means."""
    monkeypatch.setattr(hosts.socket, "gethostname", lambda: "vps1.provider.example")
    assert ask("vps1.provider.example:1234").response is None


@pytest.mark.parametrize(("version", "status"), [("HTTP/1.0", None), ("HTTP/1.1", 400), ("HTTP/2.0", 400)])
def test_only_http_1_0_may_leave_it_out(version: str, status: int | None, ask: Any) -> None:
    """RFC 9112 section 3.2; no browser speaks it."""
    response = ask(None, version=version).response
    assert (response.status_code if response else None) == status


def test_with_mitmproxys_own_authentication_any_name_goes_on(ask: Any) -> None:
    """A request gets here only with a password, and a browser gives a page under another name none."""
    assert ask("llm.example.com", auth="user:password").response is None


def test_where_tokens_are_asked_for_any_name_goes_on(ask: Any) -> None:
    """A page under another name has none."""
    assert ask("llm.example.com", settings={"client_auth": "TOKENS"}).response is None


@pytest.mark.parametrize("mode", ["regular", "upstream:http://p:1"])
def test_through_a_forward_proxy_host_is_the_server(mode: str, ask: Any) -> None:
    """And not a name of ours."""
    assert ask("api.openai.com", mode=mode).response is None


def test_the_log_names_each_once(ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    """And no more than so many: whoever asks chooses them."""
    with caplog.at_level(logging.WARNING):
        for number in range(TOLD_AT_MOST + 5):
            ask(f"evil{number}.example")
            ask("evil0.example:99")
            ask("no name")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == TOLD_AT_MOST and "ALLOWED_HOSTS=evil0.example" in lines[0]
