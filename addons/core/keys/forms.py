"""Which values can be looked for in any text, and the ways in which each may be written there.

A value is looked for where it cannot be a word of an ordinary answer:
1. with 16 characters or more, unless it is made of words that stand for "no key" (`sk-no-key-required`);
2. with 8 to 15, if it has letters and digits, or signs that no word has (`p@ssword`), and is none of those either.
What is shorter (`test`, `ollama`, `EMPTY`), one plain word (`password`), or a number is not looked for by value: it is
still masked where a name says that it is a key (core/texts/masking.py).
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus, unquote

from switchman.addons.core.texts.masking import is_secret_parameter

SHORTEST: Final = 8  # characters
LONG: Final = 16

# Values for clients and servers that insist on a key where none is needed are made of these.
_FILLERS: Final = frozenset(
    """sk pk no not non none null nil empty any anything some dummy fake test tests testing mock example sample demo
    local localhost your my our the a is this here api key keys apikey token secret pass password placeholder change
    changeme me unused needed need required require set used use default ignored ignore optional openai anthropic
    ollama lm studio lmstudio llama cpp vllm llamacpp switchman xxx abc todo tbd insert replace with for bearer
    """.split()  # noqa: SIM905 - words, and many
)
_PARTS: Final = re.compile(r"[a-z]+|\d+")
_ODD: Final = re.compile(r"[^A-Za-z0-9 _.:/-]")
_SCHEME: Final = re.compile(r"([A-Za-z][\w-]*)\s+(\S.*)", re.DOTALL)
_PARAMETER: Final = re.compile(r"(?<![\w.-])[\w.-]++=\"?([^\s\",;]+)")


def is_sought(value: str) -> bool:
    """Whether a key is so far from any word that it can be taken out of any text."""
    if len(value) < SHORTEST or _is_filler(value):
        return False
    if len(value) >= LONG or _ODD.search(value):
        return True
    return any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


def _is_filler(value: str) -> bool:
    parts = _PARTS.findall(value.lower())
    return all(part in _FILLERS or len(set(part)) == 1 or "1234567890".startswith(part) for part in parts)


def secrets_in(name: str, value: str) -> Iterator[str]:
    """The keys in a header's value: without its scheme, out of its parameters, and a Basic credential's two forms."""
    value = value.strip()
    if name.lower() in ("cookie", "set-cookie"):
        for pair in value.split(";"):
            yield pair.partition("=")[2].strip().strip('"')
        return
    found = _SCHEME.fullmatch(value)
    scheme, secret = (found[1].lower(), found[2].strip()) if found else ("", value)
    if scheme == "basic":
        yield secret
        yield from _decoded(secret)
        return
    yield secret
    if scheme:
        yield from _PARAMETER.findall(secret)


def parameters_in(query: str) -> Iterator[str]:
    """The keys in a query, by the names of its parameters."""
    for one in query.split("&"):
        name, _, value = one.partition("=")
        if value and is_secret_parameter(unquote(name)):
            yield unquote(value)


def _decoded(basic: str) -> Iterator[str]:
    try:
        pair = base64.b64decode(basic, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    yield from of_pair(pair)


def of_pair(pair: str) -> Iterator[str]:
    """`user:password`: the password, and both as Basic sends them."""
    yield pair.partition(":")[2]
    raw = pair.encode("utf-8", "surrogateescape")
    for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        yield encoded.decode().rstrip("=")


def forms(values: Iterable[str]) -> frozenset[str]:
    """Every way in which a key may be written: as it is, in a URL, in JSON, in JSON within JSON, in HTML."""
    found: set[str] = set()
    for value in values:
        found.add(value)
        if not value.isascii() or not value.replace("-", "").replace("_", "").isalnum():
            found.update(form for form in _written(value) if len(form) >= SHORTEST)
    return frozenset(found)


def _written(value: str) -> Iterator[str]:
    raw = value.encode("utf-8", "surrogateescape")
    for escaped in (quote(raw, safe=""), quote(raw), quote_plus(raw), quote(raw, safe="!$&'()*+,/:;=@~")):
        yield escaped
        yield re.sub(r"%..", lambda code: code[0].lower(), escaped)
    for is_ascii in (True, False):
        within = json.dumps(value, ensure_ascii=is_ascii)[1:-1]
        yield within
        yield within.replace("/", "\\/")
        yield json.dumps(within, ensure_ascii=is_ascii)[1:-1]
    yield html.escape(value)
    yield html.escape(value).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
