"""Event: one event of a streamed reply, and Splitter: bytes in, events out.

1. A splitter takes bytes cut anywhere and returns the events that are complete; every split of the input gives the
   same events.
2. The raw bytes of all events, joined, are the bytes that came in: nothing is lost, added or normalised. Only events
   that end by a single line end, which no client could read, get the blank line that they lack.
3. Nothing here raises on bad input. An event that cannot be read has `data` None and passes through.
4. Memory is bounded: an event above `limit` bytes is passed on in raw pieces, unparsed.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Final

from switchman.addons.core.texts.largejson import count_values, loads
from switchman.addons.core.texts.longtext import decode_utf8
from switchman.addons.core.texts.unicode import decoded, dump, dump_large

EVENT_LIMIT: Final = 16 * 1024 * 1024
"""Bytes. No provider sends larger events; images in a stream come near 10 MB."""
MOST_VALUES: Final = 1_000_000
"""In the JSON of one event. The last one of a response has all of its log probabilities, which may be very many."""
# What is larger is read and written in short steps, so that others get their turns where it is done in a thread.
LARGE: Final = 128 * 1024  # bytes of an event
LIGHT: Final = 1024  # bytes in which nothing can be that takes long
REACH: Final = 8  # bytes before new ones from which the end of an event may begin: a line end and `event:`
MANY: Final = 2_000  # objects and lines in a piece that is not large: reading and translating them takes some 20 ms

_MARKS: Final = (b"{", b"\n", b"\r")
_decode = json.JSONDecoder().raw_decode
_LINE: Final = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)")
_DATA: Final = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|(?<=[\r\n]))data: ")  # as _with_data_line writes it
BOM: Final = b"\xef\xbb\xbf"
_UNREAD: Final = object()


class Event:
    """One event. `raw`: its exact bytes, with the blank line or line end that closes it. `name`: SSE's `event:`, else
    "".

    `payload`: the bytes of its data (SSE: lines joined by a newline), None if it has none (a comment, a blank line).
    `at`: where the payload stands in `raw`; -1 if it is not there in one piece.
    `data`: the payload parsed as JSON, at first access; None for `[DONE]`, comments, anything but JSON, and JSON of
    more than MOST_VALUES values.
    `beyond`: why it was not read although a client may be able to, where that is so: it is larger than what is read.
    A stage that changes `data` in place, or sets it, must set `dirty`: only then is the event serialised again.
    """

    __slots__ = ("_data", "at", "beyond", "dirty", "name", "payload", "raw")

    def __init__(self, raw: bytes, name: str = "", payload: bytes | None = None, at: int = -1) -> None:
        self.raw = raw
        self.name = name
        self.payload = payload
        self.at = at
        self.dirty = False
        self.beyond = ""
        self._data: Any = _UNREAD

    def __repr__(self) -> str:
        return f"Event({self.raw!r}{', dirty' if self.dirty else ''})"

    @property
    def data(self) -> Any:
        if self._data is _UNREAD:
            self._data = self.read()
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self._data = value

    @property
    def is_done(self) -> bool:
        """Whether this is OpenAI's end of stream, `[DONE]`."""
        return self.payload is not None and self.payload.strip() == b"[DONE]"

    def read(self) -> Any:
        """Parse the payload again: a copy that shares nothing with `data`."""
        if not self.payload:
            return None
        if len(self.payload) > MOST_VALUES and count_values(self.payload, MOST_VALUES) > MOST_VALUES:
            self.beyond = f"an event of more than {MOST_VALUES:,} values"
            return None
        try:
            if len(self.payload) > LARGE:
                return loads(decode_utf8(self.payload, "replace"))
            text = decoded(self.payload)
            value, end = _decode(text, len(text) - len(text.lstrip(" \t\r\n")))
        except (ValueError, RecursionError):
            return None
        return value if end == len(text) or not text[end:].strip(" \t\r\n") else None

    def encode(self) -> bytes:
        """The bytes to send: `raw` unless `dirty`; else with the data as JSON, in the same framing and with the
        same line ends.
        """
        return self.rewrite(self._dump(self._data)) if self.dirty else self.raw

    def rewrite(self, payload: bytes) -> bytes:
        """`raw` with another payload, which has no line breaks. All other lines stay."""
        if self.at >= 0 and self.payload is not None:
            return self.raw[: self.at] + payload + self.raw[self.at + len(self.payload) :]
        return _with_data_line(self.raw, payload)

    def settle(self) -> None:
        """Write the changes into `raw`, so that restore() returns to this state."""
        if self.dirty:
            data = self._data
            self.set_payload(self._dump(data))
            self._data = data

    def set_payload(self, payload: bytes) -> None:
        """Replace the payload by `payload`, and settle."""
        self.raw = self.rewrite(payload)
        if self.at < 0:
            # The first line of data; another line may hold the same text.
            self.at = next(found.end() for found in _DATA.finditer(self.raw))
        self.payload = payload
        self._data = _UNREAD
        self.dirty = False

    def restore(self) -> None:
        """Undo the changes since the event was made, or settled."""
        self._data = _UNREAD
        self.dirty = False

    def like(self, data: Any) -> Event:
        """A new event of the same name and framing with other data."""
        event = Event(self.raw, self.name, self.payload, self.at)
        event.set_payload(self._dump(data))
        return event

    def _dump(self, data: Any) -> bytes:
        return dump_large(data) if len(self.raw) > LARGE else dump(data)


