"""When a token is needed."""

from __future__ import annotations

import pytest

from switchman.webui.access.proxied import (
    PROXY_ENDINGS,
    PROXY_HEADERS,
    PROXY_PREFIXES,
    auth_required,
    is_https,
    is_proxied,
)

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
