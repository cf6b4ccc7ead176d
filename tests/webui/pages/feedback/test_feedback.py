"""Thumbs and a note: who may say what of which request, and where it is shown."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.access.caller import Terms
from switchman.addons.core.access.roles import Role
from switchman.addons.store.opening import Store
from switchman.webui.access.people import COOKIE
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
LOCKED = {"webui_security": "ALWAYS_AUTH", "jwt_secret": SECRET}
EVIL = "<img src=x onerror=alert(1)>"
GOOD = {"request_id": "one", "verdict": "good"}


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def as_role(role: Role, who: str | None = None) -> dict[str, str]:
    return bearer(make_token(SECRET, 1, role=role, who=who))


def word_of(client: FlaskClient) -> str:
    """The CSRF word that a page of this client has."""
    found = re.search(
        r'name="csrf" value="([0-9a-f]{64})"', client.get("/request/one", headers={"Accept": "text/html"}).text
    )
    assert found
    return found[1]


@pytest.fixture
def client(client_of, put, make_request) -> FlaskClient:
    """Of a dashboard that asks for a token; there are two requests, of which one came with the token `ci`."""
    put(make_request(1, time.time() - 5, id="one"))
    client: FlaskClient = client_of(**LOCKED)
    return client


@pytest.fixture
def ci(store: Store, put, make_request) -> str:
    """The text of a token of the router, by which the request `hers` was made."""
    token, text = store.access.tokens.create(Terms("ci"), time.time())
    put(make_request(2, time.time() - 4, id="hers", token="ci", token_id=token.caller.id))
    return text


def test_operators_say_it_and_take_it_back(client: FlaskClient, store: Store) -> None:
    """By JSON; a second word takes the place of the first; the list's filter and the request's data have it."""
    anna = as_role(Role.OPERATOR, "anna")
    said = client.post("/api/feedback", json=GOOD | {"note": "fine"}, headers=anna)
    assert (said.status_code, said.json) == (200, {"request_id": "one", "verdict": "good", "who": "anna"})
    wrong = {"request_id": "one", "should_be": "coding"}
    assert client.post("/api/feedback", json=wrong, headers=anna).json["verdict"] == "bad"
    (kept,) = client.get("/api/request/one", headers=anna).json["feedback"]
    assert (kept["who"], kept["verdict"], kept["note"], kept["should_be"]) == ("anna", "bad", "", "coding")
    for said_so, found in (("bad", ["one"]), ("good", []), ("any", ["one"])):
        page = client.get(f"/requests?range=all&feedback={said_so}", headers=anna | {"Accept": "text/html"}).text
        assert re.findall(r'data-id="(\w+)"', page) == found
    ben = as_role(Role.OPERATOR, "ben")
    assert client.delete("/api/feedback/one", headers=ben).status_code == 404  # he has said nothing
    assert client.delete("/api/feedback/one", headers=anna).status_code == 200
    assert store.queries.remarks.said_of("one") == ()


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"request_id": "none", "verdict": "good"}, 404, ""),
        ({"request_id": "one"}, 422, "should_be"),
        ({"request_id": "one", "verdict": "fine"}, 422, "verdict"),
        ({"request_id": "one", "verdict": "good", "should_be": "x"}, 422, "should_be"),
        ({"verdict": "good"}, 422, "request_id"),
        (GOOD | {"note": "x" * 4_001}, 422, "note"),
        (GOOD | {"note": 3}, 422, "note"),
        (GOOD | {"who": "somebody else"}, 422, "who"),
        ([], 400, "JSON"),
        ("x", 400, "JSON"),
    ],
)
def test_what_cannot_be_kept_is_refused(client: FlaskClient, store: Store, body: Any, status: int, field: str) -> None:
    """With the field's name; nothing is kept."""
    answer = client.post("/api/feedback", json=body, headers=as_role(Role.OPERATOR))
    assert answer.status_code == status and field in answer.text
    assert store.queries.remarks.said_of("one") == ()


def test_a_caller_judges_its_own_requests_and_no_others(client: FlaskClient, store: Store, ci: str) -> None:
    """By the API token that the request came with: anybody else's is to it none that there is."""
    hers = {"request_id": "hers", "verdict": "bad", "note": "wrong sum"}
    said = client.post("/api/feedback", json=hers, headers=bearer(ci))
    assert (said.status_code, said.json["who"]) == (200, "token ci")
    (kept,) = store.queries.remarks.said_of("hers")
    assert (kept.by_token, kept.note) == (True, "wrong sum")
    foreign = client.post("/api/feedback", json=GOOD, headers=bearer(ci))
    nothing = client.post("/api/feedback", json=GOOD | {"request_id": "none"}, headers=bearer(ci))
    assert (foreign.status_code, foreign.text) == (nothing.status_code, nothing.text) and foreign.status_code == 404
    assert client.delete("/api/feedback/one", headers=bearer(ci)).status_code == 404
    assert client.delete("/api/feedback/hers", headers=bearer(ci)).status_code == 200
    assert store.queries.remarks.said_of("hers") == store.queries.remarks.said_of("one") == ()


