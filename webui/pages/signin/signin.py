"""Signing in: a token is pasted once and kept in a cookie that scripts cannot read."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from switchman.webui.access import COOKIE, web_config
from switchman.webui.auth import TokenError, token_expiry

blueprint = Blueprint("signin", __name__, template_folder=".")


@blueprint.get("/sign-in")
def sign_in() -> str:
    """The form; `next` is where to go afterwards."""
    return render_template("sign_in.html", next=local_target(request.args.get("next", "")), problem=None)


@blueprint.post("/sign-in")
def accept_token() -> BaseResponse:
    """Check the pasted token; a good one becomes the cookie, for as long as it is valid."""
    target = local_target(request.form.get("next", ""))
    secret = web_config().jwt_secret
    if not secret:
        return redirect(target, 303)  # nothing to sign in to: access.py has let us through without one
    token = request.form.get("token", "").strip()
    try:
        expiry = token_expiry(token, secret)
    except TokenError as error:
        return Response(render_template("sign_in.html", next=target, problem=str(error)), 401)
    answer = make_response(redirect(target, 303))
    answer.set_cookie(
        COOKIE,
        token,
        max_age=max(0, expiry - int(time.time())),
        httponly=True,
        samesite="Strict",
        # The browser's own word, so it also holds behind a proxy that ends TLS.
        secure=request.is_secure or request.headers.get("Origin", "").startswith("https://"),
    )
    return answer


@blueprint.post("/sign-out")
def sign_out() -> BaseResponse:
    """Forget the cookie."""
    answer = redirect(url_for("live.index"), 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="Strict")
    return answer


@blueprint.get("/api/session")
def session() -> BaseResponse:
    """204 to whoever may see the pages: the sign-in page asks whether the cookie was only held back."""
    return Response(status=204)


def local_target(target: str) -> str:
    """`target` if it is a path of ours, else the first page: never another site."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or not target.startswith("/") or target.startswith(("//", "/\\")):
        return url_for("live.index")
    if any(character < " " for character in target):
        return url_for("live.index")
    return target
