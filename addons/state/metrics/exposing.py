"""The sum over all sheets, written for Prometheus by prometheus_client, as text or in OpenMetrics' form."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry

from switchman.addons.state.metrics import catalogue as of
from switchman.addons.state.metrics.catalogue import ADDED, BY_NAME, COUNTED, Metric
from switchman.addons.state.metrics.sheet import Page, read_sheets

Sums = Mapping[tuple[str, tuple[str, ...]], tuple[float, ...]]  # by metric and labels


def expose(folder: Path, accept: str, version: str, gauges: Mapping[Metric, float | None]) -> tuple[bytes, str]:
    """The text, and its content type, as a scraper's Accept has it. `gauges`: what only the dashboard's process knows;
    None: it cannot be told now.
    """
    pages = list(read_sheets(folder))
    added: dict[Metric, Mapping[tuple[str, ...], float]] = {
        one: {(): value} for one, value in gauges.items() if value is not None
    }
    added[of.WORKERS] = {(): sum(page.lives for page in pages)}
    added[of.STARTED] = {(): started(folder)}
    added[of.BUILD] = {(version, platform.python_version()): 1.0}
    registry = CollectorRegistry()
    registry.register(_Summed(summed(pages), added))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def started(folder: Path) -> float:
    """When `switchman serve` made the folder: its lock is opened once, and never written again."""
    lock = folder / "lock"
    return (lock if lock.exists() else folder).stat().st_mtime


def summed(pages: Iterable[Page]) -> Sums:
    """Each series over all sheets: gauges of workers that run, all else of those that are gone, too."""
    found: dict[tuple[str, tuple[str, ...]], tuple[float, ...]] = {}
    for page in pages:
        for series, values in page.series:
            if series.metric.kind == "gauge" and not page.lives:
                continue
            key = series.metric.name, series.labels
            before = found.get(key)
            found[key] = values if before is None else tuple(map(sum, zip(before, values, strict=True)))
    return found


class _Summed(Collector):
    def __init__(self, sums: Sums, added: Mapping[Metric, Mapping[tuple[str, ...], float]]) -> None:
        self._sums, self._added = sums, added

    def collect(self) -> Iterator[Family]:
        series: dict[Metric, list[tuple[tuple[str, ...], tuple[float, ...]]]] = {metric: [] for metric in COUNTED}
        for (name, labels), values in sorted(self._sums.items()):
            series[BY_NAME[name]].append((labels, values))
        for metric, found in series.items():
            if not metric.labels and not found:
                found.append(((), (0.0,)))  # there from the start, so that alerts see a change
            yield family_of(metric, found)
        for metric in ADDED:
            yield family_of(metric, [(labels, (value,)) for labels, value in self._added.get(metric, {}).items()])


def family_of(metric: Metric, series: Iterable[tuple[tuple[str, ...], tuple[float, ...]]]) -> Family:
    family = Family(metric.name.removesuffix("_total"), metric.help, metric.kind)
    for labels, values in series:
        named = dict(zip(metric.labels, labels, strict=True))
        if metric.kind == "histogram":
            _add_histogram(family, metric, named, values)
        # A slot is made before something is counted in it, and there is no series of nothing.
        elif values[0] or metric.kind == "gauge" or not named:
            family.add_sample(metric.name, named, values[0])
    return family


def _add_histogram(family: Family, metric: Metric, labels: dict[str, str], values: tuple[float, ...]) -> None:
    """A sample for each upper bound, with all below it; their number and their sum."""
    if not any(values[1:]):
        return
    total = 0.0
    for bound, count in zip((*map(str, metric.buckets), "+Inf"), values[1:], strict=True):
        total += count
        family.add_sample(f"{metric.name}_bucket", labels | {"le": bound}, total)
    family.add_sample(f"{metric.name}_count", labels, total)
    family.add_sample(f"{metric.name}_sum", labels, values[0])
