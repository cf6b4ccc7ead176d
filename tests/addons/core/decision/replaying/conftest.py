"""Rules, and requests as the log has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from switchman.addons.core.decision.replaying.backtest import Backtest
from switchman.addons.core.decision.replaying.recorded import Asked, Recorded
from switchman.addons.core.decision.replaying.replayer import Replayer
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset

STARTED_AT = 1_700_000_000.0
SERVERS = 'servers: {a: "http://a", b: "http://b", c: "http://c"}\n'


def build_rules(text: str, **settings: Any) -> Ruleset:
    known = {
        "default_upstream": "http://d", "default_upstream_set": True, "model_map": {}, "request_timeout": 1.0,
        "strip_thinking": True, "strip_json_markdown": False, "disable_thinking": False,
    }  # fmt: skip
    return parse_ruleset(text, "routes.yaml", SimpleNamespace(**(known | settings)))


def build_recorded(ask: str = "Hello.", **changes: Any) -> Recorded:
    """A good chat of `m`, which server `a` answered in a second."""
    model = changes.get("requested_model", "m")
    body = {"model": model, "messages": [{"role": "user", "content": ask}], **changes.pop("more", {})}
    known: dict[str, Any] = {
        "id": "r1", "started_at": STARTED_AT, "duration_ms": 1000.0, "client": "10.0.0.1", "dialect": "openai",
        "operation": "chat", "requested_model": model, "layer": "route", "route": "route 1", "server": "a",
        "model": "m", "status": 200, "outcome": "ok", "input_tokens": 1000, "output_tokens": 100,
        "body": json.dumps(body).encode(), "headers": (("content-type", "application/json"),), "cache": "miss",
    }  # fmt: skip
    return Recorded(**(known | changes))


def local_time(at: float) -> LocalTime:
    """UTC."""
    return LocalTime(int(at // 60) % 1440, int(at // 86_400 + 3) % 7)


@pytest.fixture
def rules() -> Callable[..., Ruleset]:
    """Of a text, behind three servers `a`, `b` and `c`."""
    return lambda text="", **settings: build_rules(SERVERS + text, **settings)


@pytest.fixture
def recorded() -> Callable[..., Recorded]:
    return build_recorded


@pytest.fixture
def decide() -> Callable[..., str]:
    """What one request comes to: its label, or why that is not known; by rules, and those that the log is of."""

    def by(one: Recorded, after: Ruleset, base: Ruleset | None = None, **more: Any) -> str:
        replayer = Replayer(after, base or after, **more)
        found = replayer.decided(Asked(one, None, local_time(one.started_at)))
        return found.reason or found.label

    return by


@pytest.fixture
def backtest() -> Callable[..., Backtest]:
    """Of rules, against others."""
    return lambda after, before, base=None, **more: Backtest(after, before, base or before, None, local_time, **more)
