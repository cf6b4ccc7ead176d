"""Singly: events of a stream that are separated by one line end each, where two are due.

    data: {"a": 1}
    data: {"b": 2}

By the specification that is one event with two lines of data, which no reader can use. A line of data that is a whole
JSON object, with the next event's first line behind it, ends its event: `data:`, or `event:` where its own event has a
name already. An object over several lines of data is no such line, and stays one event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from switchman.addons.core.streams.events import BOM
from switchman.addons.core.texts.largejson import loads
from switchman.addons.core.texts.longtext import decode_utf8

# Behind what may be the end of a whole line of data, as is_whole() has it: an event may have a million other lines.
_NEXT: Final = re.compile(rb"(?<=[}\]\s])(?<=[^\r\n])(?:\r\n|\n|\r)(?=data:|event:)")
_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?=[^\n])")


def has_single_end(buffer: bytes | bytearray, start: int, at: int, stop: int) -> bool:
    """Does an event end by a single line end in the one that lies between `start` and `stop`? Looks from `at` on."""
    if all(buffer.find(sign, at, stop) < 0 for sign in (b"\ndata:", b"\nevent:", b"\r")):
        return False  # the usual case, several times faster
    line = start  # no line of the event that is looked at begins before here
    for match in _NEXT.finditer(buffer, at, stop):
        # The second look goes no further back than the first, nor either than the line before: an event may have a
        # million lines, and no line end of the other kind.
        line = max(line, buffer.rfind(b"\n", line, match.start()) + 1)
        line = max(line, buffer.rfind(b"\r", line, match.start()) + 1)
        begin, line = line, match.end()
        if not is_whole(bytes(buffer[begin : match.start()])):
            continue
        named = buffer.startswith((b"event:", BOM + b"event:"), start)
        if buffer.startswith(b"data:", match.end()) or named:
            return True
    return False


def line_ends(buffer: bytes | bytearray, start: int, at: int = 0) -> Iterator[int]:
    """The ends of all events from `start` on, each by its line of data; a blank line is an event without any.

    Lines that end before `at` are known to end none.
    """
    if _LINE_END.search(buffer, max(start, at - 1)) is None:
        return  # before the line's beginning is looked for: a long line comes in very many pieces
    line = max(start, buffer.rfind(b"\n", start, at) + 1, buffer.rfind(b"\r", start, at) + 1)
    line += line > start and buffer[line - 1 : line + 1] == b"\r\n"  # one line end, and `at` in its middle
    for match in _LINE_END.finditer(buffer, line):
        if match.start() == line or is_whole(bytes(buffer[line : match.start()])):
            yield match.end()
        line = match.end()


def closed(raw: bytes) -> bytes:
    """An event with the blank line that it lacks, in its own line ends: its reader waits for one."""
    if not raw.strip(b"\r\n") or raw.endswith((b"\n\n", b"\r\r", b"\n\r\n")):
        return raw
    end = next((one for one in (b"\r\n", b"\n", b"\r") if raw.endswith(one)), b"")
    return raw + (end or b"\n\n")


def is_whole(line: bytes) -> bool:
    """Is this a line of data that is a JSON object by itself, or the last word?"""
    field, colon, value = line.removeprefix(BOM).partition(b":")
    if field != b"data" or not colon:
        return False
    value = value.strip()
    if not (value.startswith(b"{") and value.endswith(b"}")):
        return value == b"[DONE]"
    try:
        loads(decode_utf8(value, "replace"))
    except (ValueError, RecursionError):
        return False
    return True