def _with_data_line(raw: bytes, payload: bytes) -> bytes:
    """Rewrite an SSE event with several data lines: the first gets the payload, the others are removed."""
    out: list[bytes] = []
    placed = False
    for match in _LINE.finditer(raw):
        line, line_end = match.groups()
        if line.removeprefix(BOM).partition(b":")[0] != b"data":
            out.append(match.group())
        elif not placed:
            placed = True
            out.append((BOM if line.startswith(BOM) else b"") + b"data: " + payload + line_end)
    return b"".join(out)


class Splitter(ABC):
    """The common part of SSE and NDJSON: a buffer, and events that end at a boundary."""

    def __init__(self, limit: int = EVENT_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._oversized = False  # the pieces of an event above the limit are on their way

    overlap: int
    """The most bytes of an incomplete boundary at the end of the buffer."""

    @abstractmethod
    def ends(self, buffer: bytes | bytearray, at: int) -> Iterator[int]:
        """The ends of the events in `buffer`, for boundaries from `at` on."""

    @abstractmethod
    def event(self, raw: bytes) -> Event:
        """Parse `raw` into one event; the boundary may be missing."""

    @property
    def in_pieces(self) -> bool:
        """Whether a part of an event above the limit has been passed on, and its end has not."""
        return self._oversized

    @property
    def pending(self) -> int:
        """Bytes of an event whose end has not come."""
        return len(self._buffer)

    def is_heavy(self, data: bytes) -> bool:
        """Whether what `data`, b"" being the end, completes may take long: it is large, or many objects or lines."""
        buffer, last = self._buffer, bytes(self._buffer[-REACH:])
        if data and all(part.find(sign) < 0 for sign in (b"\n", b"\r") for part in (data, last)):
            return False  # nothing ends in it
        size = len(buffer) + len(data)
        return size > LARGE or (size > LIGHT and sum(data.count(mark) + buffer.count(mark) for mark in _MARKS) > MANY)

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        seen = len(self._buffer)
        if seen:
            self._buffer += data
            buffer: bytes | bytearray = self._buffer
        else:
            buffer = data
        events: list[Event] = []
        start = 0
        for end in self.ends(buffer, max(0, seen - self.overlap)):
            events.append(self._complete(bytes(buffer[start:end])))
            start = end
        if start or not seen:
            self._buffer = bytearray(buffer[start:])
        if len(self._buffer) > self._limit or (self._oversized and len(self._buffer) > self.overlap):
            self._oversized = True
            cut = len(self._buffer) - self.overlap
            events.append(self._piece(bytes(self._buffer[:cut])))
            del self._buffer[:cut]
        return events

    def end(self) -> list[Event]:
        """The rest after the last boundary, as an event without one: many servers omit the last blank line."""
        raw = bytes(self._buffer)
        self._buffer.clear()
        return [self._complete(raw)] if raw else []

    def _complete(self, raw: bytes) -> Event:
        if self._oversized or len(raw) > self._limit:
            self._oversized = False
            return self._piece(raw)
        return self.event(raw)

    def _piece(self, raw: bytes) -> Event:
        event = Event(raw)
        event.beyond = f"an event of more than {self._limit >> 20} MB"
        return event
