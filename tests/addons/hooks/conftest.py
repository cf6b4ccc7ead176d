"""What the addons are tried with: a Runtime without a proxy around it, and flows of mitmproxy's own test kit."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow

from switchman.addons.config.configuration import RulesFile, load_settings, load_task_rules
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.flow.exchange import Exchange, begin
from switchman.addons.flow.refusal import dialect_of
from switchman.addons.hooks.inbound.intake import Intake
from switchman.addons.hooks.inbound.upgrades import Upgrades
from switchman.addons.state.learned.openings import Openings
from switchman.addons.state.learned.server_dialects import ServerDialects
from switchman.addons.state.live import LiveFigures
from switchman.addons.state.runtime import Runtime
from switchman.addons.state.together.flights import Flights
from switchman.addons.state.together.shared import MemoryShared

TASKS = load_task_rules()
# RFC 6455 section 1.3
HANDSHAKE = {
    "upgrade": "websocket", "connection": "Upgrade", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}  # fmt: skip


@pytest.fixture
def make_runtime(tmp_path: Path) -> Callable[..., Runtime]:
    """make_runtime(rules, **settings): open, without a log, without a semantic process."""

    def make(rules: str = "", **settings: Any) -> Runtime:
        file = tmp_path / "routes.yaml"
        file.write_text(rules)
        runtime = Runtime()
        runtime.settings = load_settings(**{"routes_config": str(file), "enable_logging": False, **settings})
        runtime.rules = RulesFile(runtime.settings)
        runtime.breakers = Breakers()
        runtime.live = LiveFigures(runtime.breakers)
        runtime.dialects = ServerDialects()
        runtime.openings = Openings(MemoryShared())
        runtime.tasks = TASKS
        runtime.shared = MemoryShared()
        runtime.flights = Flights(runtime.shared, "test")
        return runtime

    return make


@pytest.fixture
def handshake() -> dict[str, str]:
    """The header fields that ask for a WebSocket."""
    return dict(HANDSHAKE)


@pytest.fixture
def make_flow() -> Callable[..., http.HTTPFlow]:
    """make_flow(path, body, ...): a request as mitmproxy has it; `body` is bytes, or sent as JSON; not ours yet."""

    def make(
        path: str,
        body: Any = None,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        mode: str = "reverse:http://127.0.0.1:9",
    ) -> http.HTTPFlow:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        flow = tflow.tflow(req=http.Request.make(method, "http://router", b""))
        # As they are: `make` would pack the body.
        flow.request.path, flow.request.raw_content = path, content
        flow.request.headers.update({"content-length": str(len(content)), **(headers or {})})
        flow.client_conn.proxy_mode = ProxyMode.parse(mode)
        return flow

    return make


async def settled(reading: Awaitable[None]) -> None:
    """Wait for what a hook does off the event loop, as mitmproxy does."""
    await reading


@pytest.fixture
def make_exchange(make_flow: Callable[..., http.HTTPFlow]) -> Callable[..., tuple[http.HTTPFlow, Exchange]]:
    """make_exchange(runtime, path, body, ...): a request that Intake has read."""

    def make(runtime: Runtime, path: str, body: Any = None, **more: Any) -> tuple[http.HTTPFlow, Exchange]:
        flow = make_flow(path, body, **more)
        x = Exchange("id", 1_700_000_000.0, time.monotonic(), "127.0.0.1", dialect=dialect_of(flow.request))
        begin(flow, x)
        Upgrades(runtime).request(flow)
        if (reading := Intake(runtime).request(flow)) is not None:
            asyncio.run(settled(reading))
        return flow, x

    return make
