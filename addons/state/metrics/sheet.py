"""A worker's sheet: its numbers in a file that is mapped into memory, so that others can read them.

    <number>.values   SLOTS doubles, in the machine's order of bytes
    <number>.series   a line of JSON for each series: [metric, [value of each label], first slot]

To add costs a store into memory, 50 ns; there is nothing to flush, and what was counted is there when the worker was
killed. A double is written at once, as it lies on a multiple of 8 bytes. (The multiprocess mode of prometheus_client,
measured for the same counts: 21 to 40 us a request, and 160 ms and 3 MB at the start of each worker; here it is 3 us:
scripts/bench/counting.py.)

A worker holds a lock on its sheet as long as it lives. One that starts takes the first sheet that nobody holds: a
worker that comes in the place of another goes on with its counters.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from switchman.addons.state.metrics.catalogue import BY_NAME, OTHER, Metric

FOLDER: Final = "SWITCHMAN_METRICS"  # variable: the folder of the sheets, of `switchman serve` for its processes
SLOTS: Final = 1 << 17
SIZE: Final = 8 * SLOTS
RESERVE: Final = 1 << 13  # slots that only series of `other` may take: everybody's find room
NOWHERE: Final = 0  # what finds no room is added to the first slots, which no series has
FIRST: Final = 64
MOST_SHEETS: Final = 1024
TRIES: Final = 3
PAUSE: Final = 0.003  # seconds; whoever reads the sheets holds their locks for a moment


class Series(NamedTuple):
    metric: Metric
    labels: tuple[str, ...]
    slot: int


class Sheet:
    """The sheet of this process. Raises OSError where there is no room for one."""

    def __init__(self, folder: Path) -> None:
        self._file, self.number = _taken(folder)
        self._map = mmap.mmap(self._file, SIZE)
        self.values = memoryview(self._map).cast("d")
        self._slots: dict[tuple[str, tuple[str, ...]], int] = {}
        self._next = FIRST
        path = folder / f"{self.number}.series"
        self._series = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        text = path.read_bytes()
        os.truncate(path, text.rfind(b"\n") + 1)  # a killed worker may have left half a line
        for metric, labels, slot in read_series(text):
            self._slots[metric.name, labels] = slot
            self._next = max(self._next, slot + metric.slots)
            if metric.kind == "gauge":
                self.values[slot] = 0.0

    def slot(self, metric: Metric, labels: Sequence[str] = ()) -> int:
        """The first slot of a series, which is made where there is none. Never raises."""
        key = metric.name, tuple(labels)
        found = self._slots.get(key)
        if found is None:
            found = self._made(metric, key[1])
            self._slots[key] = found
        return found

    def _made(self, metric: Metric, labels: tuple[str, ...]) -> int:
        limit = SLOTS if all(value == OTHER for value in labels[:2]) else SLOTS - RESERVE
        if self._next + metric.slots > limit:
            rest = (OTHER,) * min(2, len(labels)) + labels[2:]
            return self.slot(metric, rest) if rest != labels else NOWHERE
        slot = self._next
        line = json.dumps([metric.name, labels, slot]).encode() + b"\n"
        try:
            if os.write(self._series, line) != len(line):
                return NOWHERE  # half a line is no line: a reader passes over it
        except OSError:
            return NOWHERE
        self._next += metric.slots
        return slot

    def add(self, metric: Metric, labels: Sequence[str] = (), by: float = 1.0) -> None:
        self.values[self.slot(metric, labels)] += by

    def set(self, metric: Metric, labels: Sequence[str], value: float) -> None:
        self.values[self.slot(metric, labels)] = value

    def close(self) -> None:
        """Let go of the sheet: its gauges count no longer, its counters do."""
        self.values.release()
        self._map.close()
        os.close(self._series)
        os.close(self._file)


def _taken(folder: Path) -> tuple[int, int]:
    """The first sheet that nobody holds, as a locked descriptor, and its number."""
    for _ in range(TRIES):
        numbers = _numbers(folder)
        for number in numbers:
            if (file := _held(folder / f"{number}.values")) is not None:
                return file, number
        if numbers:
            time.sleep(PAUSE)
    for number in range(MOST_SHEETS):
        if (file := _held(folder / f"{number}.values")) is not None:
            return file, number
    raise OSError("there are too many workers for metrics of each")


def _held(path: Path) -> int | None:
    """Lock a sheet, and make it where there is none; None: another process holds it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Written, not only declared: a page that a full disk has no room for would end the process.
        if os.fstat(file).st_size < SIZE and os.pwrite(file, bytes(SIZE), 0) < SIZE:
            raise OSError("there is no room for the metrics")
    except BlockingIOError:
        os.close(file)
        return None
    except BaseException:
        os.close(file)
        raise
    return file


def _numbers(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("*.values") if path.stem.isdecimal())


class Page(NamedTuple):
    """What a sheet says. `lives`: its worker runs."""

    number: int
    lives: bool
    series: tuple[tuple[Series, tuple[float, ...]], ...]


def read_sheets(folder: Path) -> Iterator[Page]:
    """All sheets, in the order of their numbers. One that cannot be read is passed over."""
    for number in _numbers(folder):
        path = folder / f"{number}.values"
        try:
            with path.open("rb") as file:
                lives = _is_held(file.fileno())
                series = read_series(path.with_suffix(".series").read_bytes())
                values = memoryview(file.read(SIZE).ljust(SIZE, b"\0")).cast("d")
        except OSError:
            continue
        yield Page(number, lives, tuple((one, _of(one, values)) for one in series))


def _of(series: Series, values: memoryview[float]) -> tuple[float, ...]:
    return tuple(values[series.slot : series.slot + series.metric.slots])


def _is_held(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def read_series(text: bytes) -> list[Series]:
    """The lines of a `.series`. One that is not complete, or not ours, is passed over."""
    found = []
    for line in text.split(b"\n")[:-1]:
        try:
            name, labels, slot = json.loads(line)
            metric = BY_NAME[name]
            if len(labels) == len(metric.labels) and FIRST <= slot <= SLOTS - metric.slots:
                found.append(Series(metric, tuple(map(str, labels)), slot))
        except (ValueError, KeyError, TypeError):
            continue
    return found
