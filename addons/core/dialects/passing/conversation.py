"""Conversation: a stored request and its answer, of any dialect, in the internal form; streams are put together.

    asked(dialect, operation, body)      -> Request, None where it cannot be read
    answered(dialect, operation, body)   -> Answered, None where it cannot be read
    paired(messages)                     -> which result belongs to which call

Pure, and never raises: a body is whatever a client or a server sent, and may have been cut where it was stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from switchman.addons.core.dialects.codecs import CODECS, FORMATS, NDJSON, Codec
from switchman.addons.core.dialects.neutral.assembling import assemble
from switchman.addons.core.dialects.neutral.form import (
    Failed,
    Finish,
    Message,
    Reply,
    Request,
    StreamEvent,
    ToolCall,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.linking import link
from switchman.addons.core.dialects.neutral.streams import decode_event
from switchman.addons.core.streams.events import Splitter
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.core.texts.unicode import read_json


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer. `complete`: it told its end; a stream that broke off has what came. `error`: what the server said.

    `streamed`: it came in pieces.
    """

    reply: Reply
    complete: bool
    streamed: bool
    error: str | None = None


def codec_of(dialect: str | None, operation: str | None) -> Codec | None:
    """The codec of a row's `dialect` and `operation`; None where it is no conversation."""
    name = next((name for key, name in FORMATS.items() if key == (dialect, operation)), None)
    return CODECS[name] if name is not None else None


def asked(dialect: str | None, operation: str | None, body: bytes) -> Request | None:
    """The request, its tool results with the ids of their calls. None: no JSON, or not of this form."""
    codec, obj = codec_of(dialect, operation), _object(body)
    if codec is None or obj is None:
        return None
    try:
        return codec.decode_request(obj)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):  # what it lacks, or has of another kind
        return None


def answered(dialect: str | None, operation: str | None, body: bytes) -> Answered | None:
    """The answer, whole or streamed, as it stands in the body."""
    codec = codec_of(dialect, operation)
    if codec is None or not body.strip():
        return None
    try:
        obj = _object(body)
        return _streamed(codec, body) if obj is None else _whole(codec, obj)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = read_json(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _whole(codec: Codec, obj: Mapping[str, Any]) -> Answered | None:
    error = _error(obj)
    reply = codec.decode_reply(obj)
    if not reply.choices and error is None:
        return None
    return Answered(reply, error is None, False, error)


def _error(obj: Mapping[str, Any]) -> str | None:
    error = obj.get("error")
    if isinstance(error, Mapping):
        error = error.get("message") or error.get("type")
    return str(error) if error else None


def _streamed(codec: Codec, body: bytes) -> Answered | None:
    splitter: Splitter = NDJSONSplitter() if codec.stream_type == NDJSON else SSESplitter()
    decoder = codec.decoder()
    events: list[StreamEvent] = []
    for event in (*splitter.feed(body), *splitter.end()):
        events += decode_event(decoder, event)
    failed = next((event for event in events if isinstance(event, Failed)), None)
    reply = assemble(event for event in events if not isinstance(event, Failed))
    if not reply.choices and failed is None:
        return None
    complete = failed is None and any(isinstance(event, Finish) for event in events)
    return Answered(reply, complete, True, failed.message if failed else None)


def paired(messages: Iterable[Message]) -> tuple[tuple[Message, ...], Mapping[str, ToolResult]]:
    """The messages with an id for each call, and the result of each call by that id.

    A dialect that ties results to calls by name or order only (Ollama) is read so, as translation does.
    """
    linked = link(tuple(messages))
    calls = {part.id for message in linked for part in message.parts if isinstance(part, ToolCall)}
    results = {
        part.id: part
        for message in linked
        for part in message.parts
        if isinstance(part, ToolResult) and part.id in calls
    }
    return linked, results
