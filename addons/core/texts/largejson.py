"""Large JSON: count, read and write it in short steps.

json's decoder is one call into C that lets no other thread run before it is over: half a second for 30 MB of text, and
half a minute for as much in empty objects. In short calls the same work, done in a thread, leaves the event loop its
turns. Members that follow each other are read by the window, as one by one they would take a hundred times as long.

    count_values(body, most)    how many values a text has, at least; cheap, and before anything is made of them
    raw_decode(text, at)        as json's own, but no call into C reads more than a window, or a piece of a string
    raw_decode_once(text, at)   the same; raises RepeatedKey for an object that has a key twice
    loads(text)                 as json's own
    encoded(value, encode)      as `encode`, which no single call gives more than a portion, or a piece of a string
    pieces(value, encode)       the same, not joined: of a large value that is one more copy in one call
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from json import JSONDecodeError
from typing import Any, Final, NamedTuple

from switchman.addons.core.texts.longtext import read_string, write_string

WINDOWS: Final = (1024, 64 * 1024)  # characters that one call reads of an object or a list
LARGE: Final = 256 * 1024  # characters up to which json's own decoder reads a text at once, in a few ms
MOST_DEPTH: Final = 100  # containers within each other that are all larger than a window
# Of these, so many have their members read by the window: the window is read for each of them.
RUN_DEPTH: Final = 8
PORTION: Final = 4_000  # values that one call writes; a text is one for each 32 characters

Decode = Callable[[str, int], tuple[Any, int]]  # as JSONDecoder.raw_decode

_STEP: Final = 64 * 1024  # bytes
_NUMBERS: Final = frozenset({int, float})
_decode: Final = json.JSONDecoder().raw_decode
# What stands before a comma between two members, and how many of the last ones in a window are tried.
_BETWEEN: Final = ((",", 1), ("},", 3), ("],", 3), ('",', 1))
_space: Final = re.compile(r"[ \t\n\r]*")


class RepeatedKey(ValueError):
    """An object has the key `key` twice."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {key!r} occurs twice in an object")
        self.key = key


