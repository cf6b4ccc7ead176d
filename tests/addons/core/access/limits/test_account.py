"""Accounts as they are kept."""

from __future__ import annotations

from switchman.addons.core.access.limits.account import MOST_PURSES, Account, Held, Purse


def test_packed_it_is_the_same() -> None:
    """Windows, what is held and what was used."""
    account = Account(
        held={"one": Held(2, {"usd/day/2026-11-30": 5}, 1)}, purses={"usd/day/2026-11-30": Purse(7, {9: 50})}
    )
    account.requests.add(account.requests.advance(100.0), 3)
    again = Account.unpack(*account.pack())
    assert (again.held, again.purses, again.requests.total) == (account.held, account.purses, 3)
    assert Account.unpack(*Account().pack()).pack() == (b"", b"", "")


def test_periods_that_are_long_over_are_forgotten() -> None:
    """The one that began first goes."""
    account = Account()
    for day in range(MOST_PURSES + 2):
        account.purse(f"usd/day/2026-11-{day + 1:02}")
    assert len(account.purses) == MOST_PURSES and "usd/day/2026-11-02" not in account.purses


def test_nothing_is_held_below_nothing() -> None:
    """What is given back twice is back once."""
    held = Held()
    held.reserve("usd/day/x", 5)
    held.reserve("usd/day/x", -9)
    assert held.is_empty and held.reserved == {}
