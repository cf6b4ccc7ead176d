"""OpenAI's outside: where text sits in its objects, and what its errors look like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import ResponseErrorEvent

from switchman.addons.core.dialects import text_slots
from switchman.addons.core.dialects.openai.wire import (
    WIRE,
    chat_slots,
    completion_slots,
    error_event,
    error_object,
)
from switchman.addons.core.dialects.wire import ErrorInfo
from switchman.addons.core.request.call import Endpoint

OPENAI_CHAT = Endpoint("openai", "chat", "/v1/chat/completions")
OPENAI_COMPLETION = Endpoint("openai", "completion", "/v1/completions")


def texts(endpoint: Endpoint, obj: dict[str, Any], streamed: bool) -> list[tuple[Any, Any, str | None, bool]]:
    return [(s.key, s.holder.get(s.field), s.reasoning_field, s.finished) for s in text_slots(endpoint, obj, streamed)]


def test_a_chat_chunk_has_one_slot_for_each_choice() -> None:
    """Choices are told apart by their index; the one with a finish reason is finished."""
    chunk = {
        "choices": [
            {"index": 1, "delta": {"content": "b"}, "finish_reason": None},
            {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"},
        ]
    }
    assert texts(OPENAI_CHAT, chunk, True) == [
        (1, "b", "reasoning_content", False),
        (0, "a", "reasoning_content", True),
    ]


@pytest.mark.parametrize("index", [[], {}, "0", None, True, 0.0])
def test_an_index_of_another_type_is_none(index: Any) -> None:
    """The choice then has its place for a key, which stages can look up."""
    (slot,) = text_slots(OPENAI_CHAT, {"choices": [{"index": index, "delta": {"content": "a"}}]}, True)
    (text,) = text_slots(OPENAI_COMPLETION, {"choices": [{"index": index, "text": "a"}]}, True)
    assert (slot.key, text.key) == (0, 0)


def test_a_choice_that_ends_without_a_delta_still_has_a_place_for_text() -> None:
    """What a stage still holds at the end can be written, although the chunk has no delta."""
    chunk: dict[str, Any] = {"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}
    (slot,) = text_slots(OPENAI_CHAT, chunk, True)
    slot.holder[slot.field] = "held"
    assert slot.finished and chunk["choices"][0]["delta"] == {"content": "held"}


def test_content_parts_are_texts_of_the_same_choice() -> None:
    """Mistral's content parts: thinking is left alone, the last text part is the finished one."""
    message = {
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b"},
        ]
    }
    assert texts(OPENAI_CHAT, {"choices": [{"message": message}]}, False) == [
        (0, "a", None, False),
        (0, "b", None, True),
    ]


def test_parts_without_text_get_one_at_the_end() -> None:
    """A finished choice whose last parts are all thinking has a text part to write to."""
    delta: dict[str, Any] = {"content": [{"type": "thinking", "thinking": []}]}
    (slot,) = text_slots(OPENAI_CHAT, {"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]}, True)
    slot.holder[slot.field] = "held"
    assert delta["content"][-1] == {"type": "text", "text": "held"}


def test_a_whole_message_is_finished_whatever_its_reason() -> None:
    """It may lack one; null content has a place for text, and a delta's is not read."""
    obj = {"choices": [{"message": {"content": None}}, {"delta": {"content": "x"}, "message": None}]}
    assert texts(OPENAI_CHAT, obj, False) == [
        (0, None, "reasoning_content", True),
        (1, None, "reasoning_content", True),
    ]


def test_parts_of_a_delta_that_goes_on_get_no_text() -> None:
    """Only the end needs a place; things that are no part are passed over."""
    delta = {"content": [{"type": "thinking"}, "x", None]}
    assert list(chat_slots({"choices": [{"delta": delta, "finish_reason": None}]}, True)) == []
    assert delta == {"content": [{"type": "thinking"}, "x", None]}


@pytest.mark.parametrize(
    ("choice", "streamed", "slots"),
    [
        pytest.param({"index": 1, "text": "a", "finish_reason": None}, True, [(1, "a", False)], id="goes-on"),
        pytest.param({"text": "", "finish_reason": "stop"}, True, [(0, "", True)], id="ends"),
        pytest.param({"finish_reason": "stop"}, True, [(0, None, True)], id="ends-without-text"),
        pytest.param({"finish_reason": None}, True, [], id="says-nothing"),
        pytest.param({"text": "a"}, False, [(0, "a", True)], id="whole"),
        pytest.param("a", True, [], id="no-object"),
    ],
)
def test_a_completions_text(choice: Any, streamed: bool, slots: list[Any]) -> None:
    """It has the same place in a chunk and in a whole reply."""
    found = completion_slots({"choices": [choice]}, streamed)
    assert [(slot.key, slot.holder.get(slot.field), slot.finished) for slot in found] == slots


@pytest.mark.parametrize("path", sorted(WIRE.paths))
def test_a_path_has_its_version(path: str) -> None:
    """The alias without it leads to it."""
    assert path.startswith("/v1/") and WIRE.aliases[path[3:]] == path


def test_an_error_has_all_four_members() -> None:
    """openai-python reads each of them; what is not known is null."""
    assert error_object(ErrorInfo("m", "t")) == {"error": {"message": "m", "type": "t", "param": None, "code": None}}
    assert error_object(ErrorInfo("m", "t", "p", "c"))["error"] == {
        "message": "m",
        "type": "t",
        "param": "p",
        "code": "c",
    }


@pytest.mark.parametrize("operation", ["chat", "completion"])
def test_an_error_in_a_chat_stream_is_one_chunk(operation: Any) -> None:
    """Without an event's name, and without [DONE]."""
    error = ErrorInfo("cut\noff é", "server_error")
    assert (
        error_event(operation, error)
        == b"data: " + json.dumps(error_object(error), ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
    )


def test_an_error_in_a_responses_stream_is_said_twice() -> None:
    """As the documented event, which openai-python's type reads, and as the failed response that Codex looks for."""
    first, second, rest = error_event("responses", ErrorInfo("cut", "server_error", "input")).split(b"\n\n")
    assert rest == b""
    name, data = first.split(b"\n")
    event = json.loads(data.removeprefix(b"data: "))
    read = ResponseErrorEvent.model_validate(event)
    assert (name, read.code, read.message, read.param) == (b"event: error", "server_error", "cut", "input")
    assert event["error"]["type"] == "server_error"
    name, data = second.split(b"\n")
    failed = json.loads(data.removeprefix(b"data: "))
    assert (name, failed["type"], failed["sequence_number"]) == (b"event: response.failed", "response.failed", 1)
    assert failed["response"]["error"] == {"code": "server_error", "message": "cut"}
