"""Failures: how many requests without a good token an address may have answered in full, and how they are told of.

A token cannot be guessed, so this is about what those who try cost: beyond a burst, an address gets a shorter answer,
and no rows in the log. Requests with a good token are not touched by it, so that one of many behind a NAT shuts nobody
else out. Each worker counts by itself.
"""

from __future__ import annotations

import ipaddress
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

BURST: Final = 30  # failures of one address that are answered in full
REFILL: Final = 0.5  # a second, of these
TELL_EVERY: Final = 60.0  # seconds between two lines in the log
MOST: Final = 4096  # addresses that are remembered
NAMED: Final = 5  # addresses that a line names


class Failures:
    """`clock`: monotonic seconds. Belongs to the event loop's thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address: what is left, and when
        self._counts: Counter[str] = Counter()
        self._told_at = -TELL_EVERY

    def count(self, address: str) -> bool:
        """One more failure. False where the address has had too many of them lately."""
        name, now = _network(address), self._clock()
        left, since = self._left.pop(name, (float(BURST), now))
        left = min(float(BURST), left + REFILL * (now - since))
        within = left >= 1
        self._left[name] = (left - 1 if within else left, now)
        if len(self._left) > MOST:
            self._left.popitem(last=False)
        if name in self._counts or len(self._counts) < MOST:
            self._counts[name] += 1
        if now - self._told_at >= TELL_EVERY:
            self.tell()
        return within

    def tell(self) -> None:
        """Say what was counted since the last line, in one."""
        if not self._counts:
            return
        self._told_at = self._clock()
        worst = ", ".join(f"{name} ({count})" for name, count in self._counts.most_common(NAMED))
        more = f" and {len(self._counts) - NAMED} more" if len(self._counts) > NAMED else ""
        logger.warning(
            "%d request%s came without a token that holds (CLIENT_AUTH=TOKENS), from %s%s.",
            self._counts.total(),
            "" if self._counts.total() == 1 else "s",
            worst,
            more,
        )
        self._counts.clear()


def _network(address: str) -> str:
    """An IPv6 client has 2 ** 64 addresses, and counts as one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
