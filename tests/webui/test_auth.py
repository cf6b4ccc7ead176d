"""Tokens, and when one is needed."""

from __future__ import annotations

import time

import jwt
import pytest

from switchman.webui.auth import (
    AUDIENCE,
    PROXY_HEADERS,
    TokenError,
    auth_required,
    is_proxied,
    make_token,
    token_expiry,
)

SECRET = "a test's secret, 32 bytes and longer"


@pytest.mark.parametrize("name", sorted(PROXY_HEADERS))
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_each_proxy_header_means_proxied_in_any_case(name: str, spell) -> None:
    """One of the seven headers is enough, however it is spelled."""
    assert is_proxied(["Host", spell(name)])


def test_other_headers_do_not_mean_proxied() -> None:
    """What any browser sends, and names that only resemble, say nothing of a proxy."""
    assert not is_proxied(["Host", "User-Agent", "Accept", "Via", "X-Forwarded", "Real-Ip"])


@pytest.mark.parametrize(
    ("mode", "headers", "needed"),
    [
        ("NONE", ["X-Forwarded-For"], False),
        ("AUTH_WHEN_PROXIED", [], False),
        ("AUTH_WHEN_PROXIED", ["forwarded"], True),
        ("ALWAYS_AUTH", [], True),
        ("a typing error", [], True),
    ],
)
def test_security_modes(mode: str, headers: list[str], needed: bool) -> None:
    """Each mode asks for a token as its name says, and an unknown one always does."""
    assert auth_required(mode, headers) is needed


def test_a_token_is_valid_for_the_hours_it_was_made_for() -> None:
    """What make_token makes, token_expiry accepts, with the end it was given."""
    now = time.time()
    assert token_expiry(make_token(SECRET, 2, now), SECRET) == int(now) + 7200


@pytest.mark.parametrize(
    ("claims", "secret", "algorithm", "complaint"),
    [
        ({"aud": AUDIENCE, "exp": 1}, SECRET, "HS256", "expired"),
        ({"aud": AUDIENCE, "exp": 2**33}, "another secret that is long enough!", "HS256", "another JWT_SECRET"),
        ({"aud": "switchman", "exp": 2**33}, SECRET, "HS256", "something else"),
        ({"exp": 2**33}, SECRET, "HS256", "'aud'"),
        ({"aud": AUDIENCE}, SECRET, "HS256", "'exp'"),
        ({"aud": AUDIENCE, "exp": 2**33}, None, "none", "not a valid token"),
        ({"aud": AUDIENCE, "exp": 2**33}, SECRET * 2, "HS512", "not a valid token"),
    ],
)
def test_a_token_that_is_not_ours_is_refused_with_the_reason(claims, secret, algorithm, complaint) -> None:
    """Expired, signed by another, for another audience, without an end, unsigned, or with another algorithm."""
    with pytest.raises(TokenError, match=complaint):
        token_expiry(jwt.encode(claims, secret, algorithm), SECRET)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "ä.ö.ü", "." * 5000])
def test_text_that_is_no_token_is_refused(text: str) -> None:
    """Anything can be pasted into the form."""
    with pytest.raises(TokenError):
        token_expiry(text, SECRET)


@pytest.mark.parametrize(("secret", "hours"), [("short", 1), (SECRET, 0), (SECRET, -1), (SECRET, float("nan"))])
def test_a_token_that_protects_nothing_is_not_made(secret: str, hours: float) -> None:
    """A short secret and a time that is over are refused."""
    with pytest.raises(ValueError):
        make_token(secret, hours)
