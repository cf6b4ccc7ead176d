"""The dashboard's token. Pure: the clock is an argument.

A token is a JWT signed with HS256 by JWT_SECRET, for the audience "switchman-dashboard", with an expiry. It is
made by `switchman token` and sent as `Authorization: Bearer`, or pasted once into the sign-in page.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt

AUDIENCE = "switchman-dashboard"
ALGORITHM = "HS256"
SHORTEST_SECRET = 32  # bytes: RFC 7518 section 3.2, a key at least as long as the hash


class TokenError(ValueError):
    """The token is not accepted; the message says why, for the person who pasted it."""


def make_token(secret: str, hours: float, now: float | None = None) -> str:
    """A token that is valid for `hours`. ValueError for too short a secret, and for `hours` not positive and finite."""
    if len(secret.encode()) < SHORTEST_SECRET:
        raise ValueError(f"JWT_SECRET is too short: at least {SHORTEST_SECRET} bytes are needed")
    if not 0 < hours < math.inf:
        raise ValueError(f"a token cannot be valid for {hours} hours")
    issued = int(time.time() if now is None else now)
    claims = {"aud": AUDIENCE, "iat": issued, "exp": issued + round(hours * 3600), "jti": secrets.token_urlsafe(16)}
    return jwt.encode(claims, secret, ALGORITHM)


class Token(NamedTuple):
    """A valid token. `name` is what it is revoked by, 64 characters or fewer; `expires_at` an epoch second."""

    name: str
    expires_at: int


def read_token(token: str, secret: str) -> Token:
    """TokenError says why it is not valid. Whether it was signed out is not looked at here."""
    try:
        read = jwt.decode_complete(
            token,
            secret,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            options={"require": ["exp", "aud"]},
        )
    except jwt.ExpiredSignatureError:
        raise TokenError("This token has expired. Make a new one with: switchman token") from None
    except jwt.InvalidSignatureError:
        raise TokenError("This token was signed with another JWT_SECRET than the dashboard's.") from None
    except jwt.InvalidAudienceError:
        raise TokenError("This token was made for something else, not for the dashboard.") from None
    except jwt.MissingRequiredClaimError as error:
        raise TokenError(f"This token has no {error.claim!r} claim, which the dashboard asks for.") from None
    except jwt.InvalidTokenError:
        raise TokenError("This is not a valid token. Make one with: switchman token") from None
    return Token(_name_of(read), int(read["payload"]["exp"]))


def _name_of(read: Mapping[str, Any]) -> str:
    """By its jti where it has one. Else by its signature as bytes: as text, one can be written in several ways."""
    jti = read["payload"].get("jti")
    told = f"jti {jti}".encode() if isinstance(jti, str) and jti else b"signature " + read["signature"]
    return hashlib.sha256(told).hexdigest()


def token_expiry(token: str, secret: str) -> int:
    """The epoch second at which this valid token ends; TokenError says why it is not valid."""
    return read_token(token, secret).expires_at
