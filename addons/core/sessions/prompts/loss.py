"""What it cost that a turn's prompt was not read from the provider's cache as the turn before let one expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from switchman.addons.core.access.prices.price import MILLION, Price

# Tokens; no provider caches a shorter prompt: https://platform.openai.com/docs/guides/prompt-caching, and
# https://platform.claude.com/docs/en/build-with-claude/prompt-caching, which names more for some models.
LEAST_CACHED: Final = 1_024
BYTES_OF_TOKEN: Final = 4  # of English text, about: where nobody told how many tokens a prompt has


def was_cached(tokens: int | None, size: int) -> bool:
    """Whether a provider may have kept a prompt of so many tokens; None: not known, it has `size` bytes."""
    return (tokens if tokens is not None else size // BYTES_OF_TOKEN) >= LEAST_CACHED


@dataclass(frozen=True, slots=True)
class Loss:
    """Tokens. `expected`: of the turn before, all of which could have been read from the cache. `read`: what was.
    `cost`: micro-dollars that reading the rest anew cost more, the least (writing it to a cache may cost more still).
    None: not known.
    """

    expected: int | None
    read: int | None
    cost: int | None

    @property
    def lost(self) -> int | None:
        if self.expected is None or self.read is None:
            return None
        return max(0, self.expected - self.read)


def loss_of(
    earlier: int | None, later: int | None, read: int | None, price: Price | None, at: float | None = None
) -> Loss:
    """`earlier` and `later`: tokens that went in, of the turn before and of this one; `read`: those of this one that
    came from the cache. `price`: of this one's model at its server; `at`: when it was asked.
    """
    if earlier is None or later is None:
        return Loss(None, read, None)
    expected = min(earlier, later)
    if expected < LEAST_CACHED:
        expected = 0
    loss = Loss(expected, read, None)
    if loss.lost is None or price is None:
        return loss
    if loss.lost == 0:
        return Loss(expected, read, 0)
    rate = price.at(at).for_length(later)
    whole, cached = rate.parts.get("input"), rate.parts.get("cached")
    if whole is None or cached is None:
        return loss
    return Loss(expected, read, -(-loss.lost * max(0, whole - cached) // MILLION))
