"""OpenAI's paths, error words and text places.

Paths and shapes: https://platform.openai.com/docs/api-reference, and the types of openai-python.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from switchman.addons.core.dialects.framing import sse
from switchman.addons.core.dialects.neutral.fields import count_of, objects_in, objects_of
from switchman.addons.core.dialects.wire import ErrorInfo, Wire
from switchman.addons.core.paths import tables
from switchman.addons.core.request.call import Operation
from switchman.addons.core.streams.slots import Slot

# OpenAI says `invalid_request_error` for an unknown model too; it has no word of its own for 404.
ERROR_TYPES: Final[dict[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}


def chat_slots(obj: dict[str, Any], streamed: bool) -> Iterator[Slot]:
    """`choices[].delta.content` of a chunk, `choices[].message.content` of a whole reply, as text or as text parts.

    Gives a choice that ends without a delta an empty one, so that a stage has a place for what it still holds.
    """
    for position, choice in enumerate(objects_of(obj, "choices")):
        finished = not streamed or choice.get("finish_reason") is not None
        name = "delta" if streamed else "message"
        holder = choice.get(name)
        if not isinstance(holder, dict):
            if not finished:
                continue
            holder = choice[name] = {}
        key = index if (index := count_of(choice, "index")) is not None else position
        if isinstance(holder.get("content"), list):
            yield from _part_slots(key, holder["content"], finished)
        else:
            yield Slot(key, holder, "content", "reasoning_content", finished)


def _part_slots(key: Any, parts: list[Any], finished: bool) -> Iterator[Slot]:
    """Text parts in order (Mistral sends content as parts: `thinking` and `text`), all under their choice's key."""
    texts = [part for part in objects_in(parts) if part.get("type") == "text"]
    if finished and not texts:
        texts = [{"type": "text", "text": ""}]
        parts.append(texts[0])
    for part in texts:
        yield Slot(key, part, "text", None, finished and part is texts[-1])


def completion_slots(obj: dict[str, Any], streamed: bool) -> Iterator[Slot]:
    """`choices[].text`, which has the same place in a chunk and in a whole reply."""
    for position, choice in enumerate(objects_of(obj, "choices")):
        finished = not streamed or choice.get("finish_reason") is not None
        if finished or "text" in choice:
            index = count_of(choice, "index")
            yield Slot(position if index is None else index, choice, "text", None, finished)


def error_object(error: ErrorInfo) -> dict[str, Any]:
    """`{"error": {message, type, param, code}}`: all four members are always there."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def error_event(operation: Operation, error: ErrorInfo) -> bytes:
    """A chunk that is an error. No `[DONE]` follows it: the stream did not end well.

    Responses streams have an `error` event, with the error's members both at the top (as documented) and under
    `error` (as the server really sends it, and where openai-python looks); and `response.failed`, which Codex reads.
    """
    if operation != "responses":
        return sse(error_object(error))
    flat = {"type": "error", "code": error.code or error.type, "message": error.message, "param": error.param}
    failed = {"code": flat["code"], "message": error.message}
    response = {"id": "", "object": "response", "status": "failed", "output": [], "error": failed}
    event = sse({**flat, "sequence_number": 0, **error_object(error)}, "error")
    return event + sse({"type": "response.failed", "sequence_number": 1, "response": response}, "response.failed")


WIRE: Final = Wire(
    name="openai",
    framing="sse",
    paths=tables.OPENAI,
    aliases={path.removeprefix("/v1"): path for path in tables.OPENAI},
    error_types=ERROR_TYPES,
    client_error="invalid_request_error",
    server_error="server_error",
    slots={"chat": chat_slots, "completion": completion_slots},
    streaming=frozenset(),
    error_object=error_object,
    error_event=error_event,
)
