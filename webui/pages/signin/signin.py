"""Signing in: a token is pasted once and kept in a cookie that scripts cannot read."""

from __future__ import annotations

import time

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from sqlalchemy.exc import DBAPIError
from werkzeug.wrappers import Response as BaseResponse

from switchman.addons.core.access.roles import Role
from switchman.webui.access.guard import not_accepted, refusal
from switchman.webui.access.people import (
    COOKIE,
    SECURE_COOKIE,
    accepted,
    address_of,
    came_by_https,
    carried_tokens,
    door,
    waiting,
    web_config,
)
from switchman.webui.access.roles import least, public
from switchman.webui.access.targets import local_target
from switchman.webui.access.tokens import TokenError, WrongSignature, read_token
from switchman.webui.config import WebConfig
from switchman.webui.looks.marked import N_

MOST_COOKIE = 3_900  # bytes: browsers keep 4,096 of name and value

blueprint = Blueprint("signin", __name__, template_folder=".")


@blueprint.get("/sign-in")
@public
def sign_in() -> str:
    """The form; `next` is where to go afterwards."""
    return render_template("sign_in.html", next=local_target(request.args.get("next", "")), problem=None)


@blueprint.post("/sign-in")
@public
def accept_token() -> BaseResponse:
    """Check the pasted token; a good one becomes the cookie, for as long as it is valid."""
    target = local_target(request.form.get("next", ""))
    config = web_config()
    if not config.has_keys:
        return redirect(target, 303)  # nothing to sign in to: guard.py has let us through without one
    token = request.form.get("token", "").strip()
    address, lockout = address_of(config), door().lockout
    if wait := lockout.wait(address, time.monotonic()):
        return not_accepted(waiting(wait))
    try:
        expiry = accepted(token).expires_at
        if len(token) > MOST_COOKIE:
            raise TokenError(N_("This token is too long for a browser to keep. Send it as a bearer."))
    except TokenError as error:
        if isinstance(error, WrongSignature):
            lockout.failed(address, time.monotonic())
        return Response(render_template("sign_in.html", next=target, problem=error.words()), 401)
    lockout.succeeded(address)
    answer = make_response(redirect(target, 303))
    secure = came_by_https()
    answer.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        token,
        max_age=max(0, expiry - int(time.time())),
        httponly=True,
        samesite="Strict",
        secure=secure,
    )
    return answer


@blueprint.post("/sign-out")
@public
def sign_out() -> BaseResponse:
    """Forget the cookie, and the token in it for good: a copy of it does not open the dashboard any more."""
    try:
        revoke_carried(web_config())
    except DBAPIError:
        why = N_(
            "You are still signed in: the token is to be noted as signed out, and the log's database cannot be "
            "written. Try again in a moment."
        )
        return refusal(503, N_("Not signed out"), why)
    answer = redirect(url_for("live.index"), 303)
    for name in (COOKIE, SECURE_COOKIE):
        answer.delete_cookie(name, httponly=True, samesite="Strict", secure=name == SECURE_COOKIE)
    return answer


def revoke_carried(config: WebConfig) -> None:
    """Raises DBAPIError. Only what is valid is noted, so nobody else can fill the table."""
    for token in carried_tokens() if config.has_keys else ():
        try:
            read = read_token(token, config.jwt_secret, config.sign_on)
        except TokenError:
            continue
        config.queries.revocations.revoke(read.name, read.expires_at, time.time())


@blueprint.get("/api/session")
@least(Role.VIEWER)
def session() -> BaseResponse:
    """204 to whoever may see the pages: the sign-in page asks whether the cookie was only held back."""
    return Response(status=204)
