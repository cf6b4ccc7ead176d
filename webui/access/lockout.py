"""Who has sent wrong tokens lately has to wait before another one is looked at. In the memory of this process.

1. An address has FREE tries; each further one that fails makes it wait, from FIRST seconds, twice as long each time up
   to LONGEST. Tries while it waits are not looked at, and do not make it longer.
2. Where many addresses together fail often, each has one free try only. So somebody who guesses from everywhere is
   slowed down, and nobody who comes with a good token from an address of their own is.
3. An address is forgotten after CALM seconds without a failure, at once when a token of it is good, and the longest
   quiet one where there are too many of them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from threading import Lock

from switchman.addons.core.request.clients import parse_address

FREE = 5
FIRST, LONGEST = 1.0, 60.0  # seconds
CALM = 900.0
MOST_ADDRESSES = 4096
MANY, WITHIN = 100, 60.0  # failures of all together, in so many seconds


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0
    until: float = 0.0


class Lockout:
    """Times are seconds of any clock that only goes on. Several threads may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._of: OrderedDict[str, _Failures] = OrderedDict()
        self._all: deque[float] = deque(maxlen=MANY)

    def wait(self, address: str, now: float) -> float:
        """Seconds that this address has to wait; 0.0: a token of it is looked at."""
        with self._lock:
            found = self._of.get(_group(address))
            return max(0.0, found.until - now) if found else 0.0

    def failed(self, address: str, now: float) -> None:
        """A token of this address was wrong."""
        with self._lock:
            self._all.append(now)
            free = 1 if len(self._all) == MANY and now - self._all[0] < WITHIN else FREE
            group = _group(address)
            found = self._of.pop(group, _Failures())
            if now - found.last > CALM:
                found = _Failures()
            found.count += 1
            found.last = now
            if found.count >= free:
                found.until = now + min(LONGEST, FIRST * 2.0 ** min(found.count - free, 16))
            self._of[group] = found
            if len(self._of) > MOST_ADDRESSES:
                self._of.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """A token of this address was good."""
        with self._lock:
            self._of.pop(_group(address), None)

    def __len__(self) -> int:
        return len(self._of)


def _group(address: str) -> str:
    """One client's addresses: an IPv6 client has a /64 of them (RFC 6177)."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed), 64), strict=False))
    return str(parsed) if parsed else address[:64]
