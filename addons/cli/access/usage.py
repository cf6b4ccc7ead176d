"""What a token has used of its limits, for `switchman token show` and whoever else shows it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from switchman.addons.config.settings import Settings, zone_of
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.limits.account import Account
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.core.access.limits.written import in_words
from switchman.addons.core.access.written import budget_text
from switchman.addons.state.access.ledgers import LedgerAway
from switchman.addons.state.access.opening import look


def usage_of(settings: Settings, caller: Caller) -> dict[str, Any]:
    """`running`, and for each budget what is used and reserved in its present period; why that is not known."""
    name = f"token:{caller.id}"
    try:
        account = asyncio.run(look(settings, [name])).get(name, Account())
    except LedgerAway as error:
        return {"used": [f"not known: {error}"]}
    calendar, now = Calendar(zone_of(settings.budget_timezone)), time.time()
    used = []
    for budget in caller.allowance.budgets:
        label = calendar.span(budget.period, now).label
        purse = f"{budget.unit}/{budget.period}/{label}"
        spent = found.used if (found := account.purses.get(purse)) is not None else 0
        line = f"{in_words(spent, budget.unit)} of {budget_text(budget)} in {label}"
        reserved = account.reserved(purse)
        used.append(f"{line}, {in_words(reserved, budget.unit)} reserved" if reserved else line)
    return {"running": account.running, "used": used}
