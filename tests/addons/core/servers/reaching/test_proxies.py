"""Which proxy leads to a server."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from switchman.addons.core.servers.reaching.proxies import (
    failure,
    is_excepted,
    is_failure,
    is_loopback,
    parse_proxy,
    proxy_from,
    refusal,
)
from switchman.addons.core.servers.reaching.reach import Proxy
from switchman.addons.core.servers.urls import parse

WAY = "http://proxy.example:3128"
PROXY = Proxy("http", "proxy.example", 3128)
FAR = parse("https://llm.example/v1")


@pytest.mark.parametrize(
    ("text", "proxy", "credentials"),
    [
        (WAY, PROXY, None),
        (" proxy.example:3128/ ", PROXY, None),
        ("HTTP://Proxy.Example", Proxy("http", "proxy.example", 80), None),
        ("https://proxy.example", Proxy("https", "proxy.example", 443), None),
        ("http://[::1]:3128", Proxy("http", "::1", 3128), None),
        ("http://anna:word@proxy.example:3128", PROXY, "anna:word"),
        ("anna:word@proxy.example:3128", PROXY, "anna:word"),
        ("http://do%5Canna:w%2Fo%40r%3Ad@proxy.example:3128", PROXY, "do\\anna:w/o@r:d"),
        ("http://anna@proxy.example:3128", PROXY, "anna:"),
        ("http://anna:w@rd@proxy.example:3128", PROXY, "anna:w@rd"),
    ],
)
def test_an_address_is_read(text: str, proxy: Proxy, credentials: str | None) -> None:
    """With or without scheme, port, user and password; percent-encoded or not."""
    secret = SecretStr(credentials) if credentials is not None else None
    assert parse_proxy(text) == Proxy(proxy.scheme, proxy.host, proxy.port, secret)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("socks5://anna:word@proxy.example:1080", "a SOCKS proxy is not supported"),
        ("socks5h://proxy.example", "a SOCKS proxy is not supported"),
        ("ftp://anna:word@proxy.example", "starts with http:// or https://"),
        ("http://anna:wo/rd@proxy.example:3128", "are written %2F"),
        ("http://anna:wo#rd@proxy.example:3128", "are written %2F"),
        ("http://anna:word@proxy.example:3128/path", "ends after the port"),
        ("http://anna:word@proxy.example:port", "from 1 to 65535"),
        ("http://anna:word@proxy.example:0", "port 0"),
        ("http://anna:word@", "host is missing"),
        ("http://anna:wo%0d%0ard@proxy.example", "no control characters"),
        ("http://anna:word@[::1", "cannot be read"),
        ("http://anna:word@pro xy", "no spaces"),
    ],
)
def test_what_cannot_be_read_is_told_without_its_secrets(text: str, told: str) -> None:
    """In a sentence for who wrote it."""
    with pytest.raises(ValueError, match=r"\w") as error:
        parse_proxy(text)
    assert told in str(error.value)
    assert "anna" not in str(error.value) and "rd@" not in str(error.value)


@pytest.mark.parametrize(
    ("env", "url", "found"),
    [
        ({}, "https://h.example", None),
        ({"HTTPS_PROXY": WAY}, "https://h.example", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": WAY}, "http://h.example", None),
        ({"HTTP_PROXY": WAY}, "http://h.example", "HTTP_PROXY"),
        ({"HTTP_PROXY": WAY}, "https://h.example", None),
        ({"https_proxy": WAY, "HTTPS_PROXY": "http://wrong"}, "https://h.example", "https_proxy"),
        ({"https_proxy": "", "HTTPS_PROXY": WAY}, "https://h.example", None),
        ({"ALL_PROXY": WAY}, "https://h.example", "ALL_PROXY"),
        ({"all_proxy": WAY}, "http://h.example", "all_proxy"),
        ({"HTTPS_PROXY": WAY, "ALL_PROXY": "socks5://unused"}, "https://h.example", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": WAY}, "https://localhost:8443", None),
        ({"HTTP_PROXY": WAY}, "http://127.0.0.1:8000", None),
        ({"HTTP_PROXY": WAY}, "http://192.168.1.5", "HTTP_PROXY"),
        ({"HTTP_PROXY": WAY, "NO_PROXY": "192.168.0.0/16"}, "http://192.168.1.5", None),
        ({"HTTP_PROXY": WAY, "no_proxy": "h.example", "NO_PROXY": "other"}, "http://h.example", None),
        ({"HTTP_PROXY": WAY, "no_proxy": "", "NO_PROXY": "h.example"}, "http://h.example", "HTTP_PROXY"),
    ],
)  # fmt: skip
def test_the_environment_is_followed(env: dict[str, str], url: str, found: str | None) -> None:
    """Small letters before capitals; this machine and NO_PROXY's exceptions without a proxy."""
    expected = (PROXY, found) if found else (None, "")
    assert proxy_from(env, parse(url)) == expected


