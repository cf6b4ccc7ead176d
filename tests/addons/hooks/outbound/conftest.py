"""Requests as they come to the addons that send them on: read by Intake, with a plan, and no proxy around them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from switchman.addons.config.configuration import RulesFile, load_settings, load_task_rules
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.flow.exchange import Exchange, begin, exchange
from switchman.addons.hooks.inbound.intake import Intake
from switchman.addons.hooks.inbound.upgrades import Upgrades
from switchman.addons.hooks.outbound.failover import Failover
from switchman.addons.hooks.outbound.judging import Judging
from switchman.addons.hooks.outbound.rewriting import Rewriting
from switchman.addons.proxy.attempt import UpstreamFailure
from switchman.addons.state.learned.openings import Openings
from switchman.addons.state.learned.server_dialects import ServerDialects
from switchman.addons.state.live import LiveFigures
from switchman.addons.state.runtime import Runtime
from switchman.addons.state.together.shared import MemoryShared

SECRET = "kV9qRz3mT7wXc2Lp8sYd4Hf6Jn1Bg5Qa0EuItOx"
RULES = """
servers:
  one: {url: "http://one:81/base", dialect: openai}
  two: {url: "http://two:82", dialect: openai}
  picky: {url: "http://picky:83", dialect: openai, retry_on: [404]}
  keyed: {url: "http://keyed:84", dialect: openai, api_key: its-own-key, headers: {X-Team: ours}}
  claude: {url: "http://claude:85", dialect: anthropic}
  laptop: {url: "http://laptop:86", dialect: ollama}
  abroad: {url: "http://abroad.example.com:87", dialect: openai}
  azure: {url: "http://azure:88?api-version=v", path: azure, dialect: openai}
  azure-keyed: {preset: azure, url: "http://azure:89", api_key: its-own-key}
  pooled: {url: "http://pooled:91", dialect: openai, api_keys: [pool-key-one, pool-key-two]}
  bare: {url: "http://bare:90/inference?team=a", path: as_is, dialect: openai}
"""
PATH = "/v1/chat/completions"
Fields = Sequence[tuple[bytes, bytes]]


class Pipeline:
    """The addons between the plan and the answer, and how a request comes to them."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.rewriting = Rewriting(runtime)
        self.judging = Judging(runtime)
        self.failover = Failover(runtime, self.rewriting)

    def read(
        self, *targets: str, path: str = PATH, headers: Fields = (), body: Any = None, method: str = "POST", **more: Any
    ) -> tuple[http.HTTPFlow, Exchange]:
        """A flow that Intake has read, to be sent to these `server/model`s in turn."""
        flow = tflow.tflow()
        asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": False, **more}
        flow.request.method, flow.request.path = method, path
        flow.request.headers = http.Headers([(b"Host", b"router"), *headers])
        flow.request.raw_content = json.dumps(asked if body is None else body).encode()
        dialect = "anthropic" if path == "/v1/messages" else "openai"
        x = Exchange("id", time.time(), time.monotonic(), "10.0.0.1", dialect=dialect)  # type: ignore[arg-type]
        begin(flow, x)
        Upgrades(self.runtime).request(flow)
        Intake(self.runtime).request(flow)
        servers = self.runtime.rules.current.servers
        parts = [target.partition("/") for target in targets]
        x.plan = Plan(tuple(Candidate(servers[name], model) for name, _, model in parts), "alias", "a")
        return flow, x

    def send(self, *targets: str, **more: Any) -> tuple[http.HTTPFlow, Exchange]:
        """The same, with the first attempt made."""
        flow, x = self.read(*targets, **more)
        self.rewriting.request(flow)
        return flow, x

    def answer(self, flow: http.HTTPFlow, status: int, body: Any = b"", **headers: str) -> None:
        """A whole answer comes; Judging and Failover hear of it."""
        x = exchange(flow)
        assert x is not None and x.attempt is not None
        x.attempt.status = status
        flow.response = answered(status, body, **headers)
        self.judging.response(flow)
        self.failover.response(flow)

    def fail(self, flow: http.HTTPFlow, kind: Any, **more: Any) -> UpstreamFailure:
        """An attempt fails; Judging and Failover are asked what comes next."""
        x = exchange(flow)
        assert x is not None and x.attempt is not None
        if (response := more.get("response")) is not None:
            x.attempt.status = response.status_code
        failure = UpstreamFailure(flow, kind, more.pop("message", "it failed"), **more)
        flow.response = flow.response if failure.begun else None
        self.judging.upstream_failed(failure)
        self.failover.upstream_failed(failure)
        return failure


def answered(status: int, body: Any = b"", **headers: str) -> http.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.Response.make(status, content, {"content-type": "application/json", **named})


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    (tmp_path / "routes.yaml").write_text(RULES)
    found = Runtime()
    found.settings = load_settings(
        routes_config=str(tmp_path / "routes.yaml"),
        db_path=str(tmp_path / "requests.db"),  # beside which the key of placeholders is made
        enable_logging=False,
        jwt_secret=SECRET,
        default_upstream="http://d",
    )
    found.rules = RulesFile(found.settings)
    found.breakers = Breakers()
    found.live = LiveFigures(found.breakers)
    found.dialects = ServerDialects()
    found.openings = Openings(MemoryShared())
    found.tasks = load_task_rules()
    return found


@pytest.fixture
def pipeline(runtime: Runtime) -> Pipeline:
    return Pipeline(runtime)


@pytest.fixture
def answer_of() -> Callable[..., http.Response]:
    return answered


@pytest.fixture
def secret() -> str:
    """JWT_SECRET."""
    return SECRET