def _single(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        seen: set[str] = set()
        raise RepeatedKey(next(key for key, _ in members if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return found


_decode_once: Final = json.JSONDecoder(object_pairs_hook=_single).raw_decode


def mark_count(body: bytes) -> int:
    """Commas and opening brackets, those in strings too: a text has no more values than that and one."""
    return len(body) - len(body.translate(None, b",{["))  # one pass, where count() takes three


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


def loads(text: str, decode: Decode | None = None) -> Any:
    """The value of a JSON text. Raises ValueError and RecursionError as json.loads does. `decode`: as in raw_decode."""
    if len(text) <= LARGE and decode is None:
        return json.loads(text)
    value, end = raw_decode(text, _skip(text, 0), decode)
    if (end := _skip(text, end)) != len(text):
        raise JSONDecodeError("Extra data", text, end)
    return value


def raw_decode(text: str, at: int, decode: Decode | None = None) -> tuple[Any, int]:
    """The value that begins at `at`, and its end. Raises ValueError and RecursionError as json's decoder does.

    `decode`: of a decoder that reads numbers and constants in another way than json's own.
    """
    decode = decode or _decode
    return decode(text, at) if len(text) - at <= LARGE else _value(text, at, 0, decode)


def raw_decode_once(text: str, at: int) -> tuple[Any, int]:
    """As raw_decode, which of equal keys takes the last. Raises RepeatedKey where there are such."""
    return raw_decode(text, at, _decode_once)


def _value(text: str, at: int, depth: int, decode: Decode) -> tuple[Any, int]:
    first = text[at : at + 1]
    if first not in ("{", "[", '"'):
        return decode(text, at)
    for size in WINDOWS if first != '"' else WINDOWS[:1]:
        try:
            value, end = decode(text[at : at + size], 0)
        except JSONDecodeError:
            continue  # cut off by the window, or broken: a larger one tells
        return value, at + end
    if first == '"':
        return read_string(text, at, decode)
    return _object(text, at, depth, decode) if first == "{" else _array(text, at, depth, decode)


def _object(text: str, at: int, depth: int, decode: Decode) -> tuple[dict[str, Any], int]:
    _check_depth(depth)
    found: dict[str, Any] = {}
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return found, at + 1
    singly = at if depth < RUN_DEPTH else len(text)  # up to there they are read one by one
    while True:
        if at >= singly:
            if (run := _run(text, at, "{}", decode)) is not None:
                if decode is _decode_once and (twice := found.keys() & run.members.keys()):
                    raise RepeatedKey(next(key for key in run.members if key in twice))
                found.update(run.members)
                at = run.end
                if run.is_last:
                    return found, at
                continue
            singly = at + WINDOWS[-1]
        if text[at : at + 1] != '"':
            raise JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        key, at = _value(text, at, depth + 1, decode)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise JSONDecodeError("Expecting ':' delimiter", text, at)
        if decode is _decode_once and key in found:
            raise RepeatedKey(key)
        found[key], at = _value(text, _skip(text, at + 1), depth + 1, decode)
        at = _skip(text, at)
        if text[at : at + 1] == "}":
            return found, at + 1
        at = _behind_comma(text, at)


def _array(text: str, at: int, depth: int, decode: Decode) -> tuple[list[Any], int]:
    _check_depth(depth)
    found: list[Any] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        return found, at + 1
    singly = at if depth < RUN_DEPTH else len(text)  # up to there they are read one by one
    while True:
        if at >= singly:
            if (run := _run(text, at, "[]", decode)) is not None:
                found += run.members
                at = run.end
                if run.is_last:
                    return found, at
                continue
            singly = at + WINDOWS[-1]
        value, at = _value(text, at, depth + 1, decode)
        found.append(value)
        at = _skip(text, at)
        if text[at : at + 1] == "]":
            return found, at + 1
        at = _behind_comma(text, at)


class _Run(NamedTuple):
    """Members that follow each other. `end`: where the next one begins, or, behind the last, what follows them all."""

    members: Any
    end: int
    is_last: bool


def _run(text: str, at: int, brackets: str, decode: Decode) -> _Run | None:
    """The members from `at` on that a window has whole, read at once: some fifty times as fast as one by one.

    Where a comma lies between two members is guessed. What could be read up to one is what stands there in any case:
    in JSON, nothing that follows changes how its beginning reads. None where no guess was right.
    """
    window = text[at : at + WINDOWS[-1] - 2]
    for size in _guesses(window):
        try:
            members, end = decode(f"{brackets[0]}{window[:size]}{brackets[1]}", 0)
        except JSONDecodeError:
            continue
        if not members:
            return None
        if end < size + 2:
            return _Run(members, at + end - 1, True)  # the closing bracket was the text's own
        return _Run(members, _skip(text, at + size + 1), False)
    return None


def _guesses(window: str) -> Iterator[int]:
    """Where a comma between two members may be."""
    for mark, tries in _BETWEEN:
        at = len(window)
        for _ in range(tries):
            if (at := window.rfind(mark, 0, at)) <= 0:
                break
            yield at + len(mark) - 1


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


def encoded(value: Any, encode: Callable[[Any], str], comma: str = ",") -> str:
    """`encode(value)`, in portions where that is large. `comma`: what `encode` writes between two members."""
    return "".join(pieces(value, encode, comma))


def pieces(value: Any, encode: Callable[[Any], str], comma: str = ",") -> list[str]:
    """`encode(value)`, cut into a piece for each portion."""
    parts: list[str] = []
    try:
        _write(value, encode, comma, parts, 0)
    except RecursionError:
        return [encode(value)]  # which can be written at once, or raises this too
    return parts


def _write(value: Any, encode: Callable[[Any], str], comma: str, parts: list[str], depth: int) -> None:
    if not isinstance(value, dict | list) or _weight(value) <= PORTION:
        parts += write_string(value, encode) if isinstance(value, str) else [encode(value)]
        return
    _check_depth(depth)
    left, right = "{}" if isinstance(value, dict) else "[]"
    portion: list[Any] = []
    weight, mark = 0, left

    def flush() -> None:
        nonlocal portion, weight, mark
        if portion:
            parts.extend((mark, encode(dict(portion) if left == "{" else portion)[1:-1]))
            portion, weight, mark = [], 0, comma

    for member in value.items() if isinstance(value, dict) else value:
        held = member[1] if left == "{" else member
        heavy = (more := _weight(held)) > PORTION
        if heavy or weight + more > PORTION:
            flush()
        if heavy:
            parts.append(mark if left == "[" else mark + encode({member[0]: 0})[1:-2])
            _write(held, encode, comma, parts, depth + 1)
            mark = comma
        else:
            portion.append(member)
            weight += more
    flush()
    parts.append(right)


def _weight(value: Any) -> int:
    """How many values it holds, with itself; counted no further than past PORTION."""
    found, waiting = 0, [value]
    while waiting and found <= PORTION:
        one = waiting.pop()
        found += 1
        if isinstance(one, str):
            found += len(one) // 32
        elif isinstance(one, dict | list):
            if len(one) > PORTION:
                return PORTION + 1
            members = one.values() if isinstance(one, dict) else one
            if _NUMBERS.issuperset(map(type, members)):
                found += len(one)  # as the many of an embedding
            else:
                waiting.extend(members)
    return found
