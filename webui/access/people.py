"""Who sends a request: by a token, by a trusted proxy's word, or by sitting at this machine.

1. AUTH_HEADER of one of TRUSTED_PROXIES names somebody, whose role AUTH_ROLES says.
2. A bearer or a cookie has a token, which says the role. What is said openly counts.
3. Where no token is needed, somebody at this machine itself is an admin, and others read all and change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from flask import current_app, g, request

from switchman.addons.core.access.apitoken import is_token
from switchman.addons.core.access.roles import Role
from switchman.addons.core.request.clients import Network, client_address, in_networks, parse_address, parse_network
from switchman.webui.access.csrf import Csrf
from switchman.webui.access.lockout import Lockout
from switchman.webui.access.proxied import auth_required, is_https
from switchman.webui.access.tokens import Token, TokenError, WrongSignature, read_token
from switchman.webui.config import WebConfig
from switchman.webui.languages.said import Said
from switchman.webui.looks.marked import N_

COOKIE = "switchman_session"
# A browser takes this name only over https, for this host alone: no other site of the same domain can set it.
SECURE_COOKIE = f"__Host-{COOKIE}"
LONGEST_NAME = 200

How = Literal["header", "bearer", "cookie", "local", "open"]


@dataclass(frozen=True, slots=True)
class Person:
    """`session` tells one sign-in from another. `sees_bodies`: prompts and answers, and what may quote them."""

    name: str
    role: Role
    how: How
    session: str
    sees_bodies: bool


class NotAccepted(Said):
    """What was sent as a proof is none; the message says why. `wait`: seconds before another one is looked at."""

    def __init__(self, message: str, status: int = 401, wait: float = 0.0, **values: object) -> None:
        super().__init__(message, **values)
        self.status = status
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Door:
    """What one app remembers of those who come."""

    lockout: Lockout
    csrf: Csrf


def web_config() -> WebConfig:
    """The configuration of the app that serves this request."""
    config: WebConfig = current_app.config["SWITCHMAN"]
    return config


def door() -> Door:
    found: Door = current_app.extensions["switchman_door"]
    return found


def person() -> Person:
    """Whoever sends this request. For views: guard.py has let them through."""
    found: Person = g.person
    return found


def is_needed(config: WebConfig) -> bool:
    """Whether this request must say who sends it: also where a header does that only a proxy in front adds."""
    if config.auth_header and config.auth_header in request.headers:
        return True
    return auth_required(config.webui_security, dict(request.headers), request.environ.get("SERVER_PROTOCOL", ""))


def somebody(config: WebConfig, needed: bool) -> Person | None:
    """Whoever sends this request; None for nobody that is known. Raises NotAccepted."""
    if (named := _named(config)) is not None:
        return named
    bearer, cookie = given_bearer(), given_cookie()
    if needed or bearer or cookie:
        try:
            if (found := _by_token(config, bearer, cookie)) is not None:
                return found
        except NotAccepted:
            if needed:
                raise
    return None if needed else _unasked(config)


def _unasked(config: WebConfig) -> Person:
    """Somebody who need not say who they are. All that was to be read before there were roles can still be read."""
    peer = parse_address(request.remote_addr or "")
    proxied = auth_required("AUTH_WHEN_PROXIED", dict(request.headers), request.environ.get("SERVER_PROTOCOL", ""))
    if peer is not None and peer.is_loopback and not proxied:
        return Person("local", Role.ADMIN, "local", "local", sees_bodies=True)
    return Person(f"unnamed at {address_of(config)}", Role.VIEWER, "open", "open", sees_bodies=True)


def _named(config: WebConfig) -> Person | None:
    """Whoever a trusted proxy names. Anybody else's word is not even looked at."""
    if not config.auth_header or not is_trusted_peer(config):
        return None
    name = request.headers.get(config.auth_header, "").strip()
    if not name:
        return None
    if "," in name or not name.isprintable() or len(name) > LONGEST_NAME:
        message = N_("The header %(header)s has not one name, but several or something else.")
        raise NotAccepted(message, 403, header=config.auth_header)
    role = config.auth_roles.of(name)
    if role is None:
        raise NotAccepted(N_("%(name)s has no role on this dashboard. AUTH_ROLES says who has which."), 403, name=name)
    return Person(name, role, "header", f"header {name}", _sees(role, config))


def _by_token(config: WebConfig, bearer: str, cookie: str) -> Person | None:
    """Raises NotAccepted for a bearer; a cookie that is over only means that somebody has to sign in again."""
    token, address, now = bearer or cookie, address_of(config), time.monotonic()
    if not token or not config.has_keys or is_token(token):  # an API token is none of ours: callers.py
        return None
    wait = door().lockout.wait(address, now)
    if wait and bearer:  # a cookie has been looked at before, and is looked at again: who is signed in stays so
        raise waiting(wait)
    try:
        found = accepted(token)
    except TokenError as error:
        if isinstance(error, WrongSignature):
            door().lockout.failed(address, now)
        if wait:
            raise waiting(wait) from None
        if bearer:
            raise NotAccepted(error.message, 401, 0.0, **error.values) from None
        return None
    return Person(found.who, found.role, "bearer" if bearer else "cookie", found.name, _sees(found.role, config))


def waiting(seconds: float) -> NotAccepted:
    return NotAccepted(N_("Too many wrong tokens came from your address. Wait a moment and try again."), 429, seconds)


def _sees(role: Role, config: WebConfig) -> bool:
    return role >= Role.OPERATOR or config.viewers_see_bodies


def accepted(token: str) -> Token:
    """The token, if it is valid and was not signed out; TokenError says why it is not accepted."""
    config = web_config()
    found = read_token(token, config.jwt_secret, config.sign_on)
    if config.queries.revocations.is_revoked(found.name):
        raise TokenError(N_("This token was signed out. Make a new one with: switchman token"))
    return found


def given_bearer() -> str:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else ""


def given_cookie() -> str:
    """The token in the cookie; "" if none."""
    if (found := request.cookies.get(SECURE_COOKIE)) is not None or came_by_https():
        return found or ""
    return request.cookies.get(COOKIE, "")


def carried_tokens() -> set[str]:
    """All of them, also those that do not count."""
    bearer = request.headers.get("Authorization", "").partition(" ")[2].strip()
    return {bearer, *(request.cookies.get(name, "") for name in (COOKIE, SECURE_COOKIE))} - {""}


def came_by_https() -> bool:
    return request.is_secure or is_https(dict(request.headers))


def address_of(config: WebConfig) -> str:
    """The client's address, as far as trusted proxies tell it."""
    forwarded = request.headers.getlist("X-Forwarded-For")
    return client_address(request.remote_addr or "", forwarded, _networks(tuple(config.trusted_proxies)))


def is_trusted_peer(config: WebConfig) -> bool:
    return in_networks(parse_address(request.remote_addr or ""), _networks(tuple(config.trusted_proxies)))


@lru_cache(maxsize=8)
def _networks(given: Sequence[object]) -> tuple[Network, ...]:
    return tuple(parse_network(str(network)) for network in given)
