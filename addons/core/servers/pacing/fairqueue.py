"""FairQueue: who waits for a server, and who of them is next.

Next is the caller of whom the fewest requests run there; among equals, the one whose turn was longest ago. So a
caller's hundred waiting requests do not hold up another's one. Those of one caller go in the order in which they came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping


class FairQueue[T]:
    """Entries are known by their identity. Nothing is kept of a caller that has none waiting."""

    def __init__(self) -> None:
        self._callers: dict[str, deque[T]] = {}  # in the order of their turns: the next one first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, caller: str, entry: T) -> None:
        """Put an entry behind the others of its caller."""
        self._callers.setdefault(caller, deque()).append(entry)
        self._size += 1

    def remove(self, caller: str, entry: T) -> bool:
        """Take out an entry, wherever it is. False where it is not there any more."""
        waiting = self._callers.get(caller, deque())
        for place, one in enumerate(waiting):
            if one is entry:
                del waiting[place]
                self._size -= 1
                if not waiting:
                    del self._callers[caller]
                return True
        return False

    def in_turn(self, running: Mapping[str, int]) -> Iterator[T]:
        """The first entry of each caller, the next one first. `running`: how many of each caller's run."""
        for caller in sorted(self._callers, key=lambda name: running.get(name, 0)):  # stable: turns decide among equals
            yield self._callers[caller][0]

    def take(self, caller: str, entry: T) -> bool:
        """remove(), as its turn has come: its caller's next turn is after those of all others."""
        if not self.remove(caller, entry):
            return False
        if caller in self._callers:
            self._callers[caller] = self._callers.pop(caller)
        return True

    def entries(self) -> list[T]:
        """All of them."""
        return [entry for waiting in self._callers.values() for entry in waiting]
