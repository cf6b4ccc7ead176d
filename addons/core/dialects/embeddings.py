"""Embeddings between OpenAI's /v1/embeddings, Ollama's /api/embed and its older /api/embeddings.

Shapes: openai-python types/embedding_create_params.py and create_embedding_response.py, ollama-python _types.py.
Requests are read into one form, and replies into a list of vectors.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from switchman.addons.core.dialects.neutral.fields import (
    count_of,
    is_number,
    is_text_list,
    object_of,
    objects_of,
    present,
    text_of,
    without,
)
from switchman.addons.core.dialects.neutral.limits import Malformed, Untranslatable
from switchman.addons.core.request.call import DialectName

EmbeddingFormat = Literal["openai.embedding", "ollama.embed", "ollama.embeddings"]

LARGEST: Final = 3.4028234663852886e38  # of the 32-bit floats


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """`texts` in order. `as_base64`: the client wants packed floats. `others`: the members with no place here."""

    model: str
    texts: tuple[str, ...]
    dimensions: int | None
    as_base64: bool
    others: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Vectors:
    model: str
    vectors: tuple[tuple[float, ...], ...]
    tokens: int | None


def decode_request(origin: EmbeddingFormat, body: Mapping[str, Any], target: DialectName) -> EmbeddingRequest:
    """Read a request. Raises Malformed for an input that is no text, Untranslatable for token numbers, which only
    OpenAI takes."""
    field = "prompt" if origin == "ollama.embeddings" else "input"
    value = body.get(field)
    if isinstance(value, list) and value and not is_text_list(value):
        raise Untranslatable(field, "only text is taken, no token numbers", target)
    if not isinstance(value, str) and not is_text_list(value):
        raise Malformed(field, "a string or a list of strings")
    return EmbeddingRequest(
        text_of(body, "model"),
        (value,) if isinstance(value, str) else tuple(value or ()),
        count_of(body, "dimensions"),
        body.get("encoding_format") == "base64",
        without(body, field, "model", "dimensions", "encoding_format"),
    )


def encode_request(request: EmbeddingRequest, target: DialectName) -> tuple[dict[str, Any], list[str]]:
    """The body for OpenAI's /v1/embeddings or Ollama's /api/embed, and warnings for what was left out.

    Never asks a server for packed floats: `pack` packs them on the way back.
    """
    texts: Any = request.texts[0] if len(request.texts) == 1 else list(request.texts)
    body = {"model": request.model, "input": texts, **present(dimensions=request.dimensions)}
    lost = [name for name, value in request.others.items() if value is not None]
    return body, [f"{name} was dropped: the {target} dialect has no place for it" for name in lost]


def decode_openai(obj: Mapping[str, Any]) -> Vectors:
    """Vectors in the order of their index, packed or as numbers."""
    items = sorted(objects_of(obj, "data"), key=lambda item: count_of(item, "index") or 0)
    vectors = tuple(unpack(item.get("embedding")) for item in items)
    return Vectors(text_of(obj, "model"), vectors, count_of(object_of(obj, "usage"), "prompt_tokens"))


def decode_ollama(obj: Mapping[str, Any]) -> Vectors:
    """A reply of /api/embed."""
    rows = obj.get("embeddings")
    vectors = tuple(unpack(row) for row in rows) if isinstance(rows, list) else ()
    return Vectors(text_of(obj, "model"), vectors, count_of(obj, "prompt_eval_count"))


def unpack(value: Any) -> tuple[float, ...]:
    """A vector from a list of numbers, or from base64 of little-endian 32-bit floats; () from anything else."""
    if isinstance(value, str):
        try:
            data = base64.b64decode(value)
        except ValueError:
            return ()
        return struct.unpack(f"<{len(data) // 4}f", data[: len(data) // 4 * 4])
    return tuple(item for item in value if is_number(item)) if isinstance(value, list) else ()


def encode_openai(reply: Vectors, model: str, as_base64: bool) -> dict[str, Any]:
    """An /v1/embeddings reply. Leaves out the usage, which OpenAI's format requires, where the server did not count."""
    data = [
        {"object": "embedding", "index": index, "embedding": pack(vector) if as_base64 else list(vector)}
        for index, vector in enumerate(reply.vectors)
    ]
    usage = None if reply.tokens is None else {"prompt_tokens": reply.tokens, "total_tokens": reply.tokens}
    return {"object": "list", "data": data, "model": reply.model or model, **present(usage=usage)}


def pack(vector: tuple[float, ...]) -> str:
    """Base64 of little-endian 32-bit floats; a number that is too large for one is the largest there is."""
    vector = tuple(max(min(number, LARGEST), -LARGEST) for number in vector)
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def encode_embed(reply: Vectors, model: str, as_base64: bool) -> dict[str, Any]:
    vectors = [list(vector) for vector in reply.vectors]
    return {"model": reply.model or model, "embeddings": vectors, **present(prompt_eval_count=reply.tokens)}


def encode_embeddings(reply: Vectors, model: str, as_base64: bool) -> dict[str, Any]:
    """The older endpoint: one vector, and nothing else."""
    return {"embedding": list(reply.vectors[0]) if reply.vectors else []}


Encoder = Callable[[Vectors, str, bool], dict[str, Any]]
ENCODERS: Final[dict[EmbeddingFormat, Encoder]] = {
    "openai.embedding": encode_openai,
    "ollama.embed": encode_embed,
    "ollama.embeddings": encode_embeddings,
}
DECODERS: Final = {"openai": decode_openai, "ollama": decode_ollama}
PATHS: Final = {"openai": "/v1/embeddings", "ollama": "/api/embed"}
