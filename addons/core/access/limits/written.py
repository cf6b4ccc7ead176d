"""Limits of the rules file as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from switchman.addons.core.access.caller import Allowance

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


def in_words(amount: int, unit: str) -> str:
    """`$20`, `$0.50`, `$0.000713`, `2,000,000 tokens`."""
    if unit == "tokens":
        return f"{amount:,} tokens"
    whole, rest = divmod(amount, 1_000_000)
    decimals = f"{rest:06}".rstrip("0")
    return f"${whole:,}" + (f".{decimals:0<2}" if decimals else "")
