"""The paths of all dialects, and of what is routed by its model alone. Each is canonical: with its version.

Sources: https://platform.openai.com/docs/api-reference, https://docs.claude.com/en/api/messages, docs/api.md of
https://github.com/ollama/ollama, and for what is routed by its model vLLM's "OpenAI-Compatible Server", llama.cpp's
tools/server/README.md, Jina's, Cohere's and OpenAI's references.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from switchman.addons.core.request.call import Operation

# What a GET asks for that the router answers itself, or asks all servers for.
Question = Literal["models", "model", "tags", "ps", "version", "root", "healthz", "readyz"]

OPENAI: Final[dict[str, Operation]] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completion",
    "/v1/responses": "responses",
    "/v1/embeddings": "embedding",
    "/v1/images/generations": "image",
    "/v1/images/edits": "image",
    "/v1/images/variations": "image",
    "/v1/audio/speech": "speech",
    "/v1/audio/transcriptions": "transcription",
    "/v1/audio/translations": "transcription",
    "/v1/moderations": "moderation",
}
ANTHROPIC: Final[dict[str, Operation]] = {
    "/v1/messages": "chat",
    "/v1/messages/count_tokens": "count_tokens",
}
OLLAMA: Final[dict[str, Operation]] = {
    "/api/chat": "chat",
    "/api/generate": "completion",
    "/api/embed": "embedding",
    "/api/embeddings": "embedding_legacy",
}

# Routed by their model, and never translated. Servers have them with a version or without: they go on as they came.
BY_MODEL: Final[dict[str, Operation]] = {
    "/rerank": "rerank",
    "/v1/rerank": "rerank",
    "/v2/rerank": "rerank",
    "/reranking": "rerank",
    "/v1/reranking": "rerank",
    "/infill": "infill",
    "/tokenize": "tokenize",
    "/v1/tokenize": "tokenize",
    "/detokenize": "tokenize",
    "/v1/detokenize": "tokenize",
    "/score": "score",
    "/v1/score": "score",
    "/classify": "classify",
    "/v1/classify": "classify",
    "/pooling": "pooling",
    "/v1/pooling": "pooling",
    "/v1/videos": "video",
}
# Paths that servers have beside their /v1, not below it (llama.cpp, vLLM): a version in a server's URL is not for them.
BESIDE_VERSION: Final = frozenset({"api", "infill", "tokenize", "detokenize", "score", "classify", "pooling"})

QUESTIONS: Final[dict[str, Question]] = {
    "/v1/models": "models",
    "/models": "models",
    "/api/tags": "tags",
    "/api/ps": "ps",
    "/api/version": "version",
}
SHOW: Final = "/api/show"
# They change the models that a server has, or sign it in.
MANAGEMENT: Final = ("/api/pull", "/api/push", "/api/create", "/api/copy", "/api/delete", "/api/blobs/", "/api/me")

# Segments that base URLs have before the operation, and that say nothing of it. `/api/paas/v4`, `/compatible-mode/v1`,
# `/inference/v1`, `/v1beta/openai` and `/openai/v1` are those of providers; people take them over as they are.
_NOISE: Final = frozenset({
    "ai", "anthropic", "api", "azure", "claude", "coding", "compat", "compatible-mode", "engines", "gateway",
    "inference", "llm", "llms", "ollama", "openai", "openai-compatible", "paas", "proxy", "router", "switchman",
})  # fmt: skip
_VERSION: Final = re.compile(r"v\d+[a-z0-9]*")  # v1, v4, v1beta


def is_version(segment: str) -> bool:
    return _VERSION.fullmatch(segment) is not None


def is_noise(segment: str) -> bool:
    """Whether a segment before an operation is dropped: a version, or a word of base URLs, in whatever case."""
    segment = segment.lower()
    return segment in _NOISE or is_version(segment)
