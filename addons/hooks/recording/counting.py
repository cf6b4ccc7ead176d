"""Counting: what this worker does, as numbers for the dashboard's /metrics.

`switchman serve` tells its workers by SWITCHMAN_METRICS the folder of their sheets. Without one (`mitmdump -s`,
METRICS=off, no dashboard) nothing is counted. Requests are counted as they are recorded; what has a level rather than
a count is looked at once a second. A disk that is full costs the numbers, and no request anything.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from switchman.addons.state.metrics import catalogue as of
from switchman.addons.state.metrics.catalogue import Metric
from switchman.addons.state.metrics.counts import RequestCounts
from switchman.addons.state.metrics.names import Names
from switchman.addons.state.metrics.sheet import FOLDER, Sheet
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

EVERY = 1.0  # seconds
STATM = Path("/proc/self/statm")


class Counting:
    """Opens this worker's sheet, and looks at what runs, waits and rests.

    Writes: nothing.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.sheet: Sheet | None = None
        self.counts: RequestCounts | None = None
        self.task: asyncio.Task[None] | None = None
        self._levels: dict[Metric, set[tuple[str, ...]]] = {}  # the series that were not 0 when last looked at
        self._has_failed = False
        self._before: dict[Metric, float] = {}  # what earlier workers counted on this sheet

    def running(self) -> None:
        folder = os.environ.get(FOLDER)
        if not folder or not self.runtime.settings.metrics:
            return
        try:
            self.sheet = sheet = Sheet(Path(folder))
        except OSError as error:
            logger.warning("There are no metrics of this worker: %s", error)
            return
        names = Names(Path(folder), self.runtime.settings.metrics_names)
        self.counts = RequestCounts(sheet, names, lambda: self.runtime.rules.current)
        self.writer = self.runtime.writer  # it is no longer the runtime's when the last rows are written
        sheet.add(of.STARTS)
        self._before = {metric: sheet.values[sheet.slot(metric, labels)] for metric, labels, _ in self._totals()}
        self.runtime.observers.append(self.counts)
        self.task = asyncio.create_task(self._watch(), name="switchman counting")

    async def done(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        if self.sheet is not None and self.counts is not None:
            self.runtime.observers.remove(self.counts)
            self.look()
            self.sheet.close()
            self.sheet = None

    async def _watch(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # the boundary: else the numbers would stand still for good
                if not self._has_failed:
                    self._has_failed = True
                    logger.exception("The numbers of /metrics could not be written down.")
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        """Write down how things are now."""
        assert self.sheet is not None and self.counts is not None
        self.counts.look()
        for metric, labels, total in self._totals():
            self.sheet.set(metric, labels, self._before[metric] + total)
        self.sheet.set(of.WORKER_MEMORY, (str(self.sheet.number),), resident())
        self.sheet.set(of.LOG_QUEUE, (), self.writer.waiting if self.writer is not None else 0)
        self.sheet.set(of.IN_FLIGHT, (), len(self.runtime.underway))
        self._set_all(of.SERVER_IN_FLIGHT, self._by_server(self.runtime.busy.servers()))
        # The queues of state/queues/, where there are some: how many wait at each server.
        queues = getattr(self.runtime, "queues", None)
        self._set_all(of.QUEUED, self._by_server(queues.depths() if queues is not None else {}))
        self._set_all(of.BREAKERS, self._resting())

    def _totals(self) -> list[tuple[Metric, tuple[str, ...], float]]:
        """What this process has counted elsewhere since it began."""
        assert self.sheet is not None
        found: list[tuple[Metric, tuple[str, ...], float]] = [
            (of.WORKER_CPU, (str(self.sheet.number),), time.process_time())
        ]
        if self.writer is not None:
            counts = self.writer.counts
            found += [
                (of.LOG_ROWS, (), counts.written),
                (of.LOG_DROPPED, (), counts.dropped),
                (of.LOG_FAILED, (), counts.failed),
                (of.LOG_SPOOLED, (), self.writer.spooled),
            ]
        return found

    def _by_server(self, levels: Mapping[str, int]) -> Counter[tuple[str, ...]]:
        """The same by the servers' labels."""
        assert self.counts is not None
        found: Counter[tuple[str, ...]] = Counter()
        for server, level in levels.items():
            found[self.counts.server(server),] += level
        return found

    def _resting(self) -> Counter[tuple[str, ...]]:
        """By target and state: breakers that are not closed."""
        assert self.counts is not None
        found = self.runtime.breakers.resting(time.monotonic())
        return Counter((*self.counts.label(target), state) for target, state, _ in found if state != "closed")

    def _set_all(self, metric: Metric, levels: Counter[tuple[str, ...]]) -> None:
        """These, and 0 for what has none now."""
        assert self.sheet is not None
        for labels in self._levels.get(metric, set()) - levels.keys():
            self.sheet.set(metric, labels, 0.0)
        for labels, level in levels.items():
            self.sheet.set(metric, labels, level)
        self._levels[metric] = set(levels)


def resident() -> float:
    """Bytes of memory that this process takes up; where the system does not tell: the most that it ever did."""
    try:
        return float(int(STATM.read_bytes().split()[1]) * resource.getpagesize())
    except (OSError, ValueError, IndexError):
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
