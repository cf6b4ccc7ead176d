"""The semantic cache: which asks it looks at, what it finds, and what it remembers.

The semantic process's own service runs here, with vectors that are chosen: all that is asked about a capital is near.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mitmproxy import http

from switchman.addons.config.configuration import RulesFile
from switchman.addons.core.cache.replay import CachedAnswer
from switchman.addons.core.decision.verdicts.judge import Kind, Verdict
from switchman.addons.core.request.features import features_of
from switchman.addons.core.routes.plan import Candidate, Plan, TraceLine
from switchman.addons.flow.exchange import Attempt, Exchange
from switchman.addons.hooks.caching.caching import HEADER, SPACE, Caching, Keeping
from switchman.addons.hooks.caching.semantic_caching import LONGEST, SemanticCache, fits
from switchman.addons.semantics.client import SemanticAnswer, SemanticClient
from switchman.addons.semantics.engine import Engine
from switchman.addons.semantics.process import Service
from switchman.addons.state.runtime import Runtime

LONG = 30.0  # seconds: no deadline is what is tested
RULES = """
servers: {{up: {{url: "http://up:1", dialect: openai}}}}
default: up/m
cache: {{exact: {{ttl: 1h}}, semantic: {{mode: "{mode}", {more}}}}}
"""
FRANCE, POLITE = "What is the capital of France?", "Please, what is the capital of France?"
SPAIN, POEM = "What is the capital of Spain?", "Write a poem about the sea."
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


class Meanings:
    """An embedder that knows two meanings."""

    model, dimensions, languages, digest = "meanings", 2, (), "meanings"

    def embed(self, texts: Sequence[str]) -> Any:
        return np.array([[1, 0] if "capital" in text else [0, 1] for text in texts], dtype=np.float32)


class Patient(SemanticClient):
    """The real client, which waits for a busy machine."""

    async def ask(self, text: str, *, deadline: float = LONG, **more: Any) -> SemanticAnswer | None:
        return await super().ask(text, deadline=deadline, **more)


class Caches:
    """Both addons, the semantic process's index, and the way of a request and its answer through them."""

    def __init__(self, runtime: Runtime, engine: Engine, make: Callable[..., tuple[http.HTTPFlow, Exchange]]) -> None:
        self.runtime, self.index, self._make = runtime, engine.index, make
        self.semantic = SemanticCache(runtime)
        self.caching, self.keeping = Caching(runtime, self.semantic), Keeping(runtime, self.semantic)

    async def ask(
        self, text: str, headers: dict[str, str] | None = None, **more: Any
    ) -> tuple[http.HTTPFlow, Exchange]:
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **more}
        flow, x = self._make(self.runtime, "/v1/chat/completions", body, headers=headers)
        await self.caching.request(flow)
        return flow, x

    async def answer(self, flow: http.HTTPFlow, x: Exchange, kind: Kind = "ok") -> None:
        """A server's answer, judged; Keeping is given the time to be done."""
        assert flow.response is None
        candidate = Candidate(self.runtime.rules.current.servers["up"], "m")
        x.plan = Plan((candidate,), "default", "default")
        verdict = Verdict(kind, "answered")
        x.attempts = [Attempt(1, candidate, "up/m", "u", 0.0, 0.0, verdict=verdict)]
        x.outcome = verdict.outcome
        message = {"role": "assistant", "content": "Paris"}
        whole = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        flow.response = http.Response.make(200, json.dumps(whole), {"content-type": "application/json"})
        self.keeping.response(flow)
        await asyncio.gather(*self.keeping._tasks)


Work = Callable[[Caches], Awaitable[None]]
Run = Callable[..., None]


@pytest.fixture(name="run")
def make_run(make_runtime: Callable[..., Runtime], make_exchange: Callable[..., tuple[http.HTTPFlow, Exchange]]) -> Run:
    """run(work, mode="on", more=""): with the process's service on a socket, and a client connected to it."""

    async def bounded(work: Work, mode: str, more: str) -> None:
        runtime, engine = make_runtime(RULES.format(mode=mode, more=more)), Engine(Meanings(), None)
        with tempfile.TemporaryDirectory(prefix="sm-") as folder:  # a socket's path must be short
            service = Service(engine)
            server = await asyncio.start_unix_server(service.serve, f"{folder}/s")
            runtime.semantics = Patient.at(Path(folder) / "s")
            try:
                async with asyncio.timeout(2 * LONG):
                    await work(Caches(runtime, engine, make_exchange))
            finally:
                await runtime.semantics.close()
                server.close()
                await service.hang_up()
                engine.stop()

    return lambda work, mode="on", more="": asyncio.run(bounded(work, mode, more))


