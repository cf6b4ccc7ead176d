"""How much of an allowance is used: what `switchman token show`, the dashboard and the admin API tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from switchman.addons.core.access.caller import Allowance, Budget
from switchman.addons.core.access.limits.account import Account
from switchman.addons.core.access.limits.asking import ALL
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.core.access.limits.telling import Told
from switchman.addons.core.access.limits.written import in_words
from switchman.addons.core.access.written import budget_text

WARNED: Final = 80  # percent from which on a budget is pointed out


@dataclass(frozen=True, slots=True)
class Spent:
    """A budget in its present period. `used`, `reserved` (for what runs): micro-dollars or tokens, as its unit says.

    `begins`: the period, `2026-11` or `2026-11-30`; `ends`: epoch seconds.
    """

    budget: Budget
    begins: str
    ends: float
    used: int
    reserved: int

    @property
    def percent(self) -> int:
        """Of the budget, whole percents that are reached."""
        return self.used * 100 // self.budget.amount

    @property
    def sentence(self) -> str:
        line = f"{in_words(self.used, self.budget.unit)} of {budget_text(self.budget)} in {self.begins}"
        return f"{line}, {in_words(self.reserved, self.budget.unit)} reserved" if self.reserved else line


@dataclass(frozen=True, slots=True)
class Spending:
    """What an account has used. `requests`, `tokens`: of the last minute; counted only where they are limited."""

    running: int
    requests: int
    tokens: int
    budgets: tuple[Spent, ...]


def spending_of(allowance: Allowance, account: Account, calendar: Calendar, now: float) -> Spending:
    """`account` is advanced to `now` (epoch seconds): it is a copy that was read to be looked at."""
    for window in (account.requests, account.tokens):
        window.advance(now)
    budgets = []
    for budget in allowance.budgets:
        span = calendar.span(budget.period, now)
        purse = f"{budget.unit}/{budget.period}/{span.label}"
        kept = account.purses.get(purse)
        used = kept.used if kept is not None else 0
        budgets.append(Spent(budget, span.label, span.ends, used, account.reserved(purse)))
    return Spending(account.running, account.requests.total, account.tokens.total, tuple(budgets))


def account_of(token_id: str) -> str:
    """The name of a token's account."""
    return f"token:{token_id}"


def still_holds(told: Told, allowance: Allowance, calendar: Calendar, now: float) -> bool:
    """Whether an alert is of a budget that is there now, of this amount, and of its present period."""
    return any(
        (told.amount, told.unit, told.period) == (one.amount, one.unit, one.period)
        and told.begins == calendar.span(one.period, now).label
        for one in allowance.budgets
    )


def whose(told: Told) -> tuple[str, str]:
    """`token`, `group` or `all`, and the id or name."""
    kind, _, name = told.account.partition(":")
    return (ALL, "") if told.account == ALL else (kind, name)


def worst(alerts: Sequence[Told]) -> list[Told]:
    """Those that are to be pointed out, the most used up first."""
    return sorted((told for told in alerts if told.percent >= WARNED), key=lambda told: (-told.percent, -told.at))
