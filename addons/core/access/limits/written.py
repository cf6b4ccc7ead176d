"""Limits of the rules file as values, and budgets as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from switchman.addons.core.access.caller import Allowance, Budget, Period, Unit

MOST_AMOUNT: Final = 10**15  # micro-dollars: a billion dollars; or tokens

_BUDGET: Final = re.compile(
    r"\s*(\$)?\s*([0-9]+(?:\.[0-9]+)?)\s*([kmb])?\s*(usd|\$|tokens?)?\s*/\s*(day|month)\s*", re.IGNORECASE
)
_SIZES: Final = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}


NO_LIMIT: Final = Allowance()


@dataclass(frozen=True, slots=True)
class Limits:
    """`total`: all requests together. `groups`: of tokens, each group's callers together. `free`: what a model costs
    whose price is not known counts as nothing; else it is not asked where a budget in dollars holds.
    """

    total: Allowance = NO_LIMIT
    groups: Mapping[str, Allowance] = field(default_factory=dict)
    free: bool = False


NO_LIMITS: Final = Limits()


def parse_budget(text: str, downgrade: str | None = None) -> Budget:
    """`20/month`, `$0.50/day`, `20 usd/month`, `2000000 tokens/day`, `2M tokens/month`. Raises ValueError."""
    found = _BUDGET.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a budget such as 20/month (dollars) or 2000000 tokens/day, not {text[:80]!r}")
    sign, number, size, unit, period = found.groups()
    in_tokens = (unit or "").lower().startswith("token")
    if in_tokens and sign:
        raise ValueError("a budget is of dollars or of tokens, not of both")
    amount = Decimal(number) * _SIZES[(size or "").lower()] * (1 if in_tokens else 1_000_000)
    if amount != int(amount):
        raise ValueError("a budget has whole micro-dollars ($0.000001), or whole tokens")
    if not 0 < amount <= MOST_AMOUNT:
        raise ValueError("expected a budget of more than nothing, and of at most a billion dollars")
    unit_of: Unit = "tokens" if in_tokens else "usd"
    per: Period = "day" if period.lower() == "day" else "month"
    return Budget(int(amount), unit_of, per, downgrade)


def in_words(amount: int, unit: str) -> str:
    """`$20`, `$0.50`, `$0.000713`, `2,000,000 tokens`."""
    if unit == "tokens":
        return f"{amount:,} tokens"
    whole, rest = divmod(amount, 1_000_000)
    decimals = f"{rest:06}".rstrip("0")
    return f"${whole:,}" + (f".{decimals:0<2}" if decimals else "")
