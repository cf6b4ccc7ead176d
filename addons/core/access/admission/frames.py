"""A WebSocket's frames, as they pass in one direction: counted and checked, never kept. RFC 6455 section 5.

    Frames(masked, limit).feed(bytes) -> bytes

What comes out is what goes on, to the byte: frames are not put together, not unmasked, not inflated. At most the head
of one frame (13 bytes) is held back, and the payload of a closing frame (125 bytes) is looked at. A frame is judged by
its head, so nothing of one that may not pass has gone on, and another frame can be put in its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_DATA: Final = frozenset({CONTINUATION, TEXT, BINARY})
_CONTROL: Final = frozenset({CLOSE, PING, PONG})
_CONTROL_AT_MOST: Final = 125  # bytes, section 5.5


def _patterns(masked: bool) -> tuple[re.Pattern[bytes], re.Pattern[bytes], re.Pattern[bytes]]:
    """One frame of less than 64 bytes; a run of them between messages; and one within a message, without its end."""
    mark, key = (0x80, 4) if masked else (0, 0)
    sizes = b"|".join(b"%s.{%d}" % (re.escape(bytes([mark | size])), key + size) for size in range(64))
    whole, begun, part, last = (
        b"[%s](?:%s)" % (firsts, sizes) for firsts in (rb"\x81\x82\x89\x8a", rb"\x01\x02", rb"\x00\x89\x8a", rb"\x80")
    )
    one = rb"(?:([\x00\x01\x02\x80\x81\x82])(?:%s)|([\x89\x8a](?:%s)))" % (sizes, sizes)
    between = b"(?:%s|%s(?:%s)*+%s)++" % (whole, begun, part, last)
    first, run, within = (re.compile(text, re.DOTALL) for text in (one, between, b"(?:%s)++" % part))
    return first, run, within


# A read may be full of frames of two bytes. They are taken together, or one read would hold the event loop for 0.3 s.
_SMALL: Final = {masked: _patterns(masked) for masked in (False, True)}

# Codes of section 7.4.1.
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_CODE: Final = 1005  # never sent: a closing frame without one
TOO_BIG: Final = 1009


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a WebSocket is ended by the router: `code` and `reason` (at most 123 bytes) go into the closing frames."""

    code: int
    reason: str


class _Head(NamedTuple):
    size: int  # bytes of the head itself
    is_last: bool
    reserved: int
    opcode: int
    mask: bytes
    length: int  # bytes of payload


