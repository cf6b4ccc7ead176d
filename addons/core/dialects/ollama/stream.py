"""Lines of /api/chat and /api/generate <-> internal stream events."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from switchman.addons.core.dialects.errors import decode_failure
from switchman.addons.core.dialects.framing import line
from switchman.addons.core.dialects.neutral.fields import text_of
from switchman.addons.core.dialects.neutral.form import (
    End,
    Failed,
    Finish,
    Stamp,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolDelta,
    UsageSeen,
)
from switchman.addons.core.dialects.neutral.streams import StreamDecoder, StreamEncoder, told
from switchman.addons.core.dialects.ollama.reply import (
    FINISH,
    created_of,
    encode_call,
    end_of,
    head_of,
    measured,
    said,
    timings_of,
    usage_of,
)
from switchman.addons.core.dialects.ollama.wire import error_event
from switchman.addons.core.dialects.wire import ErrorInfo
from switchman.addons.core.streams.calls import Calls


class LineDecoder(StreamDecoder):
    """Reads chat and generate: a line has either `message` or `response`. Calls come whole, one or more to a line."""

    def __init__(self, offered: Collection[str] = ()) -> None:
        super().__init__(offered)
        self.started = False
        self.calls = Calls(offered)

    def feed(self, data: dict[str, Any]) -> list[StreamEvent]:
        if data.get("error"):
            return [decode_failure(data)]
        events: list[StreamEvent] = []
        if not self.started:
            self.started = True
            events.append(Start("", text_of(data, "model"), created_of(data)))
        for part in said(data):
            if isinstance(part, Text):
                events.append(TextDelta(0, part.text))
            elif isinstance(part, Thinking):
                events.append(ThinkingDelta(0, part.text))
            elif isinstance(part, ToolCall):
                read = self.calls.begin if part.name else self.calls.feed
                events += told(0, read(None, part.id, part.name, part.arguments))
        return events + (self._last(data) if data.get("done") is True else [])

    def _last(self, data: dict[str, Any]) -> list[StreamEvent]:
        events = told(0, self.calls.settle())
        if usage := usage_of(data):
            events.append(UsageSeen(usage, timings_of(data)))
        return [*events, Finish(0, FINISH.get(text_of(data, "done_reason"), "stop")), End()]


class LineEncoder(StreamEncoder):
    """Writes one line for each piece, and a last one with `done: true` and the counts.

    Arguments are objects here, so the encoder holds calls until the reply ends, and then writes a line for each.
    """

    def __init__(self, stamp: Stamp) -> None:
        super().__init__(stamp)
        self.head: dict[str, Any] = {}
        self.calls: dict[int, list[ToolDelta]] = {}
        self.first: float | None = None  # seconds until the first output

    def on_start(self, start: Start) -> bytes:
        created = start.created if start.created is not None else self.stamp.created
        self.head = head_of(start.model or self.stamp.model, created)
        return b""

    def on_text(self, event: TextDelta) -> bytes:
        return self._line({"content": event.text}) if event.choice == 0 else b""

    def on_thinking(self, event: ThinkingDelta) -> bytes:
        return self._line({"content": "", "thinking": event.text}) if event.text and event.choice == 0 else b""

    def on_tool(self, event: ToolDelta) -> bytes:
        self._note_first()
        if event.choice == 0:
            self.calls.setdefault(event.index, []).append(event)
        return b""

    def on_finish(self, event: Finish) -> bytes:
        calls = [self.calls[index] for index in sorted(self.calls)] if event.choice == 0 else []
        whole = (
            ToolCall("", next((piece.name for piece in pieces if piece.name), ""), "".join(p.arguments for p in pieces))
            for pieces in calls
        )
        return b"".join(self._line({"content": "", "tool_calls": [encode_call(call)]}) for call in whole)

    def on_end(self) -> bytes:
        finish = self.finishes[min(self.finishes)]
        timings = self.tally.timings or measured(self.stamp, self.first)
        return self._line({"content": ""}, end_of(finish.reason, self.tally.usage, timings))

    def on_failed(self, event: Failed) -> bytes:
        return error_event("chat", ErrorInfo(event.message, ""))

    def _note_first(self) -> None:
        if self.first is None and self.stamp.elapsed is not None:
            self.first = self.stamp.elapsed()

    def _line(self, said: dict[str, Any], end: dict[str, Any] | None = None) -> bytes:
        self._note_first()
        return line({**self.head, "message": {"role": "assistant", **said}, **(end or {"done": False})})


class GenerateEncoder(LineEncoder):
    """Writes the same lines with `response` in place of `message`, without tool calls, which have no place there."""

    def on_finish(self, event: Finish) -> bytes:
        return b""

    def _line(self, said: dict[str, Any], end: dict[str, Any] | None = None) -> bytes:
        self._note_first()
        thought = {"thinking": said["thinking"]} if "thinking" in said else {}
        return line({**self.head, "response": said["content"], **thought, **(end or {"done": False})})
