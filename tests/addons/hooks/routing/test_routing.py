"""Deciding must not keep the event loop from everybody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mitmproxy.test import tflow

from switchman.addons.config.configuration import RulesFile, load_settings, load_task_rules
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call, Endpoint
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.flow.exchange import Exchange, begin
from switchman.addons.hooks.routing.chain import Chain
from switchman.addons.hooks.routing.routing import LARGE, Routing
from switchman.addons.state.live import LiveFigures
from switchman.addons.state.runtime import Runtime


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """With a rule on what is asked, so that every request has to be looked at."""
    rules = "servers: {up: {url: 'http://127.0.0.1:9'}}\nroutes:\n"
    rules += "  - {match: {model: auto, keywords: [zebra]}, route: {model: up/zoo}}\n"
    (tmp_path / "routes.yaml").write_text(rules)
    monkeypatch.setenv("ROUTES_CONFIG", str(tmp_path / "routes.yaml"))
    found = Runtime()
    found.settings = load_settings()
    found.rules = RulesFile(found.settings)
    found.breakers = Breakers()
    found.live = LiveFigures(found.breakers)
    found.tasks = load_task_rules()
    return found


@pytest.mark.parametrize(("characters", "turns"), [(200, 0), (LARGE, 2)])
@pytest.mark.parametrize("model", ["auto", "up/other"])
def test_others_have_their_turn_between_reading_deciding_and_writing(
    runtime: Runtime, model: str, characters: int, turns: int
) -> None:
    """A large body takes milliseconds in each of the three; a small one is not held up for it."""
    text = json.dumps({"model": model, "messages": [{"role": "user", "content": "A zebra! " + "x" * characters}]})
    body, spans = jsonedit.parse(text)
    flow, x = tflow.tflow(), Exchange("id", 0.0, 0.0, "127.0.0.1")
    x.call = Call(Endpoint("openai", "chat", "/v1/chat/completions"), "", text, body, spans, model, stream=False)
    begin(flow, x)
    deciding = Routing(runtime, Chain(runtime, [])).request(flow)
    given = 0
    try:
        while True:
            deciding.send(None)
            given += 1
    except StopIteration:
        pass
    assert given == turns
    assert x.plan is not None and x.plan.candidates[0].target == ("up/zoo" if model == "auto" else "up/other")
