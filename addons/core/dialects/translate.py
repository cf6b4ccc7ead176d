"""Translation: a client's request for a server of another dialect, and that server's answer for the client.

1. `needs_translation(endpoint, server)` says whether any of this is needed; the same dialect passes through.
2. `translate_request(...)` gives an Outbound: path, body, warnings, and the Translation of the answer.
   It raises Untranslatable or Malformed (both ValueError, with `field`): a 400 for the client.
3. The answer: `whole(obj)` for a JSON body, `stage()` for a stream, `error(status, body)` for an error status.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from switchman.addons.core.dialects import WIRES, embeddings, error_body, stream_default
from switchman.addons.core.dialects.codecs import CODECS, FORMATS, JSON, target_format
from switchman.addons.core.dialects.embeddings import EmbeddingFormat
from switchman.addons.core.dialects.errors import decode_error
from switchman.addons.core.dialects.neutral.assembling import StreamFailed, assemble, tell
from switchman.addons.core.dialects.neutral.characters import WholeCharacters
from switchman.addons.core.dialects.neutral.documents import with_documents
from switchman.addons.core.dialects.neutral.fitting.hosted import without_hosted_parts
from switchman.addons.core.dialects.neutral.fitting.names import NO_NAMES, ClientNames, with_fitting_names
from switchman.addons.core.dialects.neutral.fitting.rounds import in_rounds
from switchman.addons.core.dialects.neutral.fitting.schemas import with_narrow_schemas
from switchman.addons.core.dialects.neutral.form import (
    EMPTY,
    End,
    Failed,
    Finish,
    FormatName,
    Reply,
    Request,
    Stamp,
    StreamEvent,
)
from switchman.addons.core.dialects.neutral.limits import Malformed, Notes, Untranslatable
from switchman.addons.core.dialects.neutral.linking import with_places, without_orphans
from switchman.addons.core.dialects.neutral.sampling import STANDARD, Quirks
from switchman.addons.core.dialects.neutral.streams import CUT_SHORT, StreamDecoder, StreamEncoder, decode_event
from switchman.addons.core.dialects.neutral.turns import in_turns, without_billing
from switchman.addons.core.dialects.openai.as_functions import as_functions
from switchman.addons.core.dialects.openai.old_calls import has_old_calls
from switchman.addons.core.dialects.openai.responses_request import echoed
from switchman.addons.core.dialects.wire import Framing
from switchman.addons.core.request.bodyfacts import body_facts
from switchman.addons.core.request.call import DialectName, Endpoint
from switchman.addons.core.streams.events import Event, Splitter
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter

__all__ = [
    "Malformed",
    "Outbound",
    "Quirks",
    "Stamp",
    "StreamFailed",
    "Translation",
    "TranslationStage",
    "Untranslatable",
    "decode_event",
    "needs_translation",
    "translate_request",
]

EMBEDDINGS: Final[dict[str, EmbeddingFormat]] = {
    "/v1/embeddings": "openai.embedding",
    "/api/embed": "ollama.embed",
    "/api/embeddings": "ollama.embeddings",
}


SPLITTERS: Final[dict[Framing, type[Splitter]]] = {"sse": SSESplitter, "ndjson": NDJSONSplitter}


class Translation(ABC):
    """How one server's answer becomes the client's. Nothing here raises on an answer of an unexpected shape."""

    @property
    @abstractmethod
    def client(self) -> DialectName:
        """The dialect of the client."""

    @property
    @abstractmethod
    def content_type(self) -> str:
        """Of a streamed answer to the client; a whole one is application/json in every dialect."""

    @property
    def framing(self) -> Framing:
        """Of a streamed answer to the client: the `output` of its Pipe."""
        return WIRES[self.client].framing

    @abstractmethod
    def whole(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        """The client's reply for the server's."""

    @abstractmethod
    def stage(self) -> TranslationStage:
        """A new stage for one streamed answer; it has to be the last one of its Pipe."""

    @abstractmethod
    def whole_as_stream(self, obj: Mapping[str, Any]) -> bytes:
        """The client's whole stream, for a server that answered in one piece although a stream was asked for."""

    @abstractmethod
    def gather(self, data: bytes, framing: Framing) -> dict[str, Any]:
        """The server's whole reply, in its own format, for one that streamed although no stream was asked for.

        Raises StreamFailed where the stream ends in an error, or before its reply does.
        """

    def error(self, status: int, body: bytes) -> bytes:
        """The client's error body for the server's: its message, its code, and the client's word for the status."""
        error = decode_error(status, body)
        words = {*WIRES[self.client].error_types.values()}
        kind = error.type if error.type in words else None
        return error_body(self.client, status, error.message, type=kind, param=error.param, code=error.code)


