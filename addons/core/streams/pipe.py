"""Pipe: take the bytes of a streamed reply, return the bytes for the client.

1. Takes bytes cut anywhere; returns a list of bytes to send on, empty for nothing yet. The order of events never
   changes.
2. Never raises. A stage that raises is removed: the text it held is released, the event it failed on goes on as it was
   before that stage, and `on_error` is called once. A collector that raises is removed as well.
3. An event that no stage changes leaves byte for byte.
4. What may take long can be known before: is_heavy(). Such a call may be made in another thread, and no other one
   before it is over.
5. Memory is bounded: one incomplete event (see events.py), the text that stages hold, and `keep` bytes of output for
   the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Literal, Protocol

from switchman.addons.core.streams.events import LIGHT, Event, Splitter
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.core.streams.reply import ReplyCollector

Framing = Literal["sse", "ndjson", "raw"]


class Stage(Protocol):
    """One step of a stream. A stage may have abort(), which releases the text it holds, unchanged; without it, end() is
    called instead.
    """

    def feed(self, event: Event) -> Iterable[Event]:
        """The events that go on in its place: usually itself."""

    def end(self) -> Iterable[Event]:
        """The stream is over: events for the text that is still held."""


_SPLITTERS: Final[dict[str, type[Splitter]]] = {"sse": SSESplitter, "ndjson": NDJSONSplitter}
_TERMINATORS: Final[dict[str, tuple[bytes, ...]]] = {"sse": (b"\n\n", b"\r\r", b"\n\r\n", b"\n\r"), "ndjson": (b"\n",)}


class Pipe:
    """Call it with the bytes of a reply as they arrive; b"" ends it. "raw" framing passes bytes on, and only keeps a
    copy.

    `output`: the framing for the client, where the last stage translates; None for that of the upstream.
    `keep`: the most bytes of output in `kept`. `clock`: seconds, any origin. `on_error(error, what)`: `what` is the
    stage or collector that raised.
    """

    def __init__(
        self,
        framing: Framing,
        stages: Sequence[Stage],
        reply: ReplyCollector | None,
        keep: int,
        on_error: Callable[[Exception, Stage | ReplyCollector], None],
        clock: Callable[[], float],
        output: Framing | None = None,
    ) -> None:
        self.framing = framing
        self._output_framing = output or framing
        self._splitter = _SPLITTERS[framing]() if framing in _SPLITTERS else None
        self._stages: list[Stage | None] = list(stages)  # None where one was taken out
        self._reply = reply
        self._keep = keep
        self._on_error = on_error
        self._clock = clock
        self._kept = bytearray()
        self._over = False
        self.truncated = False
        """Whether there was more output than `kept` holds."""

    def reframe(self, framing: Literal["sse", "ndjson"], stage: Stage | None = None) -> None:
        """Before the first byte: the server uses this framing, whatever its head says.

        `stage`: a last one, which gives the events in the framing that the pipe was made with.
        """
        if stage is not None:
            self._stages.append(stage)
        elif self._output_framing == self.framing:
            self._output_framing = framing
        self.framing = framing
        self._splitter = _SPLITTERS[framing]()

    @property
    def held(self) -> int:
        """Bytes that are held here: an event whose end has not come, and those of `kept`."""
        return len(self._kept) + (self._splitter.pending if self._splitter is not None else 0)

    @property
    def kept(self) -> bytes:
        """The first `keep` bytes of what went to the client."""
        return bytes(self._kept)

    @property
    def is_said(self) -> bool:
        """Whether the server has said that its stream is complete; only the end of its body may still come."""
        return self._reply is not None and self._reply.ended

    def is_light(self, data: bytes) -> bool:
        """Whether so little is here that the call with `data`, b"" being the end, cannot take long: nearly always."""
        splitter = self._splitter
        return splitter is None or splitter.pending + len(data) <= LIGHT

    def is_heavy(self, data: bytes) -> bool:
        """Whether the call with `data`, b"" being the end, may take more than some milliseconds."""
        if self._splitter is None or self._over or self.is_light(data):
            return False
        return self._splitter.is_heavy(data)

    def __call__(self, data: bytes) -> list[bytes]:
        """Take the next bytes from the upstream, or b"" at the end of its reply; return the bytes for the client."""
        if self._over:
            return []
        if self._splitter is None:
            self._over = not data
            return self._output(data)
        if not data:
            return self._finish(self._splitter)
        events = self._splitter.feed(data)
        if not events:
            return []
        self._collect(events)
        return self._output(b"".join([event.encode() for event in self._run(events)]))

    def aside(self, data: bytes) -> list[bytes]:
        """`data`, a comment or a ping, if it may be sent now, between two whole events of an SSE stream; else nothing.
        It is not part of the reply, and not kept.
        """
        between = self._splitter is not None and not self._over and not self._splitter.in_pieces
        return [data] if data and between and self._output_framing == "sse" else []

    def abort(self, last: bytes = b"") -> list[bytes]:
        """End a reply that broke off: release the text that stages hold, unchanged, then `last`, the error event for
        the client. An event cut in half is dropped, so that another may follow.
        """
        if self._over or self._splitter is None:
            self._over = True
            return self._output(last)
        self._over = True
        unclosed = self._splitter.in_pieces and self._output_framing == self.framing
        tail = [event for event in self._splitter.end() if event.payload is not None and _is_readable(event)]
        self._collect(tail)
        out = self._run(tail)
        for index, stage in enumerate(self._stages):
            if stage is not None:
                out += self._run(self._release(stage), index + 1)
        return self._output((b"\n\n" if unclosed else b"") + self._join(out, closed=True) + last)

    def _finish(self, splitter: Splitter) -> list[bytes]:
        self._over = True
        tail = splitter.end()
        self._collect(tail)
        out = self._run(tail)
        for index, stage in enumerate(self._stages):
            if stage is not None:
                out += self._run(self._end(index, stage), index + 1)
        closed = len(out) > len(tail)
        if closed and out[0] in tail and not _is_readable(out[0]):
            del out[0]  # an event cut in half: nobody could read what follows it
        return self._output(self._join(out, closed=closed))

    def _run(self, events: Iterable[Event], first: int = 0) -> list[Event]:
        """Run `events` through the stages from index `first` on."""
        events = list(events)
        for index in range(first, len(self._stages)):
            if self._stages[index] is not None:
                out: list[Event] = []
                for event in events:
                    self._step(index, event, out)
                events = out
        return events

    def _step(self, index: int, event: Event, out: list[Event]) -> None:
        """Run one event through one stage, into `out`."""
        stage = self._stages[index]
        if stage is None:  # it broke on an earlier event
            out.append(event)
            return
        if event.dirty:
            event.settle()
        before = len(out)
        try:
            fed = stage.feed(event)
            if fed.__class__ is tuple:  # the usual case, and quicker
                out += fed
            else:  # one by one: the events that a generator yields before it raises count
                for made in fed:
                    out.append(made)
        except Exception as error:  # noqa: BLE001 - a stated boundary: no stage, however broken, may cost the client its answer
            out += self._broken(index, stage, error)
            if not any(made is event for made in out[before:]):
                event.restore()
                out.append(event)

    def _end(self, index: int, stage: Stage) -> list[Event]:
        out: list[Event] = []
        try:
            for made in stage.end():
                out.append(made)
        except Exception as error:  # noqa: BLE001 - the same boundary
            out += self._broken(index, stage, error)
        return out

    def _broken(self, index: int, stage: Stage, error: Exception) -> list[Event]:
        """Remove a stage; return what it held."""
        self._stages[index] = None
        self._report(error, stage)
        return self._release(stage)

    def _release(self, stage: Stage) -> list[Event]:
        """Release what a stage holds, unchanged."""
        out: list[Event] = []
        # A stage that is broken and cannot even release has been reported, or the stream is dead anyway.
        with suppress(Exception):
            for made in getattr(stage, "abort", stage.end)():
                out.append(made)
        return out

    def _collect(self, events: Sequence[Event]) -> None:
        if self._reply is None or not events:
            return
        now = self._clock()
        try:
            for event in events:
                self._reply.feed(event, now)
        except Exception as error:  # noqa: BLE001 - the same boundary: figures for the record are worth less than the answer
            reply, self._reply = self._reply, None
            reply.begun = reply.missed = True  # nobody may wait for what it would have found, or take it for missing
            self._report(error, reply)

    def _report(self, error: Exception, what: Stage | ReplyCollector) -> None:
        with suppress(Exception):  # a failing log must not cost the client its answer either
            self._on_error(error, what)

    def _join(self, events: Iterable[Event], *, closed: bool) -> bytes:
        """The bytes of the last events. An event without its terminator gets one if another follows, or if `closed`."""
        parts: list[bytes] = []
        terminators = _TERMINATORS[self._output_framing]
        for event in events:
            if parts and not parts[-1].endswith(terminators):
                parts.append(terminators[0])
            parts.append(event.encode())
        if closed and parts and not parts[-1].endswith(terminators):
            parts.append(terminators[0])
        return b"".join(parts)

    def _output(self, data: bytes) -> list[bytes]:
        if not data:
            return []
        room = self._keep - len(self._kept)
        if len(data) > room:
            self.truncated = True
        if room > 0:
            self._kept += data[:room]
        return [data]


def _is_readable(event: Event) -> bool:
    """Whether it is whole, as far as its data tells; a comment has none."""
    return event.payload is None or event.data is not None or event.is_done
