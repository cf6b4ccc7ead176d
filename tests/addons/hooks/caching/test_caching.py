"""What is kept, for how long, and who goes on when nothing is."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from switchman.addons.config.configuration import RulesFile, load_settings, load_task_rules
from switchman.addons.core.cache.fingerprint import Fingerprint
from switchman.addons.core.decision.verdicts.judge import Kind, Verdict
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.texts.redaction.redactor import Redact, Redactor
from switchman.addons.core.texts.redaction.restoring import Restorer
from switchman.addons.flow.exchange import Attempt, Exchange, Redaction, begin
from switchman.addons.hooks.caching.caching import AFTER_FAILOVER, HEADER, Caching, Keeping
from switchman.addons.hooks.caching.semantic_caching import SemanticCache
from switchman.addons.hooks.inbound.intake import Intake
from switchman.addons.state.runtime import Runtime
from switchman.addons.state.together.flights import Flight, Flights
from switchman.addons.state.together.shared import MemoryShared, Quota

RULES = """
servers: {up: {url: "http://up:1", dialect: openai}}
default: up/m
cache: {exact: {ttl: 1h}}
"""
ANSWER = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}]}  # fmt: skip


class Watched(MemoryShared):
    """The real store, which also tells for how long it was to keep what."""

    def __init__(self) -> None:
        super().__init__()
        self.lifetimes: list[float] = []

    async def put(self, space: str, key: str, value: bytes, ttl: float, quota: Quota) -> None:
        self.lifetimes.append(ttl)
        await super().put(space, key, value, ttl, quota)


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    (tmp_path / "routes.yaml").write_text(RULES)
    found = Runtime()
    found.settings = load_settings(routes_config=str(tmp_path / "routes.yaml"), enable_logging=False)
    found.rules = RulesFile(found.settings)
    found.tasks = load_task_rules()
    found.shared = Watched()
    found.flights = Flights(found.shared, "test")
    return found


class Caches:
    """Both addons, and the way between them."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        semantic = SemanticCache(runtime)
        self.caching, self.keeping = Caching(runtime, semantic), Keeping(runtime, semantic)

    async def ask(self, text: str = "hi", headers: Mapping[str, str] | None = None) -> tuple[http.HTTPFlow, Exchange]:
        flow = tflow.tflow()
        flow.request.method, flow.request.path = "POST", "/v1/chat/completions"
        flow.request.headers = http.Headers([(k.encode(), v.encode()) for k, v in (headers or {}).items()])
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], "stream": False}
        flow.request.raw_content = json.dumps(body).encode()
        x = Exchange("id", time.time(), time.monotonic(), "c", dialect="openai")
        begin(flow, x)
        Intake(self.runtime).request(flow)
        await self.caching.request(flow)
        return flow, x

    async def answer(
        self,
        flow: http.HTTPFlow,
        x: Exchange,
        kind: Kind = "ok",
        status: int = 200,
        attempts: int = 1,
        body: Any = ANSWER,
    ) -> None:
        """What the judge has judged comes to Keeping, which is given the time to be done."""
        candidate = Candidate(self.runtime.rules.current.servers["up"], "m")
        x.plan = Plan((candidate,), "default", "default")
        x.attempts = [Attempt(n + 1, candidate, "up/m", "u", 0.0, 0.0) for n in range(attempts)]
        x.attempts[-1].verdict = verdict = Verdict(kind, "answered")
        x.outcome = verdict.outcome
        flow.response = http.Response.make(status, json.dumps(body), {"content-type": "application/json"})
        self.keeping.response(flow)
        await self.settle()

    async def settle(self) -> None:
        if self.keeping._tasks:
            await asyncio.wait(self.keeping._tasks)

    async def is_kept(self, text: str = "hi") -> bool:
        flow, x = await self.ask(text)
        if x.cache is not None and x.cache.flight is not None:
            await self.runtime.flights.finish(x.cache.flight, "failed")
        return flow.response is not None


@pytest.fixture
def caches(runtime: Runtime) -> Caches:
    return Caches(runtime)


class Remembering(SemanticCache):
    """What it was told to remember; a semantic process is not asked."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.asks: list[str] = []

    async def remember(self, x: Exchange, fingerprint: Fingerprint) -> None:
        self.asks.append(fingerprint.ask)


def test_an_answer_with_originals_in_it_is_not_found_by_alike_asks(caches: Caches) -> None:
    """It is kept for this very request of its caller's; the semantic cache does not hear of it."""
    caches.keeping.semantic = semantic = Remembering(caches.runtime)
    redactor = Redactor(Redact(frozenset({"email"})), b"k")

    async def run() -> None:
        for text, restorer in (
            ("to jane@example.org", Restorer({"EMAIL_0123456789": "jane@example.org"})),
            ("hi", None),
        ):
            flow, x = await caches.ask(text)
            x.redaction = Redaction((), redactor, x.call, restorer, changed=bool(restorer), counts=Counter())
            await caches.answer(flow, x)
            assert await caches.is_kept(text)

    asyncio.run(run())
    assert semantic.asks == ["hi"]


