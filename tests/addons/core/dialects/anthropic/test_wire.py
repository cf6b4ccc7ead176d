"""Anthropic's outside: paths, where text sits in its events, and its errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects.anthropic.wire import WIRE, error_event, error_object, message_slots
from switchman.addons.core.dialects.wire import ErrorInfo


@pytest.mark.parametrize(
    ("obj", "slots"),
    [
        pytest.param(
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "a"}},
            [(1, "a", False)],
            id="a-piece",
        ),
        pytest.param(
            {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
            [(0, "", False)],
            id="a-start",
        ),
        pytest.param({"type": "content_block_stop", "index": 2}, [(2, None, True)], id="a-stop"),
        pytest.param({"type": "content_block_stop", "index": []}, [(0, None, True)], id="a-stop-of-an-odd-index"),
        pytest.param(
            {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "a"}}, [], id="a-thought"
        ),
        pytest.param({"type": "content_block_delta", "delta": {"type": "input_json_delta"}}, [], id="arguments"),
        pytest.param({"type": "content_block_start", "content_block": {"type": "tool_use"}}, [], id="a-call"),
        pytest.param({"type": "content_block_delta", "delta": "a"}, [], id="no-object"),
        pytest.param({"type": "message_delta", "delta": {"type": "text_delta", "text": "a"}}, [], id="another-event"),
        pytest.param({"type": ["content_block_delta"]}, [], id="type-a-list"),
        pytest.param({"content": [{"type": "text", "text": "a"}]}, [], id="a-whole-message"),
    ],
)
def test_the_text_of_an_event(obj: dict[str, Any], slots: list[Any]) -> None:
    """The end of a block has no place for text: it only says that it ends."""
    found = message_slots(obj, True)
    assert [(slot.key, slot.holder.get(slot.field), slot.finished) for slot in found] == slots


def test_the_texts_of_a_whole_message() -> None:
    """By the number of their block; other blocks and other things are passed over."""
    content = [{"type": "thinking", "text": "x"}, {"type": "text", "text": "a"}, "b", {"type": "text"}]
    found = list(message_slots({"content": content}, False))
    assert [(slot.key, slot.holder.get(slot.field), slot.finished) for slot in found] == [
        (1, "a", True),
        (3, None, True),
    ]
    for odd in (None, "a", {"type": "text"}):
        assert list(message_slots({"content": odd}, False)) == []


def test_an_error_has_a_type_and_a_message() -> None:
    """There is no place for a field or a code; in a stream it is an event of that name."""
    error = ErrorInfo("too\nbusy", "overloaded_error", "model", "c")
    obj = {"type": "error", "error": {"type": "overloaded_error", "message": "too\nbusy"}}
    assert error_object(error) == obj
    name, data, *rest = error_event("chat", error).split(b"\n")
    assert (name, json.loads(data.removeprefix(b"data: ")), rest) == (b"event: error", obj, [b"", b""])


def test_counting_tokens_is_a_path_without_text() -> None:
    """And nothing streams unless it is asked to."""
    assert WIRE.paths["/v1/messages/count_tokens"] == "count_tokens"
    assert set(WIRE.slots) == {"chat"} and WIRE.streaming == frozenset()
