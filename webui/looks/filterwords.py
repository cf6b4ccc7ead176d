"""What the values of filters are called, for people. Pure."""

from __future__ import annotations

from switchman.addons.core.decision.verdicts.errorclass import ERROR_CLASSES, ErrorClass

ERROR_WORDS: dict[ErrorClass, str] = {
    "auth": "credentials refused",
    "rate_limit": "rate limit, quota or budget",
    "context_length": "prompt too long",
    "bad_request": "bad request",
    "not_found": "not found",
    "timeout": "timeout",
    "connection": "no connection",
    "upstream": "upstream error",
    "stream": "stream broke off",
    "cancelled": "client left",
    "refused": "refused by the router",
}
ERRORS: list[tuple[str, str]] = [(name, ERROR_WORDS[name]) for name in ERROR_CLASSES]
STATUS_CLASSES = [("2xx", "2xx"), ("3xx", "3xx"), ("4xx", "4xx"), ("5xx", "5xx")]
STREAMS = [("yes", "streamed"), ("no", "whole")]
CACHES = [(name, name) for name in ("hit", "miss", "shadow", "bypass", "refresh")]
MODALITIES = [
    ("text", "text"),
    ("image", "images"),
    ("audio", "audio"),
    ("document", "documents"),
    ("tools", "tools"),
    ("video", "video"),
]
ATTEMPTS = [("many", "more than one")]
# What a filter is called where it is named beside its value.
NAMES = {
    "error": "error class",
    "asked": "asked model",
    "modality": "content",
    "words": "words",
    "stream": "answer",
}
