"""Large JSON: count and read it in short steps.

json's decoder is one call into C that lets no other thread run before it is over: half a second for 30 MB of text, and
half a minute for as much in empty objects. In short calls the same work, done in a thread, leaves the event loop its
turns.

    count_values(body, most)    how many values a text has, at least; cheap, and before anything is made of them
    raw_decode(text, at)        as json's own, but no call into C reads more than a window, or one string
    loads(text)                 as json's own
"""

from __future__ import annotations

import json
import re
from json import JSONDecodeError
from typing import Any, Final

WINDOWS: Final = (1024, 64 * 1024)  # characters that one call reads of an object or a list
LARGE: Final = 256 * 1024  # characters up to which json's own decoder reads a text at once, in a few ms
MOST_DEPTH: Final = 100  # containers within each other that are all larger than a window

_STEP: Final = 64 * 1024  # bytes
_decode: Final = json.JSONDecoder().raw_decode
_space: Final = re.compile(r"[ \t\n\r]*")


def mark_count(body: bytes) -> int:
    """Commas and opening brackets, those in strings too: a text has no more values than that and one."""
    return body.count(b",") + body.count(b"{") + body.count(b"[")


def count_values(body: bytes, most: int) -> int:
    """How many values a JSON text has, a key's not counted; counted no further than past `most`. Of broken JSON, some
    number.
    """
    quick = sum(mark_count(body[at : at + _STEP]) for at in range(0, len(body), _STEP))
    return quick + 1 if quick < most else _count_outside_strings(body, most)


def _count_outside_strings(body: bytes, most: int) -> int:
    count, at = 1, 0
    while count <= most:
        quote = body.find(b'"', at)
        end = len(body) if quote < 0 else quote
        while at < end and count <= most:
            count += mark_count(body[at : min(end, at + _STEP)])
            at += _STEP
        if quote < 0 or (at := _string_end(body, quote)) < 0:
            break
    return count


def _string_end(body: bytes, quote: int) -> int:
    """Behind the string that begins at `quote`; -1 if it does not end."""
    at = quote + 1
    while (close := body.find(b'"', at)) >= 0:
        first = close  # of the backslashes before it
        while first > at and body[first - 1] == 0x5C:
            first -= 1
        at = close + 1
        if (close - first) % 2 == 0:
            return at
    return -1


def loads(text: str) -> Any:
    """The value of a JSON text. Raises ValueError and RecursionError as json.loads does."""
    if len(text) <= LARGE:
        return json.loads(text)
    value, end = raw_decode(text, _skip(text, 0))
    if (end := _skip(text, end)) != len(text):
        raise JSONDecodeError("Extra data", text, end)
    return value


def raw_decode(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at `at`, and its end. Raises ValueError and RecursionError as json's decoder does."""
    return _decode(text, at) if len(text) - at <= LARGE else _value(text, at, 0)


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    first = text[at : at + 1]
    if first not in ("{", "["):
        return _decode(text, at)
    for size in WINDOWS:
        try:
            value, end = _decode(text[at : at + size])
        except JSONDecodeError:
            continue  # cut off by the window, or broken: a larger one tells
        return value, at + end
    return _object(text, at, depth) if first == "{" else _array(text, at, depth)


def _object(text: str, at: int, depth: int) -> tuple[dict[str, Any], int]:
    _check_depth(depth)
    found: dict[str, Any] = {}
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return found, at + 1
    while True:
        if text[at : at + 1] != '"':
            raise JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        key, at = _value(text, at, depth + 1)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise JSONDecodeError("Expecting ':' delimiter", text, at)
        found[key], at = _value(text, _skip(text, at + 1), depth + 1)
        at = _skip(text, at)
        if text[at : at + 1] == "}":
            return found, at + 1
        at = _behind_comma(text, at)


def _array(text: str, at: int, depth: int) -> tuple[list[Any], int]:
    _check_depth(depth)
    found: list[Any] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        return found, at + 1
    while True:
        value, at = _value(text, at, depth + 1)
        found.append(value)
        at = _skip(text, at)
        if text[at : at + 1] == "]":
            return found, at + 1
        at = _behind_comma(text, at)


def _check_depth(depth: int) -> None:
    if depth > MOST_DEPTH:
        raise RecursionError("nested too deeply")


def _behind_comma(text: str, at: int) -> int:
    if text[at : at + 1] != ",":
        raise JSONDecodeError("Expecting ',' delimiter", text, at)
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    match = _space.match(text, at)
    assert match is not None  # the pattern matches the empty string
    return match.end()
