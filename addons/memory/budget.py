"""The budget: how much memory the bodies of all clients may take up together.

1. Each request has a Hold, which counts what it holds: its body as it comes in, and what is made of it; an answer that
   is held back until it is whole.
2. A body that finds no room is not read on: its tap is shut, and it stands in line. What was read of it stays.
3. The first in line is read on all the same, so that one body at a time is completed, whatever the others hold. It
   stays the first until its request is over.
4. When a request is over, those who stand in line and fit into what it leaves are read on, in their order.
5. A small body never waits.
6. Answers that are held back cannot wait, as nobody stops their servers: they may take up half of the limit, whatever
   the bodies take. Beyond that only small ones are held back, and the largest.

Records that wait to be written count as well (`elsewhere`), and hold nobody's place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from switchman.addons.memory.taps import Tap

SMALL: Final = 64 * 1024  # bytes of a body that never waits
# A body is held as it came, as values, and as it is sent on; for a moment also as text. Measured: 40 bodies of 20 MB at
# once took 1.26 GB at most, where the limit was 1 GiB; one of 30 MB, alone and translated, 4.8 times its bytes.
COPIES: Final = 3
ANSWER_COPIES: Final = 2  # as it came, and as it goes on


class Budget:
    """Of one process; used on its event loop only."""

    def __init__(self, limit: int, elsewhere: Callable[[], int] = lambda: 0) -> None:
        """`limit`: bytes. `elsewhere`: bytes that others hold, and let go of by themselves."""
        self.limit = limit
        self.held = 0
        self.answers = 0  # of these, bytes of answers that are held back
        self._elsewhere = elsewhere
        self._line: dict[Hold, None] = {}  # in its order; the first of them is read on

    @property
    def used(self) -> int:
        """Bytes."""
        return self.held + self._elsewhere()

    @property
    def waiting(self) -> int:
        """How many bodies wait for room."""
        return sum(hold.waits for hold in self._line)

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more are within the limit."""
        return self.used + size <= self.limit

    def _queue(self, hold: Hold) -> None:
        self._line[hold] = None
        self._admit()

    def _leave(self, hold: Hold) -> None:
        self._line.pop(hold, None)
        if self._line:
            self._admit()

    def _admit(self) -> None:
        """Let those go on for whom there is room, and the first one in any case."""
        expected = self.used
        for place, hold in enumerate(list(self._line)):
            needed = hold.missing
            if place == 0 or expected + needed <= self.limit:
                hold._go_on(stays=place == 0)
                expected += needed
            else:
                hold._wait()


class Hold:
    """What one request holds. Over when it is released, which may be done twice."""

    def __init__(self, budget: Budget, tap: Tap, told: Callable[[bool], None] = lambda waits: None) -> None:
        """`told` is called with True when its body has to wait, and with False when it is read on."""
        self.size = 0  # bytes counted
        self.waits = False
        self._budget = budget
        self._tap = tap
        self._told = told
        self._body = 0  # bytes of the body that are here
        self._length = 0  # bytes that it says it has; 0: it does not say
        self._answer = 0  # bytes counted of its answer
        self._buffered = 0  # bytes counted of its stream

    @property
    def missing(self) -> int:
        """Bytes that it will need at least, until its body is complete."""
        return COPIES * max(self._length - self._body, SMALL)

    def expect(self, length: int | None) -> None:
        """A body of so many bytes begins; None where its length is not known."""
        self._length = length or 0
        if self._length > SMALL and (self._budget.waiting or not self._budget.has_room(self.missing)):
            self._budget._queue(self)

    def body_arrives(self, size: int) -> None:
        """Count a further piece of the body; where there is no room for more, nothing more is read."""
        self._body += size
        self.take(COPIES * size)
        if self._body > SMALL and not self.waits and not self._is_first and not self._budget.has_room(0):
            self._budget._queue(self)

    def body_complete(self) -> None:
        """Nothing more comes of it. The first in line stays there, as it may be over the limit."""
        self._length = self._body = 0
        if not self._is_first:
            self._budget._leave(self)

    def take(self, size: int) -> None:
        """Count bytes, whether there is room or not."""
        self.size += size
        self._budget.held += size

    def answer_arrives(self, size: int) -> None:
        """Count a further piece of an answer that is held back."""
        self._count_answer(ANSWER_COPIES * size)

    def buffers(self, size: int) -> None:
        """A stream that passes holds so many bytes by now: an event that is not complete, and what goes to the log."""
        self.take(size - self._buffered)
        self._buffered = size

    def drop_answer(self) -> None:
        """It was of an attempt that failed, or goes on as it comes: it is not held any longer."""
        self._count_answer(-self._answer)
        self.buffers(0)

    def most_of_answer(self, most: int) -> int:
        """Bytes up to which its answer may be held back; `most`, or SMALL where there is no room for more."""
        budget = self._budget
        crowded = budget.answers > budget.limit // 2 and budget.answers - self._answer >= self._answer
        return SMALL if crowded else most

    def _count_answer(self, size: int) -> None:
        self.take(size)
        self._answer += size
        self._budget.answers += size

    def release(self) -> None:
        """The request is over: it holds nothing any more."""
        self.drop_answer()
        self._budget.held -= self.size
        self.size = 0
        self._go_on(stays=False)
        self._budget._leave(self)

    @property
    def _is_first(self) -> bool:
        return self is next(iter(self._budget._line), None)

    def _wait(self) -> None:
        if not self.waits:
            self.waits = True
            self._tap.shut("room")
            self._told(True)

    def _go_on(self, stays: bool) -> None:
        if not stays:
            self._budget._line.pop(self, None)
        if self.waits:
            self.waits = False
            self._tap.open("room")
            self._told(False)
