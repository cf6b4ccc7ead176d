"""Newline-delimited JSON, as Ollama streams it: one JSON value per line, ended by LF or CRLF."""

from __future__ import annotations

from collections.abc import Iterator

from switchman.addons.core.streams.events import BOM, Event, Splitter


class NDJSONSplitter(Splitter):
    """feed() takes bytes and returns one event per line; end() returns a last line without its line end. A blank line
    is an event without a payload.
    """

    overlap = 0

    def ends(self, buffer: bytes | bytearray, at: int) -> Iterator[int]:
        found = buffer.find(b"\n", at)
        while found >= 0:
            yield found + 1
            found = buffer.find(b"\n", found + 1)

    def event(self, raw: bytes) -> Event:
        payload = raw.removeprefix(BOM).strip(b" \t\r\n")
        return Event(raw, "", payload, raw.index(payload)) if payload else Event(raw)
