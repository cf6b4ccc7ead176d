"""Long texts, in steps: a call into C that reads tens of megabytes at once lets no other thread run meanwhile.

decode_utf8, encode_utf8    as bytes.decode and str.encode
read_string                 a JSON string, as json's decoder reads it
write_string                a JSON string, as `encode` writes it, in pieces
word                        what stands where a name or a number is expected, as text
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from json import JSONDecodeError
from typing import Any, Final

STEP: Final = 256 * 1024  # bytes or characters
LONGEST_ESCAPE: Final = 12  # characters: both halves of a surrogate pair


def word(value: object) -> str:
    """A text as it is, a number as text, "" for all else. str() of an object with a million values is one call, too."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else ""


def decode_utf8(data: bytes | bytearray, errors: str = "strict") -> str:
    """The text. Raises UnicodeDecodeError, which names the byte as bytes.decode does."""
    if len(data) <= STEP:
        return data.decode("utf-8", errors)
    decoder, parts = codecs.getincrementaldecoder("utf-8")(errors), []
    for at in range(0, len(data), STEP):
        kept = len(decoder.getstate()[0])  # bytes of a character that the step before has cut
        try:
            parts.append(decoder.decode(data[at : at + STEP], at + STEP >= len(data)))
        except UnicodeDecodeError as error:
            start = at - kept
            reason = (error.encoding, bytes(data), start + error.start, start + error.end, error.reason)
            raise UnicodeDecodeError(*reason) from None
    return "".join(parts)


def encode_utf8(text: str, errors: str = "strict") -> bytes:
    """The bytes. Raises UnicodeEncodeError."""
    if len(text) <= STEP:
        return text.encode("utf-8", errors)
    return b"".join(text[at : at + STEP].encode("utf-8", errors) for at in range(0, len(text), STEP))


def read_string(text: str, at: int, decode: Callable[[str, int], tuple[Any, int]]) -> tuple[str, int]:
    """The JSON string whose first quote is at `at`, and its end. Raises JSONDecodeError as `decode` does."""
    parts, start = [], at + 1
    while True:
        stop = start + STEP
        is_last = stop >= len(text)
        piece = text[start:] if is_last else text[start : _before_escape(text, start, stop)]
        try:
            # A quote of our own ends what the step has cut; one of the string's comes before it.
            value, end = decode(f'"{piece}' if is_last else f'"{piece}"', 0)
        except JSONDecodeError as error:
            where = at if error.pos == 0 else start + error.pos - 1
            raise JSONDecodeError(error.msg, text, where) from None
        parts.append(value)
        if is_last or end < len(piece) + 2:
            return "".join(parts), start + end - 1
        start += len(piece)


def _before_escape(text: str, start: int, stop: int) -> int:
    """The last place up to `stop` that cuts no escape, nor a pair of them that is one character."""
    last = text.rfind("\\", stop - LONGEST_ESCAPE, stop)
    if last < 0 or not _begins_escape(text, start, last):
        return stop
    half = text[last - 6 : last]
    if last - 6 < start or half[:3].lower() != "\\ud" or half[3] not in "89abAB":
        return last
    if not _begins_escape(text, start, last - 6):
        return last
    return last + 6 if last + 6 <= stop else last - 6


def _begins_escape(text: str, start: int, at: int) -> bool:
    """Whether the backslash at `at` is not the second one of two, which are a backslash."""
    before = text[start : at + 1]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def write_string(value: str, encode: Callable[[Any], str]) -> list[str]:
    """The JSON string of `value`: pieces, which are not joined here, as that would be one more copy of it."""
    if len(value) <= STEP:
        return [encode(value)]
    return ['"', *(encode(value[at : at + STEP])[1:-1] for at in range(0, len(value), STEP)), '"']
