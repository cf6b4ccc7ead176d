"""Find the model that a query or an urlencoded form names, and put another one in its place; all else stays as it is.

The format is application/x-www-form-urlencoded: https://url.spec.whatwg.org/#application/x-www-form-urlencoded.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote_plus, unquote_plus

MAX_FIELDS: Final = 1000


def find(text: str, name: str) -> tuple[int, int] | None:
    """Start and end of the first field's value of this name. None where there is none among the first MAX_FIELDS."""
    at = 0
    for _ in range(MAX_FIELDS):
        end = text.find("&", at)
        end = len(text) if end < 0 else end
        equals = text.find("=", at, end)
        if equals >= 0 and unquote_plus(text[at:equals]) == name:
            return equals + 1, end
        at = end + 1
        if at > len(text):
            return None
    return None


def value(text: str, name: str) -> str:
    """The value of a field, unquoted; "" where there is none."""
    span = find(text, name)
    return unquote_plus(text[span[0] : span[1]]) if span else ""


def replaced(text: str, name: str, new: str) -> str:
    """The text with the value of a field replaced; as it is where there is no such field."""
    span = find(text, name)
    return text if span is None else text[: span[0]] + quoted(new) + text[span[1] :]


def quoted(text: str) -> str:
    """As a value in a query. A model's slash and colon stay: servers read them either way, and people read them."""
    return quote_plus(text, safe="/:", errors="replace")


def without(query: str, name: str) -> str:
    """The query without all fields of this name."""
    kept = [one for one in query.split("&") if unquote_plus(one.partition("=")[0]) != name]
    return "&".join(kept)


def beside(query: str, own: str) -> str:
    """Both queries as one. A name that is in `own` is not taken from `query`."""
    names = {unquote_plus(one.partition("=")[0]) for one in own.split("&")} if own else set()
    kept = [one for one in query.split("&") if one and unquote_plus(one.partition("=")[0]) not in names]
    return "&".join([*kept, own] if own else kept) if own else query
