"""The most that a plan can cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.access.limits.bounds import bound_of
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.hooks.access.pricing import Priced, Unpriced, most_in, priced, without_first

RULES = """
servers:
  dear: {url: "http://dear", dialect: openai}
  cheap: {url: "http://cheap", dialect: openai}
  own: {url: "http://own", dialect: openai, free: true}
models:
  dear/m: {input_cost: 10, output_cost: 30, context: 1000}
  cheap/m: {input_cost: 1, output_cost: 2}
"""
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 100}


@pytest.fixture
def price(make_runtime: Callable[..., Any], make_exchange: Callable[..., Any]) -> Callable[..., Any]:
    def asked(*targets: str, rules: str = "", path: str = "/v1/chat/completions", body: Any = BODY, **more: Any) -> Any:
        runtime = make_runtime(RULES + rules)
        _, x = make_exchange(runtime, path, body, **more)
        ruleset = runtime.rules.current
        candidates = (Candidate(ruleset.servers[name], model) for name, model in (t.split("/") for t in targets))
        plan = Plan(tuple(candidates), "route", "r")
        return priced(x, plan, ruleset, bound_of(x.call)) if x.call else priced(x, plan, ruleset, bound_of_nothing())

    return asked


def bound_of_nothing() -> Any:
    from switchman.addons.core.access.limits.bounds import Bound

    return Bound()


def test_the_dearest_candidate_counts(price: Callable[..., Any]) -> None:
    """Within the context that the rules tell; a server that is free costs nothing."""
    both = price("cheap/m", "dear/m")
    assert isinstance(both, Priced) and len(both.candidates) == 2 and both.lines == ()
    cheap = price("cheap/m")
    assert both.most > cheap.most > 100 * 2
    assert both.most <= 1000 * 10 + 100 * 30
    assert price("own/m").most == 0


def test_a_candidate_whose_price_is_not_known_is_left_out(price: Callable[..., Any]) -> None:
    """And where none is left, nobody is asked, unless the rules take it for free."""
    found = price("dear/unknown", "cheap/m")
    assert [one.target for one in found.candidates] == ["cheap/m"] and "dear/unknown is not known" in found.lines[
        0
    ].detail
    nobody = price("dear/unknown")
    assert isinstance(nobody, Unpriced) and "the price of dear/unknown is not known" in nobody.message
    assert price("dear/unknown", rules="limits: {unknown_price: free}").most == 0


@pytest.mark.parametrize(
    ("path", "body", "method", "known"),
    [
        ("/v1/images/generations", {"model": "m", "prompt": "a cat"}, "POST", False),
        ("/v1/audio/speech", {"model": "m", "input": "hi"}, "POST", False),
        ("/v1/embeddings", {"model": "m", "input": "hi"}, "POST", True),
        ("/v1/files/abc", None, "GET", True),
        ("/v1/batches", {"input_file_id": "f"}, "POST", False),
    ],
)
def test_what_tokens_do_not_bound(path: str, body: Any, method: str, known: bool, price: Callable[..., Any]) -> None:
    """Pictures, speech and batches are not asked for on a budget in dollars; reading costs nothing."""
    assert isinstance(price("cheap/m", path=path, body=body, method=method), Priced) is known
    assert isinstance(price("own/m", path=path, body=body, method=method), Priced)


def test_a_service_that_costs_more_is_reserved_for(price: Callable[..., Any]) -> None:
    """One whose price is not known is not asked for."""
    assert isinstance(price("cheap/m", body=BODY | {"service_tier": "default"}), Priced)
    assert isinstance(price("cheap/m", body=BODY | {"service_tier": "priority"}), Unpriced)


def test_a_plan_cut_short_keeps_whose_key_it_is(make_runtime: Callable[..., Any]) -> None:
    """The first choice stays the one that the rules name."""
    servers = make_runtime(RULES).rules.current.servers
    plan = Plan((Candidate(servers["dear"], "m"), Candidate(servers["cheap"], "m")), "route", "r")
    cut = without_first(plan, 1)
    assert [one.target for one in cut.candidates] == ["dear/m"] and cut.first_choice is servers["dear"]


def test_the_longest_prompt_on_any_candidate(
    make_runtime: Callable[..., Any], make_exchange: Callable[..., Any]
) -> None:
    """By each one's context."""
    runtime = make_runtime(RULES)
    _, x = make_exchange(
        runtime, "/v1/chat/completions", BODY | {"messages": [{"role": "user", "content": "x" * 5000}]}
    )
    rules = runtime.rules.current
    bound = bound_of(x.call)
    dear, cheap = (Candidate(rules.servers[name], "m") for name in ("dear", "cheap"))
    assert most_in(x, Plan((dear,), "route", "r"), rules, bound) == 1000
    assert most_in(x, Plan((dear, cheap), "route", "r"), rules, bound) == bound.most_in > 5000
