"""JSON, SSE and NDJSON as bytes: compact, UTF-8, one line per event."""

from __future__ import annotations

import json
from typing import Any


def dump(value: Any) -> bytes:
    """Compact JSON. A lone surrogate (half of an emoji, cut by a model) is escaped, as it has no UTF-8."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def sse(value: Any, name: str = "") -> bytes:
    """One server-sent event."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + dump(value) + b"\n\n"


def line(value: Any) -> bytes:
    """One line of NDJSON."""
    return dump(value) + b"\n"
