"""What deploy/ has for Prometheus and Grafana names nothing but what is exported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from switchman.addons.state.metrics.catalogue import ADDED, BY_NAME, COUNTED, Metric

DEPLOY = Path(__file__).parents[1] / "deploy"
METRICS = {one.name: one for one in (*COUNTED, *ADDED)}
SAMPLES = METRICS | {
    f"{one.name}_{part}": one for one in COUNTED if one.kind == "histogram" for part in ("bucket", "count", "sum")
}
OF_PROMETHEUS = {"job", "instance"}
NAME = re.compile(r"\bswitchman_\w+")
SELECTED = re.compile(r"\b(switchman_\w+)(?:\{([^}]*)\})?(\[)?")
GROUPED = re.compile(r"\b(?:by|ignoring|on) \(([^)]*)\)")


def board() -> dict[str, Any]:
    return json.loads((DEPLOY / "grafana/switchman.json").read_text())  # type: ignore[no-any-return]


def alerts() -> list[dict[str, Any]]:
    loaded = YAML(typ="safe").load(DEPLOY / "prometheus/alerts.yaml")
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def expressions() -> Iterator[Any]:
    for panel in board()["panels"]:
        for target in panel.get("targets", ()):
            yield pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")
    for rule in alerts():
        yield pytest.param(rule["expr"], id=rule["alert"])


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_asks_for_what_there_is(expression: str) -> None:
    """Metrics by the names of their samples, labels that they have, counters by their rate, brackets that close."""
    assert all(expression.count(one) == expression.count(other) for one, other in ("()", "{}", "[]"))
    found: list[Metric] = []
    for name, selector, is_range in SELECTED.findall(expression):
        assert name in SAMPLES, name
        metric = SAMPLES[name]
        assert name != metric.name or metric.kind != "histogram", name
        labels = set(re.findall(r"(\w+)\s*[=!]~?", selector))
        assert labels <= {*metric.labels, *OF_PROMETHEUS}, name
        if metric.kind != "gauge" and name != "switchman_log_dropped_rows_total":  # of that one each counts
            assert is_range, f"{name} is a counter: ask for its rate"
        found.append(metric)
    known = {label for metric in found for label in metric.labels} | OF_PROMETHEUS | {"le"}
    for grouped in GROUPED.findall(expression):
        assert {label.strip() for label in grouped.split(",")} <= known, grouped


def test_every_number_is_on_the_board() -> None:
    """Whoever looks for one finds it there."""
    shown = {SAMPLES[name] for panel in board()["panels"] for one in panel.get("targets", ())
             for name in NAME.findall(one["expr"])}  # fmt: skip
    assert {one.name for one in METRICS.values()} == {one.name for one in shown}


def test_the_board_is_one_that_grafana_takes() -> None:
    """Panels that do not overlap, each with its own id and data source; variables of labels that there are."""
    panels = board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"
    for variable in board()["templating"]["list"][1:]:
        metric, label = re.findall(r"(switchman_\w+).*, (\w+)\)", variable["definition"])[0]
        assert label in METRICS[metric].labels == BY_NAME[metric].labels


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_is_the_matter(rule: dict[str, Any]) -> None:
    """In a sentence, with how bad it is; what it says of labels its expression has."""
    assert re.fullmatch(r"Switchman[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"].endswith(".") and rule["annotations"]["description"].endswith(".")
    used = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    grouped = {label.strip() for group in GROUPED.findall(rule["expr"]) for label in group.split(",")}
    assert used <= grouped


def test_the_table_of_metrics_is_the_catalogue() -> None:
    """Each with its type, its labels, and what it counts."""
    rows = re.findall(r"^\| `(switchman_\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$", (DEPLOY / "README.md").read_text(), re.M)
    told = [(name, kind, tuple(re.findall(r"`(\w+)`", labels)), text) for name, kind, labels, text in rows]
    assert told == [(one.name, one.kind, one.labels, one.help) for one in METRICS.values()]
