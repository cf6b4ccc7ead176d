"""Settling: each way a request may end, and what it comes to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.access.limits.asking import Reserve, Ticket
from switchman.addons.core.access.limits.ledger import Claim, Line, Settlement, Take, Taken
from switchman.addons.core.access.prices.price import Usage
from switchman.addons.core.decision.verdicts.judge import Kind, Verdict
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.flow.exchange import Attempt
from switchman.addons.hooks.access.settling import Settling

RULES = """
servers: {up: {url: "http://up", dialect: openai}}
models: {up/m: {input_cost: 1, output_cost: 2}}
"""
BODY = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10}
RESERVE = Reserve(usd=500, tokens=300, about=40)
PURSES = (Line("usd/day/2026-11-30", 500, 10**6), Line("tokens/day/2026-11-30", 300, 10**6))


class Counted:
    """Counters that note what is settled."""

    def __init__(self) -> None:
        self.settled: list[Settlement] = []

    def settle(self, settlement: Settlement) -> None:
        self.settled.append(settlement)


@pytest.fixture
def end(make_runtime: Callable[..., Any], make_exchange: Callable[..., Any]) -> Callable[..., tuple[int, int]]:
    """end(attempts): micro-dollars and tokens that are settled for a request with these attempts."""

    def ended(*attempts: dict[str, Any], reply: ReplyCollector | None = None, length: int | None = None) -> Any:
        runtime = make_runtime(RULES)
        runtime.counters = counted = Counted()
        _, x = make_exchange(runtime, "/v1/chat/completions", BODY)
        x.rules = runtime.rules.current
        candidate = Candidate(x.rules.servers["up"], "m")
        x.plan = Plan((candidate,), "name", "up/m")
        x.reply = reply
        x.attempts = [Attempt(1, candidate, "up/m", "http://up", time.time(), 0.0, **more) for more in attempts]
        x.ticket = Ticket(Take((Claim("a", lines=PURSES),)), Taken(5), about_in=20, reserve=RESERVE)
        settling = Settling(runtime)
        settling._settle(x, length)
        settling._settle(x, length)  # once is enough
        ((entry,),) = counted.settled
        assert x.ticket is None and [(one[0], one[1]) for one in entry.purses] == [
            ("usd/day/2026-11-30", 500),
            ("tokens/day/2026-11-30", 300),
        ]
        return entry.purses[0][2], entry.purses[1][2]

    return ended


def verdict(kind: Kind) -> Verdict:
    return Verdict(kind, None)


def stream(*payloads: bytes) -> ReplyCollector:
    reply = ReplyCollector()
    for payload in payloads:
        reply.feed(Event(b"data: " + payload + b"\n\n", "", payload), 1.0)
    return reply


def test_a_whole_usage_is_what_it_came_to(end: Callable[..., Any]) -> None:
    """At the prices of the rules."""
    assert end({"status": 200, "verdict": verdict("ok"), "usage": Usage(input=11, output=7)}) == (25, 18)


@pytest.mark.parametrize("kind", ["connect", "dns", "tls", "stale", "local", "moved"])
def test_where_no_model_was_asked_nothing_was_used(kind: Kind, end: Callable[..., Any]) -> None:
    """Nobody bills for that."""
    assert end({"verdict": verdict(kind)}) == (0, 0)


@pytest.mark.parametrize(("kind", "status"), [("status", 500), ("refused", 400), ("error", 200), ("lacks", 400)])
def test_an_error_costs_nothing(kind: Kind, status: int, end: Callable[..., Any]) -> None:
    """Of whatever status."""
    assert end({"status": status, "verdict": verdict(kind)}) == (0, 0)


@pytest.mark.parametrize("kind", ["left", "timeout", "reset", "unreadable", "stopped"])
def test_where_nobody_can_tell_it_is_as_it_was_reserved(kind: Kind, end: Callable[..., Any]) -> None:
    """The server may have worked on it."""
    assert end({"verdict": verdict(kind)}) == (500, 300)


def test_a_request_without_an_attempt_used_nothing(end: Callable[..., Any]) -> None:
    """It was refused after it was taken."""
    assert end() == (0, 0)


def test_a_stream_that_broke_off_is_what_had_passed(end: Callable[..., Any]) -> None:
    """The prompt by estimate, and one token for each event."""
    reply = stream(*[b'{"choices":[{"index":0,"delta":{"content":"a"}}]}'] * 5)
    assert end({"status": 200, "verdict": verdict("left")}, reply=reply) == (20 * 1 + 5 * 2, 25)


def test_what_a_broken_stream_had_told_counts(end: Callable[..., Any]) -> None:
    """Anthropic's tells the prompt at its beginning."""
    told = Usage(input=100, cached=50, output=1, partial=True)
    reply = stream(*[b'{"choices":[{"index":0,"delta":{"content":"a"}}]}'] * 5)
    assert end({"status": 200, "verdict": verdict("stream"), "usage": told}, reply=reply) == (150 + 5 * 2, 155)


def test_a_whole_answer_without_usage_is_estimated_by_its_length(end: Callable[..., Any]) -> None:
    """Four bytes to the token."""
    assert end({"status": 200, "verdict": verdict("ok")}, length=400) == (20 + 100 * 2, 120)


def test_attempts_add_up(end: Callable[..., Any]) -> None:
    """One that may be billed, one that failed for nothing, and the answer."""
    usage = Usage(input=11, output=7)
    attempts = [{"verdict": verdict("timeout")}, {"verdict": verdict("connect")}]
    assert end(*attempts, {"status": 200, "verdict": verdict("ok"), "usage": usage}) == (500 + 25, 300 + 18)


def test_a_fault_in_reading_it_counts_as_reserved(end: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost, and nothing stays reserved."""
    monkeypatch.setattr("switchman.addons.hooks.access.settling.cost_by", lambda *_: 1 / 0)
    assert end({"status": 200, "verdict": verdict("ok"), "usage": Usage(input=11)}) == (500, 300)


def test_what_ended_without_a_hook_is_swept(
    make_runtime: Callable[..., Any], make_exchange: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that has its row holds nothing; one that runs does."""
    monkeypatch.setattr("switchman.addons.hooks.access.settling.SWEEP_EVERY", 0.01)
    runtime = make_runtime(RULES)
    runtime.counters = counted = Counted()
    flows = [make_exchange(runtime, "/v1/chat/completions", BODY) for _ in range(2)]
    settling = Settling(runtime)
    for flow, x in flows:
        x.ticket = Ticket(Take((Claim("a", concurrent=1),)), Taken(5))
        settling.request(flow)
    runtime.underway[id(flows[0][1])] = flows[0][0]

    async def story() -> None:
        settling.running()
        for _ in range(1000):
            if counted.settled:
                break
            await asyncio.sleep(0.01)
        assert settling._sweeping is not None
        settling._sweeping.cancel()

    asyncio.run(story())
    assert len(counted.settled) == 1 and flows[0][1].ticket is not None and flows[1][1].ticket is None
