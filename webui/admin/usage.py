"""What comes out of /api/admin of limits and budgets: what is used, and which are half used up or more."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from switchman.addons.core.access.caller import Period, Unit
from switchman.addons.core.access.limits.spending import Spending, Spent
from switchman.addons.core.access.limits.telling import Told
from switchman.addons.store.access.tokens import Token
from switchman.webui.admin.models import Money, Out, money_of


class SpentOut(Out):
    """A budget in its present period; `used` and `reserved` are dollars or tokens, as `amount` is."""

    amount: Money
    unit: Unit
    period: Period
    begins: str
    ends_at: float
    used: Money
    reserved: Money = Field(description="for requests that run")
    percent: int = Field(description="of the budget that is used")

    @classmethod
    def of(cls, spent: Spent) -> SpentOut:
        unit = spent.budget.unit
        amount, used, reserved = (money_of(one, unit) for one in (spent.budget.amount, spent.used, spent.reserved))
        return cls(
            amount=amount,
            unit=unit,
            period=spent.budget.period,
            begins=spent.begins,
            ends_at=spent.ends,
            used=used,
            reserved=reserved,
            percent=spent.percent,
        )


class UsageOut(Out):
    """What a token has used of its limits; what is not limited is not counted, and null."""

    id: str
    name: str
    requests: int | None = Field(description="in the last minute")
    tokens: int | None = Field(description="in the last minute")
    running: int | None
    budgets: list[SpentOut]

    @classmethod
    def of(cls, token: Token, spending: Spending | None) -> UsageOut:
        allowed = token.caller.allowance
        return cls(
            id=token.caller.id,
            name=token.caller.name,
            requests=spending.requests if spending and allowed.requests_per_minute is not None else None,
            tokens=spending.tokens if spending and allowed.tokens_per_minute is not None else None,
            running=spending.running if spending and allowed.concurrent is not None else None,
            budgets=[SpentOut.of(one) for one in spending.budgets] if spending else [],
        )


class AlertOut(Out):
    """A budget that was half used up, at 80 %, or used up (100), in its present period: the highest of these."""

    at: float
    account: str = Field(description="token:ID, group:NAME or all")
    name: str
    percent: int
    used: Money = Field(description="when it was told; dollars or tokens, as `amount` is")
    amount: Money
    unit: Unit
    period: Period
    begins: str

    @classmethod
    def of(cls, told: Told) -> AlertOut:
        unit: Any = told.unit
        names = ("at", "account", "name", "percent", "period", "begins")
        kept = {name: getattr(told, name) for name in names}
        return cls(**kept, unit=unit, used=money_of(told.used, unit), amount=money_of(told.amount, unit))


class AlertsOut(Out):
    """Of the budgets that are there now; the latest first."""

    alerts: list[AlertOut]
