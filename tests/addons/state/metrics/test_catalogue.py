"""Metrics are named by Prometheus' rules."""

from __future__ import annotations

import re

import pytest

from switchman.addons.state.metrics.catalogue import ADDED, COUNTED, Metric

# What identifies somebody, or is somebody's: never a label.
PRIVATE = {"token", "token_id", "key", "client", "session", "path", "prompt", "requested_model", "route"}
UNITS = ("_seconds", "_bytes", "_dollars", "_tokens", "_rows", "_requests", "_attempts", "_info")


@pytest.mark.parametrize("metric", [*COUNTED, *ADDED], ids=lambda one: one.name)
def test_a_metric_is_named_by_the_rules(metric: Metric) -> None:
    """One prefix, `_total` for counters and for nothing else, base units, no label that is somebody's."""
    assert re.fullmatch(r"switchman_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    if metric.kind == "histogram":
        assert metric.name.endswith("_seconds") and list(metric.buckets) == sorted(set(metric.buckets))
    if metric.kind == "gauge" and not metric.name.endswith(UNITS):
        assert metric.name in {"switchman_breakers", "switchman_workers", "switchman_rules_valid"}
    assert not PRIVATE & set(metric.labels) and len(set(metric.labels)) == len(metric.labels)
    assert metric.help.endswith(".") and "\n" not in metric.help


def test_each_name_is_there_once() -> None:
    """Else one would hide the other."""
    names = [one.name for one in (*COUNTED, *ADDED)]
    assert len(set(names)) == len(names)
