"""Ollama's paths, errors and text places.

Paths and shapes: docs/api.md of https://github.com/ollama/ollama, and the types of ollama-python.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from switchman.addons.core.dialects.framing import line
from switchman.addons.core.dialects.wire import ErrorInfo, Wire
from switchman.addons.core.paths import tables
from switchman.addons.core.request.call import Operation
from switchman.addons.core.streams.slots import Slot


def chat_slots(obj: dict[str, Any], streamed: bool) -> Iterator[Slot]:
    """`message.content`, with `message.thinking` beside it. Gives a last line without a message an empty one."""
    finished = not streamed or obj.get("done") is True
    message = obj.get("message")
    if not isinstance(message, dict):
        if not finished:
            return
        message = obj["message"] = {"role": "assistant", "content": ""}
    yield Slot(0, message, "content", "thinking", finished)


def generate_slots(obj: dict[str, Any], streamed: bool) -> Iterator[Slot]:
    """`response`, with `thinking` beside it."""
    done = obj.get("done") is True
    if done or "response" in obj:
        yield Slot(0, obj, "response", "thinking", done or not streamed)


def error_object(error: ErrorInfo) -> dict[str, Any]:
    """`{"error": "text"}`: the type and code have no place in this dialect."""
    return {"error": error.message}


def error_event(operation: Operation, error: ErrorInfo) -> bytes:
    """One NDJSON line; no `done` line follows it."""
    return line(error_object(error))


WIRE: Final = Wire(
    name="ollama",
    framing="ndjson",
    paths=tables.OLLAMA,
    aliases={},
    error_types={},
    client_error="invalid_request",
    server_error="server_error",
    slots={"chat": chat_slots, "completion": generate_slots},
    streaming=frozenset({"chat", "completion"}),
    error_object=error_object,
    error_event=error_event,
)
