"""Anthropic's paths, error words and text places.

Paths and shapes: https://docs.claude.com/en/api/messages and /en/api/errors, and the types of anthropic-python.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from switchman.addons.core.dialects.framing import sse
from switchman.addons.core.dialects.neutral.fields import count_of, text_of
from switchman.addons.core.dialects.wire import ErrorInfo, Wire
from switchman.addons.core.paths import tables
from switchman.addons.core.request.call import Operation
from switchman.addons.core.streams.slots import Slot

ERROR_TYPES: Final[dict[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def message_slots(obj: dict[str, Any], streamed: bool) -> Iterator[Slot]:
    """Text of one block: `delta.text` of a stream's event, `content[].text` of a whole message.

    A stream's block ends with an event that has no place for text: a finished slot without a field.
    """
    if not streamed:
        blocks = obj.get("content")
        for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
            if isinstance(block, dict) and block.get("type") == "text":
                yield Slot(index, block, "text", None, True, begins=index == 0)
        return
    index = count_of(obj, "index") or 0
    if obj.get("type") == "content_block_stop":
        yield Slot(index, obj, "", None, True, begins=index == 0)
        return
    holder = obj.get(STREAMED_TEXT.get(text_of(obj, "type"), ""))
    if isinstance(holder, dict) and holder.get("type") in ("text", "text_delta"):
        yield Slot(index, holder, "text", None, False, begins=index == 0)


# event type -> the member that holds the text
STREAMED_TEXT: Final = {"content_block_start": "content_block", "content_block_delta": "delta"}


def error_object(error: ErrorInfo) -> dict[str, Any]:
    """`{"type": "error", "error": {type, message}}`."""
    return {"type": "error", "error": {"type": error.type, "message": error.message}}


def error_event(operation: Operation, error: ErrorInfo) -> bytes:
    """`event: error`; no `message_stop` follows it."""
    return sse(error_object(error), "error")


WIRE: Final = Wire(
    name="anthropic",
    framing="sse",
    paths=tables.ANTHROPIC,
    aliases={},
    error_types=ERROR_TYPES,
    client_error="invalid_request_error",
    server_error="api_error",
    slots={"chat": message_slots},
    streaming=frozenset(),
    error_object=error_object,
    error_event=error_event,
)
