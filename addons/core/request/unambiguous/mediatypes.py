"""The type of a request's body: one field, with one type in it, whose parameters are there once.

RFC 9110 section 8.3: a sender writes one Content-Type. Of two, servers take the first, or the last. A `charset` is
ignored by most servers, as JSON is UTF-8 (RFC 8259 section 8.1), and obeyed by others: `+AG0-odel` is `model` in UTF-7.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from switchman.addons.core.request.unambiguous.names import Ambiguous

# A value may hold a quoted string, in which nothing has a meaning but the backslash and the quote.
# One that is open takes all that follows, or each quote in it would be tried as a beginning anew.
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*+("?)')
_PIECE: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*+"?|[^";])*+')
_UTF8: Final = frozenset({"utf-8", "utf8"})
# Of these the bytes below 128 are ASCII: a text of nothing else is the same text in all of them.
_ASCII: Final = re.compile(r"(us-)?ascii|iso-8859-\d+|latin-?\d|windows-125\d|cp125\d")
_BARE: Final = re.compile(r'[^";,]*')
_SINGLE: Final = ("charset", "boundary")


@dataclass(frozen=True, slots=True)
class MediaType:
    """`essence`: type/subtype in lower case, "" for none. `params`: by their names in lower case."""

    essence: str
    params: dict[str, str]


def read_media_type(fields: Sequence[str]) -> MediaType:
    """The type that the Content-Type fields of a head name. Raises Ambiguous where they name two, or a parameter that
    decides how the body is read twice.
    """
    if len(fields) > 1:
        raise Ambiguous("The request has more than one Content-Type.", "content-type")
    text = fields[0] if fields else ""
    if _BARE.fullmatch(text):  # of nearly all requests
        return MediaType(text.strip().lower(), {})
    bare = _QUOTED.sub(lambda found: "" if found[1] else '"', text)
    if "," in bare or '"' in bare:
        raise Ambiguous("The request's Content-Type names more than one type, or has an open quote.", "content-type")
    pieces = [piece for piece in _PIECE.findall(text) if piece]
    params: dict[str, str] = {}
    for piece in pieces[1:]:
        name, _, value = piece.partition("=")
        name, value = name.strip().lower(), value.strip()
        base = name.partition("*")[0].strip()
        if base in _SINGLE and (name != base or name in params):
            raise Ambiguous(f"The request's Content-Type has an odd `{base}`: write it once.", "content-type")
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        params[name] = value
    return MediaType(pieces[0].strip().lower() if pieces else "", params)


def check_charset(charset: str, body: bytes) -> None:
    """Raises Ambiguous where the body is another text in this charset than in UTF-8."""
    name = charset.strip().lower().replace("_", "-")
    if not name or name in _UTF8 or (_ASCII.fullmatch(name) and body.isascii()):
        return
    raise Ambiguous(f"The request's Content-Type says charset={charset[:40]!r}: send UTF-8.", "content-type")
