"""`/tokens`: the API tokens, who has used them, and what is done with one."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from switchman.addons.core.access.limits.spending import WARNED, Spent
from switchman.addons.core.access.limits.written import in_words
from switchman.addons.core.access.roles import Role
from switchman.addons.core.access.written import budget_text
from switchman.addons.store.access.tokens import Token
from switchman.addons.store.reading.usage import Usage, usage_of
from switchman.webui.access.people import web_config
from switchman.webui.access.roles import least
from switchman.webui.admin.changes import Changes, Refused, access, find_token
from switchman.webui.admin.spending import Usage as Spending
from switchman.webui.admin.spending import usage_of as usage_now
from switchman.webui.languages.said import Said
from switchman.webui.languages.sentences import told
from switchman.webui.looks.marked import N_
from switchman.webui.pages.access.forms import (
    CAPTURES,
    EXPIRES,
    GRACES,
    HELD,
    KEEP,
    FormFaults,
    of_token,
    read_token,
    typed,
)

PAGE_ROWS = 50
DAY = 86_400.0
USED_WITHIN = 30 * DAY
SOON = 7 * DAY
# What the page says once after a change.
DONE = {"changed": N_("Changed"), "revoked": N_("Revoked: nobody gets in with it any more")}


class Made(NamedTuple):
    """What the page with a new text says of it."""

    title: str
    heading: str


MADE = Made(N_("%(name)s made"), N_("%(name)s is made"))
ROTATED = Made(N_("%(name)s rotated"), N_("%(name)s is rotated"))

blueprint = Blueprint("tokens", __name__, template_folder=".")


@blueprint.get("/tokens")
@least(Role.ADMIN)
def index() -> str:
    """The list, by name; `revoked=1` has those that are revoked, too."""
    now, start = time.time(), max(0, request.args.get("start", 0, type=int))
    with_revoked = bool(request.args.get("revoked"))
    found = [token for token in access().tokens.list() if with_revoked or token.revoked_at is None]
    shown = found[start : start + PAGE_ROWS]
    return render_template(
        "tokens.html",
        page="tokens",
        rows=[(token, token.state(now), usage(token, now)) for token in shown],
        spending=usage_now(web_config(), shown, now),
        used_of=used_of,
        now=now,
        soon=now + SOON,
        with_revoked=with_revoked,
        wants_tokens=web_config().wants_tokens,
        start=start,
        more_url=url_for("tokens.index", start=start + PAGE_ROWS, revoked=request.args.get("revoked"))
        if len(found) > start + PAGE_ROWS
        else None,
    )


@blueprint.get("/tokens/new")
@least(Role.ADMIN)
def new() -> str:
    return form_page(None, typed({}), {})


@blueprint.post("/tokens")
@least(Role.ADMIN)
def create() -> BaseResponse:
    """Make a token; its text is on this page, and on no other."""
    texts = typed(request.form)
    try:
        token, text = Changes("page").create_token(read_token(texts, time.time()).terms())
    except (FormFaults, Refused) as error:
        return Response(form_page(None, texts, faults_of(error)), 422)
    return made_page(token, text, MADE)


@blueprint.get("/tokens/<which>")
@least(Role.ADMIN)
def one(which: str) -> str:
    token = find_token(which)
    done = request.args.get("done", "")
    return token_page(token, gettext(DONE[done]) if done in DONE else None)


@blueprint.post("/tokens/<which>")
@least(Role.ADMIN)
def change(which: str) -> BaseResponse:
    token, texts = find_token(which), typed(request.form)
    try:
        terms = read_token(texts, time.time(), token).terms()
        after = Changes("page").update_token(token.caller.id, lambda _: terms)
    except (FormFaults, Refused) as error:
        return Response(form_page(token, texts, faults_of(error)), 422)
    return redirect(url_for("tokens.one", which=after.caller.id, done="changed"), 303)


@blueprint.get("/tokens/<which>/change")
@least(Role.ADMIN)
def change_form(which: str) -> str:
    token = find_token(which)
    return form_page(token, of_token(token), {})


@blueprint.post("/tokens/<which>/rotate")
@least(Role.ADMIN)
def rotate(which: str) -> BaseResponse:
    """A new text, which is on this page, and on no other."""
    grace = request.form.get("grace", "")
    if grace not in dict(GRACES):
        raise Refused(N_("choose how long the old one holds"), 422, "grace")
    token, text = Changes("page").rotate_token(which, float(grace))
    return made_page(token, text, ROTATED, HELD[grace])


@blueprint.post("/tokens/<which>/revoke")
@least(Role.ADMIN)
def revoke(which: str) -> BaseResponse:
    token = Changes("page").revoke_token(which)
    return redirect(url_for("tokens.one", which=token.caller.id, done="revoked"), 303)


def faults_of(error: FormFaults | Refused) -> dict[str, str]:
    if isinstance(error, FormFaults):
        return {name: Said(text).words() for name, text in error.faults.items()}
    return {{"expires_at": "expires"}.get(error.field, error.field): error.words()}


def usage(token: Token, now: float) -> Usage:
    return usage_of(access().engine, token.caller.id, token.caller.name, now - USED_WITHIN)


def form_page(token: Token | None, texts: dict[str, str], faults: dict[str, str]) -> str:
    kept = [(KEEP, N_("as it is"))] if token is not None and token.caller.expires_at is not None else []
    return render_template(
        "token_form.html",
        page="tokens",
        token=token,
        texts=texts,
        faults=faults,
        expires=[*kept, *EXPIRES],
        captures=CAPTURES,
    )


def token_page(token: Token, done: str | None) -> str:
    now = time.time()
    return render_template(
        "token.html",
        page="tokens",
        token=token,
        state=token.state(now),
        usage=usage(token, now),
        limits=limits_of(token),
        spent=spent_of(token, usage_now(web_config(), [token], now)),
        texts=of_token(token),
        hints=[one for one in token.secrets if one.valid_until is None or one.valid_until > now],
        graces=GRACES,
        now=now,
        toast=done,
    )


def limits_of(token: Token) -> list[tuple[str, str]]:
    texts = of_token(token)
    names = (
        ("requests_per_minute", gettext("Requests a minute")),
        ("tokens_per_minute", gettext("Tokens a minute")),
        ("concurrent", gettext("At a time")),
        ("body_bytes", gettext("Bytes of a request")),
        ("budgets", gettext("Budget")),
    )
    return [(word, texts[name]) for name, word in names if texts[name]]


def spent_of(token: Token, found: Spending) -> list[tuple[str, str, bool]]:
    """What was used of each limit: its name, how much, and whether to look at it."""
    if found.problem is not None:
        return [(gettext("Used of it"), gettext("not known: %(problem)s", problem=told(found.problem)), False)]
    one, allowed = found.of.get(token.caller.id), token.caller.allowance
    if one is None:
        return []
    counted = [
        (gettext("Requests in the last minute"), one.requests, allowed.requests_per_minute),
        (gettext("Tokens in the last minute"), one.tokens, allowed.tokens_per_minute),
        (gettext("Running now"), one.running, allowed.concurrent),
    ]
    return [
        *((word, of_limit(used, limit), used >= limit) for word, used, limit in counted if limit is not None),
        *((gettext("Used of the budget"), used_of(spent), spent.percent >= WARNED) for spent in one.budgets),
    ]


def of_limit(used: int, limit: int) -> str:
    counts = {"used": f"{used:,}", "limit": f"{limit:,}"}
    return str(gettext("%(used)s of %(limit)s", **counts))


def used_of(spent: Spent) -> str:
    """What was used of a budget in its present period: `Spent.sentence` in the language of the page."""
    facts = {
        "used": amount(spent.used, spent.budget.unit),
        "budget": budget_text(spent.budget),
        "period": spent.begins,
    }
    if not spent.reserved:
        return str(gettext("%(used)s of %(budget)s in %(period)s", **facts))
    reserved = amount(spent.reserved, spent.budget.unit)
    return str(gettext("%(used)s of %(budget)s in %(period)s, %(reserved)s reserved", reserved=reserved, **facts))


def amount(number: int, unit: str) -> str:
    """`$0.50`, `2,000 tokens`."""
    if unit != "tokens":
        return in_words(number, unit)
    counted = f"{number:,}"
    return str(gettext("%(count)s tokens", count=counted))


def made_page(token: Token, text: str, made: Made, grace: str = "") -> BaseResponse:
    url = web_config().proxy_url.rstrip("/")
    page: dict[str, Any] = {
        "token": token,
        "text": text,
        "made": made,
        "grace": grace,
        "command": f"curl {url}/v1/models -H 'authorization: Bearer {text}'",
    }
    return make_response(render_template("token_made.html", page="tokens", **page))