@dataclass(frozen=True, slots=True)
class Outbound:
    """A request as it goes out. `warnings`: one sentence for each field that was dropped or changed."""

    path: str
    body: dict[str, Any]
    warnings: tuple[str, ...]
    stream: bool
    answer: Translation


def needs_translation(endpoint: Endpoint, server: DialectName, has_responses: bool = True) -> bool:
    """Whether a request must be translated for a server of this dialect."""
    if endpoint.operation == "responses" and server == "openai":
        return not has_responses
    return endpoint.dialect != server


def translate_request(
    endpoint: Endpoint,
    body: Mapping[str, Any],
    server: DialectName,
    stamp: Stamp,
    model: str = "",
    quirks: Quirks = STANDARD,
) -> Outbound:
    """The request for a server of dialect `server`. `model` replaces the client's name of it; "" leaves it.

    `stamp.include_usage` is set here, from what the client asked for.
    """
    if path := EMBEDDINGS.get(endpoint.path):
        return _embedding(path, body, server, stamp, model)
    origin = FORMATS.get((endpoint.dialect, endpoint.operation))
    if origin is None:
        raise Untranslatable(endpoint.path, "this operation cannot be translated", server)
    request = CODECS[origin].decode_request(body)
    stream = request.stream if request.stream is not None else stream_default(endpoint)
    request = replace(request, stream=stream, model=model or request.model)
    target = target_format(request, server)
    encode = CODECS[target].encode_request
    assert encode is not None  # target_format never gives Responses
    notes = Notes(origin, server)
    request, tools = as_functions(with_documents(request, notes), notes)
    request = without_hosted_parts(_without_empty_systems(without_billing(request, notes)), notes)
    request = in_rounds(without_orphans(request, notes), notes)
    if quirks.narrow_schemas:
        request = with_narrow_schemas(request, notes)
    request, names = with_fitting_names(request, notes, letter_first=bool(quirks.narrow_schemas))
    if not (server == "openai" and quirks.developer_role):  # which takes system messages anywhere
        request = in_turns(request, notes)
    out = encode(request, notes, quirks)
    taken = frozenset(call.id for message in request.messages for call in message.calls())
    offered = frozenset(tool.name for tool in request.tools or () if tool.opaque is None)
    old = origin == "openai.chat" and has_old_calls(body)
    stamp = replace(
        stamp, include_usage=request.include_usage, tools=tools, taken=taken, offered=offered, old_calls=old
    )
    if origin == "openai.responses":
        stamp = replace(stamp, settings=echoed(body))
    if origin == "anthropic.messages" and stamp.prompt_tokens is None:
        stamp = replace(stamp, prompt_tokens=lambda: body_facts(body).tokens)
    answer = ChatTranslation(origin, target, stamp, ClientNames(names))
    return Outbound(CODECS[target].path, out, tuple(notes.warnings), stream, answer)


def _without_empty_systems(request: Request) -> Request:
    """The request without system messages that say nothing, such as one that was only the note for the bill."""
    placed = with_places(request)
    return replace(placed, messages=tuple(one for one in placed.messages if one.parts or one.role != "system"))


