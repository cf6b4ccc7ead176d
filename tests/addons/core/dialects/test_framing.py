"""Framing: one value, one event, whatever is in it and wherever it is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects.framing import dump, line, sse
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.testing import every_split

VALUES = [
    pytest.param({}, id="empty"),
    pytest.param({"a": "é😀", "b": [1, None, True]}, id="utf-8"),
    pytest.param({"a": "x\r\ny\n\nz\rdata: w"}, id="line-ends"),
    pytest.param({"a": "\u2028\u2029\x85"}, id="other-line-ends"),
    pytest.param({"a": "half \ud83d"}, id="a-lone-surrogate"),
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", ["", "error"])
def test_an_event_is_read_as_it_was_written(value: dict[str, Any], name: str) -> None:
    """Two events in a row stay two, in whatever pieces they arrive."""
    data = sse(value, name) * 2
    for pieces in every_split(data):
        splitter = SSESplitter()
        events = [event for piece in pieces for event in splitter.feed(piece)]
        assert [event.data for event in events if event.payload is not None] == [value, value]
    assert data.startswith(b"event: error\ndata: " if name else b"data: ")


@pytest.mark.parametrize("value", VALUES)
def test_a_line_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    """One line each: a line end within a text is escaped."""
    data = line(value) * 2
    assert data.count(b"\n") == 2 and data.endswith(b"\n")
    for pieces in every_split(data):
        splitter = NDJSONSplitter()
        events = [event for piece in pieces for event in splitter.feed(piece)]
        assert [event.data for event in events] == [value, value]


def test_json_is_compact_utf_8() -> None:
    """Text stays readable, but for what has no UTF-8."""
    assert dump({"a": "é", "b": 1}) == '{"a":"é","b":1}'.encode()
    assert json.loads(dump({"a": "\ud83d"})) == {"a": "\ud83d"}
