"""Unicode: one policy for every border where bytes become text, or text becomes bytes.

Two things come that are no Unicode: bytes that are no UTF-8 (a Latin-1 pound sign), and text with half of a surrogate
pair in it (`"cut \\ud83d"` is valid JSON). Neither may cost anybody an answer, a row or a page.

    decoded, read_json    bytes from outside: what is no UTF-8 becomes U+FFFD, and all the rest stays
    dump, dumps           JSON for others: half a pair stays an escape, as it came
    shown                 text that is shown, stored or embedded: half a pair becomes U+FFFD

Bytes that nothing changes pass as they are: they never come here. A client's request that is no UTF-8 is refused by
Intake, as nobody can say what was asked.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from switchman.addons.core.texts.largejson import encoded, loads, pieces
from switchman.addons.core.texts.longtext import decode_utf8

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def decoded(data: bytes | bytearray) -> str:
    """The text of these bytes, with U+FFFD for what is no UTF-8."""
    return data.decode("utf-8", "replace")


def read_json(data: bytes | bytearray) -> Any:
    """The value of a JSON text from outside: UTF-8 with what is none replaced, UTF-16 and UTF-32 too, as RFC 4627 told
    them apart, with or without a byte order mark.

    Raises ValueError, also for what is nested too deeply to be read.
    """
    try:
        coding = json.detect_encoding(data)
        return loads(decode_utf8(data, "replace") if coding == "utf-8" else data.decode(coding, "replace"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def shown(text: str) -> str:
    """The text with both halves of a surrogate pair joined to their character, and U+FFFD for a half that is alone."""
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def dumps(value: Any, indent: int | None = None, *, spaced: bool = False) -> str:
    """JSON text, compact unless indented or spaced, that has a UTF-8 form: non-ASCII characters as they are, or all of
    them as escapes where half a surrogate pair is among them.
    """
    loose = indent is not None or spaced
    text = json.dumps(value, indent=indent, ensure_ascii=False) if loose else _encode(value)
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return json.dumps(value, indent=indent) if loose else _encode_ascii(value)


def dumps_large(value: Any) -> str:
    """dumps() in short calls into C, each of which lets no other thread run; escapes only where they are needed."""
    return encoded(value, _portion)


def _portion(value: Any) -> str:
    """At once, unless half of a surrogate pair is in it: then member by member, so that only one has escapes."""
    text: str = _encode(value)
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    parts: list[str] = []
    _write(value, parts, 0)
    return "".join(parts)


def _write(value: Any, parts: list[str], depth: int) -> None:
    if depth == _STEPPED or not value or not isinstance(value, dict | list):
        parts.append(encoded(value, dumps))
        return
    is_object = isinstance(value, dict)
    mark = "{" if is_object else "["
    for key in value:
        parts.append(mark)
        if is_object:
            parts.append(f"{dumps(key)}:")
        _write(value[key] if is_object else key, parts, depth + 1)
        mark = ","
    parts.append("}" if is_object else "]")


def dump_large(value: Any) -> bytes:
    """dumps_large() in UTF-8. Joining bytes, unlike text, lets other threads run."""
    return b"".join([piece.encode() for piece in pieces(value, _portion)])


def dump(value: Any) -> bytes:
    """dumps() in UTF-8."""
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        return _encode_ascii(value).encode()


_STEPPED: Final = 5  # levels that are written member by member: a message's parts are on the third

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_encode_ascii: Final = json.JSONEncoder(separators=(",", ":")).encode