class Frames:
    """The frames of one direction. `masked`: those of a client are, those of a server are not. `limit`: of a message.

    `violation`: what may not pass was met. `closed`: code and reason of the closing frame that was. Nothing passes
    after either. `messages` and `size` (bytes of payload) count what has begun to pass.
    """

    def __init__(self, masked: bool, limit: int) -> None:
        self.violation: Violation | None = None
        self.closed: tuple[int, str] | None = None
        self.messages = 0
        self.size = 0
        self._masked, self._limit = masked, limit
        self._held = b""
        self._left = 0  # bytes of the frame's payload that are still to come
        self._in_frame = False
        self._closing: _Head | None = None
        self._payload = b""  # of a closing frame
        self._message: int | None = None  # bytes of the message that has begun
        self._passes, self._ends = True, False

    @property
    def passes(self) -> bool:
        """Whether what comes goes on. False: no frame is cut in two, so one of the router's own can follow."""
        return self._passes

    def finish(self) -> None:
        """Let nothing pass any more but the rest of the frame that has begun to."""
        self._ends = True
        if not self._in_frame:
            self._passes = False

    def feed(self, data: bytes) -> bytes:
        """What goes on of these bytes."""
        data, self._held = self._held + data if self._held else data, b""
        at = passed = 0
        while at < len(data) and self.closed is None and not self._is_unreadable:
            if not self._in_frame:
                if (end := self._skip_small(data, at)) > at:
                    at = passed = end
                    continue
                if (head := _head(data, at)) is None:
                    self._held = data[at:]
                    break
                self._begin(head)
                at += head.size
            step = min(self._left, len(data) - at)
            if self._closing is not None:
                self._payload += data[at : at + step]
            self._left -= step
            at += step
            if self._passes:
                passed = at
            if self._left == 0:
                self._end()
        return data[:passed] if passed < len(data) else data

    def _skip_small(self, data: bytes, at: int) -> int:
        """Where a run of small frames ends that may all pass; `at` where there is none."""
        within = self._message is not None
        one, between, inside = _SMALL[self._masked]
        if not self._passes or self._ends or (found := (inside if within else between).match(data, at)) is None:
            return at
        end = found.end()
        firsts, controls = zip(*one.findall(data, at, end), strict=True)
        head = 6 if self._masked else 2
        size = end - at - len(firsts) * head
        if (self._message or 0) + size > self._limit:
            return at  # one of them may be too much; frame by frame it is told which
        if within:
            self._message = (self._message or 0) + size - sum(len(one) - head for one in controls if one)
        self.messages += sum(map(firsts.count, (b"\x81", b"\x82", b"\x01", b"\x02")))
        self.size += size
        return end

    @property
    def _is_unreadable(self) -> bool:
        """After a fault in the protocol nothing says where a frame begins."""
        return self.violation is not None and self.violation.code == PROTOCOL_ERROR

    def _begin(self, head: _Head) -> None:
        self._in_frame, self._left = True, head.length
        if self._passes and (violation := self._judge(head)) is not None:
            self.violation, self._passes = violation, False
        if self._passes:
            self.size += head.length
        if head.opcode == CLOSE and head.length <= _CONTROL_AT_MOST:
            self._closing, self._payload = head, b""
        elif head.opcode in _DATA:
            if head.opcode != CONTINUATION:
                self.messages += self._passes
            self._message = None if head.is_last else (self._message or 0) + head.length

    def _judge(self, head: _Head) -> Violation | None:
        if head.reserved:
            return Violation(PROTOCOL_ERROR, "A frame uses an extension that was not agreed on.")
        if head.opcode not in _DATA | _CONTROL:
            return Violation(PROTOCOL_ERROR, "A frame has an opcode that is not known.")
        if bool(head.mask) is not self._masked:
            return Violation(PROTOCOL_ERROR, "Frames of a client must be masked, those of a server must not.")
        if head.opcode in _CONTROL:
            if head.length > _CONTROL_AT_MOST or not head.is_last:
                return Violation(PROTOCOL_ERROR, "A control frame is too long, or in fragments.")
            return None
        if (head.opcode == CONTINUATION) is (self._message is None):
            return Violation(PROTOCOL_ERROR, "A frame belongs to no message, or a message begins within another one.")
        if (self._message or 0) + head.length > self._limit:
            return Violation(TOO_BIG, f"A message is larger than {self._limit} bytes (MAX_WEBSOCKET_MESSAGE).")
        return None

    def _end(self) -> None:
        self._in_frame = False
        if self._closing is not None:
            self.closed, self._passes = _code_and_reason(self._payload, self._closing.mask), False
        if self._ends:
            self._passes = False


def _head(data: bytes, at: int) -> _Head | None:
    """The head of the frame that begins at `at`; None where not all of it is here. Section 5.2."""
    if len(data) < at + 2:
        return None
    first, second = data[at], data[at + 1]
    wide = {126: 2, 127: 8}.get(second & 0x7F, 0)
    end = at + 2 + wide
    masked = bool(second & 0x80)
    size = 2 + wide + (4 if masked else 0)
    if len(data) < at + size:
        return None
    length = int.from_bytes(data[at + 2 : end]) if wide else second & 0x7F
    return _Head(size, bool(first & 0x80), first & 0x70, first & 0x0F, data[end : end + 4] if masked else b"", length)


def _code_and_reason(payload: bytes, mask: bytes) -> tuple[int, str]:
    if mask:
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    if len(payload) < 2:
        return NO_CODE, ""
    return int.from_bytes(payload[:2]), payload[2:].decode("utf-8", "replace")
