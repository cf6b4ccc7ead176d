"""Circuit breakers, one per target: they skip an upstream for a while, then let one request probe it.

    closed     answers are counted over a window; too many failures open the breaker
    open       the target is skipped until its cooldown ends (it may still be tried as a last resort)
    half open  the cooldown is over: one request, the probe, may try; its verdict closes or opens the breaker again

1. `is_open` reads the state; `claim` also makes the caller the probe; `success` and `failure` report a verdict;
   `release` ends a probe without one; `reset` forgets all that was reported of a server.
2. Times are seconds on any clock that does not go back; `now` is always an argument.
3. A failure that is not the upstream's fault (the client left) does not count: call `release`.
4. Memory is bounded: at most MAX_TARGETS targets, and a second-by-second count of one window for each.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

State = Literal["closed", "open", "half_open"]

MAX_TARGETS = 4096  # model names come from clients: without a bound they would fill the memory
MAX_RETRY_AFTER = 3600.0  # seconds; an upstream that asks for a day is asked again after an hour


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a breaker opens and for how long. Durations are seconds."""

    failures: int = 5  # at least so many in the window ...
    share: float = 0.5  # ... and at least this share of all answers in it
    window: float = 60.0
    cooldown: float = 30.0  # doubles each time a probe fails
    max_cooldown: float = 300.0
    probe_lifetime: float = 3600.0  # a probe that never reported no longer counts after so long


@dataclass(slots=True)
class _Breaker:
    counts: deque[tuple[int, int, int]] = field(default_factory=deque)  # (second, successes, failures), oldest first
    opened: bool = False
    open_until: float = 0.0
    cooldown: float = 0.0  # the last one of our own; 0 when only Retry-After opened it
    probe_since: float | None = None
    touched: float = 0.0


class Breakers:
    """All breakers of one process. Not thread-safe: it belongs to the event loop's thread."""

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self._thresholds = thresholds or Thresholds()
        self._breakers: dict[str, _Breaker] = {}

    def state(self, target: str, now: float) -> State:
        breaker = self._breakers.get(target)
        if breaker is None or not breaker.opened:
            return "closed"
        return "open" if now < breaker.open_until else "half_open"

    def is_open(self, target: str, now: float) -> bool:
        """Whether to try others first: the target cools down, or a probe is under way."""
        match self.state(target, now):
            case "closed":
                return False
            case "open":
                return True
            case "half_open":
                return self._probing(self._breakers[target], now)

    def claim(self, target: str, now: float) -> bool:
        """Whether the target may be tried. Half open: True for one caller, which becomes the probe."""
        match self.state(target, now):
            case "closed":
                return True
            case "open":
                return False
            case "half_open":
                breaker = self._breakers[target]
                if self._probing(breaker, now):
                    return False
                breaker.probe_since = now
                return True

    def resting(self, now: float) -> list[tuple[str, State, float]]:
        """Targets whose breaker is not closed: the state, and for how many seconds it stays open (0: half open)."""
        return [
            (target, self.state(target, now), max(0.0, breaker.open_until - now))
            for target, breaker in self._breakers.items()
            if breaker.opened
        ]

    def back_in(self, target: str, now: float) -> float:
        """For how many seconds a target still rests; 0 where it does not, or may be probed."""
        breaker = self._breakers.get(target)
        return max(0.0, breaker.open_until - now) if breaker is not None and breaker.opened else 0.0

    def knows(self, target: str) -> bool:
        """Whether anything was reported of the target that is still kept."""
        return target in self._breakers

    def release(self, target: str) -> None:
        """End a probe without a verdict (its client left, or the fault was the client's): another may probe."""
        if breaker := self._breakers.get(target):
            breaker.probe_since = None

    def reset(self, server: str) -> int:
        """Forget a server's targets, so that their breakers are closed. Returns how many were not."""
        found = [name for name in self._breakers if name == server or name.startswith(f"{server}/")]
        return sum(self._breakers.pop(name).opened for name in found)

    def success(self, target: str, now: float) -> None:
        """Count an answer. Unless the breaker is closed, close it and forget all earlier counts."""
        breaker = self._breaker(target, now)
        if breaker.opened:
            self._breakers[target] = breaker = _Breaker(touched=now)
        self._count(breaker, now, failed=False)

    def failure(self, target: str, now: float, retry_after: float | None = None) -> None:
        """Count a failure. `retry_after` (seconds): the target's Retry-After; it opens the breaker at once.

        Retry-After is a floor: where the breaker's own cooldown is longer, that holds.
        """
        breaker = self._breaker(target, now)
        self._count(breaker, now, failed=True)
        retry_after = min(retry_after or 0.0, MAX_RETRY_AFTER)
        if not breaker.opened:
            if self._tripped(breaker):
                self._open(breaker, now, self._thresholds.cooldown, retry_after)
            elif retry_after > 0:
                self._open(breaker, now, 0.0, retry_after)
        elif now < breaker.open_until:
            # A last resort, or a request sent before it opened: no news, except that it may ask for longer.
            breaker.open_until = max(breaker.open_until, now + retry_after)
        else:
            doubled = min(max(2 * breaker.cooldown, self._thresholds.cooldown), self._thresholds.max_cooldown)
            self._open(breaker, now, doubled, retry_after)

    def _probing(self, breaker: _Breaker, now: float) -> bool:
        return breaker.probe_since is not None and now - breaker.probe_since < self._thresholds.probe_lifetime

    def _open(self, breaker: _Breaker, now: float, cooldown: float, retry_after: float) -> None:
        breaker.opened = True
        breaker.open_until = now + max(cooldown, retry_after)
        # Only our own cooldown is doubled from: Retry-After is the upstream's wish for this once.
        breaker.cooldown = cooldown
        breaker.probe_since = None

    def _tripped(self, breaker: _Breaker) -> bool:
        failures, requests = _totals(breaker)
        return failures >= self._thresholds.failures and failures >= self._thresholds.share * requests

    def _count(self, breaker: _Breaker, now: float, *, failed: bool) -> None:
        breaker.touched = now
        self._forget_old(breaker, now)
        second, successes, failures = int(now), 0, 0
        if breaker.counts and breaker.counts[-1][0] == second:
            _, successes, failures = breaker.counts.pop()
        breaker.counts.append((second, successes + (not failed), failures + failed))

    def _forget_old(self, breaker: _Breaker, now: float) -> None:
        while breaker.counts and breaker.counts[0][0] <= now - self._thresholds.window:
            breaker.counts.popleft()

    def _breaker(self, target: str, now: float) -> _Breaker:
        breaker = self._breakers.get(target)
        if breaker is None:
            if len(self._breakers) >= MAX_TARGETS:
                self._make_room()
            breaker = self._breakers[target] = _Breaker(touched=now)
        return breaker

    def _make_room(self) -> None:
        """Drop the quarter that was heard of longest ago, closed ones before open ones."""
        oldest = sorted(self._breakers, key=lambda name: (self._breakers[name].opened, self._breakers[name].touched))
        for target in oldest[: MAX_TARGETS // 4]:
            del self._breakers[target]


def _totals(breaker: _Breaker) -> tuple[int, int]:
    """(failures, all answers) that the window holds."""
    failures = sum(count[2] for count in breaker.counts)
    return failures, failures + sum(count[1] for count in breaker.counts)
