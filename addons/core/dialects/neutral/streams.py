"""Streams: the base classes of all stream codecs, which keep the order of events and add up usage.

A decoder turns a format's events into internal ones; an encoder turns internal events into a format's bytes.
Encoders hold back only what their format cannot say yet (usage before the end, a call's arguments in pieces).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any

from switchman.addons.core.dialects.neutral.form import (
    End,
    Failed,
    Finish,
    FinishReason,
    Stamp,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    Timings,
    ToolDelta,
    Usage,
    UsageSeen,
)

CUT_SHORT = "the upstream's stream ended before its reply did"


class StreamDecoder(ABC):
    """Events of one format -> internal events. `feed` never raises on data of another shape; it skips it."""

    @abstractmethod
    def feed(self, data: dict[str, Any]) -> list[StreamEvent]:
        """One event's JSON object."""

    def done(self) -> list[StreamEvent]:
        """The format's own end marker that is no JSON (`[DONE]`)."""
        return [End()]


@dataclass(slots=True)
class Tally:
    """What is known so far of the whole reply."""

    start: Start | None = None
    usage: Usage | None = None
    timings: Timings | None = None


class StreamEncoder(ABC):
    """Internal events -> bytes of one format. `feed` any number of events, then `end` once."""

    def __init__(self, stamp: Stamp) -> None:
        self.stamp = stamp
        self.tally = Tally()
        self.finishes: dict[int, Finish] = {}
        self.calling: set[int] = set()  # the choices that called a tool
        self.closed = False

    def feed(self, event: StreamEvent) -> bytes:
        """The bytes that follow from one event, often none; after the end or an error, none at all."""
        if self.closed:
            return b""
        if isinstance(event, Start):
            return self._begin(event)
        if isinstance(event, UsageSeen):
            self.tally.usage = merge(self.tally.usage, event.usage)
            self.tally.timings = event.timings or self.tally.timings
            return b""
        if isinstance(event, Failed):
            self.closed = True
            return self.on_failed(event)
        head = b"" if self.tally.start else self._begin(Start(self.stamp.id, self.stamp.model, self.stamp.created))
        return head + self._step(event)

    def end(self) -> bytes:
        """The upstream's body is over: the format's end, or its error event if the reply was cut short."""
        if self.closed:
            return b""
        return self.feed(End()) if self.finishes else self.feed(Failed(CUT_SHORT, status=502))

    def _begin(self, start: Start) -> bytes:
        if self.tally.start:
            return b""
        self.tally.start = start
        self.tally.usage = merge(self.tally.usage, start.usage)
        return self.on_start(start)

    def _step(self, event: StreamEvent) -> bytes:
        if isinstance(event, TextDelta):
            return self.on_text(event) if event.text else b""
        if isinstance(event, ThinkingDelta):
            return self.on_thinking(event)
        if isinstance(event, ToolDelta):
            self.calling.add(event.choice)
            return self.on_tool(event)
        if isinstance(event, Finish):
            return self._finish(event)
        missing = b"" if self.finishes else self._finish(Finish(0, "stop"))
        self.closed = True
        return missing + self.on_end()

    def _finish(self, event: Finish) -> bytes:
        if event.choice in self.finishes:
            return b""
        event = replace(event, reason=finish_reason(event.reason, event.choice in self.calling))
        self.finishes[event.choice] = event
        return self.on_finish(event)

    @abstractmethod
    def on_start(self, start: Start) -> bytes: ...

    @abstractmethod
    def on_text(self, event: TextDelta) -> bytes: ...

    @abstractmethod
    def on_thinking(self, event: ThinkingDelta) -> bytes: ...

    @abstractmethod
    def on_tool(self, event: ToolDelta) -> bytes: ...

    @abstractmethod
    def on_finish(self, event: Finish) -> bytes: ...

    @abstractmethod
    def on_end(self) -> bytes: ...

    @abstractmethod
    def on_failed(self, event: Failed) -> bytes: ...


def finish_reason(reason: FinishReason | None, called: bool) -> FinishReason:
    """Some servers end a reply with tool calls by "stop"; clients that wait for the calls must hear of them."""
    return "tool_calls" if called and reason in (None, "stop") else reason or "stop"


def merge(before: Usage | None, later: Usage | None) -> Usage | None:
    """Usage so far and what came later: the later figure of each member counts."""
    if before is None or later is None:
        return later or before
    return Usage(
        **{
            item.name: value if (value := getattr(later, item.name)) is not None else getattr(before, item.name)
            for item in fields(Usage)
        }
    )


def call_id(id: str, stamp: Stamp, choice: int, index: int) -> str:
    """The call's own id, or one that no other reply has: some servers count their calls anew in each reply."""
    return id if id and id not in stamp.taken else f"call_{stamp.id}_{choice}_{index}"
