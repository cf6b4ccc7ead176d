"""Tokens."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from switchman.addons.config.secrets.jwt_keys import public_keys
from switchman.addons.core.access.roles import Role
from switchman.webui.access.tokens import (
    AUDIENCE,
    SignOn,
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


def others(private: Any, public_pem: Any, **settings: Any) -> SignOn:
    return SignOn(public_keys(public_pem(private)), **settings)


def test_a_role_stands_in_the_token() -> None:
    """As it was made; one of before, which has none, is the least."""
    for role in Role:
        made = read_token(make_token(SECRET, 1, role=role, who="alice"), SECRET)
        assert (made.role, made.who) == (role, "alice")
    assert read_token(make_token(SECRET, 1), SECRET).role is Role.ADMIN
    old = jwt.encode({"aud": AUDIENCE, "exp": 2**33, "iat": 1, "jti": "x"}, SECRET, "HS256")
    assert read_token(old, SECRET).role is Role.VIEWER


@pytest.mark.parametrize("role", ["root", "", None, 3, ["admin"], {"admin": True}])
def test_a_role_that_is_none_opens_nothing(role: Any) -> None:
    """It is not taken for the least."""
    token = jwt.encode({"aud": AUDIENCE, "exp": 2**33, "role": role}, SECRET, "HS256")
    with pytest.raises(TokenError, match="role"):
        read_token(token, SECRET)


def test_another_signers_tokens(rsa_key, ec_key, public_pem, sign) -> None:
    """RS256 and ES256, each by its own key; roles and names where the provider has them."""
    for key, algorithm in ((rsa_key, "RS256"), (ec_key, "ES256")):
        sign_on = others(key, public_pem, issuer="https://sso.example", role_claim="realm_access.roles")
        claims = {"iss": "https://sso.example", "sub": "42", "email": "alice@example.com", "role": None}
        token = sign(key, algorithm, realm_access={"roles": ["offline", "operator", "viewer"]}, **claims)
        for secret in (None, SECRET):
            found = read_token(token, secret, sign_on)
            assert (found.role, found.who) == (Role.OPERATOR, "alice@example.com (42)")
        assert read_token(make_token(SECRET, 1), SECRET, sign_on).role is Role.ADMIN


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"role": None}, "no role for the dashboard"),
        ({"role": "root"}, "no role for the dashboard"),
        ({"aud": "another-app"}, "something else"),
        ({"aud": None}, "'aud'"),
        ({"exp": None}, "'exp'"),
        ({"exp": 1}, "expired"),
        ({"iss": "https://evil.example"}, "somebody else than JWT_ISSUER"),
        ({"iss": None}, "'iss'"),
        ({"nbf": 2**33}, "not valid yet"),
    ],
)
def test_another_signers_token_that_is_not_for_us(rsa_key, public_pem, sign, changes: dict[str, Any], why: str) -> None:
    """Each with its reason: also one without a role, which anybody of a company may have."""
    sign_on = others(rsa_key, public_pem, issuer="https://sso.example")
    token = sign(rsa_key, "RS256", **{"iss": "https://sso.example"} | changes)
    for secret in (None, SECRET):
        with pytest.raises(TokenError, match=why):
            read_token(token, secret, sign_on)


def test_the_algorithm_is_the_keys_and_never_the_tokens(rsa_key, ec_key, public_pem, sign) -> None:
    """A public key as the secret of HS256, `none`, another hash, another kind of key, our secret for their words."""
    sign_on = others(rsa_key, public_pem)
    claims = {"aud": AUDIENCE, "exp": 2**33, "role": "admin"}
    pem = public_pem(rsa_key)
    forged = [
        by_hand(claims, {"alg": "HS256"}, lambda told: hmac.new(pem.encode(), told, hashlib.sha256).digest()),
        by_hand(claims, {"alg": "HS256"}, lambda told: hmac.new(pem.strip().encode(), told, hashlib.sha256).digest()),
        by_hand(claims, {"alg": "none"}, lambda told: b""),
        by_hand(claims, {"alg": "RS256", "jwk": {"kty": "oct", "k": "AA"}}, lambda told: b"x" * 256),
        sign(rsa_key, "RS512", **claims),
        sign(rsa_key, "PS256", **claims),
        sign(ec_key, "ES256", **claims),
        by_hand(claims, {"alg": "RS256"}, lambda told: hmac.new(SECRET.encode(), told, hashlib.sha256).digest()),
    ]
    for token in forged:
        for secret in (None, SECRET):
            with pytest.raises(TokenError):
                read_token(token, secret, sign_on)
        with pytest.raises(TokenError):
            read_token(token, SECRET)


def by_hand(claims: dict[str, Any], head: dict[str, Any], signature: Callable[[bytes], bytes]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)]
    told = b".".join(parts)
    return (told + b"." + base64.urlsafe_b64encode(signature(told)).rstrip(b"=")).decode()


def test_an_end_without_bounds_is_bounded(rsa_key, public_pem) -> None:
    """Whoever may sign may write any number; a browser and a database count only so far."""
    for end in (2**80, 1e300, 10**400):
        token = jwt.encode({"aud": AUDIENCE, "exp": end, "role": "viewer"}, SECRET, "HS256")
        with contextlib.suppress(TokenError):
            assert read_token(token, SECRET).expires_at <= 2**40


def test_a_name_is_one_line_and_not_too_long() -> None:
    """What is none is told by the token's own name."""
    for who, shown in (("a  b", "a b"), ("x" * 500, "x" * 200), ("a\nb", None), ("\u202ealice", None)):
        token = jwt.encode({"aud": AUDIENCE, "exp": 2**33, "sub": who}, SECRET, "HS256")
        found = read_token(token, SECRET)
        assert found.who == (shown or f"token {found.name[:8]}")
