"""Replay: an answer that was given once, kept, and given again as the next client asks for it: whole or as a stream,
in any dialect.

    reply_of(...)         what the client got, a body or a stream -> a Reply; None where it is not fit to be given again
    pack(CachedAnswer), unpack    the value that the cache holds
    replay(...)           -> the bytes for a client, and their content-type

What is fit: a complete text answer. Not kept are errors, answers cut at the token limit, stopped by a filter, or with
tool calls in them, and whatever cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from switchman.addons.core.dialects.codecs import CODECS, JSON, NDJSON
from switchman.addons.core.dialects.framing import dump
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
from switchman.addons.core.streams.ndjson import NDJSONSplitter
from switchman.addons.core.streams.sse import SSESplitter

SHOWN: Final = 400  # characters of a prompt in the trace

_FIT: Final = ("stop", "stop_sequence")
# The upstreams' own words for a reply that came to its end: OpenAI's and Ollama's, Anthropic's, Responses'. A word
# that is not here may mean anything, so such a reply is not kept.
_FIT_WORDS: Final = frozenset({"stop", "eos", "end_turn", "stop_sequence", "completed", "in_progress", "queued"})


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer and where it came from. `reply` is a whole body in `format`; `asked` is the prompt, for a person and
    the semantic guards; `kept_at` is epoch seconds. `request_id` and `took_ms` are of the request that it was
    first given to.
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

    @property
    def earlier(self) -> Earlier:
        """For the trace."""
        return Earlier(self.request_id, self.asked[:SHOWN], self.took_ms)


def whole_reply(format: FormatName, body: bytes) -> dict[str, Any] | None:
    """A whole body as an object, if it is fit to be kept."""
    try:
        obj = json.loads(body)
        fit = isinstance(obj, dict) and not obj.get("error") and _are_fit(_words(obj))
        fit = fit and _is_fit(CODECS[format].decode_reply(obj))
    except (ValueError, RecursionError):
        return None
    return cast(dict[str, Any], obj) if fit else None


def streamed_reply(format: FormatName, stream: bytes, stamp: Stamp, usage: Usage | None) -> dict[str, Any] | None:
    """A stream's bytes as a whole body, if it came to its own end and is fit. `usage`: what the stream did not tell."""
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


def pack(kept: CachedAnswer) -> bytes:
    """The value for the store: JSON."""
    fields = {name: getattr(kept, name) for name in CachedAnswer.__dataclass_fields__}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def unpack(value: bytes) -> CachedAnswer | None:
    """None for what this version does not understand: a miss."""
    try:
        fields = json.loads(value.decode("utf-8", "surrogatepass"))
        kept = CachedAnswer(**fields)
    except (ValueError, TypeError):
        return None
    return kept if kept.format in CODECS and isinstance(kept.reply, dict) else None


def replay(kept: CachedAnswer, format: FormatName, stream: bool, stamp: Stamp) -> tuple[bytes, str]:
    """The answer as bytes and content-type. `stamp.model` is the name it is given under."""
    if not stream and format == kept.format:
        obj = dict(kept.reply)
        if "model" in obj:
            obj["model"] = stamp.model
        return dump(obj), JSON
    reply = replace(CODECS[kept.format].decode_reply(kept.reply), model=stamp.model)
    if CODECS[format].dialect != CODECS[kept.format].dialect:
        reply = replace(reply, id="")  # ids have a form of their own in each dialect
    codec = CODECS[format]
    if not stream:
        return dump(codec.encode_reply(reply, stamp)), JSON
    return as_stream(reply, format, stamp), codec.stream_type


def _is_fit(reply: Reply) -> bool:
    """Every choice came to its own end, has nothing in it but text and thoughts, and there is some text."""
    if not reply.choices:
        return False
    for choice in reply.choices:
        if choice.finish not in _FIT or not all(isinstance(part, Text | Thinking) for part in choice.parts):
            return False
        if not any(isinstance(part, Text) and part.text.strip() for part in choice.parts):
            return False
    return True


def _words(obj: Mapping[str, Any]) -> list[str]:
    """How this reply, or event of a reply, says that it ended: every word that it has for it."""
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
