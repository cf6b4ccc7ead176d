"""Which ledger the settings name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.access.limits.ledger import Batch, Claim, Take
from switchman.addons.state.access.ledgers import LedgerAway, MemoryLedger
from switchman.addons.state.access.opening import look, open_ledger, owner_name
from switchman.addons.state.access.redisledger import RedisLedger
from switchman.addons.state.access.sqliteledger import SQLiteLedger

TAKE = Take((Claim("a", concurrent=1),))


def test_redis_else_a_file_else_memory(tmp_path: Path, redis_server: Any) -> None:
    """What is counted there can be looked at from elsewhere."""
    file = Settings(db_path=str(tmp_path / "requests.db"))
    redis = Settings(db_path=str(tmp_path / "requests.db"), redis_url=redis_server.url)
    memory = Settings(db_path=":memory:")

    async def story() -> None:
        for settings, kind in ((file, SQLiteLedger), (redis, RedisLedger), (memory, MemoryLedger)):
            ledger = open_ledger(settings)
            assert isinstance(ledger, kind)
            assert await ledger.look(["a"]) == {}
            await ledger.run(Batch("one", 1, (), (TAKE,), {}))
            if settings is not memory:
                assert (await look(settings, ["a"]))["a"].running == 1
            await ledger.close()
        with pytest.raises(LedgerAway, match=":memory:"):
            await look(memory, ["a"])

    asyncio.run(story())
    assert (tmp_path / "requests.limits.db").exists()
    assert owner_name() != owner_name()
