"""Where accounts are kept: behind one small interface, with a backend for each reach.

    MemoryLedger    one process (DB_PATH is `:memory:`)
    SQLiteLedger    the workers of one machine: a file of its own beside the log's database (sqliteledger.py)
    RedisLedger     the workers of many machines: REDIS_URL (redisledger.py)

Each applies a batch as one step, as core/access/limits/ledger.py says. An owner (a worker) that is not heard of for
LEASE seconds is gone: what its requests held comes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from switchman.addons.core.access.limits.account import Account
from switchman.addons.core.access.limits.ledger import Batch, Outcome, apply

LEASE: Final = 10.0  # seconds
KEPT: Final = 100 * 86_400.0  # seconds that an account is kept which nobody asks for: longer than any budget's period

Clock = Callable[[], float]  # epoch seconds


class LedgerAway(Exception):
    """The backend failed. The batch may or may not have been applied."""


class OwnerUnknown(Exception):
    """Nothing was applied: the owner is new, or was taken for gone. It is to send what it holds (Batch.truth)."""


class Ledger(Protocol):
    """All raise LedgerAway where the backend fails."""

    async def run(self, batch: Batch) -> Outcome:
        """Apply a batch. Raises OwnerUnknown where the owner has to say what it holds."""

    async def look(self, accounts: Sequence[str]) -> dict[str, Account]:
        """The accounts as they are now; those that are not there are left out."""

    async def close(self) -> None: ...


class MemoryLedger:
    """In this process only, and for one owner."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._accounts: dict[str, Account] = {}

    async def run(self, batch: Batch) -> Outcome:
        for name in batch.accounts():
            self._accounts.setdefault(name, Account())
        return apply(batch, self._accounts, self._clock())

    async def look(self, accounts: Sequence[str]) -> dict[str, Account]:
        return {name: self._accounts[name] for name in accounts if name in self._accounts}

    async def close(self) -> None:
        self._accounts.clear()
