"""What servers' answers tell of their limits, and until when one is better not asked.

A limit is a bucket that fills evenly, as OpenAI's and Anthropic's are: `remaining` of `limit` is left, and all of it is
back after `resets_in` seconds. Where the limit itself is not told, or all of it comes back at once (a window, as
OpenRouter's and GitHub's), nothing comes back before that.

An answer tells how it was when its own request came in. Requests that went out after that one are taken off; an answer
to a request that went out before the one that was last heard of tells nothing new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_ACCOUNTS: Final = 1024  # names of models come from clients
MAX_BEGUN: Final = 1024  # requests of one account that are remembered
REMEMBERED: Final = 120.0  # seconds that they are
LONGEST: Final = 86_400.0  # seconds: what is told to come back later than in a day is not believed


class Told(NamedTuple):
    """One limit, as an answer told it. `resets_in`: seconds. `limit` None: not told. `window`: all comes back at once.

    `counts`: "requests", or "tokens" of whichever kind.
    """

    counts: str
    remaining: float
    resets_in: float
    limit: float | None = None
    window: bool = False


@dataclass(slots=True)
class _Gauge:
    counts: str
    level: float
    at: float
    whole_at: float
    limit: float | None
    window: bool

    def ready_in(self, need: float, now: float) -> float:
        """Seconds until `need` of it is there. A request that is larger than all of it waits until it is whole."""
        if self.level >= need or now >= self.whole_at:
            return 0.0
        span = self.whole_at - self.at
        if self.window or self.limit is None or self.limit <= self.level or span <= 0:
            return self.whole_at - now
        rate = (self.limit - self.level) / span
        there = self.level + rate * (now - self.at)
        return max(0.0, min(self.whole_at - now, (min(need, self.limit) - there) / rate))

    def spend(self, amount: float, now: float) -> None:
        """Take `amount` of it, so that all of it is back later by as long as that takes."""
        if now >= self.whole_at:
            return  # of the time after that nothing was told yet
        span = self.whole_at - self.at
        if not self.window and self.limit is not None and self.limit > self.level and span > 0:
            rate = (self.limit - self.level) / span
            self.level += rate * (now - self.at)
            self.at, self.whole_at = now, self.whole_at + amount / rate
        self.level -= amount


@dataclass(slots=True)
class _Account:
    gauges: dict[str, _Gauge] = field(default_factory=dict)
    begun: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=MAX_BEGUN))  # (when, tokens)
    heard_of: float = float("-inf")  # when the request went out whose answer was last heard


class Paces:
    """By target and key of ours, as providers limit each model of each account. Belongs to the event loop's thread.

    `now` and all times: seconds on a clock that does not go back.
    """

    def __init__(self) -> None:
        self._accounts: dict[tuple[str, str], _Account] = {}

    def begin(self, target: str, key: str, tokens: int, now: float) -> None:
        """A request goes out."""
        account = self._account(target, key)
        while account.begun and account.begun[0][0] < now - REMEMBERED:
            account.begun.popleft()
        account.begun.append((now, tokens))
        for gauge in account.gauges.values():
            gauge.spend(1 if gauge.counts == "requests" else tokens, now)

    def learn(self, target: str, key: str, told: Mapping[str, Told], began: float, now: float) -> None:
        """What the answer told to a request that went out at `began`."""
        if not told:
            return
        account = self._account(target, key)
        if began < account.heard_of:
            return
        account.heard_of = began
        later = [tokens for when, tokens in account.begun if when > began]
        for name, one in told.items():
            if not 0 <= one.resets_in <= LONGEST:
                continue
            gauge = _Gauge(one.counts, one.remaining, now, now + one.resets_in, one.limit, one.window)
            gauge.spend(len(later) if one.counts == "requests" else sum(later), now)
            account.gauges[name] = gauge

    def ready_in(self, target: str, key: str, tokens: int, now: float) -> float:
        """Seconds until a request may go out without exceeding what is known; 0 where nothing is."""
        if not self._accounts or (account := self._accounts.get((target, key))) is None:
            return 0.0
        needs = (
            gauge.ready_in(1 if gauge.counts == "requests" else max(1, tokens), now)
            for gauge in account.gauges.values()
        )
        return max(needs, default=0.0)

    def reset(self, server: str) -> int:
        """Forget what a server's answers told. Returns of how many of its targets and keys that was."""
        found = [place for place in self._accounts if place[0] == server or place[0].startswith(f"{server}/")]
        for place in found:
            del self._accounts[place]
        return len(found)

    def _account(self, target: str, key: str) -> _Account:
        account = self._accounts.pop((target, key), None)
        if account is None:
            account = _Account()
            if len(self._accounts) >= MAX_ACCOUNTS:
                del self._accounts[next(iter(self._accounts))]  # used longest ago
        self._accounts[target, key] = account
        return account
