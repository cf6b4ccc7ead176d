"""How much of an allowance is used, and which alerts still hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from switchman.addons.core.access.caller import Allowance, Budget
from switchman.addons.core.access.limits.account import Account, Held, Purse
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.core.access.limits.spending import account_of, spending_of, still_holds, whose, worst
from switchman.addons.core.access.limits.telling import Told

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
MONTH, DAY = Budget(20_000_000, "usd", "month"), Budget(1000, "tokens", "day")
TOLD = Told("1", NOW, "token:abc", "the token anna", 80, 16_000_000, 20_000_000, "usd", "month", "2026-11")


def test_of_the_present_period_and_minute() -> None:
    """What was used before, or a minute ago, is not in it."""
    account = Account(held={"one": Held(2, {"usd/month/2026-11": 500_000})})
    account.purses = {
        "usd/month/2026-11": Purse(16_250_000),
        "usd/month/2026-10": Purse(99),
        "tokens/day/2026-11-29": Purse(999),
    }
    account.requests.add(account.requests.advance(NOW - 100), 7)
    account.requests.add(account.requests.advance(NOW - 5), 3)
    found = spending_of(Allowance(60, 1000, 4, None, (MONTH, DAY)), account, Calendar(UTC), NOW)
    assert (found.running, found.requests, found.tokens) == (2, 3, 0)
    month, day = found.budgets
    assert (month.used, month.reserved, month.percent, month.begins) == (16_250_000, 500_000, 81, "2026-11")
    assert month.ends == datetime(2026, 12, 1, tzinfo=UTC).timestamp()
    assert month.sentence == "$16.25 of $20/month in 2026-11, $0.50 reserved"
    assert (day.used, day.percent, day.sentence) == (0, 0, "0 tokens of 1000tokens/day in 2026-11-30")


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"begins": "2026-10"}, False),
        ({"amount": 10_000_000}, False),
        ({"unit": "tokens"}, False),
        ({"period": "day"}, False),
    ],
)
def test_an_alert_holds_while_its_budget_and_period_do(change: dict[str, str | int], holds: bool) -> None:
    """One of a budget that was raised, taken away or of a month that is over tells nothing any more."""
    allowance = Allowance(budgets=(MONTH, DAY))
    assert still_holds(replace(TOLD, **change), allowance, Calendar(UTC), NOW) is holds  # type: ignore[arg-type]


def test_whose_account_an_alert_is_of() -> None:
    """A token's, a group's, or that of all."""
    assert whose(TOLD) == ("token", "abc") and TOLD.account == account_of("abc")
    assert whose(replace(TOLD, account="group:a:b")) == ("group", "a:b")
    assert whose(replace(TOLD, account="all")) == ("all", "")


def test_the_most_used_up_comes_first() -> None:
    """What is half used up is not pointed out."""
    full, later, half = replace(TOLD, percent=100), replace(TOLD, at=NOW + 1), replace(TOLD, percent=50)
    assert worst([half, TOLD, full, later]) == [full, later, TOLD]
