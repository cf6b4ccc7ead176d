"""Replay: store an answer, and send it to a later client in the form which that requests: whole or as a stream, in any
dialect.

    whole_reply(...), streamed_reply(...)    what the client got -> a whole body; None where it must not be replayed
    pack(CachedAnswer), unpack               the value in the cache
    replay(...)                              -> the bytes for a client, and their content-type

Only a complete text answer is fit. Not cached are errors, answers cut at the token limit, stopped by a filter or with
tool calls, and whatever cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from switchman.addons.core.dialects.codecs import CODECS, JSON, NDJSON
from switchman.addons.core.dialects.neutral.assembling import StreamFailed, assemble
from switchman.addons.core.dialects.neutral.fields import objects_in, objects_of
from switchman.addons.core.dialects.neutral.form import (
    End,
    FormatName,
    Reply,
    Stamp,
    StreamEvent,
    Text,
    Thinking,
    Usage,
)
from switchman.addons.core.dialects.translate import as_stream
from switchman.addons.core.routes.plan import Earlier
from switchman.addons.core.streams.events import Splitter
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.core.texts.unicode import dump, read_json

SHOWN: Final = 400  # characters of a prompt in the trace

_FIT: Final = ("stop", "stop_sequence")
# The upstreams' finish reasons of a complete reply: OpenAI's and Ollama's, Anthropic's, Responses'. Any other may mean
# anything, so such a reply is not cached.
_FIT_WORDS: Final = frozenset({"stop", "eos", "end_turn", "stop_sequence", "completed", "in_progress", "queued"})


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer and its origin. `reply` is a whole body in `format`; `asked` is the prompt, for a person and the
    semantic guards; `kept_at` is epoch seconds. `request_id`, `took_ms` and `cost` (micro-dollars) belong to the
    request that it answered first.
    """

    format: FormatName
    reply: Mapping[str, Any]
    server: str
    model: str
    layer: str
    route: str
    asked: str
    kept_at: float
    request_id: str = ""
    took_ms: float | None = None
    cost: int | None = None

    @property
    def earlier(self) -> Earlier:
        """For the trace."""
        return Earlier(self.request_id, self.asked[:SHOWN], self.took_ms)


def whole_reply(format: FormatName, body: bytes) -> dict[str, Any] | None:
    """A whole body as an object; None if it is not fit."""
    try:
        obj = read_json(body)
        fit = isinstance(obj, dict) and not obj.get("error") and _are_fit(_words(obj))
        fit = fit and _is_fit(CODECS[format].decode_reply(obj))
    except (ValueError, RecursionError):
        return None
    return cast(dict[str, Any], obj) if fit else None


def streamed_reply(format: FormatName, stream: bytes, stamp: Stamp, usage: Usage | None) -> dict[str, Any] | None:
    """A stream's bytes as a whole body; None if incomplete or not fit. `usage`: used where the stream has none."""
    codec = CODECS[format]
    splitter: Splitter = NDJSONSplitter() if codec.stream_type == NDJSON else SSESplitter()
    decoder = codec.decoder()
    events: list[StreamEvent] = []
    words: list[str] = []
    for event in (*splitter.feed(stream), *splitter.end()):
        if event.is_done:
            events += decoder.done()
        elif isinstance(event.data, dict):
            events += decoder.feed(event.data)
            words += _words(event.data)
    if not any(isinstance(event, End) for event in events) or not _are_fit(words):
        return None
    try:
        reply = assemble(events)
    except StreamFailed:
        return None
    if not _is_fit(reply):
        return None
    return codec.encode_reply(replace(reply, usage=reply.usage or usage), stamp)


def pack(cached: CachedAnswer) -> bytes:
    """The value for the store: JSON."""
    fields = {name: getattr(cached, name) for name in CachedAnswer.__dataclass_fields__}
    return dump(fields)


def unpack(value: bytes) -> CachedAnswer | None:
    """Read a stored value. None, a miss, for one that this version does not understand."""
    try:
        fields = read_json(value)
        cached = CachedAnswer(**fields)
    except (ValueError, TypeError):
        return None
    return cached if cached.format in CODECS and isinstance(cached.reply, dict) else None


def replay(cached: CachedAnswer, format: FormatName, stream: bool, stamp: Stamp) -> tuple[bytes, str]:
    """The answer as bytes and content-type. `stamp.model` is the model's name for this client."""
    if not stream and format == cached.format:
        obj = dict(cached.reply)
        if "model" in obj:
            obj["model"] = stamp.model
        return dump(obj), JSON
    reply = replace(CODECS[cached.format].decode_reply(cached.reply), model=stamp.model)
    if CODECS[format].dialect != CODECS[cached.format].dialect:
        reply = replace(reply, id="")  # ids have a form of their own in each dialect
    codec = CODECS[format]
    if not stream:
        return dump(codec.encode_reply(reply, stamp)), JSON
    return as_stream(reply, format, stamp), codec.stream_type


def _is_fit(reply: Reply) -> bool:
    """Whether every choice is complete, and holds some text and nothing but text and thoughts."""
    if not reply.choices:
        return False
    for choice in reply.choices:
        if choice.finish not in _FIT or not all(isinstance(part, Text | Thinking) for part in choice.parts):
            return False
        if not any(isinstance(part, Text) and part.text.strip() for part in choice.parts):
            return False
    return True


def _words(obj: Mapping[str, Any]) -> list[str]:
    """All finish reasons in a reply, or in an event of one."""
    places = [*objects_of(obj, "choices"), *objects_in([obj.get("delta"), obj.get("response")]), obj]
    found = [place.get(name) for place in places for name in ("finish_reason", "stop_reason", "done_reason")]
    if obj.get("object") == "response":
        found.append(obj.get("status"))
    found += [place.get("status") for place in objects_in([obj.get("response")])]
    if obj.get("done") is True and not obj.get("done_reason"):
        found.append("stop")  # Ollama before 0.1.34 gave no reason
    return [word for word in found if isinstance(word, str)]


def _are_fit(words: list[str]) -> bool:
    return bool(words) and _FIT_WORDS.issuperset(words)
