"""The app: its blueprints, the headers every answer carries, and the names that templates may use."""

from __future__ import annotations

import time
from threading import Lock
from typing import Any

from flask import Flask, Response, current_app, g, has_app_context, request, url_for
from flask_babel import gettext, ngettext
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from switchman.addons.core.access.prices.words import dollars
from switchman.addons.core.access.roles import Role
from switchman.addons.core.sessions import agents
from switchman.addons.core.texts.unicode import shown
from switchman.addons.store.keeping.spool import SpoolState
from switchman.webui import assets, metrics
from switchman.webui.access import guard, people, sizes
from switchman.webui.admin import api
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.spending import Banner, words_of
from switchman.webui.config import RulesStatus, WebConfig
from switchman.webui.languages import catalogs, switching
from switchman.webui.languages import shown as shown_words
from switchman.webui.looks import formats, navigation, outcomes
from switchman.webui.looks.marked import N_
from switchman.webui.pages.access import changes, keys, tokens
from switchman.webui.pages.backtest import backtest
from switchman.webui.pages.cache import cache
from switchman.webui.pages.feedback import feedback
from switchman.webui.pages.making import describe, wizard
from switchman.webui.pages.overview import news, overview
from switchman.webui.pages.performance import performance
from switchman.webui.pages.requests import exports, live
from switchman.webui.pages.rules import chain, editing, exchange, trying, versions, visual
from switchman.webui.pages.servers import forms as servers_forms
from switchman.webui.pages.servers import servers
from switchman.webui.pages.sessions import session, sessions
from switchman.webui.pages.settings import settings
from switchman.webui.pages.signin import signin
from switchman.webui.pages.story import detail
from switchman.webui.pages.story.again import again
from switchman.webui.pages.story.changed import changed
from switchman.webui.pages.story.copies import copies
from switchman.webui.pages.story.said import conversation
from switchman.webui.view import mark_of

THEMES = {"": N_("Colours: system"), "light": N_("Colours: light"), "dark": N_("Colours: dark")}
# Each has its pages' `blueprint`.
FAMILIES = (
    overview,
    news,
    live,
    exports,
    detail,
    sessions,
    session,
    conversation,
    changed,
    copies,
    again,
    feedback,
    performance,
    chain,
    editing,
    visual,
    trying,
    versions,
    exchange,
    servers,
    servers_forms,
    describe,
    wizard,
    cache,
    settings,
    signin,
    switching,
    tokens,
    keys,
    changes,
    backtest,
    metrics,
    api,
    assets,
)
DAY = 86_400.0  # seconds

# Scripts only from our own files: a value that slipped through as markup still could not run. The hashes are that of
# nothing (Plotly makes an empty <style> element and fills it by script) and of the style of Plotly's maps, which no
# page shows, but the browser would complain of.
PLOTLY_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='"
)
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": f"'self' {PLOTLY_STYLES}",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


class Answer(Response):
    """An answer of the dashboard. Text in it may come from anybody: half a surrogate pair is shown as U+FFFD.

    No key of the configuration is in it: what was stored before a key was known may hold it.
    """

    def set_data(self, value: bytes | str) -> None:
        data = shown(value).encode() if isinstance(value, str) else value
        super().set_data(people.web_config().keys().hide(data) if has_app_context() else data)


def create_app(config: WebConfig) -> Flask:
    """The dashboard over `config.queries`. Nothing is opened, started or read from the environment here."""
    app = Flask(__name__, static_url_path=f"/static/{assets.static_digest()}")
    app.response_class = Answer
    app.config.update(SWITCHMAN=config)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    catalogs.install(app)
    for module in FAMILIES:
        app.register_blueprint(module.blueprint)
    sizes.install(app)
    guard.install(app)
    install_template_names(app, config)
    app.after_request(add_headers)
    app.register_error_handler(HTTPException, show_error)
    app.register_error_handler(DBAPIError, show_database_away)
    app.register_error_handler(Refused, show_refused)
    return app


