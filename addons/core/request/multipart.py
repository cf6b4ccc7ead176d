"""Find the fields of a multipart/form-data body that decide a route, without copying the body's parts.

RFC 7578, and RFC 2046 section 5.1 for the delimiters. Files are skipped. Positions are offsets in the body, so that
one value can be replaced and every other byte stays.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from switchman.addons.core.unicode import decoded, shown

Span = tuple[int, int]  # start and end of a field's value

MAX_PARTS: Final = 1000
MAX_HEAD: Final = 16 * 1024  # bytes of one part's headers

_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
_NAME = re.compile(rb'content-disposition:[^\r\n]*?[;\s]name="?([^";\r\n]*)"?', re.IGNORECASE)
_FILE = re.compile(rb"content-disposition:[^\r\n]*?[;\s]filename\*?=", re.IGNORECASE)


def boundary_of(content_type: str) -> bytes:
    """The boundary that a content-type names. Raises ValueError if it names none."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise ValueError("the content-type names no boundary")
    return found[1].strip().encode("latin-1", "replace")


def find_fields(body: bytes, boundary: bytes, names: Collection[str]) -> dict[str, Span]:
    """The spans of the named fields' values; the first field of a name counts. Raises ValueError for a broken body."""
    delimiter = b"--" + boundary
    at = body.find(delimiter)
    if at < 0 or (at > 0 and body[at - 2 : at] != b"\r\n"):
        raise ValueError("the body does not begin with its boundary")
    found: dict[str, Span] = {}
    for _ in range(MAX_PARTS):
        at += len(delimiter)
        if body.startswith(b"--", at):
            return found
        start = body.find(b"\r\n\r\n", at, at + MAX_HEAD)
        if start < 0:
            raise ValueError("a part has no end of its headers")
        end = body.find(b"\r\n" + delimiter, start + 4)
        if end < 0:
            raise ValueError("the last part has no end")
        head = body[at : start + 2]
        name = _NAME.search(head)
        if name is not None and not _FILE.search(head) and (text := decoded(name[1])) in names:
            found.setdefault(text, (start + 4, end))
        at = end + 2
    raise ValueError(f"more than {MAX_PARTS} parts")


def text_of(body: bytes, spans: Mapping[str, Span], name: str) -> str:
    """The value of a field as text, "" for none."""
    start, end = spans.get(name, (0, 0))
    return decoded(body[start:end])


def with_field(body: bytes, boundary: bytes, name: str, value: str) -> bytes:
    """The body with a field more, before all others; `boundary` is that of the body, which begins with it."""
    head = b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n' % (boundary, name.encode())
    at = max(0, body.find(b"--" + boundary))
    return body[:at] + head + value.encode("utf-8", "surrogatepass") + b"\r\n" + body[at:]


def replaced(body: bytes, span: Span, value: str) -> bytes:
    """The body with the value at `span` replaced."""
    return body[: span[0]] + shown(value).encode() + body[span[1] :]
