"""Tokens."""

from __future__ import annotations

import contextlib
import time

import jwt
import pytest

from switchman.webui.access.tokens import (
    AUDIENCE,
    TokenError,
    make_token,
    read_token,
    token_expiry,
)

SECRET = "a test's secret, 32 bytes and longer"


def test_a_token_is_valid_for_the_hours_it_was_made_for() -> None:
    """What make_token makes, token_expiry accepts, with the end it was given."""
    now = time.time()
    assert token_expiry(make_token(SECRET, 2, now), SECRET) == int(now) + 7200


def test_two_tokens_have_two_names() -> None:
    """Also those that are made in the same second: signing one out leaves the other."""
    now = time.time()
    names = {read_token(make_token(SECRET, 2, now), SECRET).name for _ in range(3)}
    assert len(names) == 3 and all(len(name) == 64 for name in names)


def test_a_token_has_one_name_however_it_is_written() -> None:
    """One without jti, as older versions made. The last character of a signature can be written in four ways."""
    token = jwt.encode({"aud": AUDIENCE, "exp": 2**33}, SECRET, "HS256")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1]) & ~3
    names = set()
    for more in range(4):
        with contextlib.suppress(TokenError):  # PyJWT takes only one of the four since 2.12
            names.add(read_token(token[:-1] + alphabet[last + more], SECRET).name)
    assert names == {read_token(token, SECRET).name}


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
