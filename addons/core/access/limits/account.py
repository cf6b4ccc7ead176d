"""Account: what one caller, one group, or all callers together have used, and what is reserved for what runs.

What is reserved is kept by owner (a worker): one that is gone takes its own with it, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from switchman.addons.core.access.limits.window import Window

ALERTS: Final = (50, 80, 100)  # percent of a budget
MOST_PURSES: Final = 16  # periods remembered: those that are over are looked at, and settled into by what ran on


@dataclass(slots=True)
class Held:
    """What one owner's requests hold: how many run, and what is reserved for them, by purse. `lent`: how many were
    taken to spare, and may come back.
    """

    running: int = 0
    reserved: dict[str, int] = field(default_factory=dict)
    lent: int = 0

    @property
    def is_empty(self) -> bool:
        return not self.running and not self.reserved and not self.lent

    def copy(self) -> Held:
        return Held(self.running, dict(self.reserved), self.lent)

    def reserve(self, purse: str, amount: int) -> None:
        """More, or less; never less than nothing."""
        left = self.reserved.get(purse, 0) + amount
        if left > 0:
            self.reserved[purse] = left
        else:
            self.reserved.pop(purse, None)


@dataclass(slots=True)
class Purse:
    """What was used of a unit in one of its periods: settled, micro-dollars or tokens.

    `told`: the highest of ALERTS that somebody has been told of, by the amount of the budget.
    """

    used: int = 0
    told: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Account:
    requests: Window = field(default_factory=Window)
    tokens: Window = field(default_factory=Window)
    held: dict[str, Held] = field(default_factory=dict)  # by owner
    purses: dict[str, Purse] = field(default_factory=dict)  # `usd/month/2026-11`

    @property
    def running(self) -> int:
        return sum(one.running for one in self.held.values())

    @property
    def lent(self) -> int:
        return sum(one.lent for one in self.held.values())

    def reserved(self, purse: str) -> int:
        return sum(one.reserved.get(purse, 0) for one in self.held.values())

    def purse(self, name: str) -> Purse:
        """Made where it is not there yet; the one whose period began first goes, where there are too many."""
        found = self.purses.get(name)
        if found is None:
            found = self.purses[name] = Purse()
            if len(self.purses) > MOST_PURSES:
                oldest = min(self.purses, key=lambda one: one.rpartition("/")[2])
                del self.purses[oldest]
        return found

    def holding(self, owner: str) -> Held:
        return self.held.setdefault(owner, Held())

    def let_go(self, owner: str) -> None:
        """Forget what an owner holds, if that is nothing."""
        if (held := self.held.get(owner)) is not None and held.is_empty:
            del self.held[owner]

    def pack(self) -> tuple[bytes, bytes, str]:
        """The two windows, and the rest as JSON; "" for nothing."""
        rest: dict[str, Any] = {}
        if self.held:
            rest["held"] = {owner: [one.running, one.reserved, one.lent] for owner, one in self.held.items()}
        if self.purses:
            rest["purses"] = {name: [one.used, list(one.told.items())] for name, one in self.purses.items()}
        return self.requests.pack(), self.tokens.pack(), json.dumps(rest) if rest else ""

    @classmethod
    def unpack(cls, requests: bytes, tokens: bytes, rest: str) -> Account:
        """What `pack` gave. Raises ValueError, KeyError or TypeError."""
        account = cls(Window.unpack(requests), Window.unpack(tokens))
        if rest:
            obj: Mapping[str, Any] = json.loads(rest)
            account.held = {owner: Held(*kept) for owner, kept in obj.get("held", {}).items()}
            account.purses = {name: Purse(used, dict(told)) for name, (used, told) in obj.get("purses", {}).items()}
        return account
