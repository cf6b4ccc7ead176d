"""What a token has used, from the command line."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC
from pathlib import Path

from switchman.addons.cli.access.usage import usage_of
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.caller import Allowance, Budget, Caller
from switchman.addons.core.access.limits.ledger import Batch, Claim, Entry, Line, Take
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.state.access.sqliteledger import SQLiteLedger

CALLER = Caller("abc", "anna", allowance=Allowance(concurrent=3, budgets=(Budget(20_000_000, "usd", "month"),)))


def test_used_and_reserved(tmp_path: Path) -> None:
    """Of the present period; nothing is nothing, and what cannot be read is said."""
    settings = Settings(db_path=str(tmp_path / "requests.db"))
    label = Calendar(UTC).span("month", time.time()).label
    assert usage_of(settings, CALLER) == {"running": 0, "used": [f"$0 of $20/month in {label}"]}
    purse = f"usd/month/{label}"

    async def spend() -> None:
        ledger = SQLiteLedger(tmp_path / "requests.limits.db")
        take = Take((Claim("token:abc", concurrent=3, lines=(Line(purse, 500_000, 20_000_000),)),))
        await ledger.run(Batch("one", 1, (), (take, take), {}))
        await ledger.run(Batch("one", 2, ((Entry("token:abc", purses=((purse, 500_000, 1_250_000, ()),)),),)))
        await ledger.close()

    asyncio.run(spend())
    told = f"$1.25 of $20/month in {label}, $0.50 reserved"
    assert usage_of(settings, CALLER) == {"running": 1, "used": [told]}
    assert "not known" in usage_of(Settings(db_path=":memory:"), CALLER)["used"][0]
