"""Access: decides who may see a page. It runs before every view:

1. a Host name that is not ours, on a request that needs no token -> 421: otherwise a foreign page could point its
   own name at our address and read everything (DNS rebinding). Where a token is needed, it protects by itself:
   the cookie belongs to the name it was set for.
2. a request that changes something and comes from another site -> 403.
3. no token needed, or a public file -> go on.
4. a token needed and no JWT_SECRET to check one with -> 403 that says what to do: fail closed.
5. no valid token -> 401: the sign-in page, or JSON for programs.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, jsonify, make_response, render_template, request

from switchman.addons.core.admission.hosts import Hosts
from switchman.webui.access.proxied import auth_required, is_https
from switchman.webui.access.tokens import Token, TokenError, read_token
from switchman.webui.config import WebConfig

COOKIE = "switchman_session"
# A browser takes this name only over https, for this host alone: no other site of the same domain can set it.
SECURE_COOKIE = f"__Host-{COOKIE}"
PUBLIC_ENDPOINTS = frozenset({"static", "signin.sign_in", "signin.accept_token", "signin.sign_out"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def web_config() -> WebConfig:
    """The configuration of the app that serves this request."""
    config: WebConfig = current_app.config["SWITCHMAN"]
    return config


def install(app: Flask) -> None:
    """Let every request of `app` pass through `check_access` first."""
    app.before_request(check_access)


def check_access() -> Response | None:
    config = web_config()
    needed = auth_required(config.webui_security, dict(request.headers), request.environ.get("SERVER_PROTOCOL", ""))
    if not needed and not is_our_name(request.host, config):
        return refusal(
            421,
            "This is not a name of the dashboard",
            f"The dashboard was asked for as {request.host!r}, which is not one of its names. Open it by its address, "
            "or add the name to WEBUI_HOSTS and start it again.",
        )
    if request.method not in SAFE_METHODS and not is_same_origin(config):
        return refusal(403, "This came from another site", "Reload the page in the dashboard and try again.")
    if not needed:
        return None
    if not config.jwt_secret:
        return missing_secret(config)
    if request.endpoint in PUBLIC_ENDPOINTS or signed_in(config.jwt_secret):
        return None
    return sign_in_needed()


def is_our_name(host: str, config: WebConfig) -> bool:
    """Whether a Host header names us: see core/admission/hosts.py. WEBUI_HOSTS and the name we listen on are given."""
    return _given(config.listen_host, *config.hosts).has(host)


@lru_cache(maxsize=8)
def _given(*names: str) -> Hosts:
    return Hosts.parse(name for name in names if name)


def is_same_origin(config: WebConfig) -> bool:
    """Whether a POST was sent by our own page. Programs send neither header: they have no cookie to steal."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    hosts = {request.host}
    if (forwarded := request.headers.get("X-Forwarded-Host")) and is_trusted_peer(config):
        hosts.add(forwarded)
    return urlsplit(origin).netloc in hosts


def is_trusted_peer(config: WebConfig) -> bool:
    try:
        peer = ip_address(request.remote_addr or "")
    except ValueError:
        return False
    return any(peer in ip_network(str(network)) for network in config.trusted_proxies)


def given_token() -> str:
    """The token that the request carries, as a bearer or in the cookie; "" if none. What is said openly counts."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return bearer.strip()
    if (found := request.cookies.get(SECURE_COOKIE)) is not None or came_by_https():
        return found or ""
    return request.cookies.get(COOKIE, "")


def carried_tokens() -> set[str]:
    """All of them, also those that do not count."""
    bearer = request.headers.get("Authorization", "").partition(" ")[2].strip()
    return {bearer, *(request.cookies.get(name, "") for name in (COOKIE, SECURE_COOKIE))} - {""}


def came_by_https() -> bool:
    return request.is_secure or is_https(dict(request.headers))


def accepted(token: str, secret: str) -> Token:
    """The token, if it is valid and was not signed out; TokenError says why it is not accepted."""
    found = read_token(token, secret)
    if web_config().queries.revocations.is_revoked(found.name):
        raise TokenError("This token was signed out. Make a new one with: switchman token")
    return found


def signed_in(secret: str) -> bool:
    """Whether the request carries a token that is accepted."""
    if not (token := given_token()):
        return False
    try:
        accepted(token, secret)
    except TokenError:
        return False
    return True


def wants_json() -> bool:
    """Whether the answer goes to a program: a data endpoint, or someone who does not ask for HTML."""
    return request.path.startswith("/api/") or "text/html" not in request.headers.get("Accept", "")


def sign_in_needed() -> Response:
    if wants_json():
        answer = jsonify(error="Sign in first: send `Authorization: Bearer <token>`, made with `switchman token`.")
    else:
        here = request.full_path if request.query_string else request.path
        answer = make_response(render_template("sign_in.html", next=here, problem=None))
    answer.status_code = 401
    answer.headers["WWW-Authenticate"] = 'Bearer realm="switchman"'
    return answer


def missing_secret(config: WebConfig) -> Response:
    if wants_json():
        answer = jsonify(error="The dashboard is locked: set JWT_SECRET (32 characters or more) and start it again.")
    else:
        answer = make_response(render_template("locked.html", security=config.webui_security))
    answer.status_code = 403
    return answer


def refusal(status: int, title: str, text: str) -> Response:
    """An error as JSON for programs, else as a page."""
    answer = (
        jsonify(error=text) if wants_json() else make_response(render_template("notice.html", title=title, text=text))
    )
    answer.status_code = status
    return answer
