"""The dashboard's token, and when one is needed. Pure: the request comes as a mapping, the clock as an argument.

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

# Any of these says that someone stands between the browser and us. They can only raise the security: a client
# that invents one has to sign in.
PROXY_HEADERS = frozenset(
    {
        *("forwarded", "via", "x-real-ip", "x-original-forwarded-for", "x-original-host", "x-original-url"),
        *("client-ip", "x-scheme", "x-url-scheme", "x-rewrite-url", "x-request-start", "front-end-https"),
        *("cdn-loop", "x-amzn-trace-id", "x-cloud-trace-context", "x-arr-log-id", "remote-user"),
    }
)
PROXY_PREFIXES = ("x-forwarded", "cf-", "x-envoy-", "fastly-", "fly-", "x-azure-", "x-auth-request-", "tailscale-")
PROXY_ENDINGS = ("-client-ip", "-connecting-ip", "-forwarded-for", "-real-ip")
HTTPS_HEADERS = ("x-forwarded-proto", "x-forwarded-scheme", "x-scheme", "x-url-scheme")


class TokenError(ValueError):
    """The token is not accepted; the message says why, for the person who pasted it."""


def is_proxied(headers: Mapping[str, str], protocol: str = "HTTP/1.1") -> bool:
    """Whether a request came through a proxy. Names count in any case; `protocol` is that of the request's first line.

    A proxy that adds no header still shows, as long as it speaks HTTP/1.0 (nginx's plain `proxy_pass` before 1.29.7
    does), or passes a browser's request on: every browser asks for `Connection: keep-alive`, which is meant for one
    hop and is not passed on, and the page that a same-origin request names is then on another host than its Host.
    What cannot be told is a program (curl) behind a proxy that speaks HTTP/1.1 and adds nothing: it looks like the
    same program on this machine. Only ALWAYS_AUTH holds there.
    """
    given = {name.lower(): value for name, value in headers.items()}
    if protocol not in ("HTTP/1.1", "HTTP/2", "HTTP/2.0"):
        return True
    if any(name in PROXY_HEADERS or name.startswith(PROXY_PREFIXES) or name.endswith(PROXY_ENDINGS) for name in given):
        return True
    if "sec-fetch-site" not in given:
        return False  # not a browser's, or not one that tells more
    hops = {word.strip().lower() for word in given.get("connection", "").split(",")}
    return "keep-alive" not in hops or _is_of_another_host(given)


def _is_of_another_host(given: Mapping[str, str]) -> bool:
    """Whether a browser says that it asks the host it has the page from, and names another one than Host does."""
    page = given.get("origin") or given.get("referer") or ""
    if given["sec-fetch-site"] != "same-origin" or "://" not in page:
        return False
    return page.partition("://")[2].partition("/")[0].lower() != given.get("host", "").lower()


def auth_required(security: str, headers: Mapping[str, str], protocol: str = "HTTP/1.1") -> bool:
    """Whether WEBUI_SECURITY asks for a token. A mode that is not known asks for one."""
    if security == "NONE":
        return False
    if security == "AUTH_WHEN_PROXIED":
        return is_proxied(headers, protocol)
    return True


def is_https(headers: Mapping[str, str]) -> bool:
    """Whether a proxy, or the browser's own Origin, says that the browser came by https.

    Anybody is believed: who lies gets a cookie that his own browser does not send back over plain HTTP.
    """
    given = {name.lower(): value.strip().lower() for name, value in headers.items()}
    return (
        given.get("origin", "").startswith("https://")
        or any(given.get(name, "").partition(",")[0].strip() == "https" for name in HTTPS_HEADERS)
        or any(given.get(name, "") == "on" for name in ("x-forwarded-ssl", "front-end-https"))
        or "proto=https" in given.get("forwarded", "").partition(",")[0].replace('"', "")
        or '"scheme":"https"' in given.get("cf-visitor", "").replace(" ", "")
    )


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