def test_a_token_that_has_ended_says_nothing(client: FlaskClient, store: Store, ci: str) -> None:
    """Revoked, replaced, or never made; another token of the same name is not the one the request came with."""
    hers = {"request_id": "hers", "verdict": "bad"}
    store.access.tokens.rotate("ci", 0.0, time.time() - 1)
    assert client.post("/api/feedback", json=hers, headers=bearer(ci)).status_code == 401
    store.access.tokens.revoke("ci", time.time())
    _, fresh = store.access.tokens.create(Terms("ci"), time.time())
    assert client.post("/api/feedback", json=hers, headers=bearer(fresh)).status_code == 404
    store.access.tokens.revoke("ci", time.time())
    for text in (ci, fresh, "sk-sw-" + "A" * 43):
        assert client.post("/api/feedback", json=hers, headers=bearer(text)).status_code == 401
    assert store.queries.remarks.said_of("hers") == ()


def test_an_api_token_opens_nothing_else(client: FlaskClient, ci: str) -> None:
    """No page, no data; it is not counted as a wrong sign-in either, so nobody is locked out by a program of theirs."""
    for path in ("/", "/request/hers", "/api/request/hers", "/api/body/request/hers", "/tokens", "/again/x"):
        assert client.get(path, headers=bearer(ci)).status_code == 401
    for _ in range(30):
        assert client.get("/", headers=bearer(ci)).status_code == 401
    assert client.get("/", headers=as_role(Role.VIEWER) | {"Accept": "text/html"}).status_code == 200


def test_nobody_and_viewers_say_nothing(client: FlaskClient, store: Store) -> None:
    """Nor does a browser without our word, or another site's page."""
    assert client.post("/api/feedback", json=GOOD).status_code == 401
    assert client.post("/api/feedback", json=GOOD, headers=as_role(Role.VIEWER)).status_code == 403
    assert client.post("/request/one/feedback", data={"verdict": "good"}).status_code == 401
    client.set_cookie(COOKIE, make_token(SECRET, 1, role=Role.OPERATOR))
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for headers in ({}, foreign):
        assert client.post("/api/feedback", json=GOOD, headers=headers).status_code == 403
        assert client.delete("/api/feedback/one", headers=headers).status_code == 403
        assert client.post("/request/one/feedback", data={"verdict": "good"}, headers=headers).status_code == 403
    assert store.queries.remarks.said_of("one") == ()
    assert client.post("/api/feedback", json=GOOD, headers={"X-CSRF-Token": word_of(client)}).status_code == 200


def test_the_page_shows_it_and_viewers_see_no_note(client: FlaskClient) -> None:
    """Markup in it is text; a note may quote the answer, so it is for who sees that."""
    anna, viewer = as_role(Role.OPERATOR, "anna"), as_role(Role.VIEWER)
    form = {"verdict": "bad", "note": f"planted {EVIL}", "should_be": "coding"}
    moved = client.post("/request/one/feedback", data=form, headers=anna)
    assert moved.status_code == 303 and moved.location == "/request/one?said=bad#feedback"
    page = client.get("/request/one?said=bad", headers=anna | {"Accept": "text/html"}).text
    assert "planted &lt;img" in page and EVIL not in page and 'data-toast="Kept: it was bad"' in page
    for path in ("/request/one", "/api/request/one"):
        seen = client.get(path, headers=viewer | {"Accept": "text/html"}).text
        assert "planted" not in seen and "bad" in seen
    assert client.post("/request/one/feedback", data={"verdict": "odd"}, headers=anna).status_code == 422
    assert client.post("/request/one/feedback", data={"verdict": "none"}, headers=anna).status_code == 303
    assert client.get("/api/request/one", headers=anna).json["feedback"] == []


def test_where_no_token_is_needed_somebody_at_the_machine_says_it(client_of, put, make_request, ci: str) -> None:
    """A program by JSON; an API token counts there too, and stands for its own requests only."""
    put(make_request(1, time.time() - 5, id="one"))
    client = client_of()
    assert client.post("/api/feedback", json=GOOD).json["who"] == "local"
    assert client.post("/api/feedback", json=GOOD, headers=bearer(ci)).status_code == 404
