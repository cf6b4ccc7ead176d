"""JSON, SSE and NDJSON as bytes: compact, UTF-8, one line per event."""

from __future__ import annotations

from typing import Any

from switchman.addons.core.texts.unicode import dump

__all__ = ["dump", "line", "sse"]


def sse(value: Any, name: str = "") -> bytes:
    """One server-sent event."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + dump(value) + b"\n\n"


def line(value: Any) -> bytes:
    """One line of NDJSON."""
    return dump(value) + b"\n"
