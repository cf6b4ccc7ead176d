"""What a scraper reads: the sum over all workers."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from switchman.addons.state.metrics import catalogue as of
from switchman.addons.state.metrics.exposing import expose
from switchman.addons.state.metrics.sheet import Sheet

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def scraped(folder: Path, accept: str = "") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text, content_type = expose(folder, accept, "9.9", {of.RULES: 1.0, of.LOG_WAITING: None})
    parse = (
        openmetrics.text_string_to_metric_families if "openmetrics" in content_type else text_string_to_metric_families
    )
    families = list(parse(text.decode()))
    assert {family.name for family in families} >= {one.name.removesuffix("_total") for one in of.COUNTED}
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


@pytest.mark.parametrize("accept", ["", "text/plain;version=0.0.4", OPENMETRICS])
def test_workers_are_summed(tmp_path: Path, accept: str) -> None:
    """Counters over those that are gone as well, gauges over those that run; in each form that scrapers ask for."""
    gone, one, two = (Sheet(tmp_path) for _ in range(3))
    for number, sheet in enumerate((gone, one, two), 1):
        sheet.add(of.ERRORS, ("up", "timeout"), number)
        sheet.set(of.IN_FLIGHT, (), number)
        slot = sheet.slot(of.OVERHEAD, ("route",))
        sheet.values[slot] += 0.001 * number
        sheet.values[slot + 1 + number] += 1
    gone.close()
    found = scraped(tmp_path, accept)
    one.close()
    two.close()
    assert found["switchman_errors_total", (("class", "timeout"), ("server", "up"))] == 6
    assert found["switchman_in_flight_requests", ()] == 5 and found["switchman_workers", ()] == 2
    name = "switchman_router_overhead_seconds"
    assert found[f"{name}_sum", (("layer", "route"),)] == pytest.approx(0.006)
    assert found[f"{name}_count", (("layer", "route"),)] == 3
    buckets = [value for (sample, _), value in found.items() if sample == f"{name}_bucket"]
    assert buckets == [0, 1, 2, *(3,) * (len(of.OVERHEADS) - 2)]  # each with all below it
    assert found["switchman_build_info", (("python", platform.python_version()), ("version", "9.9"))] == 1


def test_before_anything_happened_there_are_the_counters_that_alerts_look_at(tmp_path: Path) -> None:
    """At 0, so that the first lost row is a change; and there is no series of nothing."""
    sheet = Sheet(tmp_path)
    sheet.slot(of.ERRORS, ("up", "timeout"))
    sheet.slot(of.DURATION, ("up", "m", "ok"))
    found = scraped(tmp_path)
    sheet.close()
    assert found["switchman_log_dropped_rows_total", ()] == 0
    assert not [name for name, labels in found if labels and name != "switchman_build_info"]
    assert "switchman_log_spool_rows" not in {name for name, _ in found}  # what cannot be told is not told


def test_since_when_it_runs_is_told_by_its_folder(tmp_path: Path) -> None:
    """By the lock that `serve` makes at its start, whatever happens in the folder later."""
    (tmp_path / "lock").touch()
    started = (tmp_path / "lock").stat().st_mtime
    Sheet(tmp_path).close()
    assert scraped(tmp_path)["switchman_start_time_seconds", ()] == pytest.approx(started, abs=1e-3)


def test_odd_names_are_read_as_they_are(tmp_path: Path) -> None:
    """A server may be called anything in the rules."""
    odd = 'a "b" \\ {c},\nd é'
    sheet = Sheet(tmp_path)
    sheet.add(of.ERRORS, (odd, "timeout"))
    found = scraped(tmp_path)
    sheet.close()
    assert found["switchman_errors_total", (("class", "timeout"), ("server", odd))] == 1
