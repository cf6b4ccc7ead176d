"""Which ledger the settings name, for the proxy and for the command line. Nothing is opened before it is used."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from switchman.addons.config.settings import Settings
from switchman.addons.core.access.limits.account import Account
from switchman.addons.state.access.ledgers import Ledger, LedgerAway, MemoryLedger
from switchman.addons.state.access.sqliteledger import SQLiteLedger, look_into


def open_ledger(settings: Settings, away: Callable[[], str | None] = lambda: None) -> Ledger:
    """Redis where REDIS_URL is set; else a file beside the log's. `away`: why Redis is known to be away, or None."""
    if settings.redis_url is not None:
        # Imported here: redis-py is not loaded where nobody uses it.
        from switchman.addons.state.access.redisledger import RedisLedger

        return RedisLedger(settings.redis_url.get_secret_value(), away=away)
    return MemoryLedger() if settings.db_path == ":memory:" else SQLiteLedger(file_of(settings))


def file_of(settings: Settings) -> Path:
    """Where the workers of a machine count, without Redis."""
    return Path(settings.db_path).with_suffix(".limits.db")


def owner_name() -> str:
    """This process, among all that count."""
    return f"{socket.gethostname()[:64]}-{os.getpid()}-{secrets.token_hex(4)}"


async def look(settings: Settings, accounts: Sequence[str]) -> dict[str, Account]:
    """The accounts as they are now, from a process that counts nothing itself. Raises LedgerAway."""
    if settings.redis_url is None:
        if settings.db_path == ":memory:":
            raise LedgerAway("DB_PATH is :memory:, so that only the router itself knows")
        return look_into(file_of(settings), accounts)
    ledger = open_ledger(settings)
    try:
        return await ledger.look(accounts)
    finally:
        await ledger.close()
