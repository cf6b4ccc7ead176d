"""An alert as it is kept, shown and sent."""

from __future__ import annotations

from dataclasses import dataclass

from switchman.addons.core.access.limits.ledger import Alert
from switchman.addons.core.access.limits.wording import name_of
from switchman.addons.core.access.limits.written import in_words


@dataclass(frozen=True, slots=True)
class Told:
    """`used`, `amount`: micro-dollars or tokens, as `unit` says."""

    id: str
    at: float  # epoch seconds
    account: str  # `token:ID`, `group:NAME`, `all`
    name: str  # whose it is, for a person
    percent: int  # 50, 80 or 100
    used: int
    amount: int
    unit: str
    period: str
    begins: str  # the period: 2026-11, 2026-11-30

    @property
    def sentence(self) -> str:
        """For the log and the dashboard."""
        reached = "is used up" if self.percent >= 100 else f"is used up to {self.percent} %"
        budget = f"{in_words(self.amount, self.unit)} per {self.period}"
        return f"The budget of {self.name}, {budget}, {reached}: {in_words(self.used, self.unit)} in {self.begins}."


def told_of(alert: Alert, caller: str, id: str, at: float) -> Told:
    """`caller`: the name of the account's token, where it is one's."""
    unit, period, begins = alert.purse.split("/")
    return Told(
        id=id,
        at=at,
        account=alert.account,
        name=name_of(alert.account, caller),
        percent=alert.percent,
        used=alert.used,
        amount=alert.amount,
        unit=unit,
        period=period,
        begins=begins,
    )
