"""Which tokens of ours a request came with, and whom they stand for.

    presented(fields, path)             -> the tokens in the places where clients put their key
    check(tokens, find, now)            -> the Caller, or a Refused with what to tell the client

The places: `Authorization` (with any scheme or none), `x-api-key`, `api-key`, `x-goog-api-key`, `key` in the query, and
for a browser's WebSocket the subprotocol `openai-insecure-api-key.TOKEN`. A token in one place and a provider's key in
another one is how a caller brings a key of its own: only what begins as a token does is looked at here.

Nothing is told that only somebody who has the token could not know: who presents a revoked or expired one is told so,
as it is found by its whole SHA-256; all else is one answer.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from urllib.parse import unquote_plus

from switchman.addons.core.access import apitoken
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.request.hopbyhop import Fields

FIELDS: Final = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"})
PARAMETER: Final = "key"
PROTOCOLS: Final = b"sec-websocket-protocol"
PROTOCOL: Final = b"openai-insecure-api-key."

_PREFIX: Final = apitoken.PREFIX.encode()
_BEGUN: Final = re.compile(rb"(?<![\w-])sk-sw-[^\s,;\"']*")
_UNKNOWN: Final = "0" * 64  # a digest that no text has, as far as anybody knows

WHERE: Final = "Authorization: Bearer TOKEN, x-api-key, api-key, x-goog-api-key or ?key=TOKEN"
MISSING: Final = (
    f"This router wants a token of its own with each request ({WHERE}), and this one came with none. Whoever runs it "
    "makes one with `switchman token create --name NAME`."
)
TWO: Final = "The request came with two different tokens of this router: send one of them."
MALFORMED: Final = (
    f"The token is not whole: {apitoken.PREFIX} and {apitoken.LENGTH} letters and digits were expected. Copy it again."
)
NOT_KNOWN: Final = "The token is not known here: it is not of this router, or it has ended long ago."
REVOKED: Final = "The token was revoked. Ask whoever runs this router for another one."
ROTATED: Final = "The token was replaced by a new one, and the time that it was still good for is over."

Why = Literal["missing", "two", "malformed", "unknown", "revoked", "expired", "rotated"]


class Refused(Exception):
    """The request may not go on; the message is for its sender."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a digest. `valid_until`: of this text of the token, where it was replaced by another."""

    digest: str
    caller: Caller
    revoked_at: float | None = None
    valid_until: float | None = None


def presented(fields: Fields, path: str) -> tuple[str, ...]:
    """The different texts that begin as a token of ours does, in all the places."""
    found: dict[str, None] = {}
    for name, value in fields:
        if _PREFIX in value and ((lower := name.lower()) in FIELDS or lower == PROTOCOLS):
            for text in _in_field(lower, value):
                found[text] = None
    query = path.partition("?")[2]
    if query:
        for one in query.split("&"):
            name_of, _, value_of = one.partition("=")
            if unquote_plus(name_of) == PARAMETER and (text := unquote_plus(value_of)).startswith(apitoken.PREFIX):
                found[text] = None
    return tuple(found)


def _in_field(name: bytes, value: bytes) -> list[str]:
    if name == PROTOCOLS:
        offered = (one.strip() for one in value.split(b","))
        kept = [one.removeprefix(PROTOCOL) for one in offered if one.startswith(PROTOCOL + _PREFIX)]
    else:
        kept = _BEGUN.findall(value)
    return [text.decode("latin-1") for text in kept]


def check(tokens: tuple[str, ...], find: Callable[[str], Known | None], now: float) -> Caller:
    """Whom the tokens stand for. `find` has what is known of a digest; `now`: epoch seconds. Raises Refused."""
    if not tokens:
        raise Refused("missing", MISSING)
    if len(tokens) > 1:
        raise Refused("two", TWO)
    if not apitoken.is_token(tokens[0]):
        raise Refused("malformed", MALFORMED)
    digest = apitoken.digest_of(tokens[0])
    known = find(digest)
    if not hmac.compare_digest(known.digest if known is not None else _UNKNOWN, digest) or known is None:
        raise Refused("unknown", NOT_KNOWN)
    if known.revoked_at is not None:
        raise Refused("revoked", REVOKED)
    expires = known.caller.expires_at
    if expires is not None and expires <= now:
        raise Refused(
            "expired", f"The token expired at {_when(expires)}. Ask whoever runs this router for another one."
        )
    if known.valid_until is not None and known.valid_until <= now:
        raise Refused("rotated", ROTATED)
    return known.caller


def _when(moment: float) -> str:
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return "a time long ago"
