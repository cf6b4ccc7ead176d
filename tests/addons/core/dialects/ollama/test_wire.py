"""Ollama's outside: paths, where text sits in its lines, and its errors."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.dialects.ollama.wire import WIRE, chat_slots, error_event, error_object, generate_slots
from switchman.addons.core.dialects.wire import ErrorInfo


@pytest.mark.parametrize(
    ("obj", "streamed", "slots"),
    [
        pytest.param({"message": {"content": "a"}, "done": False}, True, [("a", False)], id="goes-on"),
        pytest.param({"message": {"content": "a"}, "done": True}, True, [("a", True)], id="ends"),
        pytest.param({"message": {"content": "a"}, "done": 1}, True, [("a", False)], id="done-is-a-number"),
        pytest.param({"message": {"content": "a"}}, False, [("a", True)], id="whole"),
        pytest.param({"message": {}}, True, [(None, False)], id="no-content"),
        pytest.param({"done": True}, True, [("", True)], id="ends-without-a-message"),
        pytest.param({"message": None}, False, [("", True)], id="whole-without-a-message"),
        pytest.param({"message": "a", "done": False}, True, [], id="message-a-text"),
        pytest.param({}, True, [], id="empty"),
    ],
)
def test_the_text_of_a_chat_line(obj: dict[str, Any], streamed: bool, slots: list[Any]) -> None:
    """Its thoughts have their place beside it."""
    found = list(chat_slots(obj, streamed))
    assert [(slot.holder.get(slot.field), slot.finished) for slot in found] == slots
    assert all((slot.key, slot.reasoning_field) == (0, "thinking") for slot in found)


def test_a_last_line_without_a_message_has_a_place_for_text() -> None:
    """What a stage still holds is written there."""
    line: dict[str, Any] = {"done": True}
    (slot,) = chat_slots(line, True)
    slot.holder[slot.field] = "held"
    assert line == {"done": True, "message": {"role": "assistant", "content": "held"}}


@pytest.mark.parametrize(
    ("obj", "streamed", "slots"),
    [
        pytest.param({"response": "a", "done": False}, True, [("a", False)], id="goes-on"),
        pytest.param({"response": "", "done": True}, True, [("", True)], id="ends"),
        pytest.param({"done": True}, True, [(None, True)], id="ends-without-text"),
        pytest.param({"response": "a"}, False, [("a", True)], id="whole"),
        pytest.param({"error": "no"}, True, [], id="an-error"),
    ],
)
def test_the_text_of_a_generate_line(obj: dict[str, Any], streamed: bool, slots: list[Any]) -> None:
    """It is a member of the line itself."""
    found = list(generate_slots(obj, streamed))
    assert [(slot.holder.get(slot.field), slot.finished) for slot in found] == slots
    assert all((slot.key, slot.reasoning_field) == (0, "thinking") for slot in found)


def test_an_error_is_its_text() -> None:
    """In one line of a stream, whatever is in it."""
    error = ErrorInfo("no\nmore", "server_error", "model", "c")
    assert error_object(error) == {"error": "no\nmore"}
    assert error_event("chat", error) == error_event("completion", error) == b'{"error":"no\\nmore"}\n'


def test_chat_and_generate_stream_by_themselves() -> None:
    """Embeddings do not."""
    assert WIRE.streaming == {"chat", "completion"} and set(WIRE.paths.values()) > WIRE.streaming
