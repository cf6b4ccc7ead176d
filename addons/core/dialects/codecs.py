"""Codecs: the formats of all dialects as one table. A codec reads and writes requests, replies and streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from switchman.addons.core.dialects.anthropic import body as anthropic_body
from switchman.addons.core.dialects.anthropic import reply as anthropic_reply
from switchman.addons.core.dialects.anthropic import request as anthropic_request
from switchman.addons.core.dialects.anthropic.stream import MessageDecoder, MessageEncoder
from switchman.addons.core.dialects.neutral.form import FormatName, Reply, Request, Stamp
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.neutral.sampling import Quirks
from switchman.addons.core.dialects.neutral.streams import StreamDecoder, StreamEncoder
from switchman.addons.core.dialects.ollama import body as ollama_body
from switchman.addons.core.dialects.ollama import reply as ollama_reply
from switchman.addons.core.dialects.ollama import request as ollama_request
from switchman.addons.core.dialects.ollama.stream import GenerateEncoder, LineDecoder, LineEncoder
from switchman.addons.core.dialects.openai import (
    chat_body,
    chat_reply,
    chat_request,
    completion,
    responses_reply,
    responses_request,
)
from switchman.addons.core.dialects.openai.chat_stream import ChatDecoder, ChatEncoder
from switchman.addons.core.dialects.openai.completion import CompletionDecoder, CompletionEncoder
from switchman.addons.core.dialects.openai.responses_stream import ResponsesDecoder, ResponsesEncoder
from switchman.addons.core.request.call import DialectName, Operation

JSON: Final = "application/json"
SSE: Final = "text/event-stream"
NDJSON: Final = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Codec:
    """One format. `encode_request` is None where nothing is ever translated to it (Responses)."""

    dialect: DialectName
    path: str
    stream_type: str  # content-type of a stream
    decode_request: Callable[[Mapping[str, Any]], Request]
    encode_request: Callable[[Request, Notes, Quirks], dict[str, Any]] | None
    decode_reply: Callable[[Mapping[str, Any]], Reply]
    encode_reply: Callable[[Reply, Stamp], dict[str, Any]]
    decoder: Callable[..., StreamDecoder]  # called with nothing, or the names of the tools that were offered
    encoder: Callable[[Stamp], StreamEncoder]


CODECS: Final[dict[FormatName, Codec]] = {
    "openai.chat": Codec(
        "openai",
        "/v1/chat/completions",
        SSE,
        chat_request.decode_request,
        chat_body.encode_request,
        chat_reply.decode_reply,
        chat_reply.encode_reply,
        ChatDecoder,
        ChatEncoder,
    ),
    "openai.completion": Codec(
        "openai",
        "/v1/completions",
        SSE,
        completion.decode_request,
        completion.encode_request,
        completion.decode_reply,
        completion.encode_reply,
        CompletionDecoder,
        CompletionEncoder,
    ),
    "openai.responses": Codec(
        "openai",
        "/v1/responses",
        SSE,
        responses_request.decode_request,
        None,
        responses_reply.decode_reply,
        responses_reply.encode_reply,
        ResponsesDecoder,
        ResponsesEncoder,
    ),
    "ollama.chat": Codec(
        "ollama",
        "/api/chat",
        NDJSON,
        ollama_request.decode_chat,
        ollama_body.encode_chat,
        ollama_reply.decode_reply,
        ollama_reply.encode_chat_reply,
        LineDecoder,
        LineEncoder,
    ),
    "ollama.generate": Codec(
        "ollama",
        "/api/generate",
        NDJSON,
        ollama_request.decode_generate,
        ollama_body.encode_generate,
        ollama_reply.decode_reply,
        ollama_reply.encode_generate_reply,
        LineDecoder,
        GenerateEncoder,
    ),
    "anthropic.messages": Codec(
        "anthropic",
        "/v1/messages",
        SSE,
        anthropic_request.decode_request,
        anthropic_body.encode_request,
        anthropic_reply.decode_reply,
        anthropic_reply.encode_reply,
        MessageDecoder,
        MessageEncoder,
    ),
}

FORMATS: Final[dict[tuple[DialectName, Operation], FormatName]] = {
    ("openai", "chat"): "openai.chat",
    ("openai", "completion"): "openai.completion",
    ("openai", "responses"): "openai.responses",
    ("ollama", "chat"): "ollama.chat",
    ("ollama", "completion"): "ollama.generate",
    ("anthropic", "chat"): "anthropic.messages",
}

# The format that a server of each dialect gets for a conversation, and for a raw prompt.
CHAT_FORMATS: Final[dict[DialectName, FormatName]] = {
    "openai": "openai.chat",
    "ollama": "ollama.chat",
    "anthropic": "anthropic.messages",
}
PROMPT_FORMATS: Final[dict[DialectName, FormatName]] = {
    "openai": "openai.completion",
    "ollama": "ollama.generate",
    "anthropic": "anthropic.messages",
}


def target_format(request: Request, server: DialectName) -> FormatName:
    """The format a request goes out in. Ollama's generate is a conversation unless it is raw or fills a gap."""
    is_prompt = request.raw or request.suffix is not None
    return PROMPT_FORMATS[server] if is_prompt else CHAT_FORMATS[server]
