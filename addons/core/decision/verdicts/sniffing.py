"""Sniffing: what a body is that should be a stream, told by its first bytes. Servers and gateways mislabel streams.

    data: event: id: retry: or a comment     server-sent events
    {...} and a line end, and another {      NDJSON; a line of Ollama's is known by its members
    any other {                              whole: one JSON object
    anything else                            whole: a page or a text; who reads it will say that it is no answer

Bytes may be cut anywhere; None is "too early to tell". A mark of byte order and blank lines before it do not count.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from switchman.addons.core.streams.events import BOM

Found = Literal["sse", "ndjson", "whole"]

# A stream's first event is smaller than this; what is larger and still tells nothing is taken for one whole.
LONGEST: Final = 64 * 1024
FIELDS: Final = (b"data", b"event", b"id", b"retry")  # https://html.spec.whatwg.org, section 9.2.6
OLLAMAS: Final = ("done", "message", "response")  # members of Ollama's lines
_BLANKS: Final = b" \t\r\n"


def framing_in(data: bytes | bytearray, *, ended: bool, declared: str | None, expected: str) -> Found | None:
    """What the body is that begins with `data`.

    `ended`: it is all there is. `declared`: the framing that its content type names. `expected`: that of the streams
    of the server's dialect.
    """
    if not ended and BOM.startswith(data):
        return None
    text = bytes(data).removeprefix(BOM).lstrip(_BLANKS)
    if not text:
        return "whole" if ended or len(data) > LONGEST else None
    if text.startswith(b"{"):
        return "ndjson" if declared == "ndjson" else _of_object(text, ended, expected == "ndjson")
    if text.startswith(b":"):
        return "sse"
    name, colon, _ = text[:16].partition(b":")
    if colon:
        return "sse" if name in FIELDS else "whole"
    return None if not ended and any(field.startswith(text) for field in FIELDS) else "whole"


def _of_object(text: bytes, ended: bool, expects_lines: bool) -> Found | None:
    undecided = None if not ended and len(text) <= LONGEST else "whole"
    line, newline, rest = text.partition(b"\n")
    if not newline and undecided is None:
        return None
    if (obj := _object(line)) is None:
        return "whole"  # JSON over several lines, or cut short
    if expects_lines and any(name in obj for name in OLLAMAS):
        return "ndjson"
    if rest := rest.lstrip(_BLANKS):
        return "ndjson" if rest.startswith(b"{") else "whole"
    return undecided  # type: ignore[return-value]


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        obj = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return obj if isinstance(obj, dict) else None
