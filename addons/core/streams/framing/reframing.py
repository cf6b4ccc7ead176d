"""Reframing: the events of a stream in the framing that its client reads, where the server used the other one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from switchman.addons.core.streams.events import Event

DONE = b"data: [DONE]\n\n"


class Reframing:
    """Stage, the last one of its Pipe: each event with a payload as a server-sent event, or as a line.

    An event is named by its own name, or by its `type` (Anthropic's, Responses'). `[DONE]` has no place in lines;
    server-sent events end with one where `says_done`, if the reply came to its end: OpenAI's clients wait for it.
    """

    def __init__(self, to: Literal["sse", "ndjson"], says_done: bool) -> None:
        self._as_lines = to == "ndjson"
        self._says_done = says_done and not self._as_lines
        self._finished = False

    def feed(self, event: Event) -> Sequence[Event]:
        if not event.payload:
            return ()
        if event.is_done:
            self._says_done = False
            return () if self._as_lines else (Event(DONE),)
        payload = event.payload.replace(b"\r", b"").replace(b"\n", b" ")  # of several data lines
        if self._as_lines:
            return (Event(payload + b"\n"),)
        data = event.data if isinstance(event.data, dict) else {}
        self._finished |= _is_finished(data)
        name = event.name or (kind if isinstance(kind := data.get("type"), str) else "")
        head = b"event: " + name.encode("utf-8", "replace") + b"\n" if name.isprintable() and name else b""
        return (Event(head + b"data: " + payload + b"\n\n"),)

    def end(self) -> Sequence[Event]:
        return (Event(DONE),) if self._says_done and self._finished else ()

    def abort(self) -> Sequence[Event]:
        return ()


def _is_finished(data: dict[str, Any]) -> bool:
    choices = data.get("choices")
    return isinstance(choices, list) and any(isinstance(one, dict) and one.get("finish_reason") for one in choices)
