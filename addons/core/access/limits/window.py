"""A window of a minute that slides, in cells of a second.

Never more than a limit is admitted in any 60 seconds: a cell counts until all of it is out of the window, so that a
minute is up to a second longer than it has to be. 61 numbers, whatever the limit.
"""

from __future__ import annotations

from array import array
from math import floor
from typing import Final

SECONDS: Final = 60
CELLS: Final = SECONDS + 1  # the second that runs, and the sixty before it that may reach into the window


class Window:
    """Amounts of the last minute. Times are epoch seconds.

    A clock that goes back (of two processes one may read it a moment earlier) does not take anything out: what is there
    counts until the clock is where it was; where it went back by more than a minute, for a minute from then on.
    """

    __slots__ = ("_cells", "_second", "total")

    def __init__(self) -> None:
        self._cells = array("q", bytes(8 * CELLS))
        self._second = 0  # the latest that is in it
        self.total = 0

    def advance(self, now: float) -> int:
        """Forget what is out of the window. Returns the second that it is in, under which `add` takes amounts."""
        second = floor(now)
        passed = second - self._second
        if passed <= 0 and passed >= -SECONDS and self.total:
            return self._second
        cells = self._cells
        if passed >= CELLS or not self.total:
            self._clear(second, 0)
        elif passed < 0:
            self._clear(second, self.total)
        else:
            for one in range(self._second + 1, second + 1):
                place = one % CELLS
                if cells[place]:
                    self.total -= cells[place]
                    cells[place] = 0
            self._second = second
        return second

    def add(self, second: int, amount: int) -> None:
        """Add to a second of the window (less, where `amount` is negative); nothing where it is out of it by now.

        A second never comes to less than nothing. Call `advance` first.
        """
        if not self._second - CELLS < second <= self._second:
            return
        place = second % CELLS
        amount = max(amount, -self._cells[place])
        self._cells[place] += amount
        self.total += amount

    def fits_in(self, now: float, amount: int, limit: int) -> float | None:
        """Seconds until `amount` more is within the limit; None where it never will be. Call `advance` first."""
        if amount > limit:
            return None
        excess = self.total + amount - limit
        if excess <= 0:
            return 0.0
        for second in range(self._second - SECONDS, self._second + 1):
            excess -= self._cells[second % CELLS]
            if excess <= 0:
                return max(0.0, second + CELLS - now)
        return None  # cannot be: what is in the cells is the total

    def empty_in(self, now: float) -> float:
        """Seconds until nothing is in it."""
        if self.total:
            for second in range(self._second, self._second - CELLS, -1):
                if self._cells[second % CELLS]:
                    return max(0.0, second + CELLS - now)
        return 0.0

    def pack(self) -> bytes:
        """As bytes; b"" for an empty one."""
        return self._second.to_bytes(8, "little") + self._cells.tobytes() if self.total else b""

    @classmethod
    def unpack(cls, packed: bytes) -> Window:
        """What `pack` gave. Raises ValueError."""
        window = cls()
        if packed:
            cells = array("q")
            cells.frombytes(packed[8:])
            if len(cells) != CELLS:
                raise ValueError(f"a window has {CELLS} cells, not {len(cells)}")
            window._second, window._cells, window.total = int.from_bytes(packed[:8], "little"), cells, sum(cells)
        return window

    def _clear(self, second: int, rest: int) -> None:
        if self.total:
            self._cells = array("q", bytes(8 * CELLS))
        self._cells[second % CELLS] = self.total = rest
        self._second = second
