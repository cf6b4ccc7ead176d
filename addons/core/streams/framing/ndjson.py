"""Newline-delimited JSON, as Ollama streams it: one JSON value per line, ended by LF or CRLF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from switchman.addons.core.streams.events import BOM, Event, Splitter

_BLANK_LINES: Final = re.compile(rb"[\r\n]*\n")


class NDJSONSplitter(Splitter):
    """feed() takes bytes and returns one event per line; end() returns a last line without its line end. A blank line
    is an event without a payload.
    """

    overlap = 0

    def ends(self, buffer: bytes | bytearray, at: int) -> Iterator[int]:
        found = buffer.find(b"\n", at)
        while found >= 0:
            at = found + 1
            yield at
            if buffer.startswith((b"\n\n", b"\r\n\r\n"), at) and (run := _BLANK_LINES.match(buffer, at)) is not None:
                at = run.end()  # all of them are one event: else each would be one
                yield at
            found = buffer.find(b"\n", at)

    def event(self, raw: bytes) -> Event:
        payload = raw.removeprefix(BOM).strip(b" \t\r\n")
        return Event(raw, "", payload, raw.index(payload)) if payload else Event(raw)
