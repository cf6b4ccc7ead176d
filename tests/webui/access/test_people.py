"""Who sends a request: by a token, by a trusted proxy's word, or by sitting at this machine."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.secrets.jwt_keys import public_keys
from switchman.addons.core.access.roles import Role, RoleMap
from switchman.webui.access.tokens import SignOn, make_token

SECRET = "a test's secret, 32 bytes and longer"
LOCKED = {"webui_security": "ALWAYS_AUTH", "jwt_secret": SECRET}
SSO: dict[str, Any] = {
    "webui_security": "ALWAYS_AUTH",
    "trusted_proxies": ["10.0.0.1", "127.0.0.1"],
    "auth_header": "x-forwarded-user",
    "auth_roles": RoleMap.parse("alice=admin, *=viewer"),
    "hosts": ["dash.example"],
}
FORWARDED = {"X-Forwarded-For": "203.0.113.9"}


def me(client: FlaskClient, headers: dict[str, str] | None = None, peer: str = "127.0.0.1") -> tuple[Any, ...]:
    """(status, name, role, how)"""
    answer = client.get("/api/admin/me", headers=headers or {}, environ_overrides={"REMOTE_ADDR": peer})
    told = answer.json or {}
    return answer.status_code, told.get("name"), told.get("role"), told.get("how")


def test_who_sits_at_the_machine_is_an_admin(client_of) -> None:
    """As before there were roles: without a token, in the modes that need none."""
    for mode in ("NONE", "AUTH_WHEN_PROXIED"):
        client = client_of(webui_security=mode)
        for peer in ("127.0.0.1", "127.0.0.9", "::1", "::ffff:127.0.0.1"):
            assert me(client, peer=peer) == (200, "local", "admin", "local")


@pytest.mark.parametrize(
    ("mode", "headers", "peer"),
    [("NONE", FORWARDED, "127.0.0.1"), ("NONE", {}, "192.168.1.9"), ("AUTH_WHEN_PROXIED", {}, "192.168.1.9")],
)
def test_others_who_need_no_token_read_all_and_change_nothing(
    client_of, put, make_request, mode, headers, peer
) -> None:
    """From another machine, or through a proxy: what could be read can be read, and no more."""
    put(make_request(1, time.time(), id="one"))
    client = client_of(webui_security=mode, jwt_secret=SECRET)
    status, _, role, how = me(client, headers, peer)
    assert (status, role, how) == (200, "viewer", "open")
    elsewhere: dict[str, Any] = {"environ_overrides": {"REMOTE_ADDR": peer}}
    options = {"headers": headers, **elsewhere}
    assert client.get("/api/body/request/one", **options).status_code == 200
    for address in ("/tokens", "/keys", "/audit", "/api/admin/tokens", "/api/admin/status"):
        answer = client.get(address, **options)
        assert answer.status_code == 403 and "switchman token jwt --role admin" in answer.text
    assert "/sign-in?next=/tokens" in client.get("/tokens", headers=headers | {"Accept": "text/html"}, **elsewhere).text
    assert "/sign-in?next=/requests" in client.get("/requests", headers=headers, **elsewhere).text
    assert client.post("/api/admin/tokens", json={"name": "x"}, **options).status_code == 403
    # With a token they are who it says.
    bearer = {"Authorization": f"Bearer {make_token(SECRET, 1, who='alice')}"}
    assert me(client, headers | bearer, peer) == (200, "alice", "admin", "bearer")


def test_a_trusted_proxys_address_opens_nothing_by_itself(client_of) -> None:
    """Loopback, or an address of TRUSTED_PROXIES, is no proof: who comes through it has to sign in."""
    client = client_of(jwt_secret=SECRET, trusted_proxies=["127.0.0.0/8", "10.0.0.1"])
    locked = client_of(trusted_proxies=["127.0.0.0/8"])
    for name in ("X-Forwarded-For", "x-real-ip", "CF-CONNECTING-IP", "Forwarded", "x-original-forwarded-for"):
        for peer in ("127.0.0.1", "10.0.0.1"):
            assert me(client, {name: "127.0.0.1"}, peer)[0] == 401
            assert me(locked, {name: "127.0.0.1"}, peer)[0] == 403


def test_a_trusted_proxy_names_somebody(client_of) -> None:
    """Their role is what AUTH_ROLES says, in any mode."""
    for mode in ("ALWAYS_AUTH", "AUTH_WHEN_PROXIED", "NONE"):
        client = client_of(**SSO | {"webui_security": mode})
        assert me(client, {"X-Forwarded-User": "Alice"}, "10.0.0.1") == (200, "Alice", "admin", "header")
        assert me(client, {"x-forwarded-user": "bob"}, "10.0.0.1") == (200, "bob", "viewer", "header")


@pytest.mark.parametrize("mode", ["ALWAYS_AUTH", "AUTH_WHEN_PROXIED"])
def test_nobody_else_is_believed(client_of, mode: str) -> None:
    """The header of another address names nobody, and shows that somebody stands between."""
    for secret, status in ((None, 403), (SECRET, 401)):
        client = client_of(**SSO | {"webui_security": mode, "jwt_secret": secret})
        custom = client_of(**SSO | {"webui_security": mode, "jwt_secret": secret, "auth_header": "x-who"})
        for peer in ("10.0.0.2", "192.168.1.9", "::1", "not an address"):
            assert me(client, {"X-Forwarded-User": "alice"}, peer)[0] == status
            assert me(custom, {"X-Who": "alice"}, peer)[0] == status


def test_a_name_that_is_not_one_is_nobodys(client_of) -> None:
    """A proxy that adds its own word behind the client's sends two."""
    client = client_of(**SSO)
    for name in ("alice, bob", "alice,", "x" * 201, "a\x7fb"):
        assert me(client, {"X-Forwarded-User": name}, "10.0.0.1")[0] == 403


