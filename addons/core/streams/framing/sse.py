"""Server-sent events: bytes in, events out. Format: https://html.spec.whatwg.org/multipage/server-sent-events.html

Lines end with LF, CRLF or a lone CR; an event ends with a blank line. `CR CR` ends the event: a LF behind it is the
next event's first (blank) line. `LF CR` waits for one more byte, as the LF of a CRLF would belong to the same blank
line. Events of a stream that separates them by single line ends (singly.py) get the blank line that they lack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from switchman.addons.core.streams.events import BOM, REACH, Event, Splitter
from switchman.addons.core.streams.framing import singly
from switchman.addons.core.texts.unicode import decoded

# A lookahead of one byte; nothing here can backtrack.
_BLANK_LINE: Final = re.compile(rb"\n(?:\n|\r\n|\r(?=[^\n]))|\r\r")
_SCANNED_AGAIN: Final = 64 * 1024  # bytes of an incomplete event that are looked through once more with each piece
_DATA: Final = re.compile(rb"(?:\A|(?<=[\r\n]))data(?:: ?|(?=[\r\n]|\Z))")
# Line ends without anything between them are one event, however many they are: else each pair would be one. The last
# two are left, as what they are may hang on what follows.
_MANY_LINE_ENDS: Final = re.compile(rb"[\r\n]{8,}")
_LEFT: Final = 2


class SSESplitter(Splitter):
    """feed() takes bytes and returns events; end() returns a last event that lacks its blank line."""

    overlap = 2  # LF CR
    _singly = False  # a single line end has ended an event: from then on each one may

    def ends(self, buffer: bytes | bytearray, at: int) -> Iterator[int]:
        start, seen = 0, max(0, at - REACH)
        if not self._singly:
            if at < _SCANNED_AGAIN and buffer.find(b"\r") < 0:
                for start in _usual_ends(buffer):
                    yield start
                if start == len(buffer):
                    return
            for end in self._blank_lines(buffer, max(at, start)):
                if singly.has_single_end(buffer, start, max(start, seen), end):
                    self._singly, at = True, start
                    break
                yield end
                start = end
            else:
                if not singly.has_single_end(buffer, start, max(start, seen), len(buffer)):
                    return
                self._singly, at = True, start
        yield from singly.line_ends(buffer, start, at)

    def _blank_lines(self, buffer: bytes | bytearray, at: int) -> Iterator[int]:
        if buffer.find(b"\r", at) >= 0:
            while (match := _BLANK_LINE.search(buffer, at)) is not None:
                at = match.end()
                yield at
                if (run := _MANY_LINE_ENDS.match(buffer, at)) is not None:
                    at = run.end() - _LEFT
                    yield at
            return
        found = buffer.find(b"\n\n", at)  # the usual case, several times faster
        while found >= 0:
            at = found + 2
            yield at
            if buffer.startswith(b"\n\n", at) and (run := _MANY_LINE_ENDS.match(buffer, at)) is not None:
                at = run.end() - _LEFT
                yield at
            found = buffer.find(b"\n\n", at)

    def event(self, raw: bytes) -> Event:
        if self._singly:
            raw = singly.closed(raw)
        if raw.startswith((b"\n", b"\r")) and not raw.strip(b"\r\n"):
            return Event(raw)  # blank lines, of which there may be very many
        if raw.startswith(b"data:") and raw.find(b"\n") == len(raw) - 2 and raw.find(b"\r") < 0:
            at = 6 if raw.startswith(b" ", 5) else 5
            return Event(raw, "", raw[at:-2], at)
        if raw.startswith(b"event: ") and raw.find(b"\r") < 0:  # the other usual shape: a name and one line
            name_end = raw.find(b"\n")
            at = name_end + 7
            if raw.startswith(b"data: ", name_end + 1) and raw.find(b"\n", at) == len(raw) - 2:
                return Event(raw, decoded(raw[7:name_end]), raw[at:-2], at)
        return _read_lines(raw)


def _usual_ends(buffer: bytes | bytearray) -> Iterator[int]:
    """The ends of the events at the beginning of `buffer` that are one line, or a name and one line: nearly all events
    are, and no single line end can end one of these. Lines end with LF.
    """
    start = 0
    while not buffer.startswith(b"\n", start):
        end = buffer.find(b"\n", start) + 1
        if end and buffer.startswith(b"event:", start) and not buffer.startswith(b"\n", end):
            end = buffer.find(b"\n", end) + 1
        if not end or not buffer.startswith(b"\n", end):
            return
        start = end + 1
        yield start


def _read_lines(raw: bytes) -> Event:
    """Parse an event of any shape by the rules of the specification. `id` and `retry` are ignored."""
    name, values, at = "", [], -1
    begin = len(BOM) if raw.startswith(BOM) else 0
    text = raw[begin:]
    if text.find(b"\r") >= 0:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n"):  # an event may have very many
        if line.startswith(b"data:"):
            values.append(line[6 if line.startswith(b" ", 5) else 5 :])
        elif line == b"data":
            values.append(b"")
        elif line.startswith(b"event:"):
            name = decoded(line[7 if line.startswith(b" ", 6) else 6 :])
        elif line == b"event":
            name = ""
    if len(values) == 1 and (match := _DATA.search(raw[begin:])) is not None:
        at = begin + match.end()
    return Event(raw, name, b"\n".join(values) if values else None, at)
