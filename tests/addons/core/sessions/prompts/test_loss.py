"""What a break cost, by the price table; what is not known stays unknown."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.prices.price import FREE, Price
from switchman.addons.core.sessions.prompts.loss import Loss, loss_of, was_cached

PRICE = Price({"input": 3_000_000, "cached": 300_000, "output": 15_000_000})
LONG = Price(
    {"input": 3_000_000, "cached": 300_000}, bands=((200_000, Price({"input": 6_000_000, "cached": 600_000})),)
)


@pytest.mark.parametrize(("earlier", "later", "read", "price", "loss", "lost"), [
    (10_000, 12_000, 2_000, PRICE, Loss(10_000, 2_000, 21_600), 8_000),
    (10_000, 12_000, 10_000, PRICE, Loss(10_000, 10_000, 0), 0),
    (10_000, 12_000, 11_000, PRICE, Loss(10_000, 11_000, 0), 0),
    (12_000, 10_000, 0, PRICE, Loss(10_000, 0, 27_000), 10_000),
    (300_000, 300_100, 0, LONG, Loss(300_000, 0, 1_620_000), 300_000),
    (1_000, 12_000, 0, PRICE, Loss(0, 0, 0), 0),
    (10_000, 12_000, 0, FREE, Loss(10_000, 0, 0), 10_000),
    (10_000, 12_000, 0, None, Loss(10_000, 0, None), 10_000),
    (10_000, 12_000, 0, Price({"input": 3_000_000}), Loss(10_000, 0, None), 10_000),
    (10_000, 12_000, None, PRICE, Loss(10_000, None, None), None),
    (None, 12_000, 0, PRICE, Loss(None, 0, None), None),
    (10_000, None, 0, PRICE, Loss(None, 0, None), None),
])  # fmt: skip
def test_the_loss_is_what_was_not_read_from_the_cache(
    earlier: int | None, later: int | None, read: int | None, price: Price | None, loss: Loss, lost: int | None
) -> None:
    """At the difference of the two prices, for the length that the prompt has; short prompts are never cached."""
    found = loss_of(earlier, later, read, price)
    assert (found, found.lost) == (loss, lost)


@pytest.mark.parametrize(
    ("tokens", "size", "kept"),
    [(1_024, 0, True), (1_023, 99_999, False), (None, 4_096, True), (None, 4_095, False), (0, 99_999, False)],
)
def test_a_short_prompt_is_kept_by_nobody(tokens: int | None, size: int, kept: bool) -> None:
    """By its tokens, and by its bytes where these are not known."""
    assert was_cached(tokens, size) is kept
