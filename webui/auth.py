"""The dashboard's token, and when one is needed. Pure: the request comes as a mapping, the clock as an argument.

A token is a JWT signed with HS256 by JWT_SECRET, for the audience "switchman-dashboard", with an expiry. It is
made by `switchman token` and sent as `Authorization: Bearer`, or pasted once into the sign-in page.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

import jwt

AUDIENCE = "switchman-dashboard"
ALGORITHM = "HS256"
SHORTEST_SECRET = 32  # bytes: RFC 7518 section 3.2, a key at least as long as the hash

# Any of these says that someone stands between the browser and us. They can only raise the security: a client
# that invents one has to sign in.
PROXY_HEADERS = frozenset(
    {
        "x-forwarded-for",
        "x-real-ip",
        "cf-connecting-ip",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-original-forwarded-for",
        "forwarded",
    }
)


class TokenError(ValueError):
    """The token is not accepted; the message says why, for the person who pasted it."""


def is_proxied(header_names: Iterable[str]) -> bool:
    """Whether a request with these headers came through a proxy, in any case of the names."""
    return any(name.lower() in PROXY_HEADERS for name in header_names)


def auth_required(security: str, header_names: Iterable[str]) -> bool:
    """Whether WEBUI_SECURITY asks for a token. A mode that is not known asks for one."""
    if security == "NONE":
        return False
    if security == "AUTH_WHEN_PROXIED":
        return is_proxied(header_names)
    return True


def make_token(secret: str, hours: float, now: float | None = None) -> str:
    """A token that is valid for `hours`. ValueError for too short a secret, and for `hours` not positive and finite."""
    if len(secret.encode()) < SHORTEST_SECRET:
        raise ValueError(f"JWT_SECRET is too short: at least {SHORTEST_SECRET} bytes are needed")
    if not 0 < hours < math.inf:
        raise ValueError(f"a token cannot be valid for {hours} hours")
    issued = int(time.time() if now is None else now)
    return jwt.encode({"aud": AUDIENCE, "iat": issued, "exp": issued + round(hours * 3600)}, secret, ALGORITHM)


def token_expiry(token: str, secret: str) -> int:
    """The epoch second at which this valid token ends; TokenError says why it is not valid."""
    try:
        claims = jwt.decode(
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
    return int(claims["exp"])
