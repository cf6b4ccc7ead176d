"""What the charts of the overview show."""

from __future__ import annotations

import pytest

from switchman.addons.store.figures.cells import DAY, HOUR
from switchman.addons.store.figures.reading import Figures
from switchman.webui.pages.overview.charts import MOST_SPANS, STEPS, step_for, trend

NOW = 1_764_000_000.0


@pytest.mark.parametrize(
    ("seconds", "narrowed", "step"),
    [(900, False, 60), (HOUR, False, 60), (6 * HOUR, True, 300), (DAY, False, 1800), (DAY, True, HOUR),
     (7 * DAY, False, 3 * HOUR), (30 * DAY, True, DAY), (900 * DAY, False, 7 * DAY)],
)  # fmt: skip
def test_a_range_has_so_many_spans_as_can_be_seen(seconds: float, narrowed: bool, step: int) -> None:
    """And as figures have: by the minute only for two days, and for long ranges only of all requests together."""
    assert step_for(NOW - seconds, NOW, NOW, narrowed) == step
    assert step in STEPS and (seconds / step <= MOST_SPANS or step == STEPS[-1])


def test_what_is_long_ago_is_by_the_hour() -> None:
    """There are no minutes of it."""
    assert step_for(NOW - 10 * DAY, NOW - 10 * DAY + 600, NOW, False) == HOUR


def test_zero_is_zero_and_a_time_that_is_not_known_is_a_gap() -> None:
    """Each span is there; parts of a stack do not overlap."""
    busy = Figures(
        requests=10, errors=2, cancelled=1, cached=3, input_tokens=100, cached_tokens=40, output_tokens=30,
        reasoning_tokens=10, cost=2_500_000, durations=["\x80"],
    )  # fmt: skip
    found = trend({(120, ""): busy}, 60, 65.0, 200.0)
    assert found["at"] == [60_000, 120_000, 180_000]
    assert found["requests"] == {
        "complete": [0, 4, 0],
        "cached": [0, 3, 0],
        "cancelled": [0, 1, 0],
        "errors": [0, 2, 0],
    }
    assert found["tokens"] == {"input": [0, 60, 0], "cached": [0, 40, 0], "output": [0, 20, 0], "reasoning": [0, 10, 0]}
    assert found["cost"] == [0, 2.5, 0]
    first, middle, last = found["latency"]["p95"]
    assert first is None and middle > 0 and last is None
    assert found["latency"]["ttft"] == [None, None, None]
