"""Who has sent wrong tokens has to wait, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.webui.access import lockout as module
from switchman.webui.access.lockout import CALM, FREE, LONGEST, MANY, WITHIN, Lockout
from switchman.webui.access.people import COOKIE
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
LOCKED = {"webui_security": "ALWAYS_AUTH", "jwt_secret": SECRET}
WRONG = make_token(SECRET[::-1], 1)


def test_an_address_waits_longer_each_time_and_never_for_long() -> None:
    """A few tries are free; tries while it waits do not make it longer; after a quiet time all is forgotten."""
    lockout, now, waits = Lockout(), 1000.0, []
    for _ in range(FREE + 9):
        lockout.failed("203.0.113.7", now)
        waits.append(lockout.wait("203.0.113.7", now))
        now += waits[-1]
    assert waits == [0.0] * (FREE - 1) + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST, LONGEST, LONGEST, LONGEST]
    assert lockout.wait("203.0.113.7", now) == 0.0
    lockout.failed("203.0.113.7", now + CALM + 1)
    assert lockout.wait("203.0.113.7", now + CALM + 1) == 0.0


def test_other_addresses_do_not_wait() -> None:
    """One client's addresses are one: its IPv6 network, and IPv4 written as IPv6."""
    lockout = Lockout()
    for _ in range(FREE):
        lockout.failed("2001:db8::1", 0.0)
        lockout.failed("::ffff:192.0.2.1", 0.0)
    assert lockout.wait("2001:db8::ffff:2", 0.0) and lockout.wait("192.0.2.1", 0.0)
    assert not lockout.wait("2001:db8:0:1::1", 0.0) and not lockout.wait("192.0.2.2", 0.0)


def test_guessing_from_everywhere_leaves_one_try_each() -> None:
    """And an address that has not failed is looked at: the owner's."""
    lockout = Lockout()
    for number in range(MANY):
        lockout.failed(f"10.0.{number // 250}.{number % 250}", 1.0)
    lockout.failed("192.0.2.1", 2.0)
    assert lockout.wait("192.0.2.1", 2.0) == 1.0
    assert lockout.wait("198.51.100.1", 2.0) == 0.0
    lockout.failed("192.0.2.9", WITHIN + 3.0)
    assert lockout.wait("192.0.2.9", WITHIN + 3.0) == 0.0


def test_it_remembers_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest quiet ones go."""
    monkeypatch.setattr(module, "MOST_ADDRESSES", 50)
    lockout = Lockout()
    for number in range(5000):
        lockout.failed(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", float(number))
    assert len(lockout) == 50 and len(lockout._all) == MANY


def fail(client: Any, how: str, times: int, **options: Any) -> list[int]:
    found = []
    for _ in range(times):
        if how == "form":
            answer = client.post("/sign-in", data={"token": WRONG}, **options)
        else:
            answer = client.get("/api/requests", headers={"Authorization": f"Bearer {WRONG}"}, **options)
        found.append(answer.status_code)
    return found


@pytest.mark.parametrize("how", ["form", "bearer"])
def test_wrong_tokens_are_not_looked_at_for_a_while(client_of, how: str) -> None:
    """429 with Retry-After, for a good one too; another address gets in, and who is signed in stays so."""
    client = client_of(**LOCKED)
    signed_in = client.application.test_client()
    signed_in.set_cookie(COOKIE, make_token(SECRET, 1))
    assert fail(client, how, FREE + 1) == [401] * FREE + [429]
    good = {"Authorization": f"Bearer {make_token(SECRET, 1)}"}
    for answer in (
        client.get("/api/requests", headers=good),
        client.post("/sign-in", data={"token": make_token(SECRET, 1)}),
    ):
        assert answer.status_code == 429 and 1 <= int(answer.headers["Retry-After"]) <= LONGEST
        assert "Set-Cookie" not in answer.headers
    elsewhere = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.5"}}
    assert client.get("/api/requests", headers=good, **elsewhere).status_code == 200
    assert signed_in.get("/api/requests").status_code == 200
    assert client.get("/sign-in").status_code == 200


def test_who_is_behind_a_trusted_proxy_has_an_address_of_their_own(client_of) -> None:
    """And one that only says so has not: it cannot be somebody else each time, nor lock somebody else out."""
    client = client_of(**LOCKED, trusted_proxies=["10.0.0.1"])

    def through(proxy: str, address: str) -> dict[str, Any]:
        return {"environ_overrides": {"REMOTE_ADDR": proxy, "HTTP_X_FORWARDED_FOR": address}}

    assert fail(client, "form", FREE + 1, **through("10.0.0.1", "192.0.2.1"))[-1] == 429
    assert fail(client, "form", 1, **through("10.0.0.1", "192.0.2.2")) == [401]
    assert [fail(client, "form", 1, **through("10.0.0.9", f"192.0.2.{n}"))[0] for n in range(FREE + 1)][-1] == 429
    assert fail(client, "form", 1, **through("10.0.0.1", "192.0.2.3")) == [401]


def test_a_token_that_is_over_is_no_guess(client_of) -> None:
    """A tab that is left open asks every few seconds with a cookie that has expired, and keeps nobody out."""
    client = client_of(**LOCKED)
    client.set_cookie(COOKIE, make_token(SECRET, 1, 1000.0))
    over = {"Authorization": f"Bearer {make_token(SECRET, 1, 1000.0)}"}
    for _ in range(2 * FREE):
        assert client.get("/api/requests").status_code == 401
        assert client.get("/api/requests", headers=over).status_code == 401
        assert client.get("/api/requests", headers={"Authorization": ""}).status_code == 401
    assert client.post("/sign-in", data={"token": make_token(SECRET, 1)}).status_code == 303


def test_a_guess_in_a_cookie_counts(client_of) -> None:
    """It is one more way to try a token."""
    client = client_of(**LOCKED)
    client.set_cookie(COOKIE, WRONG)
    assert [client.get("/api/requests").status_code for _ in range(FREE + 1)] == [401] * FREE + [429]
