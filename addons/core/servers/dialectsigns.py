"""Recognise the dialect that a server speaks from an answer of its own. Pure: status and body in.

1. GET /api/version with a version, or GET / that says so: Ollama, which speaks OpenAI's /v1 too.
2. GET /v1/models with a list: Anthropic's has pages and entries of type "model", OpenAI's has not.
3. An error of /v1/models, for want of a key: each has its own form.
"""

from __future__ import annotations

from typing import Any

from switchman.addons.core.request.call import DialectName
from switchman.addons.core.texts.unicode import read_json

Dialects = tuple[DialectName, ...]  # the server's own first

OLLAMA: Dialects = ("ollama", "openai")
OPENAI: Dialects = ("openai",)
ANTHROPIC: Dialects = ("anthropic",)

GREETING = b"Ollama is running"


def of_version(status: int, body: bytes) -> Dialects | None:
    """From the answer to GET /api/version; None where it shows no dialect."""
    answer = _parsed(body)
    found = status == 200 and isinstance(answer, dict) and isinstance(answer.get("version"), str)
    return OLLAMA if found else None


def of_root(status: int, body: bytes) -> Dialects | None:
    """From the answer to GET /."""
    return OLLAMA if status == 200 and body.strip() == GREETING else None


def of_models(status: int, body: bytes) -> Dialects | None:
    """From the answer to GET /v1/models."""
    answer = _parsed(body)
    if isinstance(answer, list) and status == 200:
        return OPENAI  # a bare list, as some servers have it
    if not isinstance(answer, dict):
        return None
    if status == 200:
        return _of_list(answer)
    error = answer.get("error")
    if not isinstance(error, dict):
        return None
    return ANTHROPIC if answer.get("type") == "error" else OPENAI if status in (401, 403) else None


def _of_list(answer: dict[str, Any]) -> Dialects | None:
    data = answer.get("data")
    if not isinstance(data, list):
        return None
    first = data[0] if data and isinstance(data[0], dict) else {}
    return ANTHROPIC if first.get("type") == "model" or ("has_more" in answer and "object" not in answer) else OPENAI


def _parsed(body: bytes) -> Any:
    try:
        return read_json(body)
    except ValueError:
        return None
