"""What an answer costs, and the most that a request can cost.

Amounts are whole micro-dollars, of one answer, rounded up once at the end: sums of them are exact.
"""

from __future__ import annotations

from switchman.addons.core.access.prices.price import INPUTS, MILLION, OUTPUTS, PARTS, Price, Usage

MOST_COST = 2**62  # a database's whole numbers have 64 bits


def cost_of(usage: Usage | None, price: Price | None, at: float | None = None) -> int | None:
    """What an answer of this usage costs; the least, where the usage is partial. `at`: when it was asked for, epoch
    seconds, for prices that differ by the hour.

    None where it is not known: no price, or none of a part that was used; or no usage, at a price that is not zero.
    """
    if price is None:
        return None
    if price.is_free:
        return 0
    if usage is None:
        return None
    if price.states and usage.stated is not None:
        return usage.stated
    served = price.served(usage.service)
    if served is None:
        return None
    total = 0
    for step in (usage, *usage.more):
        if (amount := _amount(step, served.at(at).for_length(step.length))) is None:
            return None
        total += amount
    for name, uses in usage.tools:
        if (each := price.tools.get(name)) is None:
            return None
        total += uses * each
    cost = -(-total // MILLION)
    return cost if cost <= MOST_COST else None


def _amount(usage: Usage, rate: Price) -> int | None:
    """In millionths of a micro-dollar; None where a part that was used has no price."""
    total = 0
    for part in PARTS:
        if count := getattr(usage, part):
            if (each := rate.parts.get(part)) is None:
                return None
            total += count * each
    return total


def most_of(price: Price | None, input_tokens: int, output_tokens: int, service: str = "") -> int | None:
    """The most that a request can cost that takes at most so many tokens in and out: each at its dearest, such as a
    write to the cache. `service`: how it asks to be served. Uses of the provider's tools, and images and hours that are
    not counted in tokens, come on top.

    None where it is not known.
    """
    if price is None:
        return None
    if price.is_free:
        return 0
    if (served := price.served(service)) is None:
        return None
    total = 0
    for count, parts in ((input_tokens, INPUTS), (output_tokens, OUTPUTS)):
        known = [rate.parts[part] for rate in served.all_up_to(input_tokens) for part in parts if part in rate.parts]
        if count and not known:
            return None
        total += count * max(known, default=0)
    return -(-total // MILLION)


def total_of(costs: list[int | None]) -> int | None:
    """The sum of what several answers cost; None where one of them is not known."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
