"""When a process that died is started again. Pure: time is an argument."""

from __future__ import annotations

QUICK = 10.0  # seconds; a process that lived longer had started well, so its death starts the count anew
FIRST_PAUSE = 0.5  # seconds before the second restart; doubles with each quick death. The first comes at once
MOST_QUICK_DEATHS = 5  # then it is given up


class Restarts:
    """Counts the quick deaths of one process."""

    def __init__(self) -> None:
        self.quick_deaths = 0

    def pause(self, lived: float) -> float | None:
        """Seconds to wait before the next start of a process that lived `lived` seconds; None: give it up."""
        self.quick_deaths = self.quick_deaths + 1 if lived < QUICK else 0
        if self.quick_deaths >= MOST_QUICK_DEATHS:
            return None
        return FIRST_PAUSE * 2 ** (self.quick_deaths - 2) if self.quick_deaths > 1 else 0.0
