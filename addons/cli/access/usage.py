"""What a token has used of its limits, for `switchman token show`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from switchman.addons.config.settings import Settings, zone_of
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.limits.account import Account
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.core.access.limits.spending import account_of, spending_of
from switchman.addons.state.access.ledgers import LedgerAway
from switchman.addons.state.access.opening import look


def usage_of(settings: Settings, caller: Caller) -> dict[str, Any]:
    """`running`, and for each budget what is used and reserved in its present period; why that is not known."""
    name = account_of(caller.id)
    try:
        account = asyncio.run(look(settings, [name])).get(name, Account())
    except LedgerAway as error:
        return {"used": [f"not known: {error}"]}
    found = spending_of(caller.allowance, account, Calendar(zone_of(settings.budget_timezone)), time.time())
    return {"running": found.running, "used": [one.sentence for one in found.budgets]}