def test_an_answer_is_given_again(caches: Caches) -> None:
    """The record says so, and from whom it was."""

    async def run() -> None:
        await caches.answer(*await caches.ask())
        flow, x = await caches.ask()
        assert flow.response is not None and json.loads(flow.response.content or b"")["choices"] == ANSWER["choices"]
        assert (x.outcome, x.target, x.cache and x.cache.status) == ("cached", "up/m", "hit")

    asyncio.run(run())


@pytest.mark.parametrize(("attempts", "ttl"), [(1, 3600.0), (2, AFTER_FAILOVER), (5, AFTER_FAILOVER)])
def test_what_the_first_choice_did_not_give_is_kept_for_a_shorter_time(
    caches: Caches, attempts: int, ttl: float
) -> None:
    """The first choice will soon be back."""

    async def run() -> None:
        await caches.answer(*await caches.ask(), attempts=attempts)

    asyncio.run(run())
    assert isinstance(caches.runtime.shared, Watched)
    assert (caches.runtime.shared.lifetimes, ttl <= 3600) == ([ttl], True)
    assert AFTER_FAILOVER < 3600


def test_what_was_decided_under_other_rules_is_not_kept(caches: Caches) -> None:
    """They changed while it was under way: nobody knows by which of them it was decided, and those who wait go on."""

    async def run() -> Flight | None:
        flow, x = await caches.ask()
        caches.runtime.rules = RulesFile(caches.runtime.settings)  # the same text, read anew
        await caches.answer(flow, x)
        assert not await caches.is_kept()
        return x.cache.flight if x.cache else None

    flight = asyncio.run(run())
    assert flight is not None and flight.result == "unfit"
    assert isinstance(caches.runtime.shared, Watched) and caches.runtime.shared.lifetimes == []


@pytest.mark.parametrize("kind", ["beside", "refused", "status", "error", "stream", "left", "stopped"])
def test_only_an_answer_is_kept(caches: Caches, kind: Kind) -> None:
    """By the judge's verdict, whatever the status; one of those who wait asks in its place."""

    async def run() -> Flight | None:
        flow, x = await caches.ask()
        await caches.answer(flow, x, kind)
        assert not await caches.is_kept()
        return x.cache.flight if x.cache else None

    flight = asyncio.run(run())
    assert flight is not None and flight.result == "failed"


def test_an_answer_that_cannot_be_given_again_is_not_kept(caches: Caches) -> None:
    """Nothing to be read: each of those who wait asks for itself."""

    async def run() -> Flight | None:
        flow, x = await caches.ask()
        await caches.answer(flow, x, body=[])
        return x.cache.flight if x.cache else None

    flight = asyncio.run(run())
    assert flight is not None and flight.result == "unfit"


def test_a_client_that_left_after_the_last_word_leaves_its_answer(caches: Caches) -> None:
    """Another one may have it; of a client that left before, nothing is kept."""

    async def run(kind: Kind) -> bool:
        flow, x = await caches.ask(kind)
        candidate = Candidate(caches.runtime.rules.current.servers["up"], "m")
        x.attempts = [Attempt(1, candidate, "up/m", "u", 0.0, 0.0, verdict=(verdict := Verdict(kind, "answered")))]
        x.outcome = verdict.outcome
        flow.response = http.Response.make(200, json.dumps(ANSWER), {"content-type": "application/json"})
        caches.keeping.error(flow)
        await caches.settle()
        assert x.cache is not None and x.cache.flight is not None and x.cache.flight.result is not None
        return await caches.is_kept(kind)

    assert asyncio.run(run("ok"))
    assert not asyncio.run(run("left"))


@pytest.mark.parametrize(
    ("headers", "status", "keeps"),
    [
        ({HEADER: "bypass"}, "bypass", False),
        ({HEADER: "Refresh "}, "refresh", True),
        ({"cache-control": "max-age=0, No-Store"}, "bypass", False),
        ({"cache-control": "no-cache"}, "refresh", True),
        ({"cache-control": "max-age=60"}, "miss", True),
    ],
    ids=str,
)
def test_a_client_may_want_no_cache(caches: Caches, headers: dict[str, str], status: str, keeps: bool) -> None:
    """None at all, or only a fresh answer; our own header goes before."""

    async def run() -> Any:
        return (await caches.ask(headers=headers))[1].cache

    use = asyncio.run(run())
    assert (use.status, use.keeps) == (status, keeps)


def test_an_answer_of_a_server_that_is_gone_is_not_given(caches: Caches) -> None:
    """The rules no longer name it."""

    async def run() -> tuple[http.HTTPFlow, Exchange]:
        flow, x = await caches.ask()
        await caches.answer(flow, x)
        key = x.cache.fingerprint.key if x.cache and x.cache.fingerprint else ""
        value = await caches.runtime.shared.get("answers", key)
        assert value is not None
        await caches.runtime.shared.put("answers", key, value.replace(b'"up"', b'"no"'), 60, Quota(9))
        return await caches.ask()

    flow, x = asyncio.run(run())
    assert flow.response is None
    assert any("not there any more" in line.detail for line in x.trace)
