"""An alert in a sentence."""

from __future__ import annotations

from switchman.addons.core.access.limits.ledger import Alert
from switchman.addons.core.access.limits.telling import told_of


def test_it_says_whose_budget_and_how_much_of_it() -> None:
    """With the period."""
    half = told_of(Alert("token:abc", "usd/month/2026-11", 20_000_000, 10_500_000, 50), "anna", "id", 1.0)
    assert half.sentence == "The budget of the token anna, $20 per month, is used up to 50 %: $10.50 in 2026-11."
    whole = told_of(Alert("all", "tokens/day/2026-11-30", 1000, 1001, 100), "", "id", 1.0)
    assert whole.sentence == (
        "The budget of all callers together, 1,000 tokens per day, is used up: 1,001 tokens in 2026-11-30."
    )
    assert (whole.unit, whole.period, whole.begins) == ("tokens", "day", "2026-11-30")
