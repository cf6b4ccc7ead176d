"""Errors as servers really write them -> one form.

One reader serves all dialects, as servers mix the shapes: `{"error": {...}}` (OpenAI, Anthropic), `{"error": "text"}`
(Ollama, llama.cpp), `{"message": ...}` (Mistral), `{"detail": ...}` (vLLM and others made with FastAPI), a list of one
(Gemini), plain text.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from switchman.addons.core.dialects.neutral.fields import text_of
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.dialects.wire import ErrorInfo
from switchman.addons.core.texts.largejson import count_values
from switchman.addons.core.texts.longtext import word
from switchman.addons.core.texts.unicode import decoded, dumps, read_json

# Error types and codes -> the status that they usually come with, for errors that come with a good status.
STATUSES: Final[dict[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
    # OpenAI's codes, where they come without a type; https://platform.openai.com/docs/api-reference/responses-streaming
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "invalid_api_key": 401,
    "model_not_found": 404,
}

# Members that hold an answer. A reply with one of them filled in is an answer, even with an `error` beside it.
ANSWERS: Final = ("choices", "content", "output", "response", "data", "embeddings", "embedding")

LARGEST: Final = 1024 * 1024  # bytes of an error that is read; some repeat the request
MOST_VALUES: Final = 20_000  # in it
LONGEST_TEXT: Final = 500  # characters of an error page that is no JSON


def decode_error(status: int, body: bytes) -> ErrorInfo:
    """The error in an upstream's reply with this status. `type` is "" where the upstream named none.

    One that is very large, or has very many values, is taken for text: it is read on the event loop, several times.
    """
    obj = None
    if len(body) <= LARGEST and count_values(body, MOST_VALUES) <= MOST_VALUES:
        with suppress(ValueError):
            obj = read_json(body)
    if isinstance(obj, list) and len(obj) == 1:  # Gemini's OpenAI endpoint
        obj = obj[0]
    if isinstance(obj, dict) and (found := error_in(obj)):
        return found
    text = decoded(body[:LARGEST]).strip()
    return ErrorInfo(text[:LONGEST_TEXT] if text and not text.startswith("<") else phrase(status), "")


def error_in(obj: Mapping[str, Any]) -> ErrorInfo | None:
    """The error an object holds, in any of the shapes; None if it holds none."""
    inner = obj.get("error")
    if isinstance(inner, str):
        return ErrorInfo(inner, "")
    source = inner if isinstance(inner, dict) else obj
    message = source.get("message") or source.get("detail")
    if not message and source is inner:
        message = source.get("code") or source.get("type")
    if not message:
        return None
    code = source.get("code")
    return ErrorInfo(
        message if isinstance(message, str) else dumps(message, spaced=True),
        text_of(source, "type") if source is not obj or obj.get("type") != "error" else "",
        text_of(source, "param") or None,
        word(code) or None,
    )


def decode_failure(obj: Mapping[str, Any]) -> Failed:
    """An error event of a stream. Its status is what its type or code usually comes with, else 500."""
    error = error_in(obj) or ErrorInfo("the upstream failed", "")
    status = STATUSES.get(error.type) or STATUSES.get(error.code or "") or _numeric(error.code) or 500
    return Failed(error.message, error.type or None, error.code, status)


def failure_in(obj: Mapping[str, Any]) -> Failed | None:
    """The error in a whole reply of a good status, as OpenRouter sends it; None if the reply is an answer."""
    answered = any(obj.get(name) for name in ANSWERS) or isinstance(obj.get("message"), dict)
    if answered or not obj.get("error"):
        return None
    return decode_failure(obj)


def _numeric(code: str | None) -> int | None:
    """Some servers put the HTTP status into `code`."""
    return int(code) if code and len(code) == 3 and code.isdecimal() and 400 <= int(code) <= 599 else None


def phrase(status: int) -> str:
    """The message for an error of which only the status is known."""
    try:
        return f"the upstream answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"the upstream answered {status}"