def test_who_has_no_role_gets_in_nowhere(client_of) -> None:
    """Unless there is one for everybody."""
    client = client_of(**SSO | {"auth_roles": RoleMap.parse("alice=admin")})
    answer = client.get("/requests", headers={"X-Forwarded-User": "<b>mallory", "Accept": "text/html"})
    assert answer.status_code == 403 and "has no role" in answer.text and "<b>mallory" not in answer.text
    assert me(client, {"X-Forwarded-User": "alice"})[0] == 200


def test_an_empty_name_is_nobody(client_of) -> None:
    """The single sign-on has let somebody through who is not signed in."""
    client, with_secret = client_of(**SSO), client_of(**SSO | {"jwt_secret": SECRET})
    for headers in ({"X-Forwarded-User": ""}, {"X-Forwarded-User": "  "}, {}):
        answer = client.get("/api/requests", headers=headers)
        assert answer.status_code == 403 and "AUTH_HEADER" in answer.text
        assert me(with_secret, headers)[0] == 401


def test_a_rebound_page_is_nobody(client_of) -> None:
    """It comes from this very machine, which is trusted, and may send any header: its Host gives it away."""
    for mode in ("ALWAYS_AUTH", "AUTH_WHEN_PROXIED", "NONE"):
        client = client_of(**SSO | {"webui_security": mode})
        for host, status in (("evil.example", 421), ("dash.example", 200), ("127.0.0.1:1235", 200)):
            assert me(client, {"X-Forwarded-User": "alice", "Host": host})[0] == status


def test_the_name_stands_above_a_token(client_of) -> None:
    """A proxy in front passes tokens of its own provider on; who is named is who it is."""
    token = {"Authorization": f"Bearer {make_token(SECRET, 1)}"}
    client = client_of(**SSO | {"jwt_secret": SECRET})
    assert me(client, {"X-Forwarded-User": "bob"} | token, "10.0.0.1") == (200, "bob", "viewer", "header")
    assert me(client, token, "10.0.0.1")[2] == "admin"


def test_the_header_is_not_taken_twice_as_different_spellings(client_of) -> None:
    """WSGI has one name for both: the sign-on's proxy only overwrites its own; see the test with real sockets, too."""
    answer = client_of(**SSO).get(
        "/api/admin/me",
        headers=[("X-Forwarded-User", "bob"), ("X-Forwarded-User", "alice")],
        environ_overrides={"REMOTE_ADDR": "10.0.0.1"},
    )
    assert answer.status_code == 403


def test_another_signers_token_signs_in_and_out(client_of, rsa_key, public_pem, sign) -> None:
    """As a bearer and by the form; signed out it opens nothing, though its signer knows nothing of that."""
    sign_on = SignOn(public_keys(public_pem(rsa_key)))
    client = client_of(webui_security="ALWAYS_AUTH", sign_on=sign_on)
    token = sign(rsa_key, "RS256", sub="alice", role="operator", jti="one")
    assert me(client, {"Authorization": f"Bearer {token}"}) == (200, "alice", "operator", "bearer")
    assert client.post("/sign-in", data={"token": token}).status_code == 303
    assert me(client) == (200, "alice", "operator", "cookie")
    assert client.post("/sign-out").status_code == 303
    assert me(client)[0] == me(client, {"Authorization": f"Bearer {token}"})[0] == 401


def test_a_token_that_a_browser_would_not_keep_is_refused_in_the_form(client_of, rsa_key, public_pem, sign) -> None:
    """Else the cookie would be dropped in silence, and the sign-in page would come again."""
    client = client_of(webui_security="ALWAYS_AUTH", sign_on=SignOn(public_keys(public_pem(rsa_key))))
    token = sign(rsa_key, "RS256", groups=["a-long-name-of-a-group"] * 200)
    answer = client.post("/sign-in", data={"token": token})
    assert answer.status_code == 401 and "too long for a browser" in answer.text
    assert me(client, {"Authorization": f"Bearer {token}"})[0] == 200


def test_a_token_of_before_is_a_viewers(client_of) -> None:
    """It has no role; what it opened that is only for admins now stays shut."""
    import jwt

    old = jwt.encode({"aud": "switchman-dashboard", "exp": 2**33, "jti": "x"}, SECRET, "HS256")
    bearer = {"Authorization": f"Bearer {old}"}
    client = client_of(**LOCKED)
    assert me(client, bearer)[2] == Role.VIEWER.word
    assert client.get("/api/admin/tokens", headers=bearer).status_code == 403
