"""Deciding must not keep the event loop from everybody else; and a conversation is held to who answered it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from mitmproxy.test import tflow

from switchman.addons.config.configuration import RulesFile, load_settings, load_task_rules
from switchman.addons.core.decision.stickiness import unpack
from switchman.addons.core.decision.verdicts.judge import Kind, Verdict
from switchman.addons.core.record import Outcome
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call, Endpoint
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.flow.exchange import Attempt, Exchange, begin
from switchman.addons.hooks.routing.chain import CONVERSATIONS, Chain
from switchman.addons.hooks.routing.routing import LARGE, Routing, Sticking
from switchman.addons.state.live import LiveFigures
from switchman.addons.state.runtime import Runtime
from switchman.addons.state.together.shared import MemoryShared


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
    found.shared = MemoryShared()
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


def held_after(runtime: Runtime, kind: Kind, outcome: Outcome, hook: str, stick: str = "conversation") -> object:
    """What a conversation is held to after an answer with this verdict."""

    async def run() -> bytes | None:
        flow, x = tflow.tflow(resp=True), Exchange("id", 0.0, 0.0, "127.0.0.1")
        candidate = Candidate(runtime.rules.current.servers["up"], "zoo")
        x.plan = Plan((candidate,), "route", "zebras", stick=stick)  # type: ignore[arg-type]
        x.attempts = [Attempt(1, candidate, "up/zoo", "u", 0.0, 0.0, verdict=Verdict(kind, "answered"))]
        x.conversation, x.outcome = "key", outcome
        begin(flow, x)
        sticking = Sticking(Chain(runtime, []))
        await getattr(sticking, hook)(flow)
        if sticking.tasks:
            await asyncio.wait(sticking.tasks)
        return await runtime.shared.get(CONVERSATIONS, "key")

    value = asyncio.run(run())
    return unpack(value) if value is not None else None


@pytest.mark.parametrize("hook", ["response", "error"])
def test_a_conversation_is_held_to_who_answered_it(runtime: Runtime, hook: str) -> None:
    """Also one whose client left after the last word; if its rule says so."""
    held = held_after(runtime, "ok", "ok", hook)
    assert held is not None and held.targets == ("up/zoo",)  # type: ignore[attr-defined]


def test_a_conversation_is_held_only_where_its_rule_says_so(runtime: Runtime) -> None:
    """Any other is decided afresh at every turn."""
    assert held_after(runtime, "ok", "ok", "response", stick="") is None


@pytest.mark.parametrize("hook", ["response", "error"])
@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("beside", "ok"),
        ("error", "upstream_error"),
        ("refused", "upstream_error"),
        ("stream", "stream_error"),
        ("left", "cancelled"),
        ("ok", "failed"),
    ],
)
def test_a_conversation_is_not_held_to_who_failed(runtime: Runtime, kind: Kind, outcome: Outcome, hook: str) -> None:
    """Whatever status its answer had; flow.response here has 200."""
    assert held_after(runtime, kind, outcome, hook) is None
