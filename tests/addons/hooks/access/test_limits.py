"""Limits as a hook: what passes it untouched, and what no failure of ours gives away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from mitmproxy import http

from switchman.addons.core.access.caller import Allowance, Budget, Caller
from switchman.addons.core.access.limits.ledger import Taken
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.hooks.access.limits import Limits
from switchman.addons.state.access.alerts import Alerts
from switchman.addons.state.access.counters import Counters
from switchman.addons.state.access.ledgers import LedgerAway, MemoryLedger

RULES = """
servers: {up: {url: "http://up", dialect: openai}}
models: {up/m: {input_cost: 1, output_cost: 2}}
"""
BODY = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10}
BUDGET = Allowance(budgets=(Budget(10**6, "usd", "month"),))


class Away(MemoryLedger):
    async def run(self, batch: Any) -> Any:
        raise LedgerAway("gone")


@pytest.fixture
def ask(make_runtime: Callable[..., Any], make_exchange: Callable[..., Any]) -> Callable[..., Any]:
    """ask(caller, ledger): the flow and the Exchange after the hook."""

    def asked(
        caller: Caller | None, ledger: Any = None, rules: str = "", before: Callable[..., None] | None = None
    ) -> tuple[http.HTTPFlow, Any]:
        runtime = make_runtime(RULES + rules)
        flow, x = make_exchange(runtime, "/v1/chat/completions", BODY)
        x.caller, x.rules = caller, runtime.rules.current
        x.plan = Plan((Candidate(x.rules.servers["up"], "m"),), "name", "up/m")
        if before is not None:
            before(flow, x)

        async def story() -> None:
            runtime.alerts = Alerts(runtime.settings)
            runtime.counters = Counters(ledger or MemoryLedger(), "one")
            if (waiting := Limits(runtime).request(flow)) is not None:
                await waiting
            await runtime.counters.close()

        asyncio.run(story())
        return flow, x

    return asked


def test_who_has_no_limits_passes_without_a_word(ask: Callable[..., Any]) -> None:
    """Nothing is asked of the ledger, though it may be away."""
    for caller in (None, Caller("a", "anna")):
        flow, x = ask(caller, Away())
        assert flow.response is None and x.ticket is None and x.trace == []


def test_all_callers_together_have_limits_without_tokens(ask: Callable[..., Any]) -> None:
    """By the rules file alone."""
    _, x = ask(None, rules="limits: {total: {requests_per_minute: 5}}")
    assert isinstance(x.ticket.taken, Taken) and x.ticket.taken.standings[0].remaining == 4


def test_what_the_router_answers_itself_is_left_alone(ask: Callable[..., Any]) -> None:
    """Neither counted nor replaced."""

    def answered(flow: http.HTTPFlow, x: Any) -> None:
        flow.response, x.outcome = http.Response.make(404), "refused"

    flow, x = ask(Caller("a", "anna", allowance=BUDGET), before=answered)
    assert flow.response.status_code == 404 and x.ticket is None


def test_where_the_ledger_is_away_a_budget_is_not_given_away(ask: Callable[..., Any]) -> None:
    """A 503; limits a minute do not hold, and the trace says so."""
    flow, x = ask(Caller("a", "anna", allowance=BUDGET), Away())
    assert flow.response.status_code == 503 and x.outcome == "failed"
    flow, x = ask(Caller("a", "anna", allowance=Allowance(requests_per_minute=1)), Away())
    assert flow.response is None and x.trace[-1].outcome == "error"


def test_a_fault_of_ours_gives_nothing_away(ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A 503, as nobody knows what would have been taken."""

    def broken(*_: Any) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("switchman.addons.hooks.access.limits.bound_of", broken)
    flow, _ = ask(Caller("a", "anna", allowance=BUDGET))
    assert flow.response.status_code == 503


def test_a_refusal_is_in_the_trace(ask: Callable[..., Any]) -> None:
    """With its sentence, and in the client's words."""
    flow, x = ask(Caller("a", "anna", allowance=Allowance(budgets=(Budget(1, "usd", "day"),))))
    error = json.loads(flow.response.content)["error"]
    assert (flow.response.status_code, error["code"]) == (429, "insufficient_quota")
    assert x.trace[-1].layer == "limits" and x.trace[-1].detail == error["message"] == x.error


def test_a_model_to_downgrade_to_that_is_not_there_refuses(ask: Callable[..., Any]) -> None:
    """As if the budget had none."""
    flow, _ = ask(Caller("a", "anna", allowance=Allowance(budgets=(Budget(1, "usd", "day", "nobody/knows"),))))
    assert flow.response.status_code == 429
