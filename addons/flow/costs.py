"""What a request came to cost: each attempt by its own usage, at the prices of the rules that it was sent by.

Amounts are whole micro-dollars; None is not known. An answer that broke off costs at least what it had told of by then.

Writes: attempt.costed.
"""

from __future__ import annotations

from typing import Final

from switchman.addons.core.access.prices.cost import cost_of, total_of
from switchman.addons.core.access.prices.price import Price, Usage
from switchman.addons.core.decision.verdicts.judge import Kind
from switchman.addons.core.request.call import Operation
from switchman.addons.flow.exchange import Attempt, Exchange

FREE_OPERATIONS: Final[tuple[Operation, ...]] = ("count_tokens", "tokenize", "show")  # no model generates anything
READING: Final = ("GET", "HEAD", "OPTIONS", "DELETE")  # methods by which nothing is generated
# No model was asked. Nor is an answer charged that is an error, whatever its status.
UNCHARGED: Final[frozenset[Kind]] = frozenset({"connect", "dns", "tls", "stale", "local", "moved", "error"})


def price_of(x: Exchange, attempt: Attempt) -> Price | None:
    """The price of the attempt's model on its server."""
    if x.rules is None:
        return None
    candidate = attempt.candidate
    return x.rules.price_for(candidate.server, candidate.model or (x.call.model if x.call is not None else ""))


def asks_no_model(x: Exchange) -> bool:
    """Whether the request only reads or deletes what a server keeps: a file, a batch, an answer of before."""
    return x.call is None and x.handshake is None and x.sent is not None and x.sent.method.upper() in READING


def cost_by(x: Exchange, attempt: Attempt, usage: Usage) -> int | None:
    """What an attempt costs by a usage. Computed once for one usage: the limits and the row both ask for it."""
    if attempt.costed is None or attempt.costed[0] is not usage:
        attempt.costed = usage, cost_of(usage, price_of(x, attempt), attempt.started_at)
    return attempt.costed[1]


def attempt_cost(x: Exchange, attempt: Attempt) -> int | None:
    """What one attempt costs, by what its answer told of its usage; None while it runs."""
    if attempt.verdict is None:
        return None
    if asks_no_model(x) or (x.call is not None and x.call.endpoint.operation in FREE_OPERATIONS):
        return 0
    if attempt.usage is not None:
        return cost_by(x, attempt, attempt.usage)
    if attempt.verdict.kind in UNCHARGED or (attempt.status is not None and attempt.status >= 400):
        return 0
    return cost_of(None, price_of(x, attempt), attempt.started_at)


def request_cost(x: Exchange) -> int | None:
    """What all attempts of a request cost; 0 where there was none, as for an answer from a cache. None where it is not
    known of one of them.
    """
    return total_of([attempt_cost(x, attempt) for attempt in x.attempts])


def tokens_at(x: Exchange, server: str) -> int | None:
    """The tokens that a server's answers to this request told, prompts and answers together; None where none did."""
    told = [a.usage for a in x.attempts if a.candidate.server.name == server and a.usage is not None]
    return sum(one.input_tokens + one.output_tokens for one in told) if told else None
