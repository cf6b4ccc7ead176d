"""The one check that every request passes, whatever it asks for: page, data, export or nothing that there is.

1. a Host name that is not ours, on a request that needs no token or that a proxy's header names somebody for -> 421:
   otherwise a foreign page could point its own name at our address and read everything (DNS rebinding). Where a token
   is needed, it protects by itself: the cookie belongs to the name it was set for.
2. a request that changes something and comes from another site -> 403.
3. who sends it (people.py); a proof that is none -> 401, or 429 after many.
4. a public view -> go on.
5. nobody, and no key to check a token with -> 403 that says what to do: fail closed.
6. nobody -> 401: the sign-in page, or JSON for programs. So who may see nothing is not told what there is, either.
7. the view's least role (roles.py) is above theirs -> 403.
8. a change that a browser asks for without our word (csrf.py) -> 403.
"""

from __future__ import annotations

import math
from functools import lru_cache
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, jsonify, make_response, render_template, request

from switchman.addons.core.access.admission.hosts import Hosts
from switchman.addons.core.access.roles import Role
from switchman.webui.access import csrf, roles
from switchman.webui.access.lockout import Lockout
from switchman.webui.access.people import (
    Door,
    NotAccepted,
    Person,
    door,
    is_needed,
    is_trusted_peer,
    somebody,
    web_config,
)
from switchman.webui.config import WebConfig

SITE_HEADERS = ("Origin", "Sec-Fetch-Site")  # what browsers send, and nobody else does


def install(app: Flask) -> None:
    """Let every request of `app` pass through `check_access` first. All views are registered by now."""
    roles.install(app)
    app.extensions["switchman_door"] = Door(Lockout(), csrf.Csrf())
    app.before_request(check_access)


def check_access() -> Response | None:
    config = web_config()
    needed = is_needed(config)
    if not needed and not is_our_name(request.host, config):
        return foreign_name()
    changes = request.method not in roles.SAFE_METHODS
    if changes and not is_same_origin(config):
        return refusal(403, "This came from another site", "Reload the page in the dashboard and try again.")
    least = roles.least_of(current_app, request.endpoint)
    try:
        found = somebody(config, needed)
    except NotAccepted as error:
        if least != roles.PUBLIC or not config.can_sign_in:
            return not_accepted(error)
        found = None
    if found is None:
        if not config.can_sign_in:
            return missing_secret(config)
        return None if least == roles.PUBLIC else sign_in_needed()
    if found.how == "header" and not is_our_name(request.host, config):
        return foreign_name()
    g.person = found
    if found.role < least:
        return not_for(found, least)
    if changes and least != roles.PUBLIC and not is_own_change(found):
        return refusal(
            403,
            "This page is too old",
            "Load the page again, and try once more: what it sent has no word of this dashboard's (CSRF).",
        )
    return None


def foreign_name() -> Response:
    return refusal(
        421,
        "This is not a name of the dashboard",
        f"The dashboard was asked for as {request.host!r}, which is not one of its names. Open it by its address, "
        "or add the name to WEBUI_HOSTS and start it again.",
    )


def is_own_change(person: Person) -> bool:
    """Whether a change was asked for by our own page, or by a program, which sends nothing by itself that proves."""
    if person.how == "bearer":
        return True
    is_program = not any(name in request.headers for name in SITE_HEADERS)
    if person.how in ("local", "open") and is_program and request.is_json:
        return True
    given = request.headers.get(csrf.HEADER) or ("" if request.is_json else request.form.get(csrf.FIELD, ""))
    return door().csrf.is_good(person.session, given)


def csrf_word() -> str:
    """For the forms of this page; "" for who cannot change anything."""
    found: Person | None = g.get("person")
    return door().csrf.word(found.session) if found is not None else ""


def is_our_name(host: str, config: WebConfig) -> bool:
    """Whether a Host header names us: see access/admission/hosts.py of core. WEBUI_HOSTS and our own are given."""
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


def wants_json() -> bool:
    """Whether the answer goes to a program: a data endpoint, or someone who does not ask for HTML."""
    return request.path.startswith("/api/") or "text/html" not in request.headers.get("Accept", "")


def sign_in_needed(problem: str | None = None) -> Response:
    if not web_config().has_keys:
        return refusal(
            403,
            "Come by the single sign-on",
            "Who is signed in is named by a proxy in front (AUTH_HEADER), and this request has not come from there.",
        )
    if wants_json():
        hint = "Sign in first: send `Authorization: Bearer <token>`, made with `switchman token`."
        answer = jsonify(error=f"{problem} {hint}" if problem else hint)
    else:
        here = request.full_path if request.query_string else request.path
        answer = make_response(render_template("sign_in.html", next=here, problem=problem))
    answer.status_code = 401
    answer.headers["WWW-Authenticate"] = 'Bearer realm="switchman"'
    return answer


def not_accepted(error: NotAccepted) -> Response:
    if error.status == 401:
        return sign_in_needed(str(error))
    answer = refusal(error.status, "Not signed in", str(error))
    if error.wait:
        answer.headers["Retry-After"] = str(math.ceil(error.wait))
    return answer


def not_for(person: Person, least: int) -> Response:
    """Somebody who is known, and may not."""
    if least > Role.ADMIN:
        return refusal(403, "Not open", "Nobody has said who may see this.")
    word = Role(least).word
    text = f"This is for the role {word}, and {person.name} has the role {person.role.word}."
    if person.how == "open":
        text = f"This is for the role {word}. Sign in with a token of that role: switchman token jwt --role {word}"
    return refusal(403, f"For the role {word}", text)


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