def lines(x: Exchange) -> list[TraceLine]:
    return [line for line in x.trace if line.layer == "semantic_cache"]


def test_the_same_question_in_other_words_is_a_hit(run: Run) -> None:
    """It is served; the trace has the similarity, both prompts, and the request that was answered first."""

    async def work(caches: Caches) -> None:
        await caches.answer(*await caches.ask(FRANCE))
        flow, x = await caches.ask(POLITE)
        assert flow.response is not None
        assert json.loads(flow.response.content or b"")["choices"][0]["message"]["content"] == "Paris"
        assert (x.outcome, x.cache and x.cache.status, x.plan and x.plan.layer) == ("cached", "hit", "semantic_cache")
        found, served = lines(x)
        assert (found.outcome, found.score) == ("hit", 1.0)
        assert FRANCE in found.detail and POLITE in found.detail
        assert found.earlier is not None and (found.earlier.request_id, found.earlier.asked) == ("id", FRANCE)
        assert (served.outcome, served.earlier) == ("hit", None)

    run(work)


def test_a_question_that_is_far_from_all_is_a_miss(run: Run) -> None:
    """The trace says how near the nearest was."""

    async def work(caches: Caches) -> None:
        await caches.answer(*await caches.ask(FRANCE))
        flow, x = await caches.ask(POEM)
        assert flow.response is None and x.cache is not None and x.cache.status == "miss"
        (line,) = lines(x)
        assert (line.outcome, line.score) == ("miss", 0.0) and "as near as 0.95" in line.detail

    run(work)


def test_the_guard_holds_apart_what_only_sounds_alike(run: Run) -> None:
    """The vectors are the same, and the question is another."""

    async def work(caches: Caches) -> None:
        await caches.answer(*await caches.ask(FRANCE))
        flow, x = await caches.ask(SPAIN)
        assert flow.response is None and x.cache is not None and x.cache.status == "miss"
        (line,) = lines(x)
        assert (line.outcome, line.score) == ("miss", 1.0)
        assert line.detail == f"The guard holds these apart: {FRANCE!r} for {SPAIN!r}"

    run(work)


def test_the_guard_refuses_one_and_the_next_is_served(run: Run) -> None:
    """Of several that are near, each is looked at."""

    async def work(caches: Caches) -> None:
        await caches.answer(*await caches.ask(SPAIN))
        await caches.answer(*await caches.ask(FRANCE))
        flow, x = await caches.ask(POLITE)
        assert flow.response is not None
        assert [line.outcome for line in lines(x)] == ["miss", "hit", "hit"]

    run(work)


@pytest.mark.parametrize(("guard", "served"), [("strict", False), ("relaxed", True)])
def test_the_guard_is_the_one_of_the_rules(run: Run, guard: str, served: bool) -> None:
    """Another word for the same is for the relaxed one only. A similarity of just the threshold is enough."""

    async def work(caches: Caches) -> None:
        await caches.answer(*await caches.ask("How big is the capital?"))
        flow, _ = await caches.ask("How large is the capital?")
        assert (flow.response is not None) is served

    run(work, more=f"guard: {guard}, threshold: 1")


def test_shadow_serves_nothing_and_says_what_it_would_have_served(run: Run) -> None:
    """The server is asked, and the record has both prompts."""

    async def work(caches: Caches) -> None:
        await caches.answer(*await caches.ask(FRANCE))
        flow, x = await caches.ask(POLITE)
        assert flow.response is None and x.outcome is None
        assert x.cache is not None and (x.cache.status, x.cache.keeps) == ("shadow", True)
        (line,) = lines(x)
        assert (line.outcome, line.score) == ("skip", 1.0)
        assert line.detail == f"Shadow: it would have served {FRANCE!r} for {POLITE!r}"
        assert line.earlier is not None and line.earlier.request_id == "id"

    run(work, "shadow")


def test_an_answer_that_is_gone_from_the_store_is_forgotten(run: Run) -> None:
    """The index outlives what it points at; the next ask does not find it there any more."""

    async def work(caches: Caches) -> None:
        _, first = await caches.ask(FRANCE)
        assert first.cache is not None and first.cache.fingerprint is not None
        assert caches.runtime.semantics is not None and first.semantic is not None
        entry = first.cache.fingerprint
        await caches.runtime.semantics.remember(first.semantic.key, entry.scope, entry.key)
        assert len(caches.index) == 1
        assert await caches.runtime.shared.get(SPACE, entry.key) is None
        flow, _ = await caches.ask(POLITE)
        assert flow.response is None and len(caches.index) == 0

    run(work)


