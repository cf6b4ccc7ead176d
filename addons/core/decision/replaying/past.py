"""Live figures as they were: what state/live.py had known at a moment, by the requests that had ended by then."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from math import ceil
from typing import Final

from switchman.addons.core.decision.replaying.recorded import Recorded
from switchman.addons.core.routes.live import Health, NoFigures

# As in state/live.py.
WINDOW: Final = 300.0
MOST_SAMPLES: Final = 512
YELLOW: Final = 0.1
RED: Final = 0.5
MOST_TARGETS: Final = 1024

_FAILED: Final = frozenset({"failed", "upstream_error", "stream_error"})
_SERVERS_FAULT: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 529})


class PastFigures(NoFigures):
    """A core/routes/live.py Live, of the time that `at` sets. Requests are noted in the order of their start.

    Of a request the server that answered last counts, for the whole time that the request took. No breaker is open.
    """

    def __init__(self) -> None:
        self._now = float("-inf")
        self._coming: list[tuple[float, str, str, str, float | None]] = []  # that have not ended yet: a heap
        self._targets: dict[str, tuple[str, deque[tuple[float, float | None]]]] = {}

    def note(self, one: Recorded) -> None:
        if one.server is None or not one.model:
            return
        failed = one.outcome in _FAILED and (one.outcome != "upstream_error" or one.status in _SERVERS_FAULT)
        if failed or one.outcome == "ok":
            took = None if failed else one.duration_ms
            heappush(self._coming, (one.ended_at, one.id, one.server, f"{one.server}/{one.model}", took))

    def at(self, now: float) -> None:
        self._now = now
        while self._coming and self._coming[0][0] <= now:
            ended, _, server, target, took = heappop(self._coming)
            known = self._targets.pop(target, None) or (server, deque(maxlen=MOST_SAMPLES))
            if len(self._targets) >= MOST_TARGETS:
                del self._targets[next(iter(self._targets))]
            known[1].append((ended, took))
            self._targets[target] = known

    def p95_ms(self, target: str) -> float | None:
        _, samples = self._targets.get(target, ("", deque()))
        took = sorted(took for ended, took in samples if took is not None and ended > self._now - WINDOW)
        return took[ceil(0.95 * len(took)) - 1] if took else None

    def health(self, server: str) -> Health | None:
        all_of = [one for name, samples in self._targets.values() if name == server for one in samples]
        lately = [took is None for ended, took in all_of if ended > self._now - WINDOW]
        if not lately:
            return None
        share = sum(lately) / len(lately)
        return "red" if share >= RED else "yellow" if share >= YELLOW else "green"
