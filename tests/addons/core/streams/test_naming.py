"""The answer to `auto` names the real target in `model`, and nothing else of it changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.core.streams.naming import NameStage, name_whole


def run(stream: bytes, splitter: Any = None) -> bytes:
    splitter = splitter or SSESplitter()
    stage = NameStage(lambda model: f"srv/{model}")
    events: list[Event] = [*splitter.feed(stream), *splitter.end()]
    return b"".join(made.encode() for event in events for made in stage.feed(event)) + b"".join(
        event.encode() for event in stage.end()
    )


def chunk(text: str, model: str = "m") -> bytes:
    return (
        b'data: {"id":"1" ,"model":' + json.dumps(model).encode() + b',"text":' + json.dumps(text).encode() + b"}\n\n"
    )


def test_every_event_is_named() -> None:
    """Each event of a stream names the target; the bytes around it stay as they were."""
    stream = chunk("a") + b": ping\n\n" + chunk("b") + b"data: [DONE]\n\n"
    assert run(stream) == stream.replace(b'"m"', b'"srv/m"')


def test_bytes_that_are_no_utf_8_stay() -> None:
    """The model is named all the same, and what is beside it is not read as text."""
    stream = b'data: {"id":"\xa3" ,"model":"m","text":"\xe2\x82"}\n\n' * 2
    assert run(stream) == stream.replace(b'"m"', b'"srv/m"')


def test_text_is_left_alone() -> None:
    """What looks like a model's name in a text, or deeper in, is none."""
    odd = chunk('"model":"m"') + b'data: {"id":"1" ,"x":{"model":"m"}}\n\n' + chunk('\\"model\\":\\"m\\"')
    assert run(odd) == odd.replace(b'"1" ,"model":"m"', b'"1" ,"model":"srv/m"')


def test_a_model_that_changes() -> None:
    """A stream whose events name several models, or put it elsewhere, is followed."""
    late = b'data: {"n":%d,"model":"z"}\n\n'
    stream = chunk("a") + chunk("b", "other") + late % 1 + late % 22 + chunk("c")
    names = [json.loads(line[6:])["model"] for line in run(stream).split(b"\n\n") if line]
    assert names == ["srv/m", "srv/other", "srv/z", "srv/z", "srv/m"]


def test_where_the_dialects_have_it() -> None:
    """Anthropic's first event has it in `message`, those of Responses in `response`, Ollama's lines at the top."""
    begin = b'event: message_start\ndata: {"type":"message_start","message":{"id":"1","model":"m"}}\n\n'
    assert run(begin) == begin.replace(b'"m"', b'"srv/m"')
    made = b'data: {"type":"response.created","response":{"model":"m","tools":[]}}\n\n'
    assert run(made + made) == (made + made).replace(b'"m"', b'"srv/m"')
    lines = b'{"model":"m","done":false}\r\n{"model":"m","done":true}\n'
    assert run(lines, NDJSONSplitter()) == lines.replace(b'"m"', b'"srv/m"')


@pytest.mark.parametrize(
    "stream",
    [b'data: {"model":null}\n\n', b'data: {"model":5}\n\n', b'data: {"model\n\n', b'data: ["model"]\n\n',
     b"data: x\n\n", b'data: \xff"model"\n\n', b'data: {"message":"model","model":{}}\n\n'],
    ids=range(7),
)  # fmt: skip
def test_what_has_no_model_passes(stream: bytes) -> None:
    """Nothing raises, and nothing is changed."""
    assert run(stream) == stream


@given(st.lists(st.tuples(st.text(max_size=8), st.sampled_from(["m", "n", '"', "\u00fc"])), max_size=6))
@settings(max_examples=60)
def test_only_the_model_changes(events: list[tuple[str, str]]) -> None:
    """Whatever the texts and names: the same events, but for `model`."""
    out = run(b"".join(chunk(text, model) for text, model in events))
    found = [json.loads(part[6:]) for part in out.split(b"\n\n") if part]
    assert found == [{"id": "1", "model": f"srv/{model}", "text": text} for text, model in events]


def test_whole_replies() -> None:
    """A whole reply is renamed in place, if it names a model at all."""
    reply: dict[str, Any] = {"model": "m", "x": 1}
    assert name_whole(reply, lambda model: f"srv/{model}")
    assert reply == {"model": "srv/m", "x": 1}
    assert not name_whole({"model": None}, str)
    assert not name_whole({}, str)
