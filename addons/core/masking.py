"""Mask secrets in headers and URLs before anything is stored or shown.

The scheme stays, and the last four characters of a secret of 16 or more, so that two keys can be told apart: four of
so many do not help to guess it. Masking twice changes nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote_plus

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
_USERINFO = re.compile(r"://[^/?#\s]*@")
_PARAMETER = re.compile(r"([?&;#])([^=?&;#\s]+)=([^&;#\s]*)")
# Keys within text, such as an upstream's error message.
_SECRET_WORD = re.compile(
    r"(?<![\w-])(?:sk|pk|rk)-[\w-]{12,}|(?<!\w)(?:gsk_|xai-|hf_|gh[pousr]_|AIza)[\w-]{12,}"
    r"|(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=bearer )[^\s\"',;]{16,}",
    re.IGNORECASE,
)
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


def mask_secret(secret: str) -> str:
    """Replace a secret by `...` and, if it has 16 characters or more, its last four."""
    if _MASKED.match(secret):
        return secret
    return MASK + secret[-KEEP:] if len(secret) >= LONG_ENOUGH else MASK


def mask_headers(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Mask every credential; the order of the pairs and their names stay."""
    return tuple((name, _mask_header(name, value)) for name, value in pairs)


def mask_url(text: str) -> str:
    """Mask user info and key parameters in a URL, in a path with a query, or in text that holds one."""
    if "@" in text:
        text = _USERINFO.sub(f"://{MASK}@", text)
    return _PARAMETER.sub(_mask_parameter, text) if "=" in text else text


def mask_text(text: str) -> str:
    """Mask text from elsewhere: URLs as `mask_url` does, and words that look like keys."""
    return _SECRET_WORD.sub(lambda match: mask_secret(match[0]), mask_url(text))


def _kind(name: str) -> Literal["cookie", "secret", "url", "plain"]:
    return _kind_of(name) if len(name) <= _LONGEST_KEPT else _kind_of.__wrapped__(name)


@lru_cache(maxsize=4096)
def _kind_of(name: str) -> Literal["cookie", "secret", "url", "plain"]:
    name = name.strip().lower()
    if name in ("cookie", "set-cookie"):
        return "cookie"
    if is_secret_name(name):
        return "secret"
    return "url" if name in _URL_HEADERS else "plain"


def _mask_header(name: str, value: str) -> str:
    kind = _kind(name)
    if kind == "cookie":
        return _mask_cookie(value, attributes=name.strip().lower() == "set-cookie")
    if kind == "secret" or _SECRET_VALUE.match(value):
        return _mask_credential(value.strip())
    return mask_url(value) if kind == "url" or "://" in value else value


def _mask_credential(value: str) -> str:
    if not (match := _SCHEME.match(value)):
        return mask_secret(value)
    scheme, secret = match.groups()
    # The end of a Basic credential is the end of a password.
    return f"{scheme} {MASK if scheme.lower() == 'basic' else mask_secret(secret)}"


def _mask_cookie(value: str, attributes: bool) -> str:
    """Mask the values of cookies. In Set-Cookie only the first pair is one; Path, Expires and so on stay."""
    parts = value.split(";")
    secrets = 1 if attributes else len(parts)
    return ";".join([*map(_mask_pair, parts[:secrets]), *parts[secrets:]])


def _mask_pair(pair: str) -> str:
    name, equals, secret = pair.partition("=")
    return f"{name}={mask_secret(secret)}" if equals else mask_secret(pair)


def _mask_parameter(match: re.Match[str]) -> str:
    separator, name, value = match.groups()
    return f"{separator}{name}={mask_secret(value)}" if is_secret_name(unquote_plus(name)) else match[0]
