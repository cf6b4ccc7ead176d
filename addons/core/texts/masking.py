"""Mask secrets in headers and URLs before anything is stored or shown.

The scheme stays, and the last four characters of a secret of 16 or more, so that two keys can be told apart: four of
so many do not help to guess it. Masking twice changes nothing more.

This is for keys that are not known, those of clients above all. They are found
1. by a name: of a header, a cookie, a parameter, or before `=` within any other value;
2. by what they look like, under any name: an authorization scheme, a provider's prefix, a JWT, and in heads and paths
   also 32 or more hexadecimal digits, or a long word without order. Ids of requests, traces and contents look the same:
   those are told by the field's name, or by the word before them (`resp_`, `file-`, `sha256:`).
The keys of the configuration are known by value: core/keys/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal
from urllib.parse import quote, unquote, unquote_plus

MASK = "..."
KEEP = 4
LONG_ENOUGH = 16

# Names are matched in lower case. `tokens` is a count (x-ratelimit-remaining-tokens), `token` is a credential.
_SECRET_NAME = re.compile(
    r"(?:^|[-_.])(?:key|auth|pwd|jwt|sig|signature)(?:$|[-_.])"
    r"|apikey|accesskey|secret|passw|passphrase|credential|authorization|authentication$|assertion|cookie"
    r"|token(?!s|[-_](?:count|limit|usage|budget|type))"
)
_HARMLESS_NAMES = frozenset(
    {"idempotency-key", "x-idempotency-key", "sec-websocket-key", "x-cache-key", "surrogate-key"}
)
_SCHEME = re.compile(r"([A-Za-z][\w-]*)\s+(\S.*)\Z", re.DOTALL)
_MASKED = re.compile(r"\.\.\.\S{0,4}\Z")
# Values that are credentials under any name: an authorization scheme, a provider's key prefix, a JWT.
_SECRET_VALUE = re.compile(
    r"\s*(?:(?:bearer|basic)\s+\S|(?:sk|pk|rk)-[\w-]{12}|gsk_|xai-|hf_\w{12}|gh[pousr]_|AIza[\w-]{12}|eyJ[\w-]+\.[\w-]+\.)",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?:(?<=:)|(?<![^\s=\"'(,]))//[^/?#\s]*@")
_PARAMETER = re.compile(r"([?&;#])([^=?&;#\s]+)=([^&;#\s]*)")
# Parameters that carry a credential, by names that mean something else in a header.
_PARAMETERS = frozenset(
    """code sid ssid otp pin hmac ticket session sessionid session_id session-id jsessionid phpsessid pw pass
    """.split()  # noqa: SIM905 - words, and many
)
# Keys within text, such as an upstream's error message.
_SECRET_WORD = re.compile(
    r"(?<![\w-])(?:sk|pk|rk)-[\w-]{12,}|(?<!\w)(?:gsk_|xai-|hf_|gh[pousr]_|AIza)[\w-]{12,}"
    r"|(?<![\w-])(?:[spr]k_(?:live|test)_|github_pat_|glpat-|xox[abeoprs]-|nvapi-|pplx-|csk-|tvly-|dckr_pat_|r8_|ya29\.)[\w-]{12,}"
    r"|(?<![A-Za-z0-9])A(?:KI|SI)A[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=bearer )[^\s\"',;]{16,}",
    re.IGNORECASE,
)
# How all of these begin but those behind `bearer `, in lower case.
KEY_BEGINNINGS = frozenset(
    "sk pk rk gs xa hf gh ai gi gl xo nv pp cs tv dc r8 ya ak as ey".split()  # noqa: SIM905 - words, and many
)
_LONG_WORD = re.compile(r"[\w.-]{15}")  # without one there is none of them, but behind `bearer `
# `name=value` and `name: value` within a value of a header.
_ASSIGNED = re.compile(r"(?<![\w.-])([\w.-]{2,64})(\s?[=:]\s?[\"']?)(?!\.\.\.)([^\s\"'&;,)}\]]{4,})")
# What follows a name of a secret in a list of WebSocket's subprotocols.
_PROTOCOL = re.compile(
    r"((?:api[-_]?key|token|bearer|authorization|secret|password|jwt|credential)[\w-]{0,64}\.)(?!\.\.)([^\s,]+)", re.I
)
_WORD = re.compile(r"://[^/?#\s]*|(?<![\w-])[\w-]{20,}(?![\w-])", re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9]{20,}")
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
_CLASSES = re.compile(r"[a-z]+|[A-Z]+|[0-9]+")
_DIGITS = re.compile(r"[0-9]+")
# Words that begin so are ids: of answers, files, requests, accounts.
_ID = re.compile(
    r"(?:resp|msg|msgbatch|req|request|chatcmpl|cmpl|file|upload|part|batch|thread|asst|run|step|vs|vsfb|ft|ftjob|conv|item"
    r"|call|fc|rs|ws|ig|ci|lp|mcp|toolu|srvtoolu|gen|org|proj|user|fp|eval|evalrun|cntr|container|skill|skillver|embd"
    r"|img|video|audio|snap|trace|sha\d+|blob|commit|uuid|id|models--\w+)[_-]",
    re.IGNORECASE,
)
_DIGEST_BEFORE = re.compile(r"(?:sha\d{1,3}|md5)[:=-]\Z", re.IGNORECASE)
# Header fields whose values look like keys, and are ids or digests.
_ID_NAME = re.compile(
    r"trace|span|(?:^|-)b3(?:-|$)|request-?id|correlation|etag|match|digest|hash|checksum|md5|sha\d|(?:^|-)ray(?:-|$)"
    r"|idempotency|fingerprint|(?<!session)(?<!sess)[-_]id$|sec-websocket-(?:key|accept)|range|content-type"
    r"|x-switchman-|integrity|surrogate|x-cache|signature-input"
)
_SHORTEST_RUN = 20  # characters
_LONGEST_KEPT = 64  # characters of a name that is cached: names come from clients, and 4096 long ones would add up
_URL_HEADERS = frozenset(
    {"referer", "location", "content-location", "x-original-url", "x-forwarded-uri", "x-rewrite-url"}
)


def is_secret_name(name: str) -> bool:
    """Whether a header or query parameter of this name carries a credential."""
    return _is_secret_name(name) if len(name) <= _LONGEST_KEPT else _is_secret_name.__wrapped__(name)


@lru_cache(maxsize=4096)
def _is_secret_name(name: str) -> bool:
    name = name.strip().lower()
    return name not in _HARMLESS_NAMES and _SECRET_NAME.search(name) is not None


def is_id_name(name: str) -> bool:
    """Whether a header field of this name has an id or a digest in it, which looks like a key."""
    return _kind(name) == "id"


def mask_secret(secret: str) -> str:
    """Replace a secret by `...` and, if it has 16 characters or more, its last four."""
    if _MASKED.match(secret):
        return secret
    return MASK + secret[-KEEP:] if len(secret) >= LONG_ENOUGH else MASK


def mask_headers(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Mask every credential; the order of the pairs and their names stay."""
    return tuple((name, _mask_header(name, value)) for name, value in pairs)


