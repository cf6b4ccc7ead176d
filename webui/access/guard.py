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
from flask_babel import gettext

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
from switchman.webui.languages.said import Said
from switchman.webui.languages.shown import role_word
from switchman.webui.looks.marked import N_

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
        return refusal(403, N_("This came from another site"), N_("Reload the page in the dashboard and try again."))
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
            N_("This page is too old"),
            N_("Load the page again, and try once more: what it sent has no word of this dashboard's (CSRF)."),
        )
    return None


def foreign_name() -> Response:
    text = N_(
        "The dashboard was asked for as %(host)s, which is not one of its names. Open it by its address, "
        "or add the name to WEBUI_HOSTS and start it again."
    )
    return refusal(421, N_("This is not a name of the dashboard"), text, host=repr(request.host))


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


def said(text: str, **values: object) -> str:
    """A sentence of the catalogs for whoever asks: programs get it in English, as they get all of the API."""
    if wants_json():
        return text % values if values else text
    return str(gettext(text, **values))


def sign_in_needed(problem: Said | None = None) -> Response:
    if not web_config().has_keys:
        return refusal(
            403,
            N_("Come by the single sign-on"),
            N_(
                "Who is signed in is named by a proxy in front (AUTH_HEADER), and this request has not come from there."
            ),
        )
    if wants_json():
        hint = "Sign in first: send `Authorization: Bearer <token>`, made with `switchman token`."
        answer = jsonify(error=f"{problem} {hint}" if problem else hint)
    else:
        here = request.full_path if request.query_string else request.path
        answer = make_response(render_template("sign_in.html", next=here, problem=problem and problem.words()))
    answer.status_code = 401
    answer.headers["WWW-Authenticate"] = 'Bearer realm="switchman"'
    return answer


def not_accepted(error: NotAccepted) -> Response:
    if error.status == 401:
        return sign_in_needed(error)
    answer = refusal(error.status, N_("Not signed in"), str(error), error.words())
    if error.wait:
        answer.headers["Retry-After"] = str(math.ceil(error.wait))
    return answer


def not_for(person: Person, least: int) -> Response:
    """Somebody who is known, and may not."""
    if least > Role.ADMIN:
        return refusal(403, N_("Not open"), N_("Nobody has said who may see this."))
    word = Role(least).word
    text = N_("This is for the role %(role)s, and %(name)s has the role %(own)s.")
    if person.how == "open":
        text = N_(
            "This is for the role %(role)s. Sign in with a token of that role: switchman token jwt --role %(role)s"
        )
    own = person.role.word
    if person.how != "open" and not wants_json():
        word, own = role_word(word), role_word(own)  # else it stands in a command
    return refusal(403, N_("For the role %(role)s"), text, role=word, name=person.name, own=own)


def missing_secret(config: WebConfig) -> Response:
    if wants_json():
        answer = jsonify(error="The dashboard is locked: set JWT_SECRET (32 characters or more) and start it again.")
    else:
        answer = make_response(render_template("locked.html", security=config.webui_security))
    answer.status_code = 403
    return answer


def refusal(status: int, title: str, text: str, words: str = "", **values: object) -> Response:
    """An error as JSON for programs, in English, else as a page in its language.

    `title` and `text` are English, as the catalogs have them, with %(name)s for `values`; `words`: the text translated.
    """
    if wants_json():
        answer = jsonify(error=said(text, **values))
    else:
        told = words or said(text, **values)
        answer = make_response(render_template("notice.html", title=said(title, **values), text=told))
    answer.status_code = status
    return answer
