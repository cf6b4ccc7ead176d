"""Find the fields of a multipart/form-data body that decide a route, without copying the body's parts.

RFC 7578, and RFC 2046 section 5.1 for the delimiters. Files are skipped. Positions are offsets in the body, so that
one value can be replaced and every other byte stays. A part that another parser could take for one of the fields, or
for another one than we do, is Ambiguous: the head of a part is read in its usual form only, and where it has another
one, it may not have the name of a field in it at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from switchman.addons.core.request.unambiguous.forms import check_field
from switchman.addons.core.request.unambiguous.mediatypes import check_charset, read_media_type
from switchman.addons.core.request.unambiguous.names import Ambiguous, folded
from switchman.addons.core.texts.unicode import decoded, shown

Span = tuple[int, int]  # start and end of a field's value

MAX_PARTS: Final = 1000
MAX_HEAD: Final = 16 * 1024  # bytes of one part's headers

# RFC 2046 section 5.1.1, and what clients make of it: no quotes, no line breaks, at most 70 characters.
_BOUNDARY: Final = re.compile(r"[A-Za-z0-9'()+_,./:=? $#!%*~|^`{}\[\]-]{1,70}")
_VALUE: Final = rb'(?:"(?:[^"\\\r\n]|\\[^\r\n])*"|[^\s";,\\\r\n]+)'
# A usual head has one of these, and nothing else that says what the part is called.
_DISPOSITION: Final = re.compile(
    rb"content-disposition:[ \t]*form-data((?:[ \t]*;[ \t]*(?:name|filename|filename\*)="
    + _VALUE
    + rb")*)[ \t]*;?[ \t]*",
    re.IGNORECASE,
)
_PARAM: Final = re.compile(rb";[ \t]*([a-z*]+)=(" + _VALUE + rb")", re.IGNORECASE)
_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+:[^\r\n\0]*", re.IGNORECASE)
_PLAIN_CODINGS: Final = ("", "7bit", "8bit", "binary")


def boundary_of(content_type: str) -> bytes:
    """The boundary that a content-type names. Raises ValueError if it names none, or none that all readers find."""
    boundary = read_media_type([content_type]).params.get("boundary", "")
    if not boundary:
        raise ValueError("the content-type names no boundary")
    if not _BOUNDARY.fullmatch(boundary) or boundary.endswith(" "):
        raise ValueError("the content-type's boundary is not one that RFC 2046 allows")
    return boundary.encode("ascii")


def find_fields(body: bytes, boundary: bytes, names: Collection[str]) -> dict[str, Span]:
    """The spans of the named fields' values. Raises ValueError for a broken body, and Ambiguous for one in which
    another parser could find other fields of these names.
    """
    delimiter = b"--" + boundary
    at = body.find(delimiter)
    if at < 0 or body[:at] not in (b"", b"\r\n"):
        raise ValueError("the body does not begin with its boundary")
    found: dict[str, Span] = {}
    seen: set[str] = set()
    for _ in range(MAX_PARTS):
        at += len(delimiter)
        if body.startswith(b"--", at):
            if body[at + 2 :].strip(b" \t\r\n"):
                raise ValueError("the body has more behind its last boundary")
            return found
        start = body.find(b"\r\n\r\n", at, at + MAX_HEAD)
        if start < 0:
            raise ValueError("a part has no end of its headers")
        end = body.find(b"\r\n" + delimiter, start + 4)
        if end < 0:
            raise ValueError("the last part has no end")
        head, span = body[at:start], (start + 4, end)
        name = _name_of(head, names)
        if name is not None:
            check_field(name, names, seen)
            if name in names:
                _check_value(head, body[slice(*span)], name)
                found[name] = span
        at = end + 2
    raise ValueError(f"more than {MAX_PARTS} parts")


def _name_of(head: bytes, names: Collection[str]) -> str | None:
    """The name of the part with this head, None for an odd one that no reader takes for one of `names`."""
    blank, *lines = head.split(b"\r\n")
    dispositions = [line for line in lines if line[:19].lower() == b"content-disposition"]
    usual = _DISPOSITION.fullmatch(dispositions[0]) if len(dispositions) == 1 else None
    params = [(name.lower(), _unquoted(value)) for name, value in _PARAM.findall(usual[1])] if usual else []
    given = dict(params)
    well_formed = not blank.strip(b" \t") and all(_LINE.fullmatch(line) for line in lines)
    if not well_formed or len(given) != len(params) or b"name" not in given:
        text = folded(decoded(head)).replace("octet-stream", "")
        if any(name in text for name in names):
            raise Ambiguous("A part of the form has odd headers, which servers read in different ways.", min(names))
        return None
    name = decoded(given[b"name"])
    if len(given) > 1 and folded(name).partition("[")[0] in names:
        raise Ambiguous(f"The field `{folded(name)}` is a file in this form: send it as text.", folded(name))
    return name


def _unquoted(value: bytes) -> bytes:
    """Browsers write a quote as %22, others as a backslash and a quote."""
    return re.sub(rb"\\(.)", rb"\1", value[1:-1]) if value[:1] == b'"' else value


def _check_value(head: bytes, value: bytes, name: str) -> None:
    """Raises Ambiguous where the head says that the value is to be decoded in another way than as UTF-8."""
    for line in head.split(b"\r\n"):
        key, _, said = line.decode("latin-1").partition(":")
        if key.lower() == "content-transfer-encoding" and said.strip().lower() not in _PLAIN_CODINGS:
            raise Ambiguous(f"The field `{name}` has a Content-Transfer-Encoding: send it plain.", name)
        if key.lower() == "content-type":
            check_charset(read_media_type([said.strip()]).params.get("charset", ""), value)


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
