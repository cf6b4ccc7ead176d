"""Assemble the internal events of a stream to a whole Reply, and tell a Reply as events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from switchman.addons.core.dialects.neutral.form import (
    Choice,
    End,
    Failed,
    Finish,
    Part,
    Reply,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Timings,
    ToolCall,
    ToolDelta,
    Usage,
    UsageSeen,
)
from switchman.addons.core.dialects.neutral.streams import finish_reason, merge
from switchman.addons.core.streams.calls import EMPTY, objects_apart


class StreamFailed(Exception):
    """The events end in an error: there is no whole reply."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed


def assemble(events: Iterable[StreamEvent]) -> Reply:
    """The whole reply of the events. Raises StreamFailed if they end in an error."""
    start = Start("", "")
    usage: Usage | None = None
    timings: Timings | None = None
    choices: dict[int, _Choice] = {}
    for event in events:
        if isinstance(event, Failed):
            raise StreamFailed(event)
        if isinstance(event, Start):
            start, usage = event, merge(usage, event.usage)
        elif isinstance(event, UsageSeen):
            usage, timings = merge(usage, event.usage), event.timings or timings
        elif not isinstance(event, End):
            choices.setdefault(event.choice, _Choice()).feed(event)
    whole = tuple(choices[index].whole(index) for index in sorted(choices))
    return Reply(start.id, start.model, whole, usage, start.created, timings)


class _Choice:
    """Collects the pieces of one choice. Joins neighbouring texts and thoughts, and calls by their number."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.calls: dict[int, int] = {}  # call number -> place in parts
        self.finish: Finish | None = None

    def feed(self, event: TextDelta | ThinkingDelta | ToolDelta | Finish) -> None:
        if isinstance(event, Finish):
            self.finish = event
        elif isinstance(event, ToolDelta):
            self._call(event)
        elif isinstance(event, TextDelta):
            self._text(event)
        else:
            self._thought(event)

    def _text(self, event: TextDelta) -> None:
        last = self.parts[-1] if self.parts else None
        if isinstance(last, Text) and last.refusal == event.refusal:
            self.parts[-1] = Text(last.text + event.text, event.refusal)
        elif event.text:
            self.parts.append(Text(event.text, event.refusal))

    def _thought(self, event: ThinkingDelta) -> None:
        last = self.parts[-1] if self.parts else None
        if event.redacted is None and isinstance(last, Thinking) and not last.signature and last.redacted is None:
            self.parts[-1] = Thinking(last.text + event.text, event.signature)
        elif event.text or event.signature or event.redacted is not None:
            self.parts.append(Thinking(event.text, event.signature, event.redacted))

    def _call(self, event: ToolDelta) -> None:
        if event.index not in self.calls:
            self.calls[event.index] = len(self.parts)
            self.parts.append(ToolCall(event.id, event.name, event.arguments))
            return
        place = self.calls[event.index]
        call = self.parts[place]
        assert isinstance(call, ToolCall)
        arguments = call.arguments + event.arguments
        self.parts[place] = ToolCall(call.id or event.id, call.name or event.name, arguments)

    def whole(self, index: int) -> Choice:
        reason = finish_reason(self.finish.reason if self.finish else None, bool(self.calls))
        return Choice(index, tuple(self.parts), reason, self.finish.stop_sequence if self.finish else None)


def calls_apart(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts of a whole reply, with each call by itself, as a stream would have given them.

    Some servers write the arguments of two calls into one, or give two calls one id. The arguments of a call without a
    name become text: nobody could answer such a call.
    """
    out: list[Part] = []
    ids: set[str] = set()
    for part in parts:
        if not isinstance(part, ToolCall):
            out.append(part)
        elif part.name:
            for arguments in objects_apart(part.arguments):
                out.append(replace(part, id="" if part.id in ids else part.id, arguments=arguments))
                ids.add(part.id)
        elif part.arguments.strip() not in EMPTY:
            out.append(Text(part.arguments))
    return tuple(out)


def tell(reply: Reply) -> Iterator[StreamEvent]:
    """A whole reply as a stream: for a client that asked for one when the server did not stream."""
    yield Start(reply.id, reply.model, reply.created)
    for choice in reply.choices:
        calls = 0
        for part in choice.parts:
            if isinstance(part, Text):
                yield TextDelta(choice.index, part.text, part.refusal)
            elif isinstance(part, Thinking):
                if part.text:
                    yield ThinkingDelta(choice.index, part.text)
                if part.signature or part.redacted is not None:
                    yield ThinkingDelta(choice.index, "", part.signature, part.redacted)
            elif isinstance(part, ToolCall):
                yield ToolDelta(choice.index, calls, part.id, part.name, part.arguments)
                calls += 1
        yield Finish(choice.index, choice.finish or "stop", choice.stop_sequence)
    if reply.usage or reply.timings:
        yield UsageSeen(reply.usage or Usage(), reply.timings)
    yield End()
