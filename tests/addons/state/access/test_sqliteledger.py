"""The file of accounts: private, kept, and never thrown away."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from switchman.addons.core.access.limits.ledger import Batch, Claim, Entry, Line, Take
from switchman.addons.state.access.ledgers import LedgerAway
from switchman.addons.state.access.sqliteledger import SQLiteLedger, look_into

PURSE = "usd/month/2027-01"
TAKE = Take((Claim("token:a", lines=(Line(PURSE, 40, 100),)),))
DONE = Entry("token:a", 1, 0, (0, 0), ((PURSE, 40, 7, (100,)),))


def test_what_was_used_outlasts_the_process(tmp_path: Path) -> None:
    """A budget goes on where it was; only its owner may read the file."""
    path = tmp_path / "limits.db"

    async def spend(owner: str) -> None:
        ledger = SQLiteLedger(path)
        await ledger.run(Batch(owner, 1, (), (TAKE,), {}))
        await ledger.run(Batch(owner, 2, ((DONE,),)))
        await ledger.close()

    asyncio.run(spend("one"))
    asyncio.run(spend("two"))
    account = look_into(path, ["token:a", "token:b"])["token:a"]
    assert account.purses[PURSE].used == 14 and account.held == {}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_read_is_told_and_left(tmp_path: Path) -> None:
    """Budgets would begin anew if it were thrown away."""
    path = tmp_path / "limits.db"
    path.write_bytes(b"no database at all" * 100)

    async def run() -> None:
        ledger = SQLiteLedger(path)
        try:
            await ledger.run(Batch("one", 1, (), (TAKE,), {}))
        finally:
            await ledger.close()

    with pytest.raises(LedgerAway, match=r"limits\.db: file is not a database"):
        asyncio.run(run())
    with pytest.raises(LedgerAway):
        look_into(path, ["token:a"])
    assert path.read_bytes().startswith(b"no database")


def test_a_file_that_is_deleted_is_made_anew_with_what_is_held(tmp_path: Path) -> None:
    """Other workers would not see what goes into a file without a name."""
    path = tmp_path / "limits.db"

    async def run() -> None:
        ledger = SQLiteLedger(path)
        await ledger.run(Batch("one", 1, (), (TAKE,), {}))
        for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            name.unlink(missing_ok=True)
        await ledger.run(Batch("one", 2, (), (TAKE,), {}))
        assert look_into(path, ["token:a"])["token:a"].reserved(PURSE) == 40
        await ledger.close()

    asyncio.run(run())


def test_nothing_is_opened_before_it_is_used(tmp_path: Path) -> None:
    """Without a limit there is neither a file nor a thread."""
    asyncio.run(SQLiteLedger(tmp_path / "limits.db").close())
    assert not list(tmp_path.iterdir())
    assert look_into(tmp_path / "limits.db", ["token:a"]) == {}