def test_an_answer_is_remembered_once(run: Run) -> None:
    """However often the same request is answered anew."""

    async def work(caches: Caches) -> None:
        await caches.answer(*await caches.ask(FRANCE))
        assert len(caches.index) == 1
        flow, x = await caches.ask(FRANCE, {HEADER: "refresh"})
        await caches.answer(flow, x)
        assert len(caches.index) == 1
        await caches.answer(*await caches.ask(POEM))
        assert len(caches.index) == 2

    run(work)


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (FRANCE, {"tools": [TOOL]}),
        (FRANCE, {"messages": [{"role": "user", "content": text} for text in (POEM, FRANCE)]}),
        (FRANCE * (LONGEST // len(FRANCE) + 1), {}),
    ],
    ids=["tools", "a conversation", "too long"],
)
def test_what_is_unfit_is_neither_looked_for_nor_remembered(run: Run, text: str, more: dict[str, Any]) -> None:
    """No embedding is made of it; the trace says why."""

    async def work(caches: Caches) -> None:
        flow, x = await caches.ask(text, **more)
        (line,) = lines(x)
        assert (line.outcome, line.detail, x.semantic) == ("skip", "It is for single asks in plain text.", None)
        await caches.answer(flow, x)
        again, _ = await caches.ask(text, **more)
        assert again.response is not None  # from the exact cache: the answer was stored
        assert len(caches.index) == 0

    run(work)


@pytest.mark.parametrize("kind", ["refused", "beside", "stream", "left"])
def test_what_is_no_answer_is_not_remembered(run: Run, kind: Kind) -> None:
    """By the judge's verdict."""

    async def work(caches: Caches) -> None:
        await caches.answer(*await caches.ask(FRANCE), kind)
        assert len(caches.index) == 0

    run(work)


def test_with_mode_off_nothing_is_asked(run: Run) -> None:
    """No line, no embedding, nothing remembered."""

    async def work(caches: Caches) -> None:
        flow, x = await caches.ask(FRANCE)
        await caches.answer(flow, x)
        assert (lines(x), x.semantic, len(caches.index)) == ([], None, 0)

    run(work, "off")


def test_of_a_vector_nothing_is_remembered_once_the_rules_say_off(run: Run, tmp_path: Path) -> None:
    """They may change between a request and its answer."""

    async def work(caches: Caches) -> None:
        _, x = await caches.ask(FRANCE)
        assert x.semantic is not None and x.cache is not None and x.cache.fingerprint is not None
        (tmp_path / "routes.yaml").write_text(RULES.format(mode="off", more=""))
        caches.runtime.rules = RulesFile(caches.runtime.settings)
        await caches.semantic.remember(x, x.cache.fingerprint)
        assert len(caches.index) == 0

    run(work)


def test_without_a_process_only_the_exact_cache_serves(run: Run, tmp_path: Path) -> None:
    """Nobody listens on the socket: a miss, and the answer is stored all the same."""

    async def work(caches: Caches) -> None:
        assert caches.runtime.semantics is not None
        await caches.runtime.semantics.close()
        caches.runtime.semantics = Patient.at(tmp_path / "nobody")
        flow, x = await caches.ask(FRANCE)
        assert [(line.outcome, line.detail) for line in lines(x)] == [("miss", "No embedding in time.")]
        await caches.answer(flow, x)
        assert (await caches.ask(FRANCE))[0].response is not None
        assert (await caches.ask(POLITE))[0].response is None

    run(work)


def test_a_failure_of_the_cache_is_a_miss(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """It costs no request its answer, and the trace and the log name it."""

    async def broken(key: str) -> CachedAnswer | None:
        raise ZeroDivisionError(key)

    async def work(caches: Caches) -> None:
        await caches.answer(*await caches.ask(FRANCE))
        _, x = await caches.ask(SPAIN)
        x.trace.clear()
        assert x.cache is not None and await caches.semantic.look(x, x.cache, broken) is None
        assert [(line.outcome, line.detail) for line in lines(x)] == [("error", "It failed: ZeroDivisionError.")]

    run(work)
    assert "The semantic cache failed: ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        ("", False),
        ("x", True),
        ("short", True),
        ("x" * LONGEST, True),
        ("x" * (LONGEST + 1), False),
        ("问" * LONGEST, False),
    ],
    ids=["nothing", "one letter", "short", "long", "too long", "too long in Chinese"],
)
def test_an_ask_of_bounded_work(ask: str, expected: bool) -> None:
    """The guards' work grows with the bytes of an ask, and the event loop waits for them."""
    known = features_of({"messages": [{"role": "user", "content": ask}]})
    assert fits(known, ask) is expected
