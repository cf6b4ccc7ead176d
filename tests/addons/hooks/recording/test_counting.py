"""What a worker counts for /metrics beside its requests."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mitmproxy.test import tflow

from switchman.addons.config.configuration import load_settings
from switchman.addons.core.rules.ruleset import parse_ruleset
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.hooks.recording import counting as module
from switchman.addons.hooks.recording.counting import Counting, resident
from switchman.addons.state.metrics.sheet import FOLDER, read_sheets
from switchman.addons.state.runtime import Runtime
from switchman.addons.store.writer import Writer
from switchman.addons.testing.samples import make_record

RULES = 'servers: {up: "http://up:1"}\ndefault: up/m'


class Log:
    """Takes the records in place of the store's writer."""

    def __init__(self) -> None:
        self.waiting, self.spooled = 3, 2
        self.counts = SimpleNamespace(written=10, dropped=1, failed=0)

    def put(self, record: object) -> None:
        self.counts.written += 1


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(module, "EVERY", 0.005)
    return runtime_of()


def runtime_of(**settings: Any) -> Runtime:
    found = Runtime()
    found.settings = load_settings(**settings)
    found.rules = cast(Any, SimpleNamespace(current=parse_ruleset(RULES, "r.yaml", found.settings)))
    found.breakers = Breakers()
    found.writer = cast(Writer, Log())
    return found


def told(folder: Path) -> dict[str, dict[tuple[str, ...], float]]:
    """By metric: its series, but for what a process uses."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for page in read_sheets(folder):
        for one, values in page.series:
            found.setdefault(one.metric.name.removeprefix("switchman_"), {})[one.labels] = values[0]
    return found


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not what():
            await asyncio.sleep(0.002)


def attempt_of(server: str) -> Any:
    candidate = SimpleNamespace(server=SimpleNamespace(name=server))
    return SimpleNamespace(target=f"{server}/m", candidate=candidate)


def test_it_looks_at_what_runs_waits_and_rests(runtime: Runtime, tmp_path: Path) -> None:
    """And sees when that is over; what lies open for the log is counted as it is at the end, too."""
    tries = [attempt_of("up"), attempt_of("up"), attempt_of("unheard of")]

    async def work() -> None:
        addon = Counting(runtime)
        addon.running()
        runtime.underway[1] = tflow.tflow()
        for one in tries:
            runtime.busy.begin(one)
        queues = SimpleNamespace(depths=lambda: {"up": 4})
        runtime.queues = queues  # type: ignore[attr-defined]
        runtime.breakers.failure("up/m", time.monotonic(), retry_after=60)
        await until(lambda: "breakers" in told(tmp_path))
        seen = told(tmp_path)
        assert seen["in_flight_requests"] == {(): 1}
        assert seen["server_in_flight_attempts"] == {("up",): 2, ("other",): 1}
        assert seen["queued_requests"] == {("up",): 4}
        assert seen["breakers"] == {("up", "m", "open"): 1}
        assert seen["log_queued_rows"] == {(): 3} and seen["log_spooled_rows_total"] == {(): 2}
        assert seen["log_rows_total"] == {(): 10} and seen["log_dropped_rows_total"] == {(): 1}
        assert seen["worker_resident_memory_bytes"]["0",] > 1e6 and seen["worker_cpu_seconds_total"]["0",] > 0
        runtime.underway.clear()
        for one in tries:
            runtime.busy.end(one)
        queues.depths = dict
        runtime.breakers.reset("up")
        await until(lambda: told(tmp_path)["breakers"] == {("up", "m", "open"): 0})
        assert told(tmp_path)["server_in_flight_attempts"] == {("up",): 0, ("other",): 0}
        assert told(tmp_path)["queued_requests"] == {("up",): 0}
        runtime.put(make_record(server="up", model="m", outcome="ok"))
        runtime.unlogged()
        runtime.writer = None  # Recording has closed it by then
        await addon.done()

    asyncio.run(work())
    seen = told(tmp_path)
    assert seen["in_flight_requests"] == {(): 0} and seen["log_rows_total"] == {(): 11}
    assert [list(seen[name].values()) for name in ("requests_total", "unlogged_refusals_total")] == [[1], [1]]
    assert not runtime.observers and not runtime.wants_records


def test_the_next_worker_goes_on_with_the_logs_counts(runtime: Runtime, tmp_path: Path) -> None:
    """Which are those of one process, and begin at 0 in each."""

    async def live() -> None:
        addon = Counting(runtime_of())
        addon.running()
        addon.look()
        await addon.done()

    for _ in range(2):
        asyncio.run(live())
    seen = told(tmp_path)
    assert seen["worker_starts_total"] == {(): 2}
    # Ten rows had been written when each began: they are none of what it counts.
    assert seen["log_rows_total"] == {(): 20} and seen["log_dropped_rows_total"] == {(): 2}


@pytest.mark.parametrize("settings", [{"metrics": False}, {}])
def test_without_a_folder_or_with_metrics_off_nothing_is_counted(
    settings: dict[str, Any], runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under `mitmdump -s`."""
    if not settings:
        monkeypatch.delenv(FOLDER)
    addon = Counting(runtime_of(**settings))
    addon.running()
    asyncio.run(addon.done())
    assert addon.task is None and not list(tmp_path.iterdir())


def test_no_room_for_a_sheet_is_told_and_stops_nothing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker serves without."""
    monkeypatch.setenv(FOLDER, "/nothing/here")
    addon = Counting(runtime)
    with caplog.at_level(logging.WARNING):
        addon.running()
    assert "There are no metrics of this worker" in caplog.text and not runtime.observers
    asyncio.run(addon.done())


def test_a_look_that_fails_is_told_once_and_is_not_the_last(
    runtime: Runtime, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What it was that failed may be over."""
    looks: list[int] = []

    def fail() -> dict[str, int]:
        looks.append(1)
        if len(looks) < 5:
            raise RuntimeError("no depths")
        return {"up": 4}

    async def work() -> None:
        addon = Counting(runtime)
        runtime.queues = cast(Any, SimpleNamespace(depths=fail))
        addon.running()
        await until(lambda: told(tmp_path).get("queued_requests") == {("up",): 4})
        await addon.done()

    asyncio.run(work())
    assert caplog.text.count("could not be written down") == 1


def test_memory_is_told_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is no /proc."""
    here = resident()
    monkeypatch.setattr(module, "STATM", Path("/nothing"))
    assert 1e6 < here <= resident() * 1.5
