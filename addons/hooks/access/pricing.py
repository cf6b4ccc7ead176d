"""The most that a plan's candidates can cost, for a reservation.

Writes: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from switchman.addons.core.access.limits.bounds import COUNTED_IN_TOKENS, MOST, Bound
from switchman.addons.core.access.prices.cost import most_of
from switchman.addons.core.access.prices.price import Price
from switchman.addons.core.access.prices.wire import USUAL
from switchman.addons.core.routes.plan import Candidate, Plan, TraceLine
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.flow.costs import asks_no_model
from switchman.addons.flow.exchange import Exchange

WHAT_TO_DO = (
    "Add input_cost and output_cost for it under models: in the rules file (0 and 0 for a model of your own, or "
    "free: true for its server), or say limits: {unknown_price: free}."
)


class Priced(NamedTuple):
    """`most`: micro-dollars, of the dearest candidate. `candidates`: those that may be asked; `lines` say why not the
    others."""

    most: int
    candidates: tuple[Candidate, ...]
    lines: tuple[TraceLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Nobody may be asked."""

    message: str


def priced(x: Exchange, plan: Plan, rules: Ruleset, bound: Bound) -> Priced | Unpriced:
    """What the request may cost at most; a candidate is left out whose price is not known."""
    most, kept = 0, []
    for candidate in plan.candidates:
        cost = _most(x, candidate, rules, bound)
        if cost is None and rules.limits.free:
            cost = 0
        if cost is not None:
            most = max(most, cost)
            kept.append(candidate)
    if len(kept) == len(plan.candidates):
        return Priced(min(most, MOST), plan.candidates)
    named = ", ".join(_names(x, [one for one in plan.candidates if one not in kept]))
    if not kept:
        return Unpriced(_why(x, named))
    line = TraceLine("limits", "skip", f"The price of {named} is not known, and a budget in dollars applies: left out.")
    return Priced(min(most, MOST), tuple(kept), (line,))


def most_in(x: Exchange, plan: Plan, rules: Ruleset, bound: Bound) -> int:
    """The most tokens that the prompt can have, on any of the candidates."""
    return max((bound.within(_context(x, one, rules)) for one in plan.candidates), default=bound.most_in)


def _most(x: Exchange, candidate: Candidate, rules: Ruleset, bound: Bound) -> int | None:
    call = x.call
    if candidate.server.free:
        return 0
    if call is None:
        return 0 if asks_no_model(x) else None
    price = rules.price_for(candidate.server, candidate.model or call.model)
    if price is None or price.is_free:
        return None if price is None else 0
    if call.endpoint.operation not in COUNTED_IN_TOKENS:
        return None
    tokens = bound.within(_context(x, candidate, rules))
    costs = [most_of(price, tokens, bound.most_out, service) for service in _services(x, price)]
    known = [cost for cost in costs if cost is not None]
    return max(known) if len(known) == len(costs) else None


def _services(x: Exchange, price: Price) -> Iterable[str]:
    """Ways to be served that the request asks for, each with a price of its own, and the usual one."""
    asked = [x.call.body.get(name) for name in ("service_tier", "speed")] if x.call is not None else []
    return ("", *(name for name in asked if isinstance(name, str) and name not in USUAL))


def _context(x: Exchange, candidate: Candidate, rules: Ruleset) -> int | None:
    return rules.facts(candidate.server, candidate.model or (x.call.model if x.call else "")).context


def _names(x: Exchange, candidates: Iterable[Candidate]) -> Iterable[str]:
    return dict.fromkeys(one.target_for(x.call.model if x.call else "") for one in candidates)


def _why(x: Exchange, named: str) -> str:
    start = "A budget in dollars applies to this request, and nobody can say beforehand what it may cost"
    if x.handshake is not None:
        return f"{start}: a WebSocket has no end that is known. A server that is free: true may be asked."
    if x.call is None:
        return f"{start}: it names no model. A server that is free: true may be asked."
    if x.call.endpoint.operation not in COUNTED_IN_TOKENS:
        return f"{start}: of {x.call.endpoint.operation} not tokens are billed. {WHAT_TO_DO}"
    return f"{start}: the price of {named} is not known. {WHAT_TO_DO}"


def without_first(plan: Plan, kept: int) -> Plan:
    """The plan with no more than its first candidates."""
    return replace(plan, candidates=plan.candidates[:kept], first=plan.first_choice)