def test_a_fault_of_the_environment_names_its_variable() -> None:
    """And holds no secret."""
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY: a SOCKS proxy is not supported") as error:
        proxy_from({"HTTPS_PROXY": "socks5://anna:word@h"}, FAR)
    assert "word@" not in str(error.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9", "0.0.0.0"])
def test_a_variable_that_names_the_router_itself_is_passed_over(host: str) -> None:
    """Clients may be told by it to use the router; the router asking itself would go on without end."""
    env = {"HTTPS_PROXY": f"http://{host}:1234"}
    assert proxy_from(env, FAR, 1234) == (None, "HTTPS_PROXY")
    assert proxy_from(env, FAR, 4321)[0] is not None and proxy_from(env, FAR)[0] is not None


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_so"),
    [
        ("https://a.example", "*", True),
        ("https://a.example", "", False),
        ("https://a.example", "a.example", True),
        ("https://a.example", "A.Example", True),
        ("https://b.a.example", "a.example", True),
        ("https://b.a.example", ".a.example", True),
        ("https://a.example", ".a.example", True),
        ("https://b.a.example", "*.a.example", True),
        ("https://ba.example", "a.example", False),
        ("https://a.example", "b.a.example", False),
        ("https://a.example.", "a.example", True),
        ("https://a.example", "x, ,y a.example", True),
        ("https://a.example:8443", "a.example:8443", True),
        ("https://a.example", "a.example:443", True),
        ("https://a.example", "a.example:80", False),
        ("http://10.1.2.3", "10.1.2.3", True),
        ("http://10.1.2.3", "10.0.0.0/8", True),
        ("http://10.1.2.3", "10.0.0.1/8", True),
        ("http://11.1.2.3", "10.0.0.0/8", False),
        ("http://10.1.2.3", "10.1.2", False),
        ("http://10.1.2.3:81", "10.1.2.3:80", False),
        ("http://[fd00::1]", "fd00::/8", True),
        ("http://[fd00::1]", "[fd00::1]", True),
        ("http://[fd00::1]:81", "[fd00::1]:80", False),
        ("http://[fd00::1]", "fd00:0:0::1", True),
        ("http://[::ffff:10.1.2.3]", "10.0.0.0/8", True),
        ("http://10.1.2.3", "nonsense/8", False),
        ("https://a.example", ".", False),
        ("https://a.example", "10.0.0.0/8", False),
    ],
)
def test_exceptions(url: str, no_proxy: str, is_so: bool) -> None:
    """Names with all below them, addresses, ranges, each with a port or without."""
    assert is_excepted(parse(url), no_proxy) is is_so


@pytest.mark.parametrize(
    ("host", "is_so"),
    [
        ("localhost", True), ("localhost.", True), ("a.localhost", True), ("127.1.2.3", True), ("::1", True),
        ("0.0.0.0", True), ("::ffff:127.0.0.1", True), ("localhost.example", False), ("10.0.0.1", False),
        ("box", False),
    ],
)  # fmt: skip
def test_what_is_this_machine(host: str, is_so: bool) -> None:
    """By its name alone."""
    assert is_loopback(host) is is_so


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (407, "it wants a user name and password (407)"),
        (403, "it refuses the way to h:443 (403 Forbidden)"),
        (302, "it refuses the way to h:443 (302 Found)"),
        (502, "it could not reach h:443 (502 Bad Gateway)"),
        (504, "it could not reach h:443 (504 Gateway Timeout)"),
        (599, "it refuses the way to h:443 (599)"),
    ],
)
def test_a_refusal_names_the_proxy(status: int, told: str) -> None:
    """And is known for one."""
    assert refusal(PROXY, status, "h:443") == f"the proxy http://proxy.example:3128: {told}"
    assert is_failure(refusal(PROXY, status, "h:443")) and is_failure(failure(PROXY, "x")) and not is_failure("a proxy")


def test_a_refused_password_is_told_from_a_missing_one() -> None:
    """Another thing is to be done about it."""
    known = Proxy("http", "p", 1, SecretStr("anna:word"))
    assert refusal(known, 407, "h:443") == "the proxy http://p:1: it refuses our user name and password (407)"
