"""The report of usage that a client did not ask for is taken out of its stream, and nothing else."""

from __future__ import annotations

import pytest

from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.hidingusage import HideUsage


def event(text: str) -> Event:
    (made,) = NDJSONSplitter().feed(text.encode() + b"\n")
    return made


def hide(text: str) -> str | None:
    out = [made.encode().decode().rstrip("\n") for made in HideUsage().feed(event(text))]
    return out[0] if out else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"choices": [], "usage": {"prompt_tokens": 1}}', None),
        ('{"a": 1,"choices":[],"usage":{}}', None),
        ('{"a": 1.0, "usage": null}', '{"a": 1.0}'),
        ('{"a": 1.0,"usage":null,"b":2}', '{"a": 1.0,"b":2}'),
        ('{"usage":null, "b":2}', '{"b":2}'),
    ],
)
def test_usage_is_hidden(text: str, expected: str | None) -> None:
    """The extra chunk goes, the null that the option adds is cut out, the rest stays to the byte."""
    assert hide(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"choices": [{"x":  1}], "usage": {"prompt_tokens": 1}}',
        '{"choices": [], "prompt_filter_results": []}',
        '{"choices": [],  "usage": {"a": null}, "x": {"usage": null}, "choices": [1]}',
        '{"choices":  [{"delta": {"content": "\\"usage\\": null, \\"usage\\":null"}}]}',
        '"usage":null',
        "[DONE]",
        "",
    ],
)
def test_other_usage_stays(text: str) -> None:
    """What a server sends unasked, and text that speaks of usage, is not touched."""
    assert hide(text) == text