@dataclass(frozen=True, slots=True)
class ChatTranslation(Translation):
    """Translates answers with text, of every format in CODECS."""

    origin: FormatName
    target: FormatName
    stamp: Stamp
    names: ClientNames = NO_NAMES

    @property
    def client(self) -> DialectName:
        return CODECS[self.origin].dialect

    @property
    def content_type(self) -> str:
        return CODECS[self.origin].stream_type

    def whole(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        reply = self.names.reply(CODECS[self.target].decode_reply(obj))
        return CODECS[self.origin].encode_reply(reply, self.stamp)

    def stage(self) -> TranslationStage:
        decoder = CODECS[self.target].decoder(self.stamp.offered)
        return TranslationStage(decoder, CODECS[self.origin].encoder(self.stamp), self.names)

    def whole_as_stream(self, obj: Mapping[str, Any]) -> bytes:
        return as_stream(self.names.reply(CODECS[self.target].decode_reply(obj)), self.origin, self.stamp)

    def gather(self, data: bytes, framing: Framing) -> dict[str, Any]:
        decoder = CODECS[self.target].decoder(self.stamp.offered)
        splitter = SPLITTERS[framing]()
        events: list[StreamEvent] = []
        for event in [*splitter.feed(data), *splitter.end()]:
            events += decode_event(decoder, event)
        ends = (End, Failed) if decoder.says_its_end else (Finish, Failed, End)
        if not any(isinstance(event, ends) for event in events):
            raise StreamFailed(Failed(CUT_SHORT, status=502))
        return CODECS[self.target].encode_reply(assemble(events), replace(self.stamp, tools=EMPTY))


def as_stream(reply: Reply, format: FormatName, stamp: Stamp) -> bytes:
    """A whole reply as the bytes of a stream in this format."""
    encoder = CODECS[format].encoder(stamp)
    return b"".join(encoder.feed(event) for event in tell(reply))


class TranslationStage:
    """A Stage: the server's events in, events whose `raw` is the client's bytes out. It comes last in its Pipe, which
    has to be told the client's framing (`output`).

    Leaves out comments and blank lines of the server's framing. Writes the client's error event at the end of a body
    that did not end its reply; `abort` writes nothing, as the caller then writes that event itself.
    """

    def __init__(self, decoder: StreamDecoder, encoder: StreamEncoder, names: ClientNames = NO_NAMES) -> None:
        self.decoder = decoder
        self.encoder = encoder
        self.names = names
        self._characters = WholeCharacters()

    def feed(self, event: Event) -> Iterable[Event]:
        items = self.names.events(decode_event(self.decoder, event))
        return self._encoded(whole for item in items for whole in self._characters.feed(item))

    def end(self) -> Iterable[Event]:
        rest = self._encoded(self._characters.end())
        return [*rest, *_event(self.encoder.cut() if self.decoder.says_its_end else self.encoder.end())]

    def _encoded(self, items: Iterable[StreamEvent]) -> list[Event]:
        return _event(b"".join([self.encoder.feed(item) for item in items]))

    def abort(self) -> Iterable[Event]:
        return []


def _event(data: bytes) -> list[Event]:
    return [Event(data)] if data else []


# ---- embeddings --------------------------------------------------------------------------------------------------


def _embedding(
    origin: EmbeddingFormat, body: Mapping[str, Any], server: DialectName, stamp: Stamp, model: str
) -> Outbound:
    if server not in embeddings.PATHS:
        raise Untranslatable(EMBEDDING_FIELD[origin], "no embeddings", server)
    request = embeddings.decode_request(origin, body, server)
    request = replace(request, model=model or request.model)
    out, warnings = embeddings.encode_request(request, server)
    answer = EmbeddingTranslation(origin, server, stamp, request.as_base64)
    return Outbound(embeddings.PATHS[server], out, tuple(warnings), False, answer)


EMBEDDING_FIELD: Final[dict[EmbeddingFormat, str]] = {
    "openai.embedding": "input",
    "ollama.embed": "input",
    "ollama.embeddings": "prompt",
}


@dataclass(frozen=True, slots=True)
class EmbeddingTranslation(Translation):
    origin: EmbeddingFormat
    server: DialectName
    stamp: Stamp
    as_base64: bool

    @property
    def client(self) -> DialectName:
        return "openai" if self.origin == "openai.embedding" else "ollama"

    @property
    def content_type(self) -> str:
        return JSON

    def whole(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        decode: Callable[[Mapping[str, Any]], embeddings.Vectors] = embeddings.DECODERS[self.server]
        return embeddings.ENCODERS[self.origin](decode(obj), self.stamp.model, self.as_base64)

    def stage(self) -> TranslationStage:
        raise TypeError("embeddings are never streamed")

    def whole_as_stream(self, obj: Mapping[str, Any]) -> bytes:
        raise TypeError("embeddings are never streamed")

    def gather(self, data: bytes, framing: Framing) -> dict[str, Any]:
        raise StreamFailed(Failed("the server streamed its embeddings, which have to come in one piece", status=502))
