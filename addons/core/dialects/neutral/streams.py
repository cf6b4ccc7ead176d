"""Streams: the base classes of all stream codecs, which keep the order of events and add up usage.

A decoder turns a format's events into internal ones; an encoder turns internal events into a format's bytes.
Encoders hold back only what their format cannot say yet (usage before the end, a call's arguments in pieces), and the
finish reason: a stream that breaks off behind it was cut, and must not have said that it is complete.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
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
from switchman.addons.core.streams.calls import CallPiece
from switchman.addons.core.streams.events import Event

CUT_SHORT = "the upstream's stream ended before its reply did"


class StreamDecoder(ABC):
    """Events of one format -> internal events. `feed` never raises on data of another shape; it skips it.

    `offered`: the names of the tools that the model could call. `says_its_end`: every server of this format says that a
    stream is complete, so one that does not was cut; elsewhere some leave that out, and a finish reason is enough.
    """

    says_its_end = False

    def __init__(self, offered: Collection[str] = ()) -> None:
        self.offered = offered

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


def decode_event(decoder: StreamDecoder, event: Event) -> list[StreamEvent]:
    """The internal events in one event of the server's stream; none in a comment or in what is no JSON object.

    One that is too large to be read is a failure: the answer would lack what is in it, and end as if it did not.
    """
    if event.is_done:
        return decoder.done()
    data = event.data
    if event.beyond:
        return [Failed(f"the server sent {event.beyond}, which is not translated", status=502)]
    return decoder.feed(data) if isinstance(data, dict) else []


class StreamEncoder(ABC):
    """Internal events -> bytes of one format. `feed` any number of events, then `end` once."""

    def __init__(self, stamp: Stamp) -> None:
        self.stamp = stamp
        self.tally = Tally()
        self.finishes: dict[int, Finish] = {}
        self.spoken: set[int] = set()  # the choices that said something
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
        head = b"" if self.tally.start else self._begin(Start("", self.stamp.model, self.stamp.created))
        return head + self._step(event)

    def end(self) -> bytes:
        """The upstream's body is over: the format's end, or its error event if the reply was cut short."""
        if self.closed:
            return b""
        is_whole = bool(self.finishes) and self.spoken <= self.finishes.keys()
        return self.feed(End()) if is_whole else self.cut()

    def cut(self) -> bytes:
        """The upstream's body is over before its reply: the format's error event."""
        return self.feed(Failed(CUT_SHORT, status=502))

    def _begin(self, start: Start) -> bytes:
        if self.tally.start:
            return b""
        self.tally.start = start
        self.tally.usage = merge(self.tally.usage, start.usage)
        return self.on_start(start)

    def _step(self, event: StreamEvent) -> bytes:
        if isinstance(event, Finish):
            self.finishes.setdefault(event.choice, event)
            return b""
        if isinstance(event, TextDelta | ThinkingDelta | ToolDelta):
            self.spoken.add(event.choice)
        if isinstance(event, TextDelta):
            return self.on_text(event) if event.text else b""
        if isinstance(event, ThinkingDelta):
            return self.on_thinking(event)
        if isinstance(event, ToolDelta):
            self.calling.add(event.choice)
            return self.on_tool(event)
        return self._close_all()

    def _close_all(self) -> bytes:
        """The reply is complete: the finish of each choice, and the format's end."""
        self.closed = True
        for choice in sorted(self.spoken) or [0]:
            self.finishes.setdefault(choice, Finish(choice, "stop"))
        for choice, finish in self.finishes.items():
            self.finishes[choice] = replace(finish, reason=finish_reason(finish.reason, choice in self.calling))
        return b"".join([self.on_finish(finish) for finish in self.finishes.values()]) + self.on_end()

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
    """The reason that fits: clients that wait for calls must hear of them, and must not wait for calls that never came.

    Some servers end a reply with tool calls by "stop", and some one without any by "tool_calls".
    """
    if reason is None or reason in ("stop", "tool_calls"):
        return "tool_calls" if called else "stop"
    return reason


def told(choice: int, pieces: Iterable[CallPiece]) -> list[StreamEvent]:
    """Pieces of calls as events. The arguments of a call that has no name are text: nobody could answer such a call."""
    return [
        TextDelta(choice, piece.arguments)
        if piece.number < 0
        else ToolDelta(choice, piece.number, piece.id, piece.name, piece.arguments)
        for piece in pieces
    ]


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
