"""What a request came to cost, by its attempts."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from switchman.addons.core.access.admission.handshake import Handshake
from switchman.addons.core.access.prices.price import Usage
from switchman.addons.core.access.prices.table import parse_prices
from switchman.addons.core.decision.verdicts.judge import Kind, Verdict
from switchman.addons.core.request.call import Call, Endpoint, Operation
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.rules.ruleset import parse_ruleset
from switchman.addons.flow.costs import attempt_cost, cost_by, request_cost
from switchman.addons.flow.exchange import Attempt, Exchange, Sent

ENVIRONMENT = SimpleNamespace(
    default_upstream="http://localhost", default_upstream_set=False, model_map={}, request_timeout=3000.0,
    strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
)  # fmt: skip
NIGHT = {"input": 1, "at": [{"days": [4], "hours": "00:00-01:00"}]}
PRICES = parse_prices(json.dumps({"source": "", "date": "", "providers": {
    "p": {"hosts": ["p.example"], "models": {"m": {"input": 2, "output": 3, "off_peak": NIGHT, "from": ""}}},
}}))  # fmt: skip
RULES = parse_ruleset(
    "servers: {s: 'http://p.example', box: 'http://localhost', own: {url: 'http://127.0.0.1', free: true}}",
    "r.yaml", ENVIRONMENT, prices=PRICES,
)  # fmt: skip
DAY = 12 * 3600.0
USED = Usage(input=10, output=5)


def attempt(
    kind: Kind | None = "ok", status: int | None = 200, usage: Usage | None = None, server: str = "s", at: float = DAY
) -> Attempt:
    candidate = Candidate(RULES.servers[server], "m")
    verdict = None if kind is None else Verdict(kind, None)
    return Attempt(1, candidate, candidate.target, "http://x", at, 0.0, status=status, verdict=verdict, usage=usage)


def exchange(*attempts: Attempt, rules: Any = RULES) -> Exchange:
    return Exchange("id", 0.0, 0.0, "client", rules=rules, attempts=list(attempts))


@pytest.mark.parametrize(
    ("one", "cost"),
    [
        (attempt(usage=USED), 35),
        (attempt(usage=USED, at=60.0), 25),  # it was asked for at night
        (attempt("stream", usage=USED), 35),
        (attempt("left", usage=Usage(input=10, output=1, partial=True)), 23),
        (attempt(), None),
        (attempt("left"), None),
        (attempt("left", status=None), None),
        (attempt("timeout", status=None), None),
        (attempt("reset", status=None), None),
        (attempt("status", status=500), 0),
        (attempt("refused", status=400), 0),
        (attempt("error"), 0),  # a good status, and nothing but an error behind it
        (attempt("error", usage=USED), 35),
        (attempt("beside"), None),
        (attempt("unreadable"), None),
        (attempt("connect", status=None), 0),
        (attempt("dns", status=None), 0),
        (attempt("tls", status=None), 0),
        (attempt("stale", status=None), 0),
        (attempt("local", status=None), 0),
        (attempt("moved", status=307), 0),
        (attempt(usage=USED, server="box"), None),
        (attempt("connect", status=None, server="box"), 0),
        (attempt(usage=USED, server="own"), 0),
        (attempt("timeout", status=None, server="own"), 0),
        (attempt(None, usage=USED), None),
    ],
)
def test_an_attempt(one: Attempt, cost: int | None) -> None:
    """By what it told; nothing where no model can have answered; not known where one may have."""
    assert attempt_cost(exchange(one), one) == cost


def test_a_request_costs_what_its_attempts_do() -> None:
    """All of them: the one that broke off after it had told its usage, and the one that answered."""
    broken = attempt("stream", usage=Usage(input=10, partial=True))
    assert request_cost(exchange(attempt("status", status=500), broken, attempt(usage=USED))) == 55
    assert request_cost(exchange()) == 0


def test_one_that_is_not_known_makes_the_sum_unknown() -> None:
    """It may have been charged for."""
    assert request_cost(exchange(attempt("timeout", status=None), attempt(usage=USED))) is None


@pytest.mark.parametrize(
    ("operation", "cost"), [("count_tokens", 0), ("tokenize", 0), ("show", 0), ("speech", None), ("chat", None)]
)
def test_operations(operation: Operation, cost: int | None) -> None:
    """To count tokens, or to name them, costs nothing; what else tells no usage is not known."""
    x = exchange(attempt())
    body: dict[str, Any] = {"model": "m"}
    x.call = Call(Endpoint("anthropic", operation, "/"), "", "{}", body, {}, "m", False)
    assert request_cost(x) == cost


@pytest.mark.parametrize(
    ("method", "cost"), [("GET", 0), ("HEAD", 0), ("OPTIONS", 0), ("DELETE", 0), ("POST", None), ("PUT", None)]
)
def test_what_asks_no_model(method: str, cost: int | None) -> None:
    """To read a file or a batch costs nothing; what is begun by a POST that names no model is not known."""
    x = exchange(attempt())
    x.sent = Sent(method, "/v1/files", (), b"")
    assert request_cost(x) == cost
    x.handshake = Handshake("key")
    assert request_cost(x) is None


def test_without_rules_no_price_is_known() -> None:
    """Of a request that never came to be routed."""
    assert request_cost(exchange(attempt(usage=USED), rules=None)) is None


def test_another_usage_of_an_attempt_has_its_own_cost() -> None:
    """What is remembered is of one usage: the limits may ask by an estimate before, or behind, the row."""
    one = attempt(usage=USED)
    x = exchange(one)
    assert [attempt_cost(x, one), cost_by(x, one, Usage(input=1)), attempt_cost(x, one)] == [35, 2, 35]
    one.usage = Usage(input=20, output=5)
    assert attempt_cost(x, one) == 55
