"""What the values of filters are called, for people. Pure."""

from __future__ import annotations

from switchman.addons.core.decision.verdicts.errorclass import ERROR_CLASSES, ErrorClass
from switchman.webui.looks.marked import N_

ERROR_WORDS: dict[ErrorClass, str] = {
    "auth": N_("credentials refused"),
    "rate_limit": N_("rate limit, quota or budget"),
    "context_length": N_("prompt too long"),
    "bad_request": N_("bad request"),
    "not_found": N_("not found"),
    "timeout": N_("timeout"),
    "connection": N_("no connection"),
    "upstream": N_("upstream error"),
    "stream": N_("stream broke off"),
    "cancelled": N_("client left"),
    "refused": N_("refused by the router"),
}
ERRORS: list[tuple[str, str]] = [(name, ERROR_WORDS[name]) for name in ERROR_CLASSES]
STATUS_CLASSES = [("2xx", "2xx"), ("3xx", "3xx"), ("4xx", "4xx"), ("5xx", "5xx")]
STREAMS = [("yes", N_("streamed")), ("no", N_("whole"))]
CACHES = [
    ("hit", N_("hit")),
    ("miss", N_("miss")),
    ("shadow", N_("shadow")),
    ("bypass", N_("bypass")),
    ("refresh", N_("refresh")),
]
MODALITIES = [
    ("text", N_("text")),
    ("image", N_("images")),
    ("audio", N_("audio")),
    ("document", N_("documents")),
    ("tools", N_("tools")),
    ("video", N_("video")),
]
ATTEMPTS = [("many", N_("more than one"))]
# What a filter is called where it is named beside its value.
NAMES = {
    "error": N_("error class"),
    "asked": N_("asked model"),
    "modality": N_("content"),
    "words": N_("words"),
    "stream": N_("answer"),
}
