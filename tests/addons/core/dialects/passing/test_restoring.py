"""Originals come back into a stream, whatever its dialect, and wherever its events cut a placeholder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.dialects.framing import line, sse
from switchman.addons.core.dialects.passing.restoring import RestoreStage, channels_of
from switchman.addons.core.streams.pipe import Framing, Pipe
from switchman.addons.core.texts.redaction.restoring import Restorer

MAIL, NAME = "jane@example.org", 'Bob "Q" Jones'
ORIGINALS = {"EMAIL_0123456789": MAIL, "WORD_cccccccccc": NAME}
TEXT = "E: EMAIL_0123456789 and WORD_cccccccccc, EMAIL_9999999999. E"
THOUGHT = "ask EMAIL_0123456789 W"
ARGUMENTS = '{"to": "EMAIL_0123456789", "who": "WORD_cccccccccc"}'
MEANT = f"E: {MAIL} and {NAME}, EMAIL_9999999999. E"
THOUGHT_MEANT = f"ask {MAIL} W"
Pieces = list[str]


def cut(text: str, places: list[int]) -> Pieces:
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(ends)]


def chat(text: Pieces, thought: Pieces, arguments: Pieces) -> bytes:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in thought]
    deltas += [{"content": piece} for piece in text]
    deltas += [{"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in arguments]
    events = [sse({"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}) for delta in deltas]
    events += [sse({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})]
    return b"".join(events) + b"data: [DONE]\n\n"


def read_chat(events: list[dict[str, Any]]) -> tuple[str, str, str]:
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    calls = [call["function"] for delta in deltas for call in delta.get("tool_calls", ())]
    assert [call["name"] for call in calls if "name" in call] == ["f"]
    return (
        "".join(delta.get("content") or "" for delta in deltas),
        "".join(delta.get("reasoning_content") or "" for delta in deltas),
        "".join(call["arguments"] for call in calls),
    )


def responses(text: Pieces, thought: Pieces, arguments: Pieces) -> bytes:
    def delta(kind: str, index: int, piece: str) -> dict[str, Any]:
        return {"type": f"response.{kind}.delta", "item_id": f"i{index}", "output_index": index, "delta": piece}

    events = [delta("reasoning_text", 0, piece) for piece in thought]
    if thought:
        events += [{"type": "response.reasoning_text.done", "item_id": "i0", "output_index": 0, "text": THOUGHT}]
    events += [delta("output_text", 1, piece) for piece in text]
    events += [{"type": "response.output_text.done", "item_id": "i1", "output_index": 1, "text": TEXT}]
    events += [delta("function_call_arguments", 2, piece) for piece in arguments]
    events += [{"type": "response.completed", "response": {"output": [{"arguments": ARGUMENTS}, {"text": TEXT}]}}]
    return b"".join(sse(event, event["type"]) for event in events)


def read_responses(events: list[dict[str, Any]]) -> tuple[str, str, str]:
    def joined(kind: str) -> str:
        return "".join(event["delta"] for event in events if event["type"] == f"response.{kind}.delta")

    found = joined("output_text"), joined("reasoning_text"), joined("function_call_arguments")
    assert events[-1]["response"]["output"] == [{"arguments": found[2]}, {"text": found[0]}]
    kinds = [event["type"] for event in events]
    assert kinds.index("response.output_text.done") > max(
        place for place, kind in enumerate(kinds) if kind == "response.output_text.delta"
    )
    return found


def messages(text: Pieces, thought: Pieces, arguments: Pieces) -> bytes:
    blocks = [("thinking_delta", "thinking", thought), ("text_delta", "text", text)]
    blocks += [("input_json_delta", "partial_json", arguments)]
    events: list[dict[str, Any]] = []
    for index, (kind, field, pieces) in enumerate(blocks):
        events += [{"type": "content_block_start", "index": index, "content_block": {}}]
        events += [{"type": "content_block_delta", "index": index, "delta": {"type": kind, field: p}} for p in pieces]
        events += [{"type": "content_block_stop", "index": index}]
    return b"".join(sse(event, event["type"]) for event in [*events, {"type": "message_stop"}])


def read_messages(events: list[dict[str, Any]]) -> tuple[str, str, str]:
    open_block, found = -1, {"text": "", "thinking": "", "partial_json": ""}
    for event in events:
        if event["type"] == "content_block_start":
            open_block = event["index"]
        elif event["type"] == "content_block_delta":
            assert event["index"] == open_block
            for field in found:
                found[field] += event["delta"].get(field, "")
        else:
            open_block = -1
    return found["text"], found["thinking"], found["partial_json"]


def ollama(text: Pieces, thought: Pieces, arguments: Pieces) -> bytes:
    says = [{"content": "", "thinking": piece} for piece in thought] + [{"content": piece} for piece in text]
    says += [{"content": "", "tool_calls": [{"function": {"name": "f", "arguments": json.loads(ARGUMENTS)}}]}]
    lines = [line({"message": {"role": "assistant", **said}, "done": False}) for said in says]
    return b"".join(lines) + line({"message": {"role": "assistant", "content": ""}, "done": True})


def read_ollama(events: list[dict[str, Any]]) -> tuple[str, str, str]:
    said = [event["message"] for event in events]
    assert [event["done"] for event in events] == [False] * (len(events) - 1) + [True]
    (call,) = [call for message in said for call in message.get("tool_calls", ())]
    return (
        "".join(message["content"] for message in said),
        "".join(message.get("thinking", "") for message in said),
        json.dumps(call["function"]["arguments"]),
    )


DIALECTS: dict[tuple[str, str], tuple[Framing, Callable[..., bytes], Callable[..., tuple[str, str, str]]]] = {
    ("openai", "chat"): ("sse", chat, read_chat),
    ("openai", "responses"): ("sse", responses, read_responses),
    ("anthropic", "chat"): ("sse", messages, read_messages),
    ("ollama", "chat"): ("ndjson", ollama, read_ollama),
}


def restored(dialect: tuple[str, str], data: bytes, size: int) -> list[bytes]:
    def failed(error: Exception, _: object) -> None:
        raise error

    framing = DIALECTS[dialect][0]
    stage = RestoreStage(Restorer(ORIGINALS), channels_of(*dialect))
    pipe = Pipe(framing, [stage], None, 0, failed, time.monotonic)
    out = [part for at in range(0, len(data), size) for part in pipe(data[at : at + size])]
    return [*out, *pipe(b"")]


def events_in(data: bytes) -> list[dict[str, Any]]:
    lines = (one.removeprefix(b"data: ") for one in data.splitlines() if one.startswith((b"data: {", b"{")))
    return [json.loads(one) for one in lines]


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(deadline=None, max_examples=60)
@given(places=st.lists(st.integers(0, 80), max_size=30), size=st.integers(1, 400))
def test_any_split(dialect: tuple[str, str], places: list[int], size: int) -> None:
    """Of chunks, and of deltas: text, thoughts and a tool's arguments are what was meant, in their order."""
    _, write, read = DIALECTS[dialect]
    data = write(cut(TEXT, places), cut(THOUGHT, places), cut(ARGUMENTS, places))

    text, thought, arguments = read(events_in(b"".join(restored(dialect, data, size))))

    assert (text, thought) == (MEANT, THOUGHT_MEANT)
    assert json.loads(arguments) == {"to": MAIL, "who": NAME}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_breaks_off_gives_what_is_held(dialect: tuple[str, str]) -> None:
    """The beginning of a placeholder is text, where nothing follows."""
    data = DIALECTS[dialect][1](["so EMAIL_01"], [], [ARGUMENTS])
    event = data.index(b"EMAIL_01")
    data = data[: data.index(b"\n", event) + 2]

    assert b"EMAIL_01" in b"".join(restored(dialect, data, 7))


def test_what_has_nothing_of_it_passes_byte_for_byte() -> None:
    """Events without a placeholder stay as they came."""
    data = b'data: {"choices": [ {"index":0, "delta":{"content":"plain"}, "finish_reason":null} ] }\n\n: ping\n\n'

    assert b"".join(restored(("openai", "chat"), data, 5)) == data