def install_template_names(app: Flask, config: WebConfig) -> None:
    """Filters, and what every page shows."""
    app.jinja_env.filters.update(
        **shown_words.filters(),
        dollars=dollars,
        utc=formats.utc,
        iso=formats.iso,
        short_id=formats.short_id,
        visible=formats.visible,
        breakable=formats.breakable,
        mark=mark_of,
        agent_name=agents.name_of,
        answered_by=outcomes.answered_by,
    )
    app.jinja_env.globals["unknown"] = shown_words.Unknown()
    app.jinja_env.globals["parts"] = app.jinja_env.get_template("parts.html").module
    rules, budgets = RulesWatch(config.rules), Banner(config)

    @app.context_processor
    def frame() -> dict[str, Any]:
        theme = request.cookies.get("switchman_theme", "")
        chosen = theme if theme in THEMES else ""
        person: people.Person | None = g.get("person")
        return {
            "theme": chosen,
            "theme_label": gettext(THEMES[chosen]),
            "has_session": bool({people.COOKIE, people.SECURE_COOKIE} & request.cookies.keys()),
            "person": person,
            "navigation": navigation.groups_for(person.role if person else None),
            "here": page_address(),
            "csrf": guard.csrf_word(),
            "can_sign_in": config.has_keys,
            "makes_tokens": config.jwt_secret is not None,
            "rules_error": rules.error(),
            "budgets": budgets.told() if person is not None and person.role >= Role.OPERATOR else [],
            "words_of": words_of,
            "backlog": told_backlog(config.queries.backlog(), time.time()),
        }


def page_address() -> str:
    """Of the page that is being shown, to come back to; what answers a form has none, and leads to the first page."""
    if request.method not in ("GET", "HEAD"):
        return url_for("overview.index")
    return request.full_path if request.query_string else request.path


def told_backlog(backlog: SpoolState, now: float) -> str | None:
    """What is missing in the lists, or None. Requests that were dropped are told for a day."""
    waiting = dropped = ""
    if backlog.records:
        waiting = ngettext(
            "%(num)s request waits on disk until its database can be written.",
            "%(num)s requests wait on disk until its database can be written.",
            backlog.records,
        )
    if now - backlog.dropped_at < DAY:
        ago = formats.ago(backlog.dropped_at, now, gettext)
        dropped = ngettext(
            "%(num)s request was not logged, %(ago)s.",
            "%(num)s requests were not logged, the last one %(ago)s.",
            backlog.dropped,
            ago=ago,
        )
    return " ".join(filter(None, [waiting, dropped])) or None


class RulesWatch:
    """The rules file's last problem. Polled here, one thread at a time, as this process has no proxy that does."""

    def __init__(self, rules: RulesStatus | None) -> None:
        self._rules = rules
        self._lock = Lock()

    def error(self) -> str | None:
        if self._rules is None:
            return None
        with self._lock:
            self._rules.poll()
            return self._rules.error


def add_headers(answer: Response) -> Response:
    """What every answer carries."""
    headers = answer.headers
    headers["Content-Security-Policy"] = "; ".join(f"{name} {value}" for name, value in POLICY.items())
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if request.endpoint == "static" and answer.status_code in (200, 206, 304):
        headers["Cache-Control"] = assets.FOR_EVER
    else:
        headers.setdefault("Cache-Control", "no-store")
    return answer


def show_error(error: HTTPException) -> Response:
    """An error as a page of ours, or as JSON for programs."""
    return guard.refusal(error.code or 500, error.name, error.description or error.name)


def show_refused(error: Refused) -> Response:
    """A page was asked for what cannot be done."""
    return guard.refusal(error.status, N_("This cannot be done"), str(error), error.words())


def show_database_away(error: DBAPIError) -> Response:
    """The log's database does not answer; the router goes on without it."""
    current_app.logger.warning("the log's database does not answer: %s", error.orig)
    return guard.refusal(
        503, N_("The log cannot be read now"), N_("Its database does not answer. Try again in a moment.")
    )
