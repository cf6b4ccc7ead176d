"""Tokens, and when one is needed."""

from __future__ import annotations

import contextlib
import time

import jwt
import pytest

from switchman.webui.auth import (
    AUDIENCE,
    PROXY_ENDINGS,
    PROXY_HEADERS,
    PROXY_PREFIXES,
    TokenError,
    auth_required,
    is_https,
    is_proxied,
    make_token,
    read_token,
    token_expiry,
)

SECRET = "a test's secret, 32 bytes and longer"


NAMES = [
    *PROXY_HEADERS, *(prefix + "x" for prefix in PROXY_PREFIXES), *("x" + ending for ending in PROXY_ENDINGS),
    "X-Forwarded", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "CF-Ray", "CF-Visitor", "X-Forwarded-Server",
]  # fmt: skip
BROWSER = {
    "Host": "127.0.0.1:1235",
    "Connection": "keep-alive",
    "User-Agent": "Mozilla/5.0",
    "Accept": "text/html",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
}


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_each_proxy_header_means_proxied_in_any_case(name: str, spell) -> None:
    """One of them is enough, however it is spelled, also where it is empty."""
    assert is_proxied({"Host": "localhost", spell(name): ""})


def test_other_headers_do_not_mean_proxied() -> None:
    """What any browser or program sends, and names that only resemble, say nothing of a proxy."""
    assert not is_proxied({"Host": "localhost", "User-Agent": "curl/8", "Accept": "*/*", "Real-Ip": "", "Viable": ""})
    assert not is_proxied({"Host": "localhost", "Connection": "close"})
    assert not is_proxied(BROWSER)
    assert not is_proxied(BROWSER | {"Connection": "Upgrade, Keep-Alive"})


@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/0.9", ""])
def test_an_old_protocol_means_proxied(protocol: str) -> None:
    """nginx's plain `proxy_pass` speaks HTTP/1.0; no browser does."""
    assert is_proxied(BROWSER, protocol)
    assert not is_proxied(BROWSER, "HTTP/1.1")


@pytest.mark.parametrize(
    "changes",
    [
        {"Connection": ""},
        {"Connection": "close"},
        {"Sec-Fetch-Site": "same-origin", "Referer": "https://dash.example/"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://dash.example", "Referer": "http://127.0.0.1:1235/"},
    ],
)
def test_a_browser_shows_a_proxy_that_adds_nothing(changes: dict[str, str]) -> None:
    """Its Connection is for one hop, and the page that it has is of another host than the one that is asked."""
    assert is_proxied(BROWSER | changes)


def test_a_browser_that_follows_links_is_not_proxied() -> None:
    """From our own page, and from another site's."""
    assert not is_proxied(BROWSER | {"Sec-Fetch-Site": "same-origin", "Referer": "http://127.0.0.1:1235/request/x"})
    assert not is_proxied(BROWSER | {"Sec-Fetch-Site": "cross-site", "Referer": "https://elsewhere.example/"})


@pytest.mark.parametrize(
    ("headers", "https"),
    [
        ({}, False),
        ({"Origin": "http://x"}, False),
        ({"Origin": "https://x"}, True),
        ({"X-Forwarded-Proto": "https"}, True),
        ({"x-forwarded-proto": "HTTPS, http"}, True),
        ({"X-Forwarded-Proto": "http, https"}, False),
        ({"X-Forwarded-Ssl": "on"}, True),
        ({"Forwarded": 'for=1.2.3.4;proto="https";by=x, for=x'}, True),
        ({"Forwarded": "for=1.2.3.4;proto=http, for=x;proto=https"}, False),
        ({"CF-Visitor": '{"scheme": "https"}'}, True),
    ],
)
def test_https_is_told_by_the_browser_or_a_proxy(headers: dict[str, str], https: bool) -> None:
    """The first hop's word counts, where there are several."""
    assert is_https(headers) is https


@pytest.mark.parametrize(
    ("mode", "headers", "needed"),
    [
        ("NONE", {"X-Forwarded-For": "x"}, False),
        ("AUTH_WHEN_PROXIED", {}, False),
        ("AUTH_WHEN_PROXIED", {"forwarded": "x"}, True),
        ("ALWAYS_AUTH", {}, True),
        ("a typing error", {}, True),
    ],
)
def test_security_modes(mode: str, headers: dict[str, str], needed: bool) -> None:
    """Each mode asks for a token as its name says, and an unknown one always does."""
    assert auth_required(mode, headers) is needed


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
