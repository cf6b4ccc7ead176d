"""Live figures of our own traffic: what rules test with max_latency and provider_health, and strategies go by.

A window of the last minutes per target, fed by Recording as attempts end. What the other workers had in theirs is
added (state/together/standings.py): durations as counts of steps of STEP, which are within 2 % of what they were; of
the last answers, how long ago each began and after which time.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import ceil, inf, log
from typing import Any

from switchman.addons.core.routes.live import Health
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.flow.exchange import Attempt, Exchange
from switchman.addons.state.speed import KEPT, Answer, Speed

WINDOW = 300.0  # seconds
MAX_SAMPLES = 512  # per target, the latest
MAX_TARGETS = 1024  # model names come from clients: without a bound they would fill the memory
STEP = 1.04  # from one step of durations to the next, beginning at 1 ms
MOST_STEPS = 600  # 1.04 ** 600 ms are half a year
MOST_ANSWERS = 20  # of a target that another worker tells of
FRESH = 1.0  # seconds that a figure is used again before it is computed anew

# The share of failed attempts in the window from which a server is yellow, and red.
YELLOW = 0.1
RED = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """One attempt that ended. Milliseconds; None where it failed. `at`: monotonic seconds."""

    at: float
    duration_ms: float | None

    @property
    def failed(self) -> bool:
        return self.duration_ms is None


@dataclass(slots=True)
class _Target:
    server: str
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=MAX_SAMPLES))
    figured_at: float = float("-inf")
    duration: float | None = None


@dataclass(slots=True)
class _Elsewhere:
    """What the other workers had of one target in their windows."""

    server: str
    failed: int = 0
    steps: Counter[int] = field(default_factory=Counter)


def _nothing(target: str) -> int:
    return 0


class LiveFigures:
    """The figures of all workers, as core/routes/live.py wants them. Belongs to the event loop's thread."""

    def __init__(
        self,
        breakers: Breakers,
        clock: Callable[[], float] = time.monotonic,
        running: Callable[[str], int] = _nothing,
    ) -> None:
        """`running`: how many attempts run on a target now."""
        self._breakers = breakers
        self._clock = clock
        self._targets: dict[str, _Target] = {}
        self._elsewhere: dict[str, _Elsewhere] = {}
        self._running = running
        self._speeds: dict[str, Speed] = {}
        self._shares: dict[str, tuple[float, float | None]] = {}  # server -> when it was looked at, and what was seen

    def observe(self, server: str, target: str, sample: Sample) -> None:
        """Count an attempt that ended well or failed by the server's fault."""
        known = self._targets.pop(target, None)
        if known is None:
            known = _Target(server)
            if len(self._targets) >= MAX_TARGETS:
                del self._targets[next(iter(self._targets))]  # heard of longest ago
        known.samples.append(sample)
        self._targets[target] = known

    def chosen(self, target: str) -> None:
        """Count a request that is to go to a target first."""
        self._speed(target).sent(self._clock())

    def begun(self, attempt: Attempt, streams: bool) -> None:
        """An attempt goes out: how long it waits for its answer is known from now on. `streams`: for a stream."""
        self._speed(attempt.target).begun(attempt, streams)

    def _speed(self, target: str) -> Speed:
        speed = self._speeds.pop(target, None) or Speed()
        if len(self._speeds) >= MAX_TARGETS:
            del self._speeds[next(iter(self._speeds))]
        self._speeds[target] = speed
        return speed

    def ttft_ms(self, target: str) -> float | None:
        """By the last answers, and by those who have waited for longer than that by now."""
        speed = self._speeds.get(target)
        return speed.ttft_ms(self._clock()) if speed is not None else None

    def last_ttft_ms(self, target: str) -> float | None:
        speed = self._speeds.get(target)
        return speed.last_ms(self._clock()) if speed is not None else None

    def in_flight(self, target: str) -> int:
        return self._running(target)

    def lately(self, target: str) -> float:
        speed = self._speeds.get(target)
        return speed.lately(self._clock()) if speed is not None else 0.0

    def finished(self, x: Exchange) -> None:
        """Count the attempts of a request that is over, as far as their verdicts say something of the server."""
        for attempt in x.attempts:
            self._speed(attempt.target).ended(attempt)
            if (sample := self._sample(attempt)) is not None:
                self.observe(attempt.candidate.server.name, attempt.target, sample)
                if not sample.failed and (first := _first_token(x, attempt)) is not None:
                    streamed = x.pipe is not None and attempt is x.attempt
                    self._speed(attempt.target).answered(sample.at, (first - attempt.started) * 1000, streamed)

    def _sample(self, attempt: Attempt) -> Sample | None:
        if (verdict := attempt.verdict) is None or verdict.counts is None:
            return None
        ended = attempt.ended if attempt.ended is not None else self._clock()
        return Sample(ended, (ended - attempt.started) * 1000 if verdict.counts == "answer" else None)

    def told(self, most: int) -> dict[str, Any]:
        """What the other workers are to know, for json.dumps: by target, of the `most` that were heard of last, its
        server, how many attempts failed, and how many answers took so many steps: [SERVER, FAILED, [[STEP, COUNT]]].
        Then, where there are any, the last answers: [[SECONDS AGO, MS TO THE FIRST TOKEN, 1 for a stream]].
        """
        now, told = self._clock(), {}
        since = now - WINDOW
        for target, known in islice(reversed(self._targets.items()), most):
            recent = [sample.duration_ms for sample in known.samples if sample.at > since]
            if recent:
                steps = Counter(_step(took) for took in recent if took is not None)
                told[target] = [known.server, recent.count(None), sorted(map(list, steps.items()))]
                speed = self._speeds.get(target)
                if speed is not None and (answers := speed.answers(now)):
                    last = [[round(now - one.at, 1), round(one.took_ms, 1), int(one.streamed)] for one in answers]
                    told[target].append(last)
        return told

    def hear(self, told: Sequence[Mapping[str, Any]]) -> None:
        """Have the figures of the other workers, in place of what they told before. What is no such figure is passed
        over.
        """
        self._elsewhere = {}
        now, answers = self._clock(), dict[str, list[Answer]]()
        for figures in told:
            for target, values in islice(figures.items(), MAX_TARGETS):
                try:
                    server, failed, steps, *more = values
                    counts = Counter({int(step): int(count) for step, count in steps if 0 < int(count) < 1 << 32})
                    failures = max(0, int(failed))
                    last = [_answer(now, *one) for one in islice(more[0], MOST_ANSWERS)] if more else []
                except (ValueError, TypeError, OverflowError):
                    continue
                known = self._elsewhere.setdefault(target, _Elsewhere(str(server)))
                known.failed += failures
                known.steps.update({min(max(step, 0), MOST_STEPS): count for step, count in counts.items()})
                answers.setdefault(target, []).extend(last)
        for target, speed in self._speeds.items():
            speed.elsewhere = answers.pop(target, [])
        for target, last in answers.items():
            if last and len(self._speeds) < MAX_TARGETS:  # those of our own requests are not pushed out
                self._speed(target).elsewhere = last

    def p95_ms(self, target: str) -> float | None:
        """The 95th percentile of the durations of whole answers; None where there were none."""
        known = self._targets.get(target)
        if known is None:
            others = self._elsewhere.get(target)
            return _p95((), others.steps) if others is not None else None
        now = self._clock()
        if now - known.figured_at >= FRESH:
            others = self._elsewhere.get(target)
            recent = (sample.duration_ms for sample in known.samples if sample.at > now - WINDOW)
            known.duration = _p95(recent, others.steps if others is not None else {})
            known.figured_at = now
        return known.duration

    def health(self, server: str) -> Health | None:
        """By the share of failures over all of a server's targets, and by the breakers that are open."""
        now = self._clock()
        targets = [name for name, known in self._targets.items() if known.server == server]
        targets += [
            name for name, known in self._elsewhere.items() if known.server == server and name not in self._targets
        ]
        resting = [name for name in targets if self._breakers.state(name, now) != "closed"]
        share = self._failures(server, targets, now)
        if share is None and not resting:
            return None
        if len(resting) == len(targets) or (share is not None and share >= RED):
            return "red"
        return "yellow" if resting or (share is not None and share >= YELLOW) else "green"

    def _failures(self, server: str, targets: Iterable[str], now: float) -> float | None:
        """The share of a server's attempts that failed, looked at once in FRESH seconds."""
        at, share = self._shares.get(server, (float("-inf"), None))
        if share is None or now - at >= FRESH:
            own = [self._targets[name] for name in targets if name in self._targets]
            others = [self._elsewhere[name] for name in targets if name in self._elsewhere]
            samples = [sample for known in own for sample in known.samples if sample.at > now - WINDOW]
            failed = sum(sample.failed for sample in samples) + sum(known.failed for known in others)
            count = len(samples) + sum(known.failed + known.steps.total() for known in others)
            share = failed / count if count else None
            self._shares[server] = (now, share)
        return share


def _answer(now: float, ago: float, took_ms: float, streamed: int) -> Answer:
    """One that another worker told of. Raises ValueError or TypeError where it is none."""
    seconds, took = float(ago), float(took_ms)
    if not (0 <= seconds <= KEPT and 0 <= took < inf):
        raise ValueError
    return Answer(now - seconds, took, bool(streamed))


def _step(duration_ms: float) -> int:
    return min(round(log(max(1.0, duration_ms), STEP)), MOST_STEPS)


def _p95(values: Iterable[float | None], steps: Mapping[int, int]) -> float | None:
    """The nearest-rank percentile of values, and of counts of steps; None of nothing."""
    known = [(value, 1) for value in values if value is not None] + [(STEP**at, count) for at, count in steps.items()]
    rank = ceil(0.95 * sum(count for _, count in known))
    for value, count in sorted(known):
        rank -= count
        if rank <= 0:
            return value
    return None


def _first_token(x: Exchange, attempt: Attempt) -> float | None:
    """When the answer began: of a stream its first token, of a whole answer its first byte."""
    reply = x.reply if attempt is x.attempt else None
    first = reply.first_token_at if reply is not None else None
    return first if first is not None else attempt.first_byte
