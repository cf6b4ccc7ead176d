"""`/tokens`: what the pages say and do, without a browser."""

from __future__ import annotations

import html
import re
import time

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.access.apitoken import digest_of
from switchman.addons.core.access.caller import Terms
from switchman.addons.store.opening import Store

BROWSER = {"Accept": "text/html", "Connection": "keep-alive", "Sec-Fetch-Site": "same-origin"}
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def client(client_of) -> FlaskClient:
    return client_of()


def post(client: FlaskClient, path: str, **data: str):
    word = re.search(r'name="csrf" value="(\w+)"', client.get("/tokens/new", headers=BROWSER).text)
    assert word
    return client.post(path, data={"csrf": word[1], **data}, headers=BROWSER)


def test_a_token_is_shown_once(client: FlaskClient, store: Store) -> None:
    """On the page that makes it, with a button to copy it and a command; on no other, and nobody keeps that page."""
    made = post(client, "/tokens", name="laptop", models="gpt-*", budgets="20/month")
    found = re.search(r'data-copy="(sk-sw-\w+)"', made.text)
    assert made.status_code == 200 and found and made.headers["Cache-Control"] == "no-store"
    token = store.access.tokens.by_digest(digest_of(found[1]))
    assert token and (token.caller.name, token.caller.models) == ("laptop", ("gpt-*",))
    assert f"Bearer {found[1]}" in made.text
    for address in ("/tokens", f"/tokens/{token.caller.id}", f"/tokens/{token.caller.id}/change", "/audit"):
        assert found[1] not in client.get(address, headers=BROWSER).text
    assert f"…{found[1][-4:]}" in client.get("/tokens", headers=BROWSER).text


def test_a_fault_stands_at_its_field_and_what_was_typed_stays(client: FlaskClient, store: Store) -> None:
    """Nothing is made."""
    answer = post(client, "/tokens", name=EVIL, concurrent="many", models="gpt-*")
    assert answer.status_code == 422 and store.access.tokens.list() == ()
    assert 'value="gpt-*"' in answer.text and "expected a number above 0" in answer.text
    assert EVIL not in answer.text and html.escape(EVIL).replace("&quot;", "&#34;") in answer.text
    post(client, "/tokens", name="ci")
    again = post(client, "/tokens", name="ci")
    assert again.status_code == 422 and "already" in again.text and 'aria-invalid="true"' in again.text


def test_a_token_is_changed(client: FlaskClient, store: Store) -> None:
    """The form has what is there; the page that follows says so."""
    token, _ = store.access.tokens.create(Terms("ci", models=("a", "b")), time.time())
    form = client.get(f"/tokens/{token.caller.id}/change", headers=BROWSER).text
    assert 'value="a, b"' in form
    answer = post(client, f"/tokens/{token.caller.id}", name="build", models="a")
    assert answer.status_code == 303 and answer.headers["Location"].endswith(f"/tokens/{token.caller.id}?done=changed")
    assert store.access.tokens.get("build").caller.models == ("a",)
    assert 'data-toast="Changed"' in client.get(answer.headers["Location"], headers=BROWSER).text


def test_a_token_is_rotated_and_revoked(client: FlaskClient, store: Store) -> None:
    """The new text is shown once; revoked, it is in the other list."""
    token, text = store.access.tokens.create(Terms("ci"), time.time())
    rotated = post(client, f"/tokens/{token.caller.id}/rotate", grace="3600")
    found = re.search(r'data-copy="(sk-sw-\w+)"', rotated.text)
    assert found and found[1] != text and "holds for an hour" in rotated.text
    assert store.access.tokens.by_digest(digest_of(found[1])).caller.id == token.caller.id
    assert f"…{text[-4:]} still holds until" in client.get(f"/tokens/{token.caller.id}", headers=BROWSER).text
    assert post(client, f"/tokens/{token.caller.id}/rotate", grace="1e9").status_code == 422
    assert post(client, f"/tokens/{token.caller.id}/revoke").status_code == 303
    assert store.access.tokens.get("ci").revoked_at is not None
    assert "No tokens yet" in client.get("/tokens", headers=BROWSER).text
    page = client.get(f"/tokens/{token.caller.id}", headers=BROWSER).text
    assert "revoked" in page and "Revoke ci" not in page
    assert ">ci<" in client.get("/tokens?revoked=1", headers=BROWSER).text


def test_a_list_has_its_pages(client: FlaskClient, store: Store) -> None:
    """However many tokens there are."""
    for number in range(51):
        store.access.tokens.create(Terms(f"t{number:02}"), time.time())
    first = client.get("/tokens", headers=BROWSER).text
    assert first.count('class="row-link"') == 50 and "start=50" in first
    second = client.get("/tokens?start=50", headers=BROWSER).text
    assert second.count('class="row-link"') == 1 and ">t50<" in second
    assert client.get("/tokens?start=-5", headers=BROWSER).status_code == 200


def test_what_a_token_was_used_for_is_counted(client: FlaskClient, store: Store, put, make_request) -> None:
    """By its id: one that had the name before is another."""
    token, _ = store.access.tokens.create(Terms("ci"), time.time())
    now = time.time()
    mine = {"token": "ci", "token_id": token.caller.id}
    put(
        *(make_request(n, now - 60 * n, id=f"r{n}", **mine) for n in range(1, 4)),
        make_request(8, now - 40 * 86_400, id="old", **mine),
        make_request(9, now - 30, id="other", token="ci", token_id="0" * 12),
        make_request(10, now - 30, id="nobodys"),
    )
    page = client.get(f"/tokens/{token.caller.id}", headers=BROWSER).text
    assert re.search(r"Requests in 30 days</dt><dd>3<", page) and "1 min ago" in page
    link = re.search(r'href="(/requests\?[^"]*)">Its requests', page)
    assert link and "r1" in client.get(html.unescape(link[1]), headers=BROWSER).text


def test_a_token_that_is_not_there_is_a_404(client: FlaskClient) -> None:
    """Shown as text."""
    for method, path in (("GET", ""), ("GET", "/change"), ("POST", "/revoke"), ("POST", "/rotate"), ("POST", "")):
        address = f"/tokens/<b>x{path}"
        answer = client.get(address, headers=BROWSER) if method == "GET" else post(client, address, name="x", grace="0")
        assert answer.status_code == 404 and "<b>x" not in answer.text
