"""Circuit breakers, one per target: they skip an upstream for a while, then let one request probe it.

    closed     answers are counted over a window; too many failures open the breaker
    open       the target is skipped until its cooldown ends (it may still be tried as a last resort)
    half open  the cooldown is over: one request, the probe, may try; its verdict closes or opens the breaker again

1. `is_open` reads the state; `claim` also makes the caller the probe; `success` and `failure` report a verdict;
   `release` ends a probe without one; `reset` forgets all that was reported of a server.
2. Times are seconds on any clock that does not go back; `now` is always an argument.
3. A failure that is not the upstream's fault (the client left) does not count: call `release`.
4. Memory is bounded: at most MAX_TARGETS targets, and a second-by-second count of one window for each.
5. Workers tell each other how theirs stand (`standings`) and hear the others (`hear`): the last change of a target's
   state holds for all, failures in all of them open it, and while one probes the others do not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from switchman.addons.core.servers.standing import Elsewhere, Standing, together

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
    """All breakers of one process. Not thread-safe: it belongs to the event loop's thread.

    `epoch`: seconds that make `now` a time which other processes have, too, about.
    """

    def __init__(self, thresholds: Thresholds | None = None, epoch: float = 0.0) -> None:
        self._thresholds, self._epoch = thresholds or Thresholds(), epoch
        self._breakers: dict[str, _Breaker] = {}
        self._versions: dict[str, int] = {}  # of each target's last change of state, the latest last
        self._elsewhere: Mapping[str, Elsewhere] = {}

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
                return self._probing(target, now)

    def claim(self, target: str, now: float) -> bool:
        """Whether the target may be tried. Half open: True for one caller, which becomes the probe."""
        match self.state(target, now):
            case "closed":
                return True
            case "open":
                return False
            case "half_open":
                if self._probing(target, now):
                    return False
                self._breakers[target].probe_since = now
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
        opened = [name for name in found if self._breakers.pop(name).opened]
        for name in opened:
            self._changed(name)
        return len(opened)

    def standings(self, now: float) -> dict[str, Standing]:
        """What the other workers are to know: the targets that failed lately, or whose state was ever changed."""
        told = {name: Standing(version) for name, version in self._versions.items()}
        for name, breaker in self._breakers.items():
            self._forget_old(breaker, now)
            failures, requests = _totals(breaker)
            if failures or breaker.opened or name in told:
                left = max(0.0, breaker.open_until - now) if breaker.opened else 0.0
                version, probes = self._versions.get(name, 0), self._probes(breaker, now)
                told[name] = Standing(version, breaker.opened, left, breaker.cooldown, failures, requests, probes)
        return told

    def hear(self, told: Sequence[tuple[float, Mapping[str, Standing]]], now: float, fresh: float) -> None:
        """Take over what the others say, each so many seconds ago. What was changed later than here holds here, too;
        counts and probes are believed for `fresh` seconds.
        """
        for age, standings in told:
            for target, one in standings.items():
                if one.version > self._versions.get(target, 0):
                    self._take(target, one, max(0.0, one.left - age), now)
        self._elsewhere = together((standings for age, standings in told if age <= fresh), self._versions)

    def success(self, target: str, now: float) -> None:
        """Count an answer. Unless the breaker is closed, close it and forget all earlier counts."""
        breaker = self._breaker(target, now)
        if breaker.opened:
            self._breakers[target] = breaker = _Breaker(touched=now)
            self._changed(target, now)
        self._count(breaker, now, failed=False)

    def failure(self, target: str, now: float, retry_after: float | None = None) -> None:
        """Count a failure. `retry_after` (seconds): the target's Retry-After; it opens the breaker at once.

        Retry-After is a floor: where the breaker's own cooldown is longer, that holds.
        """
        breaker = self._breaker(target, now)
        self._count(breaker, now, failed=True)
        retry_after = min(retry_after or 0.0, MAX_RETRY_AFTER)
        if not breaker.opened:
            if self._tripped(target, breaker):
                self._open(target, now, self._thresholds.cooldown, retry_after)
            elif retry_after > 0:
                self._open(target, now, 0.0, retry_after)
        elif now < breaker.open_until:
            # A last resort, or a request sent before it opened: no news, except that it may ask for longer.
            if now + retry_after > breaker.open_until:
                breaker.open_until = now + retry_after
                self._changed(target, now)
        else:
            doubled = min(max(2 * breaker.cooldown, self._thresholds.cooldown), self._thresholds.max_cooldown)
            self._open(target, now, doubled, retry_after)

    def _probing(self, target: str, now: float) -> bool:
        elsewhere = self._elsewhere.get(target)
        if elsewhere is not None and elsewhere.probing and elsewhere.version == self._versions.get(target, 0):
            return True
        return self._probes(self._breakers[target], now)

    def _probes(self, breaker: _Breaker, now: float) -> bool:
        return breaker.probe_since is not None and now - breaker.probe_since < self._thresholds.probe_lifetime

    def _take(self, target: str, one: Standing, left: float, now: float) -> None:
        """Stand as another worker does."""
        if one.opened:
            breaker = self._breaker(target, now)
            breaker.opened, breaker.open_until, breaker.cooldown = True, now + left, one.cooldown
            breaker.probe_since, breaker.touched = None, now
        elif target in self._breakers:
            self._breakers[target] = _Breaker(touched=now)
        self._note(target, one.version)

    def _changed(self, target: str, now: float = 0.0) -> None:
        """Have the change that was just made be later than all that is known of the target."""
        self._note(target, max(int((now + self._epoch) * 1000), self._versions.get(target, 0) + 1))

    def _note(self, target: str, version: int) -> None:
        self._versions.pop(target, None)
        if len(self._versions) >= MAX_TARGETS:
            del self._versions[next(iter(self._versions))]
        self._versions[target] = version

    def _open(self, target: str, now: float, cooldown: float, retry_after: float) -> None:
        breaker = self._breakers[target]
        self._changed(target, now)
        breaker.opened = True
        breaker.open_until = now + max(cooldown, retry_after)
        # Only our own cooldown is doubled from: Retry-After is the upstream's wish for this once.
        breaker.cooldown = cooldown
        breaker.probe_since = None

    def _tripped(self, target: str, breaker: _Breaker) -> bool:
        """By its own counts, or by those of all workers: one alone may be cut off from a server."""
        failures, requests = _totals(breaker)
        if self._too_many(failures, requests):
            return True
        others = self._elsewhere.get(target)
        if others is None or others.version != self._versions.get(target, 0):
            return False
        return self._too_many(failures + others.failures, requests + others.requests)

    def _too_many(self, failures: int, requests: int) -> bool:
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
