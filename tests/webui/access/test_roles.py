"""The least role of every route: a walk over the URL map."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from switchman.addons.core.access.roles import Role
from switchman.webui.access.people import COOKIE
from switchman.webui.access.roles import PUBLIC, SAFE_METHODS, RouteWithoutRole, install, least, least_of, public
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
LOCKED = {"webui_security": "ALWAYS_AUTH", "jwt_secret": SECRET}
FILL = {"request_id": "x", "side": "request", "wanted": "1", "which": "x", "name": "x", "filename": "app.css",
        "number": 0, "at": 0, "style": "x", "again_id": "x", "kind": "curl", "session": "x",
        "asked_id": "x"}  # fmt: skip

# Everything that is open to whoever asks. A new one is a decision, so it is written here too.
OPEN = {"static", "signin.sign_in", "signin.accept_token", "signin.sign_out"}
# Which language a browser is answered in is kept by that browser.
OPEN |= {"languages.choose"}
# What asks for an operator's sign-in or an API token itself: pages/feedback/feedback.py, and its tests.
OPEN |= {"feedback.api_say", "feedback.api_take_back"}
# What viewers may see; all other routes are for admins.
FOR_VIEWERS = {
    "overview.index", "overview.api_overview", "news.api_news", "live.index", "live.api_requests", "live.api_summary",
    "exports.as_csv", "exports.as_jsonl", "exports.as_har", "exports.api_count",
    "detail.story", "detail.api_request", "detail.api_body", "cache.index", "cache.api_cache", "rules.index",
    "performance.index", "performance.api_performance", "assets.plotly_js", "signin.session",
    "admin.openapi", "admin.me", "sessions.index", "sessions.api_sessions", "session.index", "session.api_session",
    "conversation.page", "conversation.message", "changed.page", "copies.page", "copies.download", "again.page",
    "again.api_progress", "servers.index", "servers.one", "admin.listServers", "admin.listPresets", "admin.getServer",
    "metrics.exposition",
}  # fmt: skip


def routes(app: Flask) -> list[tuple[str, str, str]]:
    """(endpoint, method, address) of every route and method that there is."""
    with app.test_request_context():
        return [
            (rule.endpoint, method, app.url_for(rule.endpoint, **{name: FILL[name] for name in rule.arguments}))
            for rule in app.url_map.iter_rules()
            for method in sorted(rule.methods or ())
        ]


def signed_in(client: FlaskClient, role: Role | None) -> FlaskClient:
    client = client.application.test_client()
    if role is not None:
        client.set_cookie(COOKIE, make_token(SECRET, 1, role=role))
    return client


def test_every_route_is_for_whom_it_is_meant(client_of) -> None:
    """Nobody, each role and each method, on the whole map: a route that is new has to be in this test's tables."""
    app = client_of(**LOCKED).application
    found = routes(app)
    assert {endpoint for endpoint, _, _ in found if least_of(app, endpoint) == PUBLIC} == OPEN
    assert {endpoint for endpoint, _, _ in found if least_of(app, endpoint) == Role.VIEWER} == FOR_VIEWERS
    for role in (None, *Role):
        client = signed_in(app.test_client(), role)
        for endpoint, method, address in found:
            if endpoint in OPEN:
                continue
            status = client.open(address, method=method, buffered=True).status_code
            refused = 401 if role is None else 403 if role < least_of(app, endpoint) else None
            if refused is not None:
                assert status == refused, (role, method, address)
            elif method in SAFE_METHODS:
                assert status not in (401, 403), (role, method, address)
            else:
                assert status == 403, (role, method, address)  # a change by cookie without our word


def test_a_change_is_no_viewers(client_of) -> None:
    """No method that changes something is open to them, whatever it is called."""
    app = client_of(**LOCKED).application
    for endpoint, method, address in routes(app):
        if method not in SAFE_METHODS and endpoint not in OPEN:
            assert least_of(app, endpoint) >= Role.OPERATOR, address


def test_who_may_see_nothing_is_not_told_what_there_is(client_of) -> None:
    """An address that there is none of, and a method that there is none of, look like all others."""
    app = client_of(**LOCKED).application
    nobody, admin = app.test_client(), signed_in(app.test_client(), Role.ADMIN)
    for method in ("GET", "HEAD", "OPTIONS", "POST", "DELETE", "PATCH", "TRACE", "ODD"):
        known = nobody.open("/tokens", method=method)
        for address in ("/nothing", "/api/admin/nothing", "/request/", "/tokens/x/nothing"):
            answer = nobody.open(address, method=method)
            assert answer.status_code == known.status_code == 401
            assert answer.text == known.text and dict(answer.headers) == dict(known.headers), (method, address)
            assert admin.open(address, method=method).status_code in (404, 405, 403)


def app_with(view: Any, **options: Any) -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/x", "x", view, **options)
    return app


def test_a_route_without_a_role_stops_the_start() -> None:
    """It is found when the app is made, not when somebody asks for it."""
    with pytest.raises(RouteWithoutRole, match=r"/x \(x\) does not say which role"):
        install(app_with(lambda: ""))
    install(app_with(least(Role.VIEWER)(lambda: "")))
    install(app_with(public(lambda: ""), methods=["POST"]))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_change_for_viewers_stops_the_start(method: str) -> None:
    """Reading by such a method is no exception."""
    with pytest.raises(RouteWithoutRole, match="viewers change"):
        install(app_with(least(Role.VIEWER)(lambda: ""), methods=[method]))
    install(app_with(least(Role.OPERATOR)(lambda: ""), methods=[method]))


def test_a_route_that_came_after_the_start_is_nobodys(client_of) -> None:
    """Not even an admin's: nobody has said whose it is."""
    app = client_of(**LOCKED).application
    app.add_url_rule("/late", "late", least(Role.VIEWER)(lambda: "secret"))
    client = signed_in(app.test_client(), Role.ADMIN)
    answer = client.get("/late")
    assert answer.status_code == 403 and "secret" not in answer.text
