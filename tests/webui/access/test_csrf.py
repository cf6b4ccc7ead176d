"""Changes are asked for by our own pages, or by programs."""

from __future__ import annotations

from typing import Any

from switchman.addons.core.access.roles import RoleMap
from switchman.webui.access.csrf import Csrf
from switchman.webui.access.people import COOKIE
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
LOCKED = {"webui_security": "ALWAYS_AUTH", "jwt_secret": SECRET}
BROWSER = {"Connection": "keep-alive"}  # without it, it would have come through a proxy
PAGE = BROWSER | {"Accept": "text/html", "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


def test_a_word_is_of_one_session_and_one_process() -> None:
    """Nobody makes it for somebody else."""
    csrf = Csrf()
    word = csrf.word("alice")
    assert csrf.is_good("alice", word)
    for wrong in ("", word[:-1], word.upper(), csrf.word("bob"), Csrf().word("alice"), "ä" * 64, "\ud800"):
        assert not csrf.is_good("alice", wrong)


def test_a_signed_in_browsers_change_needs_the_word(client_of, store, word_of) -> None:
    """By a form's field, or by a header as fetch sends it; another session's is none."""
    client = client_of(**LOCKED)
    client.set_cookie(COOKIE, make_token(SECRET, 1))
    other = client.application.test_client()
    other.set_cookie(COOKIE, make_token(SECRET, 1))
    word, foreign = word_of(client), word_of(other)
    for wrong in ({}, {"csrf": ""}, {"csrf": foreign}, {"csrf": word[::-1]}):
        assert client.post("/tokens", data={"name": "a"} | wrong, headers=PAGE).status_code == 403
        headers = {"X-CSRF-Token": wrong.get("csrf", "")}
        assert client.post("/api/admin/tokens", json={"name": "a"}, headers=headers).status_code == 403
    assert store.access.tokens.list() == ()
    assert client.post("/tokens", data={"name": "a", "csrf": word}, headers=PAGE).status_code == 200
    answer = client.post("/api/admin/tokens", json={"name": "b"}, headers={"X-CSRF-Token": word})
    assert answer.status_code == 201
    assert [token.caller.name for token in store.access.tokens.list()] == ["a", "b"]


def test_a_word_does_not_outlast_its_session(client_of, word_of) -> None:
    """Signed out, and in again with another token: the page of before is too old."""
    client = client_of(**LOCKED)
    client.set_cookie(COOKIE, make_token(SECRET, 1))
    word = word_of(client)
    client.post("/sign-out")
    client.set_cookie(COOKIE, make_token(SECRET, 1))
    answer = client.post("/tokens", data={"name": "a", "csrf": word}, headers=PAGE)
    assert answer.status_code == 403 and "Load the page again" in answer.text


def test_a_bearer_needs_no_word(client_of) -> None:
    """No browser sends one by itself."""
    headers = {"Authorization": f"Bearer {make_token(SECRET, 1)}"}
    assert client_of(**LOCKED).post("/api/admin/tokens", json={"name": "a"}, headers=headers).status_code == 201


def test_a_good_cookie_does_not_help_a_bad_bearer(client_of) -> None:
    """Else a bearer of anything would be a way around the word."""
    client = client_of(**LOCKED)
    client.set_cookie(COOKIE, make_token(SECRET, 1))
    answer = client.post("/api/admin/tokens", json={"name": "a"}, headers={"Authorization": "Bearer x.y.z"})
    assert answer.status_code == 401
    basic = client.post("/api/admin/tokens", json={"name": "a"}, headers={"Authorization": "Basic eA=="})
    assert basic.status_code == 403


def test_a_program_at_the_machine_needs_no_word_and_a_browser_does(client_of) -> None:
    """Nothing proves who sits there, so that a page of the web must not be able to ask for a change."""
    client = client_of()
    for headers, status in (
        ({}, 201),  # curl on this machine
        ({"Origin": "http://localhost"}, 403),  # a browser, of our own page: it has the word
        ({"Sec-Fetch-Site": "same-origin"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ):
        answer = client.post("/api/admin/tokens", json={"name": f"a{status}"}, headers=BROWSER | headers)
        assert answer.status_code == status, headers


def test_what_a_form_can_send_is_no_programs(client_of) -> None:
    """A form of another site can have a body that is JSON, under a type that is not."""
    client = client_of()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client.post("/api/admin/tokens", data='{"name": "a"}', content_type=kind)
        assert answer.status_code in (403, 415), kind
    assert client.post("/tokens", data={"name": "a"}).status_code == 403


def test_a_single_sign_ons_cookie_is_no_word(client_of, word_of) -> None:
    """The proxy adds the name to whatever the browser sends, also to what another site had it send."""
    sso: dict[str, Any] = {
        "webui_security": "ALWAYS_AUTH", "trusted_proxies": ["10.0.0.1"], "auth_header": "x-forwarded-user",
        "auth_roles": RoleMap.parse("*=admin"),
    }  # fmt: skip
    client = client_of(**sso)
    options: dict[str, Any] = {
        "headers": {"X-Forwarded-User": "alice"}, "environ_overrides": {"REMOTE_ADDR": "10.0.0.1"},
    }  # fmt: skip
    assert client.post("/api/admin/tokens", json={"name": "a"}, **options).status_code == 403
    word = word_of(client, **options)
    options["headers"] = {"X-Forwarded-User": "alice", "X-CSRF-Token": word}
    assert client.post("/api/admin/tokens", json={"name": "a"}, **options).status_code == 201
    options["headers"]["X-Forwarded-User"] = "bob"
    assert client.post("/api/admin/tokens", json={"name": "b"}, **options).status_code == 403


def test_another_sites_page_cannot_ask_for_a_change(client_of, word_of) -> None:
    """Not even with the word, which it cannot read: both checks hold by themselves."""
    client = client_of()
    word = word_of(client)
    data = {"name": "a", "csrf": word}
    assert client.post("/tokens", data=data, headers=PAGE | {"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post("/tokens", data=data, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/tokens", data=data, headers=PAGE).status_code == 200
