"""How fast a target is now, and how much it was asked lately: what the strategies `fastest` and `least_busy` compare.

The figure is the median of the last LAST times to first token. Two or three answers in a row change it; one that was
slow by itself does not. Who has waited for longer than that counts as an answer that took so long, so that a server
that hangs is found before any of its answers has come. Streams count; whole answers only where there are no streams, as
they begin when all of them is there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp
from statistics import median
from typing import Final, NamedTuple

from switchman.addons.flow.exchange import Attempt

LAST: Final = 5
KEPT: Final = 300.0  # seconds after which an answer says nothing any more
LATELY: Final = 10.0  # seconds after which a request counts for about a third


class Answer(NamedTuple):
    """One that began `took_ms` after it was asked for. `at`: monotonic seconds."""

    at: float
    took_ms: float
    streamed: bool


@dataclass(slots=True)
class Speed:
    """Of one target. Times are monotonic seconds, figures are milliseconds."""

    _waiting: dict[int, tuple[Attempt, bool]] = field(default_factory=dict)  # by id(), while it is not written down
    _answers: dict[bool, deque[Answer]] = field(default_factory=dict)  # of streams or not
    elsewhere: list[Answer] = field(default_factory=list)  # those that the other workers told of last
    _sent: float = 0.0
    _sent_at: float = 0.0

    def sent(self, now: float) -> None:
        """A request is to go there first."""
        self._sent, self._sent_at = self.lately(now) + 1, now

    def lately(self, now: float) -> float:
        """How many were sent; those of long ago count for less and less."""
        return self._sent * exp((self._sent_at - now) / LATELY) if self._sent else 0.0

    def begun(self, attempt: Attempt, streams: bool) -> None:
        self._waiting[id(attempt)] = (attempt, streams)

    def ended(self, attempt: Attempt) -> None:
        """Forget who waits for it."""
        self._waiting.pop(id(attempt), None)

    def answered(self, at: float, took_ms: float, streamed: bool) -> None:
        self._answers.setdefault(streamed, deque(maxlen=LAST)).append(Answer(at, took_ms, streamed))

    def answers(self, now: float) -> list[Answer]:
        """The last ones of this worker."""
        return [one for kept in self._answers.values() for one in kept if one.at > now - KEPT]

    def last_ms(self, now: float) -> float | None:
        """Of the last answer; None where there was none lately."""
        took = self._took(now)[1]
        return took[-1] if took else None

    def ttft_ms(self, now: float) -> float | None:
        streams, took = self._took(now)
        if not took:
            return None
        figure = median(took)
        slower = [waits for waits in self._waits(now, streams) if waits > figure]
        return median([*took, *slower][-LAST:])

    def _took(self, now: float) -> tuple[bool, list[float]]:
        for streams in (True, False):
            if answers := [one for one in self._all(streams) if one.at > now - KEPT]:
                return streams, [one.took_ms for one in answers]
        return False, []

    def _all(self, streams: bool) -> Iterable[Answer]:
        """The last ones of all workers, in their order."""
        own = self._answers.get(streams, ())
        if not (others := [one for one in self.elsewhere if one.streamed == streams]):
            return own
        return sorted([*own, *others], key=lambda one: one.at)[-LAST:]

    def _waits(self, now: float, streams: bool) -> list[float]:
        """How long the first few have waited for an answer that has not begun."""
        found: list[float] = []
        for attempt, is_stream in list(self._waiting.values()):
            if attempt.first_byte is not None or attempt.ended is not None:
                self.ended(attempt)
            elif is_stream == streams:
                found.append((now - attempt.started) * 1000)
                if len(found) == LAST:
                    break
        return found
