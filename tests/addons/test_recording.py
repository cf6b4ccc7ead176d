"""What Recording makes of an Exchange."""

from __future__ import annotations

import dataclasses

import pytest

from switchman.addons.core.plan import Earlier, TraceLine
from switchman.addons.recording import line_values

LINE = TraceLine("semantic_cache", "skip", "Shadow", 0.97, 2.5)


@pytest.mark.parametrize("line", [LINE, dataclasses.replace(LINE, earlier=Earlier("r1", "What is up?", None))])
def test_a_trace_line_is_recorded_whole(line: TraceLine) -> None:
    """Every field by its name, as dataclasses.asdict() gives them."""
    assert line_values(line) == dataclasses.asdict(line)
