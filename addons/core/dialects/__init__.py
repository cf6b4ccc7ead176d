"""Dialects: what OpenAI, Ollama and Anthropic look like on the wire. Pure, like `core`.

Each dialect is a package with tables in its `wire.py`; the functions here look things up in them, and hold no
knowledge of any dialect themselves.

In it: a package for each dialect, `neutral` (the form between two of them), codecs, rendering, translation, framing,
    endings.
Door: `render`, `endpoint_of`, and the functions here.
May not import: rules, cache, decision.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from switchman.addons.core.dialects.anthropic.wire import WIRE as ANTHROPIC
from switchman.addons.core.dialects.framing import dump
from switchman.addons.core.dialects.ollama.wire import WIRE as OLLAMA
from switchman.addons.core.dialects.openai.wire import WIRE as OPENAI
from switchman.addons.core.dialects.wire import ErrorInfo, Framing, Wire
from switchman.addons.core.request.call import DialectName, Endpoint
from switchman.addons.core.streams.slots import Slot

__all__ = [
    "WIRES",
    "endpoint_of",
    "error_body",
    "framing_of",
    "stream_default",
    "stream_error",
    "text_slots",
]

WIRES: Final[dict[DialectName, Wire]] = {"openai": OPENAI, "ollama": OLLAMA, "anthropic": ANTHROPIC}

_FRAMINGS: Final[dict[str, Framing]] = {
    "text/event-stream": "sse",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/x-jsonlines": "ndjson",
    "application/stream+json": "ndjson",
}


def endpoint_of(method: str, path: str) -> Endpoint | None:
    """The operation that a request line names; None if it is no LLM call.

    Ignores a query, a slash at the end, and doubled slashes (of a base URL with one too many). Knows OpenAI's paths
    without their /v1 too.
    """
    if method.upper() != "POST":
        return None
    path = path.partition("?")[0].rstrip("/")
    while "//" in path:
        path = path.replace("//", "/")
    for wire in WIRES.values():
        canonical = wire.aliases.get(path, path)
        if operation := wire.paths.get(canonical):
            return Endpoint(wire.name, operation, canonical)
    return None


def text_slots(endpoint: Endpoint, obj: dict[str, Any], streamed: bool) -> Iterable[Slot]:
    """The places of model text in one event (`streamed`) or in one whole reply, in order.

    The slots point into `obj`: what is written to `slot.holder[slot.field]` changes it. An operation without
    model text, or an object of another shape (an error, a ping), has no slots.
    """
    reader = WIRES[endpoint.dialect].slots.get(endpoint.operation)
    return reader(obj, streamed) if reader else ()


def error_body(
    dialect: DialectName,
    status: int,
    message: str,
    *,
    type: str | None = None,
    param: str | None = None,
    code: str | None = None,
) -> bytes:
    """The JSON body of an error in the dialect's shape; `type` defaults to the dialect's word for the status."""
    wire = WIRES[dialect]
    return dump(wire.error_object(ErrorInfo(message, type or wire.error_type(status), param, code)))


def stream_error(endpoint: Endpoint, status: int, message: str) -> bytes:
    """The error event that ends a client's stream in the middle, as bytes."""
    wire = WIRES[endpoint.dialect]
    return wire.error_event(endpoint.operation, ErrorInfo(message, wire.error_type(status)))


def framing_of(content_type: str) -> Framing | None:
    """The framing of a body with this content-type; None if such a body is one whole."""
    return _FRAMINGS.get(content_type.partition(";")[0].strip().lower())


def stream_default(endpoint: Endpoint) -> bool:
    """Whether a request without a `stream` member streams: only Ollama's chat and generate do."""
    return endpoint.operation in WIRES[endpoint.dialect].streaming
