"""The chain that answers `auto`: the first layer that names a target, and a trace line for each that does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.flow.exchange import Attempt, Exchange
from switchman.addons.hooks.routing import chain as module
from switchman.addons.hooks.routing.chain import CONVERSATIONS, Chain
from switchman.addons.hooks.routing.layers import LayerAnswer, LayerRequest, Miss
from switchman.addons.state.runtime import Runtime
from switchman.addons.state.together.shared import SharedStoreError

RULES = """
servers: {up: "http://127.0.0.1:9", other: "http://127.0.0.1:10"}
aliases: {both: {instances: [up/a, other/b]}}
routes:
  - {name: zoo, match: {model: auto, keywords: [zebra]}, route: {model: up/zoo, fallbacks: [other/zoo]}}
default: up/default
"""
STICKY = RULES.replace("fallbacks: [other/zoo]", "fallbacks: [other/zoo], stick: conversation")


class Given:
    """A layer that answers as it is told, and remembers what it was asked."""

    budget_ms = 5000.0

    def __init__(self, answer: Any = None, name: str = "given") -> None:
        self.name, self.given = name, answer
        self.asked: list[LayerRequest] = []

    async def answer(self, request: LayerRequest) -> Any:
        self.asked.append(request)
        if isinstance(self.given, BaseException):
            raise self.given
        return await self.given(request) if callable(self.given) else self.given


Ask = Callable[..., tuple[Plan, Exchange]]


@pytest.fixture
def ask(make_exchange: Any) -> Ask:
    """ask(chain, text): the plan for it, and its Exchange."""

    def one(chain: Chain, text: str = "hello", is_open: Any = lambda _: False) -> tuple[Plan, Exchange]:
        messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
        _, x = make_exchange(chain.runtime, "/v1/chat/completions", {"model": "auto", "messages": messages})
        return asyncio.run(chain.plan(x, is_open)), x

    return one


def lines(x: Exchange) -> list[tuple[str, str]]:
    return [(line.layer, line.outcome) for line in x.trace]


def test_the_rules_come_before_the_layers_and_the_default_after_them(make_runtime: Any, ask: Ask) -> None:
    """A layer that is not needed is not asked."""
    layer = Given(LayerAnswer("other/x", "night", 0.9, "It is night."))
    chain = Chain(make_runtime(RULES), [layer])
    plan, _ = ask(chain, "a zebra")
    assert (plan.layer, plan.route, plan.candidates[0].target) == ("route", "zoo", "up/zoo")
    assert plan.trace[0].elapsed_ms is not None and not layer.asked
    plan, x = ask(chain, "a lion")
    assert (plan.layer, plan.route, plan.candidates[0].target) == ("given", "night", "other/x")
    assert plan.trace[0].score == 0.9 and plan.trace[0].detail.startswith("It is night.")
    assert layer.asked[0].features.ask == "a lion" and layer.asked[0].body["model"] == "auto"
    layer.given = None
    plan, x = ask(chain, "a lion")
    assert (plan.layer, plan.candidates[0].target) == ("default", "up/default")
    assert ("given", "miss") in lines(x)


def test_an_alias_is_a_target(make_runtime: Any, ask: Ask) -> None:
    """With all its instances."""
    plan, _ = ask(Chain(make_runtime(RULES), [Given(LayerAnswer("both"))]))
    assert [candidate.target for candidate in plan.candidates] == ["up/a", "other/b"]


@pytest.mark.parametrize(
    ("answer", "outcome", "why"),
    [
        (None, "miss", "It has no answer."),
        (Miss("It is too dark.", 0.2), "miss", "It is too dark."),
        (RuntimeError("secret"), "error", "It failed: RuntimeError."),
        (LayerAnswer("nowhere/x"), "miss", "It names 'nowhere/x', which is no known target."),
        (LayerAnswer(7), "error", "Its answer names no target."),  # type: ignore[arg-type]
        ("up/a", "error", "Its answer names no target."),
    ],
)
def test_every_way_not_to_answer_is_a_line_of_its_own(
    answer: Any, outcome: str, why: str, make_runtime: Any, ask: Ask
) -> None:
    """And the next layer is asked: no failure of cleverness costs a request its answer."""
    nextone = Given(LayerAnswer("other/x"), "next")
    plan, x = ask(Chain(make_runtime(RULES), [Given(answer), nextone]))
    assert plan.layer == "next"
    (line,) = [line for line in x.trace if line.layer == "given"]
    assert (line.outcome, line.detail) == (outcome, why) and line.elapsed_ms is not None
    assert line.score == getattr(answer, "score", None)


def test_a_layer_over_its_budget_is_too_late(make_runtime: Any, ask: Ask) -> None:
    """The request does not wait for it."""

    async def forever(_: Any) -> None:
        await asyncio.Event().wait()

    layer = Given(forever)
    layer.budget_ms = 10.0
    plan, x = ask(Chain(make_runtime(RULES), [layer]))
    assert plan.layer == "default"
    assert [line.detail for line in x.trace if line.outcome == "error"] == ["No answer within its 10 ms."]


def test_a_layer_that_keeps_failing_is_left_alone(make_runtime: Any, ask: Ask) -> None:
    """Misses are no failures; a good answer in between starts the count anew."""
    missing, failing = Given(Miss("no"), "missing"), Given(RuntimeError(), "failing")
    chain = Chain(make_runtime(RULES), [missing, failing])
    for _ in range(20):
        _, x = ask(chain)
    assert len(missing.asked) == 20 and len(failing.asked) < 20
    assert ("failing", "skip") in lines(x)


def test_a_client_that_leaves_is_no_failure_of_the_layer(make_runtime: Any, make_exchange: Any) -> None:
    """Not even when it is the one that was let try a layer again."""
    begun: list[asyncio.Event] = []

    async def forever(_: Any) -> None:
        begun[-1].set()
        await asyncio.Event().wait()

    layer = Given(forever)
    chain = Chain(make_runtime(RULES), [layer])

    async def work() -> None:
        for _ in range(20):
            begun.append(asyncio.Event())
            _, x = make_exchange(chain.runtime, "/v1/chat/completions", {"messages": []})
            asking = asyncio.create_task(chain.plan(x, lambda _: False))
            await begun[-1].wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(work())
    assert len(layer.asked) == 20


def test_rules_that_crash_are_a_miss(make_runtime: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a defect in them the next layers know nothing."""

    def crash(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "match_rules", crash)
    plan, x = ask(Chain(make_runtime(RULES), [Given(LayerAnswer("other/x"))]))
    assert plan.layer == "given" and lines(x)[0] == ("route", "error")


