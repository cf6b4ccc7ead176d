"""A worker's sheet: what it counts is read by others, and outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from switchman.addons.state.metrics import sheet as module
from switchman.addons.state.metrics.catalogue import (
    DURATION,
    IN_FLIGHT,
    LOG_ROWS,
    OTHER,
    REQUESTS,
    SERVER_IN_FLIGHT,
    Metric,
)
from switchman.addons.state.metrics.sheet import SIZE, Sheet, read_series, read_sheets

KIND = ("up", "m", "route", "ok")


def read(folder: Path) -> list[tuple[int, bool, dict[tuple[str, tuple[str, ...]], tuple[float, ...]]]]:
    return [
        (page.number, page.lives, {(one.metric.name, one.labels): values for one, values in page.series})
        for page in read_sheets(folder)
    ]


def test_what_is_counted_is_read_by_others(tmp_path: Path) -> None:
    """At once, by series; a histogram has its sum and its buckets."""
    sheet = Sheet(tmp_path)
    sheet.add(REQUESTS, KIND)
    sheet.add(REQUESTS, KIND, 2)
    sheet.set(IN_FLIGHT, (), 7)
    slot = sheet.slot(DURATION, ("up", "m", "ok"))
    sheet.values[slot] += 0.25
    sheet.values[slot + 3] += 1
    ((number, lives, found),) = read(tmp_path)
    sheet.close()
    assert (number, lives) == (0, True)
    histogram = found.pop((DURATION.name, ("up", "m", "ok")))
    assert histogram == (0.25, 0, 0, 1, *(0,) * (len(DURATION.buckets) - 2))
    assert found == {(REQUESTS.name, KIND): (3.0,), (IN_FLIGHT.name, ()): (7.0,)}


def test_workers_have_a_sheet_each_and_the_next_one_goes_on_with_what_was_left(tmp_path: Path) -> None:
    """Its counters go up from there, its gauges begin anew."""
    first, second = Sheet(tmp_path), Sheet(tmp_path)
    assert (first.number, second.number) == (0, 1)
    for one in (first, second):
        one.add(REQUESTS, KIND)
        one.set(IN_FLIGHT, (), 1)
    first.close()
    assert [(number, lives) for number, lives, _ in read(tmp_path)] == [(0, False), (1, True)]
    third = Sheet(tmp_path)
    third.add(REQUESTS, KIND)
    found = read(tmp_path)
    second.close()
    third.close()
    assert third.number == 0
    assert found[0] == (0, True, {(REQUESTS.name, KIND): (2.0,), (IN_FLIGHT.name, ()): (0.0,)})
    assert found[1][2][REQUESTS.name, KIND] == (1.0,)


KILLED = """
import os, signal, sys
from pathlib import Path
from switchman.addons.state.metrics.catalogue import LOG_ROWS
from switchman.addons.state.metrics.sheet import Sheet
sheet = Sheet(Path(sys.argv[1]))
sheet.add(LOG_ROWS, (), 5)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_workers_counts_stay(tmp_path: Path) -> None:
    """All of them: there is nothing to flush."""
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    assert read(tmp_path) == [(0, False, {(LOG_ROWS.name, ()): (5.0,)})]


def test_a_sheet_that_is_being_read_is_taken_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader holds its lock for a moment, and no worker takes a further sheet for that."""
    Sheet(tmp_path).close()
    reader = os.open(tmp_path / "0.values", os.O_RDONLY)
    module.fcntl.flock(reader, module.fcntl.LOCK_SH)
    monkeypatch.setattr(module.time, "sleep", lambda _: os.close(reader))
    sheet = Sheet(tmp_path)
    assert sheet.number == 0
    sheet.close()


@pytest.mark.parametrize(
    "line",
    [b"", b"no JSON", b"[]", b'["switchman_nothing_total", [], 64]', b'["switchman_log_rows_total", ["x"], 64]',
     b'["switchman_log_rows_total", [], -1]', b'["switchman_log_rows_total", [], 131072]',
     b'["switchman_log_rows_total", [], "x"]', b'["switchman_log_rows_total", [], 64, 1]'],
)  # fmt: skip
def test_a_line_that_is_none_is_passed_over(line: bytes) -> None:
    """And so is half a line at the end; those around it count."""
    good = b'["switchman_log_rows_total", [], 70]\n'
    found = read_series(line + b"\n" + good + good[:9])
    assert [(one.metric.name, one.slot) for one in found] == [(LOG_ROWS.name, 70)]


def test_half_a_line_of_a_killed_worker_spoils_no_other(tmp_path: Path) -> None:
    """The next worker takes it away before it writes its own."""
    first = Sheet(tmp_path)
    first.add(LOG_ROWS)
    first.close()
    with (tmp_path / "0.series").open("ab") as file:
        file.write(b'["switchman_req')
    second = Sheet(tmp_path)
    second.add(REQUESTS, KIND)
    second.close()
    assert read(tmp_path)[0][2] == {(LOG_ROWS.name, ()): (1.0,), (REQUESTS.name, KIND): (1.0,)}


def test_a_full_sheet_counts_what_is_new_as_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever names come: the sum is right, and no count goes where it does not belong."""
    monkeypatch.setattr(module, "SLOTS", 128)
    monkeypatch.setattr(module, "RESERVE", 16)
    sheet = Sheet(tmp_path)
    for number in range(200):
        sheet.add(REQUESTS, ("up", f"m{number}", "route", "ok"))
    sheet.add(SERVER_IN_FLIGHT, ("up",))
    ((_, _, found),) = read(tmp_path)
    sheet.close()
    assert len(found) == 48 + 2
    assert sum(values[0] for (name, _), values in found.items() if name == REQUESTS.name) == 200
    assert found[REQUESTS.name, (OTHER, OTHER, "route", "ok")] == (152.0,)
    assert found[SERVER_IN_FLIGHT.name, (OTHER,)] == (1.0,)


def test_where_even_that_finds_no_room_nothing_is_spoilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes where no series is."""
    monkeypatch.setattr(module, "SLOTS", module.FIRST + 1)
    monkeypatch.setattr(module, "RESERVE", 0)
    sheet = Sheet(tmp_path)
    sheet.add(LOG_ROWS)
    for metric in (REQUESTS, DURATION):
        slot = sheet.slot(metric, [""] * len(metric.labels))
        assert slot + metric.slots <= module.FIRST
        sheet.values[slot] += 1
    ((_, _, found),) = read(tmp_path)
    sheet.close()
    assert found == {(LOG_ROWS.name, ()): (1.0,)}


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """Which whoever opens it tells; a sheet has its room from the start."""
    with pytest.raises(OSError):
        Sheet(tmp_path / "nothing")
    Sheet(tmp_path).close()
    values = tmp_path / "0.values"
    assert values.stat().st_size == SIZE and values.stat().st_mode & 0o777 == 0o600
    assert values.stat().st_blocks * 512 >= SIZE  # of no page is it found out later that the disk is full


def test_no_metric_is_larger_than_nowhere() -> None:
    """What finds no room is added there, a histogram's buckets among it."""
    assert all(isinstance(one, Metric) and one.slots <= module.FIRST for one in module.BY_NAME.values())
