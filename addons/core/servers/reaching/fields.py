"""Header fields that the configuration sets: names, values and keys that are safe to write into a request's head.

Field names and values: RFC 9110 section 5. A line break in a value would begin a field of its own, so it is refused,
and so is whatever has no one form on the wire. No message repeats a value: it may be a secret.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
MOST: Final = 8192  # characters of a value; servers refuse heads of more than 8 to 64 kB

# What says how a message is framed and sent on is the router's own: it writes each anew for each request.
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "trailer", "content-encoding", "expect"})
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "upgrade"}
)


def field_name(name: str) -> str:
    """The name, if a server's `headers` may have it. Raises ValueError."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("a header's name has letters, digits and hyphens only, and no blank or colon")
    lower = name.lower()
    if lower == "host":
        raise ValueError("host follows from the server's url, and cannot be set: write the name there")
    if lower in _FRAMING:
        raise ValueError(f"{lower} says how the body is sent, which the router decides for each request")
    if lower in _HOP_BY_HOP:
        raise ValueError(f"{lower} is between the router and the server's connection, and cannot be set")
    return name


def field_value(text: str, what: str = "a header's value") -> str:
    """The value without blanks and line breaks around it, which `$(cat file)` and YAML's `|` leave.

    Raises ValueError for what may not be in it, by its kind and place.
    """
    value = text.strip(" \t\r\n")
    for place, character in enumerate(value, 1):
        if character == "\t" or " " <= character <= "~":
            continue
        raise ValueError(f"{what} {_fault(character)} (character {place} of {len(value)})")
    if len(value) > MOST:
        raise ValueError(f"{what} is longer than {MOST} characters")
    return value


def key_value(text: str) -> str:
    """An API key, as `field_value`; it has no blank within either."""
    value = field_value(text, "the key")
    if found := re.search(r"[ \t]", value):
        raise ValueError(f"the key has a blank in it (character {found.start() + 1} of {len(value)})")
    return value


def _fault(character: str) -> str:
    if character in "\r\n":
        return "has a line break in it: it is one line"
    if character == "\0":
        return "has a NUL character in it"
    code = f"U+{ord(character):04X}"
    if unicodedata.category(character) in ("Cc", "Cf", "Cs"):
        return f"has a character in it that is not seen, {code}"
    return f"has a character in it that is not ASCII, {code}: headers take ASCII only"
