"""What Recording makes of an Exchange."""

from __future__ import annotations

import dataclasses
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from mitmproxy.test import tflow

from switchman.addons.config.configuration import load_settings
from switchman.addons.config.log import open_log
from switchman.addons.core.routes.plan import Earlier, TraceLine
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.flow.exchange import Exchange, begin
from switchman.addons.hooks.recording.recording import Recording, line_values
from switchman.addons.state.live import LiveFigures
from switchman.addons.state.runtime import Runtime

LINE = TraceLine("semantic_cache", "skip", "Shadow", 0.97, 2.5)


@pytest.mark.parametrize("line", [LINE, dataclasses.replace(LINE, earlier=Earlier("r1", "What is up?", None))])
def test_a_trace_line_is_recorded_whole(line: TraceLine) -> None:
    """Every field by its name, as dataclasses.asdict() gives them."""
    assert line_values(line) == dataclasses.asdict(line)


def test_what_still_runs_at_the_end_leaves_its_row(tmp_path: Path) -> None:
    """mitmdump and mitmweb end without waiting for anybody; the log says that it was no client's doing."""
    runtime = Runtime()
    runtime.live = LiveFigures(Breakers())
    runtime.store = open_log(load_settings(db_path=str(tmp_path / "log.db"), blob_storage_path=str(tmp_path / "b")))
    runtime.writer = runtime.store.writer()
    flow, x = tflow.tflow(), Exchange(id="r1", started_at=time.time(), started=time.monotonic(), client="10.0.0.1")
    begin(flow, x)
    runtime.underway[id(x)] = flow
    Recording(runtime).done()
    with closing(sqlite3.connect(tmp_path / "log.db")) as log:
        rows = log.execute("SELECT id, status, outcome, error FROM requests").fetchall()
    assert rows == [("r1", 499, "cancelled", "The router was stopped before the answer was complete.")]
    assert not runtime.underway
