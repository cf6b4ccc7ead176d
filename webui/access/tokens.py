"""The dashboard's token. Pure: the clock is an argument.

A token is a JWT with an expiry, sent as `Authorization: Bearer`, or pasted once into the sign-in page.

1. Ours is signed with HS256 by JWT_SECRET, for the audience "switchman-dashboard". `switchman token` makes it.
   One without a role was made before there were any: it is a viewer's.
2. Another's is signed for JWT_PUBLIC_KEY, by the algorithm of that key, for JWT_AUDIENCE and of JWT_ISSUER. Its role is
   in JWT_ROLE_CLAIM; without one it opens nothing.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jwt

from switchman.addons.config.secrets.jwt_keys import DASHBOARD, PublicKey
from switchman.addons.core.access.roles import Role, claimed, highest, parse_role
from switchman.webui.languages.said import Said
from switchman.webui.looks.marked import N_

AUDIENCE = DASHBOARD
ALGORITHM = "HS256"
SHORTEST_SECRET = 32  # bytes: RFC 7518 section 3.2, a key at least as long as the hash
LONGEST = 16_384  # characters; a browser keeps a cookie of 4,096 bytes
LONGEST_NAME = 200
LATEST = 2**40  # epoch seconds: what a browser and a database can count to
CLOCKS = 30  # seconds that another's clock may be off

# Claims that name a person, the first that is there; `sub` is what the provider tells people apart by.
_NAMES = ("email", "preferred_username", "name")


@dataclass(frozen=True, slots=True)
class SignOn:
    """Whoever else signs tokens for the dashboard."""

    keys: Sequence[PublicKey]
    issuer: str | None = None
    audience: str = AUDIENCE
    role_claim: str = "role"


class TokenError(Said, ValueError):
    """The token is not accepted; the message says why, for the person who pasted it."""


class WrongSignature(TokenError):
    """It was not signed with this key, or is no token at all: whoever sent it may be guessing."""


def make_token(
    secret: str, hours: float, now: float | None = None, *, role: Role = Role.ADMIN, who: str | None = None
) -> str:
    """A token that is valid for `hours`. ValueError for too short a secret, and for `hours` not positive and finite."""
    if len(secret.encode()) < SHORTEST_SECRET:
        raise ValueError(f"JWT_SECRET is too short: at least {SHORTEST_SECRET} bytes are needed")
    if not 0 < hours < math.inf:
        raise ValueError(f"a token cannot be valid for {hours} hours")
    issued = int(time.time() if now is None else now)
    claims: dict[str, Any] = {
        "aud": AUDIENCE,
        "iat": issued,
        "exp": issued + round(hours * 3600),
        "jti": secrets.token_urlsafe(16),
        "role": role.word,
    }
    return jwt.encode(claims | ({"sub": who} if who else {}), secret, ALGORITHM)


NO_TOKEN = N_("This is not a valid token. Make one with: switchman token")


class Token(NamedTuple):
    """A valid token. `name` is what it is revoked by, 64 characters; `expires_at` an epoch second; `who` a person."""

    name: str
    expires_at: int
    role: Role
    who: str


def read_token(token: str, secret: str | None, sign_on: SignOn | None = None) -> Token:
    """TokenError says why it is not valid. Whether it was signed out is not looked at here."""
    problem = TokenError(NO_TOKEN)
    if len(token) > LONGEST or token.count(".") != 2:
        raise problem
    algorithm = _said_algorithm(token)  # for the message; each key is tried with its own algorithm only
    if secret is not None:
        try:
            return _own(token, secret)
        except TokenError as error:
            if sign_on is None or algorithm == ALGORITHM:
                raise
            problem = error
    for one in sign_on.keys if sign_on else ():
        try:
            return _others(token, one, sign_on)  # type: ignore[arg-type]  # there is one, else it has no keys
        except TokenError as error:
            if one.algorithm == algorithm or secret is None:
                problem = error
            if not isinstance(error, WrongSignature):
                raise
    raise TokenError(problem.message, **problem.values)


def _own(token: str, secret: str) -> Token:
    read = _decoded(token, secret, ALGORITHM, AUDIENCE)
    claims = read["payload"]
    try:
        role = parse_role(str(claims["role"])) if "role" in claims else Role.VIEWER
    except ValueError as error:
        raise TokenError(N_("This token's role cannot be read: %(error)s."), error=error) from None
    name = _name_of(read)
    return Token(name, _end(claims), role, _cleaned(claims.get("sub")) or f"token {name[:8]}")


def _others(token: str, one: PublicKey, sign_on: SignOn) -> Token:
    read = _decoded(token, one.key, one.algorithm, sign_on.audience, sign_on.issuer, CLOCKS)
    claims = read["payload"]
    role = highest(claimed(claims, sign_on.role_claim))
    if role is None:
        message = N_("This token has no role for the dashboard in its claim %(claim)s (viewer, operator or admin).")
        raise TokenError(message, claim=repr(sign_on.role_claim))
    name = _name_of(read, f"{sign_on.issuer} ")
    subject = _cleaned(claims.get("sub"))
    friendly = next(filter(None, (_cleaned(claims.get(claim)) for claim in _NAMES)), "")
    who = f"{friendly} ({subject})" if friendly and subject and friendly != subject else friendly or subject
    return Token(name, _end(claims), role, who or f"token {name[:8]}")


def _decoded(
    token: str, key: Any, algorithm: str, audience: str, issuer: str | None = None, leeway: float = 0
) -> dict[str, Any]:
    """Head, claims and signature of a valid token; the one algorithm is the key's, whatever the token says."""
    try:
        return jwt.decode_complete(
            token,
            key,
            algorithms=[algorithm],
            audience=audience,
            issuer=issuer,
            leeway=leeway,
            options={"require": ["exp", "aud", *(["iss"] if issuer is not None else [])]},
        )
    except jwt.ExpiredSignatureError:
        raise TokenError(N_("This token has expired. Make a new one with: switchman token")) from None
    except jwt.InvalidSignatureError:
        if algorithm == ALGORITHM:
            raise WrongSignature(N_("This token was signed with another JWT_SECRET than the dashboard's.")) from None
        message = N_("This token was signed with another key than the dashboard's JWT_PUBLIC_KEY.")
        raise WrongSignature(message) from None
    except jwt.InvalidAudienceError:
        raise TokenError(N_("This token was made for something else, not for the dashboard.")) from None
    except jwt.InvalidIssuerError:
        raise TokenError(N_("This token was made by somebody else than JWT_ISSUER.")) from None
    except jwt.MissingRequiredClaimError as error:
        message = N_("This token has no %(claim)s claim, which the dashboard asks for.")
        raise TokenError(message, claim=repr(error.claim)) from None
    except jwt.ImmatureSignatureError:
        message = N_("This token is not valid yet: the clocks of who made it and of this machine differ.")
        raise TokenError(message) from None
    except (jwt.InvalidTokenError, OverflowError, TypeError):  # of a time without bounds, which is signed nonetheless
        raise WrongSignature(NO_TOKEN) from None


def _said_algorithm(token: str) -> str:
    try:
        return str(jwt.get_unverified_header(token).get("alg"))
    except jwt.InvalidTokenError:
        return ""


def _end(claims: Mapping[str, Any]) -> int:
    return min(int(claims["exp"]), LATEST)


def _cleaned(value: object) -> str:
    """A name as it is shown and written down: one line, not too long."""
    return " ".join(value.split())[:LONGEST_NAME] if isinstance(value, str) and value.isprintable() else ""


def _name_of(read: Mapping[str, Any], issuer: str = "") -> str:
    """By its jti where it has one. Else by its signature as bytes: as text, one can be written in several ways."""
    jti = read["payload"].get("jti")
    if isinstance(jti, str) and jti:
        return hashlib.sha256(f"jti {issuer}{jti}".encode("utf-8", "surrogatepass")).hexdigest()
    return hashlib.sha256(b"signature " + read["signature"]).hexdigest()


def token_expiry(token: str, secret: str) -> int:
    """The epoch second at which this valid token ends; TokenError says why it is not valid."""
    return read_token(token, secret).expires_at
