"""Upgrades: which WebSocket is asked for, and what is refused before any server hears of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.flow.exchange import exchange
from switchman.addons.hooks.inbound.gate import Gate
from switchman.addons.hooks.inbound.upgrades import Upgrades


@pytest.fixture
def ask(make_runtime: Any, make_flow: Any, handshake: dict[str, str]) -> Any:
    """ask(path, settings, method, **fields): the flow as it leaves Upgrades; a field that is None is left out."""

    def send(path: str, settings: Any = None, method: str = "GET", **fields: str | None) -> Any:
        runtime = make_runtime(**(settings or {}))
        given = handshake | {name.replace("_", "-"): value for name, value in fields.items()}
        headers = {name: value for name, value in given.items() if value is not None}
        flow = make_flow(path, method=method, headers=headers)
        Gate(runtime).requestheaders(flow)
        Upgrades(runtime).request(flow)
        return flow

    return send


def told(flow: Any) -> tuple[int, str]:
    error = json.loads(flow.response.content)["error"]
    return flow.response.status_code, error if isinstance(error, str) else error["message"]


@pytest.mark.parametrize("path", ["/v1/realtime?model=m", "/v1/responses", "/ws/a.v1.Service.BidiGenerateContent"])
def test_a_websocket_at_its_path_goes_on(path: str, ask: Any) -> None:
    """With what it has to be answered with."""
    flow = ask(path, sec_websocket_protocol="realtime")
    x = exchange(flow)
    assert flow.response is None and x.handshake.protocols == ("realtime",)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat", "/admin"])
def test_one_at_another_path_is_refused(path: str, ask: Any) -> None:
    """In the client's dialect, with the setting."""
    flow = ask(path)
    status, message = told(flow)
    assert status == 404 and f"set WEBSOCKET_PATHS={path} and" in message
    assert exchange(flow).handshake is None and exchange(flow).outcome == "refused"


def test_a_path_can_be_added(ask: Any) -> None:
    """As the refusal says."""
    flow = ask("/feed/1", {"websocket_paths": ("/feed/*",)})
    assert flow.response is None and exchange(flow).handshake is not None


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"connection": None}, 400, "Connection: Upgrade"),
        ({"sec_websocket_key": "short"}, 400, "base64 of 16 bytes"),
        ({"sec_websocket_version": "8"}, 426, "version 13"),
        ({"upgrade": "websocket, h2c"}, 400, "only websocket"),
    ],
)
def test_one_that_is_not_valid_is_refused(fields: Any, status: int, words: str, ask: Any) -> None:
    """By the version that is known, where it is another one: RFC 6455 section 4.4."""
    flow = ask("/v1/realtime", **fields)
    assert told(flow)[0] == status and words in told(flow)[1]
    assert flow.response.headers.get("sec-websocket-version") == ("13" if status == 426 else None)


@pytest.mark.parametrize(
    ("method", "path", "upgrade"),
    [
        ("POST", "/v1/chat/completions", "websocket"),
        ("POST", "/v1/chat/completions", "h2c"),
        ("GET", "/v1/realtime", "foo"),
        ("GET", "/v1/models", "TLS/1.0"),
    ],
)
def test_another_upgrade_is_a_plain_request(method: str, path: str, upgrade: str, ask: Any) -> None:
    """Clients try h2c by themselves: that must not fail."""
    flow = ask(path, method=method, upgrade=upgrade)
    assert flow.response is None and exchange(flow).handshake is None


def test_a_malformed_path_is_left_to_intake(ask: Any) -> None:
    """Which has the better words."""
    flow = ask("/v1/../realtime")
    assert flow.response is None and exchange(flow).handshake is None


def test_a_flow_that_is_not_ours_is_left_alone(make_runtime: Any, make_flow: Any, handshake: Any) -> None:
    """Through a forward proxy a browser's WebSockets go where they go."""
    flow = make_flow("/v1/realtime", method="GET", headers=handshake, mode="regular")
    Gate(runtime := make_runtime()).requestheaders(flow)
    Upgrades(runtime).request(flow)
    assert flow.response is None and exchange(flow) is None