def is_secret_parameter(name: str) -> bool:
    """Whether a parameter of a query (decoded) carries a credential."""
    return is_secret_name(name) or name.lower() in _PARAMETERS


def is_secret_header(name: str, value: str) -> bool:
    """Whether a header is a credential, by its name or by what its value looks like."""
    return _mask_header(name, value) != value


def mask_url(text: str) -> str:
    """Mask user info, key parameters, and words that look like keys in a URL, or in a path with a query."""
    return _mask_words(_mask_keys(text), names_id=False)


def mask_text(text: str) -> str:
    """Mask text from elsewhere: user info and key parameters in URLs, and words that begin as keys do."""
    return _mask_keys(text)


def _mask_keys(text: str) -> str:
    if "@" in text:
        text = _USERINFO.sub(f"//{MASK}@", text)
    if "=" in text:
        text = _PARAMETER.sub(_mask_parameter, text)
    if _LONG_WORD.search(text) or "bearer " in text.lower():
        text = _SECRET_WORD.sub(_mask_match, text)
    return text


def _mask_match(match: re.Match[str]) -> str:
    return mask_secret(match[0])


def _mask_words(text: str, names_id: bool) -> str:
    """Mask words without order. `names_id`: what holds the text is by its name an id, or a digest."""
    return text if names_id or len(text) < _SHORTEST_RUN else _WORD.sub(_mask_word, text)