def test_what_can_be_made_before_the_first_request_is(make_runtime: Any, caplog: pytest.LogCaptureFixture) -> None:
    """One that cannot is said, and the others are made all the same; at the end all are closed."""
    done: list[str] = []

    class Prepared(Given):
        async def prepare(self) -> None:
            done.append(f"prepare {self.name}")
            if self.name == "bad":
                raise OSError("no such model")

        async def close(self) -> None:
            done.append(f"close {self.name}")

    chain = Chain(make_runtime(RULES), [Given(), Prepared(name="bad"), Prepared(name="good")])
    asyncio.run(chain.prepare())
    asyncio.run(chain.close())
    assert done == ["prepare bad", "prepare good", "close bad", "close good"]
    assert "bad could not be prepared" in caplog.text and "no such model" in caplog.text


# Conversations


FIRST = [{"role": "user", "content": "a zebra"}]
SECOND = [*FIRST, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "and a lion?"}]


def answered(chain: Chain, x: Exchange, plan: Plan, number: int) -> None:
    """The conversation was answered by this candidate of its plan."""
    x.plan = plan
    candidate = plan.candidates[number]
    x.attempts.append(Attempt(1, candidate, candidate.target, "http://up", 0.0, 0.0))
    asyncio.run(chain.remember(x))


