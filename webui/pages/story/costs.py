"""What a request's tokens cost, part by part, at the prices of the rules as they are now. Pure.

The cost in the row is what was recorded, at the prices of then; it counts more than the sum of these parts.
"""

from __future__ import annotations

from typing import NamedTuple

from switchman.addons.core.access.prices.price import MILLION, Price
from switchman.addons.core.dialects.neutral.form import Usage
from switchman.addons.store.reading.found import RequestRow
from switchman.webui.looks.marked import N_


class Part(NamedTuple):
    """One part of the tokens. `name` is marked to be translated.

    `each`: micro-dollars for a million of them; `amount`: micro-dollars. None: not known.
    """

    name: str
    tokens: int
    each: int | None
    amount: int | None


class Costs(NamedTuple):
    """`total` of the parts, None where one is not known; `differs`: it is not what was recorded."""

    parts: tuple[Part, ...]
    total: int | None
    differs: bool


NAMES = {
    "input": N_("Input"),
    "cached": N_("Input, from the provider's cache"),
    "cache_write_5m": N_("Input, written to that cache"),
    "output": N_("Output"),
    "reasoning": N_("Output, reasoning"),
}


def costs_of(row: RequestRow, usage: Usage | None, price: Price | None) -> Costs | None:
    """The parts of the row's tokens; `usage` is what the stored answer tells, of which the row does not keep what was
    written to a cache. None where no tokens are known."""
    if row.input_tokens is None and row.output_tokens is None:
        return None
    written = usage.cache_written or 0 if usage is not None else 0
    cached, reasoning = row.cached_tokens or 0, row.reasoning_tokens or 0
    counts = {
        "input": max(0, (row.input_tokens or 0) - cached - written),
        "cached": cached,
        "cache_write_5m": written,
        "output": max(0, (row.output_tokens or 0) - reasoning),
        "reasoning": reasoning,
    }
    rate = price.at(row.started_at).for_length(row.input_tokens or 0) if price is not None else None
    parts = tuple(
        _part(name, count, rate.parts.get(name) if rate is not None else None)
        for name, count in counts.items()
        if count or name in ("input", "output")
    )
    amounts = [part.tokens * part.each for part in parts if part.each is not None]
    known = rate is not None and all(part.each is not None or not part.tokens for part in parts)
    total = -(-sum(amounts) // MILLION) if known else None
    return Costs(parts, total, total is not None and row.attempt_count == 1 and total != row.cost_microdollars)


def _part(name: str, tokens: int, each: int | None) -> Part:
    return Part(NAMES[name], tokens, each, None if each is None else -(-tokens * each // MILLION))
