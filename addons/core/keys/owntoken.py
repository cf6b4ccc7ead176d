"""Take our own tokens out of what a client sends, in whatever form they come. No server may see one.

Two kinds are ours:
a. An API token (core/access/apitoken.py), which its form tells: whether it is of this router, of another one, revoked
   or cut short does not matter.
b. A token of the dashboard. Cookies know no ports, so a browser sends the dashboard's cookie to the proxy, too; and who
   has a token for the one tries it on the other. It is three words of base64 with dots between (RFC 7519), and
   `is_own` tells by its signature whether it is ours.

Where one is found only its own part is taken out:

1. of a cookie, its pair; of a query, its parameter; of a list of credentials or subprotocols, its element;
2. of any other field a parameter that holds it, else the token itself, else the whole field.
A field of which nothing is left is left out. A token in a path's segments cannot be taken out: `in_path` says so.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote

from switchman.addons.core.access.apitoken import PREFIX
from switchman.addons.core.texts.masking import is_secret_name

Fields = tuple[tuple[bytes, bytes], ...]
IsOwn = Callable[[str], bool]

_DOTTED: Final = re.compile(r"(?<![\w-])[\w-]++(?:\.[\w-]++){2,}+", re.ASCII)
_QUICK: Final = re.compile(rb"[\w-]{8}\.[\w-]{4}|%2e|basic", re.IGNORECASE)
# One that was cut short, or has something behind it, is taken out, too: most of a secret is a secret.
_API: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{16,}}")
_PREFIX: Final = PREFIX.encode()
_WHOLE: Final = re.compile(rb"(?:bearer +)?sk-sw-[0-9A-Za-z]{16,}", re.IGNORECASE)
_KEYS: Final = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"})
_BASIC: Final = re.compile(r"(?<![\w-])basic\s+([\w+/=-]{16,})", re.IGNORECASE | re.ASCII)
_PARAMETER: Final = re.compile(r"[?&;#][^=?&;#\s]+=[^&;#\s]*")
_PARAMETER_OF_CREDENTIAL: Final = re.compile(r"\s*[\w-]+\s*=")
_BEGINNINGS: Final = ("ey", "ew")  # what `{` becomes in base64, with what JSON allows behind it
_LISTS: Final = ("sec-websocket-protocol",)
_DECODINGS: Final = 3  # so often a value may be percent-encoded


def none_is_own(token: str) -> bool:
    """Where there is no dashboard, or it has no tokens: API tokens only are taken out."""
    return False


def without_tokens(given: Fields, path: str, is_own: IsOwn = none_is_own) -> tuple[Fields, str]:
    """Header fields and path (with its query) without tokens of ours. The same objects where there are none."""
    raw = b"\0".join([value for _, value in given])
    odd = b"%" in raw or b"basic" in raw.lower() or (is_own is not none_is_own and _QUICK.search(raw) is not None)
    if odd or _PREFIX in raw:
        kept = [
            (name, _left(name, value, is_own)) if odd or _PREFIX in value else (name, value) for name, value in given
        ]
        if kept != list(given):
            given = tuple((name, value) for name, value in kept if value is not None)
    path, mark, query = path.partition("?")
    if query and _holds(query, is_own):
        query = "&".join(one for one in query.split("&") if not _holds(one, is_own))
        mark = mark if query else ""
    return given, path + mark + query


def in_path(path: str, is_own: IsOwn = none_is_own) -> bool:
    """Whether a token of ours is in the segments of a path."""
    path = path.partition("?")[0]
    is_plain = is_own is none_is_own and "%" not in path and PREFIX not in path
    return not is_plain and _holds(path, is_own)


def _left(name: bytes, value: bytes, is_own: IsOwn) -> bytes | None:
    """What is left of a field; None where it is nothing."""
    if name.lower() in _KEYS and _WHOLE.fullmatch(value):  # nearly all requests
        return None
    left = _without(_text(name).lower(), _text(value), is_own)
    return None if left is None else left.encode("latin-1")


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")


def _holds(text: str, is_own: IsOwn) -> bool:
    if is_own is none_is_own:
        return any(_API.search(form) for form in _forms(text))
    return any(_API.search(form) or any(is_own(token) for token in _tokens(form)) for form in _forms(text))


def _forms(text: str) -> Iterator[str]:
    """The text as it is, percent-decoded, and what a Basic credential in it says."""
    for _ in range(_DECODINGS):
        yield text
        for found in _BASIC.finditer(text):
            try:
                yield base64.b64decode(found[1] + "==", altchars=b"-_" if {"-", "_"} & set(found[1]) else None).decode(
                    "latin-1"
                )
            except binascii.Error:
                continue
        plain = unquote(text, "latin-1") if "%" in text else text
        if plain == text:
            return
        text = plain
    yield text


def _tokens(text: str) -> Iterator[str]:
    """All that has the form of a token."""
    for found in _DOTTED.finditer(text):
        words = found[0].split(".")
        for head, payload, signature in zip(words, words[1:], words[2:], strict=False):
            for beginning in _BEGINNINGS:
                place = head.find(beginning)
                while place >= 0 and len(head) - place >= 8:
                    yield f"{head[place:]}.{payload}.{signature}"
                    place = head.find(beginning, place + 1) if place < 64 else -1


def _without(name: str, value: str, is_own: IsOwn) -> str | None:
    """A field's value without tokens of ours; None where nothing is left of it."""
    if not _holds(value, is_own):
        return value
    if name == "cookie":
        return _joined(";", (pair for pair in value.split(";") if not _holds(pair, is_own)))
    if name in _LISTS or is_secret_name(name):
        return _joined(",", _elements(value, is_own))
    value = _PARAMETER.sub(lambda one: one[0][0] if _holds(one[0], is_own) else one[0], value)
    for token in {*_API.findall(value), *(token for token in _tokens(value) if is_own(token))}:
        value = value.replace(token, "")
    return None if not value.strip() or _holds(value, is_own) else value


def _elements(value: str, is_own: IsOwn) -> Iterator[str]:
    """The elements of a list without the tokens, and without further parameters of a credential that is one."""
    dropped = False
    for element in value.split(","):
        if dropped and _PARAMETER_OF_CREDENTIAL.match(element):
            continue
        dropped = _holds(element, is_own)
        if not dropped:
            yield element


def _joined(sign: str, parts: Iterator[str]) -> str | None:
    return sign.join(part for part in parts if part.strip()).strip() or None