def _mask_word(match: re.Match[str]) -> str:
    word = match[0]
    if (
        word.startswith("://")
        or _ID.match(word)
        or _DIGEST_BEFORE.search(match.string, max(0, match.start() - 8), match.start())
    ):
        return word
    return mask_secret(word) if any(_is_random(run) for run in _RUN.findall(word)) else word


def secret_words(text: str) -> Iterator[str]:
    """The words of a text that begin as keys do."""
    if _LONG_WORD.search(text):
        yield from (found[0] for found in _SECRET_WORD.finditer(text))


def is_secret_word(word: str, before: str = "") -> bool:
    """Whether a word of letters, digits, `-` and `_` is a credential by its looks. `before`: what stands before it."""
    if _SECRET_WORD.match(word):
        return True
    if len(word) < _SHORTEST_RUN or _ID.match(word) or _DIGEST_BEFORE.search(before):
        return False
    return any(_is_random(run) for run in _RUN.findall(word))


def _is_random(run: str) -> bool:
    """Whether letters and digits follow each other without order, or are a hexadecimal number of 32 digits or more."""
    if _HEX.fullmatch(run):
        return True
    return len(_DIGITS.findall(run)) >= 2 and len(_CLASSES.findall(run)) >= 8


def _kind(name: str) -> Literal["cookie", "secret", "url", "id", "plain"]:
    return _kind_of(name) if len(name) <= _LONGEST_KEPT else _kind_of.__wrapped__(name)


@lru_cache(maxsize=4096)
def _kind_of(name: str) -> Literal["cookie", "secret", "url", "id", "plain"]:
    name = name.strip().lower()
    if name in ("cookie", "set-cookie"):
        return "cookie"
    if is_secret_name(name):
        return "secret"
    if name in _URL_HEADERS:
        return "url"
    return "id" if _ID_NAME.search(name) else "plain"


def _mask_header(name: str, value: str) -> str:
    kind = _kind(name)
    if kind == "cookie":
        return _mask_cookie(value, attributes=name.strip().lower() == "set-cookie")
    if kind == "secret" or _SECRET_VALUE.match(value):
        return _mask_credential(value.strip())
    if kind == "url":
        return mask_url(value)
    short = len(name) + len(value) <= 2 * _LONGEST_KEPT
    return _mask_plain(name, value) if short else _mask_plain.__wrapped__(name, value)


@lru_cache(maxsize=2048)  # most fields are the same in all requests of a client
def _mask_plain(name: str, value: str) -> str:
    value = _mask_keys(value)
    if "=" in value or ":" in value:
        value = _ASSIGNED.sub(_mask_assigned, value)
    if "." in value and name.strip().lower() == "sec-websocket-protocol":
        value = _PROTOCOL.sub(lambda match: match[1] + mask_secret(match[2]), value)
    return _mask_words(value, names_id=_kind(name) == "id")


def _mask_credential(value: str) -> str:
    if not (match := _SCHEME.match(value)):
        return mask_secret(value)
    scheme, secret = match.groups()
    # The end of a Basic credential is the end of a password.
    return f"{scheme} {MASK if 'basic' in f'{scheme} {secret}'.lower() else mask_secret(secret)}"


def _mask_cookie(value: str, attributes: bool) -> str:
    """Mask the values of cookies. In Set-Cookie only the first pair is one; Path, Expires and so on stay."""
    parts = value.split(";")
    secrets = 1 if attributes else len(parts)
    return ";".join([*map(_mask_pair, parts[:secrets]), *parts[secrets:]])


def _mask_pair(pair: str) -> str:
    name, equals, secret = pair.partition("=")
    return f"{name}={mask_secret(secret)}" if equals else mask_secret(pair)


def _mask_assigned(match: re.Match[str]) -> str:
    name, sign, value = match.groups()
    return f"{name}{sign}{mask_secret(value)}" if is_secret_parameter(name) else match[0]


def _mask_parameter(match: re.Match[str]) -> str:
    separator, name, value = match.groups()
    if is_secret_parameter(unquote_plus(name)):
        return f"{separator}{name}={mask_secret(value)}"
    if "%" in value and (plain := unquote(value)) != (masked := _mask_words(_mask_keys(plain), names_id=False)):
        return f"{separator}{name}={quote(masked, safe='/:@.-')}"  # a URL within the query
    return match[0]
