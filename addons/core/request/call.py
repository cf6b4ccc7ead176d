"""An inbound request, parsed: its API operation, its body, and the model that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from switchman.addons.core.request.jsonedit import Spans

DialectName = Literal["openai", "ollama", "anthropic"]

Operation = Literal[
    "chat",  # openai /v1/chat/completions, ollama /api/chat, anthropic /v1/messages
    "completion",  # openai /v1/completions, ollama /api/generate
    "responses",  # openai /v1/responses
    "embedding",  # openai /v1/embeddings, ollama /api/embed
    "embedding_legacy",  # ollama /api/embeddings: one prompt, one vector
    "count_tokens",  # anthropic /v1/messages/count_tokens
    "show",  # ollama /api/show
    "image",
    "speech",
    "transcription",
    "moderation",
    # Routed by their model, and passed on as they are: core/paths/tables.py has their paths.
    "rerank",
    "infill",
    "tokenize",
    "score",
    "classify",
    "pooling",
    "video",
    "other",  # a path that is not known, with a model in its body or query
]
# Those whose answer is text that a model generates.
GENERATING: Final[tuple[Operation, ...]] = ("chat", "completion", "responses")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of one client dialect, as its path names it.

    `path` is canonical: with the version prefix (`/v1/chat/completions`) even where the client left it out,
    and without a query string.
    """

    dialect: DialectName
    operation: Operation
    path: str


@dataclass(frozen=True, slots=True)
class Form:
    """A form. `model`: start and end of that field's value in it; None where it has none.

    `boundary`: of multipart/form-data; "" where it is application/x-www-form-urlencoded.
    """

    content: bytes
    model: tuple[int, int] | None
    boundary: bytes = b""


@dataclass(frozen=True, slots=True)
class Call:
    """An LLM request, parsed once. `body` is never changed: edits go by `spans` into the original text.

    `model` is "" where the client named none; else it stands in the body, the query or, as Azure has it, the path.
    `query` is the query string without its question mark. `form`: the body is a form, and this is where its field
    `model` is; `text` is then empty, and `body` has no files. `text` is also empty where the body is nothing that we
    read. `api_version`: of a path of Azure's, and taken out of `query`. `prefix`: what stood in the path before the
    endpoint's, where it is no mere base URL. `large`: it has so many bytes or values that what reads all of it is to be
    done off the event loop. `repeats`: some key that we do not read occurs twice, and servers may take either.
    """

    endpoint: Endpoint
    query: str
    text: str
    body: Mapping[str, Any]
    spans: Spans
    model: str
    stream: bool
    form: Form | None = None
    large: bool = False
    repeats: bool = False
    api_version: str = ""
    prefix: str = ""

    @property
    def dialect(self) -> DialectName:
        return self.endpoint.dialect

    @property
    def wants_usage(self) -> bool:
        """Whether an OpenAI client asked for the chunk with the usage at the end of a stream."""
        options = self.body.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True