def test_a_conversation_goes_on_where_it_was(make_runtime: Any, ask: Ask) -> None:
    """Whatever the next turn's words would match; a new conversation is judged anew."""
    chain = Chain(make_runtime(STICKY), [])
    plan, x = ask(chain, FIRST)
    answered(chain, x, plan, 1)
    held, _ = ask(chain, SECOND)
    assert (held.layer, held.candidates[0].target) == ("conversation", "other/zoo")
    fresh, x = ask(chain, "a lion")
    assert fresh.layer == "default" and x.conversation is not None


def test_without_sticky_rules_nothing_is_kept(make_runtime: Any, ask: Ask) -> None:
    """Nor looked up, nor in the trace."""
    chain = Chain(make_runtime(RULES), [])
    plan, x = ask(chain, FIRST)
    answered(chain, x, plan, 1)
    second, x = ask(chain, SECOND)
    assert second.layer != "conversation" and x.conversation is None
    assert "conversation" not in [layer for layer, _ in lines(x)]


def test_an_unknown_or_broken_memory_is_a_miss(make_runtime: Any, ask: Ask) -> None:
    """What another version wrote is nothing known."""
    chain = Chain(make_runtime(STICKY), [])
    _, x = ask(chain, SECOND)
    assert ("conversation", "miss") in lines(x)
    asyncio.run(chain.runtime.shared.put(CONVERSATIONS, x.conversation, b"\xff no JSON", 60, module.CONVERSATION_QUOTA))
    _, x = ask(chain, SECOND)
    assert ("conversation", "miss") in lines(x)


@pytest.mark.parametrize("how", ["broken", "slow"])
def test_a_store_that_fails_costs_the_memory_and_nothing_else(
    how: str, make_runtime: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is waited for no longer than its budget, and what cannot be kept is said."""
    monkeypatch.setattr(module, "CONVERSATION_BUDGET", 0.01)
    runtime: Runtime = make_runtime(STICKY)
    chain = Chain(runtime, [])
    plan, x = ask(chain, FIRST)

    async def fail(*_: Any) -> Any:
        if how == "slow":
            await asyncio.sleep(60)
        raise SharedStoreError("disk full")

    monkeypatch.setattr(runtime.shared, "get", fail)
    _, second = ask(chain, SECOND)
    (line,) = [line for line in second.trace if line.layer == "conversation"]
    assert line.outcome == "error" and ("too slow" if how == "slow" else "disk full") in line.detail
    if how == "broken":
        monkeypatch.setattr(runtime.shared, "put", fail)
        answered(chain, x, plan, 0)
        assert "could not be kept: disk full" in caplog.text


def test_a_target_that_left_the_rules_holds_nothing(make_runtime: Any, ask: Ask) -> None:
    """And a breaker that is open sends the conversation on, to another of its targets."""
    chain = Chain(make_runtime(STICKY), [])
    plan, x = ask(chain, FIRST)
    answered(chain, x, plan, 0)
    held, _ = ask(chain, SECOND, is_open=lambda candidate: candidate == Candidate(plan.candidates[0].server, "zoo"))
    assert held.candidates[0].target != "up/zoo"


# What `auto` needs


def test_no_plug_in_may_be_called_as_a_layer_of_ours(make_runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace would not say who answered."""
    taken: list[frozenset[str]] = []

    def note(names: frozenset[str]) -> list[Any]:
        taken.append(names)
        return [Given(name="plugin")]

    monkeypatch.setattr(module, "load_layers", note)
    chain = Chain(make_runtime(RULES), [Given(name="given")])
    chain.start()
    assert {"given", "route", "default", "conversation", "exact_cache", "semantic_cache"} <= taken[0]
    assert [layer.name for layer in chain.layers] == ["given", "plugin"]
