"""What is wrong with a server, in one sentence."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from switchman.addons.core.servers.reaching.reach import Proxy, Reach
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.hooks.outbound.trying.faults import of_answer, of_failure
from switchman.addons.state.learned.upstream_reader import Answer
from switchman.addons.state.reaching.deny import AddressDenied

PROXY = Reach(Proxy("http", "proxy", 3128, SecretStr("anna:word")))
BY_PROXY = "the proxy http://proxy:3128: "


def server(url: str = "https://llm.example/v1", **more: Any) -> Server:
    return Server("s", parse(url), **more)


def caused(error: BaseException, *causes: BaseException) -> BaseException:
    last = error
    for cause in causes:
        last.__cause__ = cause
        last = cause
    return error


REFUSED = caused(httpx.ConnectError("All connection attempts failed"), OSError("x"), ConnectionRefusedError(111, "no"))
GROUP = caused(httpx.ConnectError("failed"), ExceptionGroup("two", [OSError("x"), ConnectionRefusedError(111, "no")]))
DENIED = caused(
    httpx.ConnectError("All connection attempts failed"),
    AddressDenied(13, "the address 169.254.169.254 is not connected to (EGRESS_DENY=metadata)"),
)
UNKNOWN = caused(httpx.ConnectError("x"), socket.gaierror(-2, "Name or service not known"))


@pytest.mark.parametrize(
    ("error", "reach", "told"),
    [
        (TimeoutError(), Reach(), "no answer from llm.example:443 within 5 s"),
        (
            httpx.ConnectTimeout("x"),
            PROXY,
            "no answer from llm.example:443 through the proxy http://proxy:3128 within 5 s",
        ),
        (UNKNOWN, Reach(), "the name llm.example is not known"),
        (UNKNOWN, PROXY, BY_PROXY + "the name proxy is not known"),
        (REFUSED, Reach(), "nothing listens at llm.example:443 (connection refused)"),
        (GROUP, Reach(), "nothing listens at llm.example:443 (connection refused)"),
        (DENIED, Reach(), "llm.example: the address 169.254.169.254 is not connected to (EGRESS_DENY=metadata)"),
        (REFUSED, PROXY, BY_PROXY + "nothing listens at proxy:3128 (connection refused)"),
        (httpx.ProxyError("407 anna:word"), PROXY, BY_PROXY + "it refuses our user name and password (407)"),
        (httpx.ProxyError("502 x"), PROXY, BY_PROXY + "it could not reach llm.example:443 (502 Bad Gateway)"),
        (httpx.ProxyError("what"), PROXY, BY_PROXY + "it failed"),
        (
            caused(httpx.ConnectError("x"), ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")),
            Reach(),
            "llm.example:443 does not speak TLS: its URL begins with http://, not https://",
        ),
        (
            caused(httpx.ConnectError("x"), ssl.SSLCertVerificationError(1, "certificate has expired")),
            Reach(),
            "the server's certificate has expired",
        ),
        (
            httpx.ReadError("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert"),
            Reach(),
            "wants a client certificate",
        ),
        (caused(httpx.ConnectError("x"), ssl.SSLError(1, "out of luck")), Reach(), "TLS failed: "),
        (httpx.RemoteProtocolError("Server disconnected"), Reach(), "does it want a client certificate"),
        (OSError(101, "Network is unreachable"), Reach(), "Network is unreachable"),
    ],
)
def test_why_there_was_no_answer(error: BaseException, reach: Reach, told: str) -> None:
    """Where the way goes through a proxy, it says which of the two it is."""
    found = of_failure(error, server(reach=reach), 5.0)
    assert told in found and "anna" not in found and "\n" not in found


def test_a_server_without_tls_that_does_not_speak_http_is_told_in_its_own_words() -> None:
    """Shortened, and on one line."""
    found = of_failure(httpx.RemoteProtocolError("illegal\nline " + "x" * 500), server("http://h:1"), 5)
    assert found.startswith("what listens at h:1 does not answer as an HTTP server does (illegal line xxx")
    assert len(found) < 300


KEY: Any = {"api_key": SecretStr("k")}
SAID = b'{"error": {"message": "No such\\nkey"}}'


@pytest.mark.parametrize(
    ("status", "body", "more", "told"),
    [
        (401, SAID, KEY, "it refuses the key in api_key: 401: No such key"),
        (403, b"{}", KEY, "it refuses the key in api_key: 403"),
        (401, b"", {"headers": {"x-api-key": "k"}}, "it refuses the key in headers, or there is none: 401"),
        (401, SAID, {"forward_auth": False}, "set api_key: 401: No such key"),
        (401, SAID, {}, None),
        (403, b"<html><title>Access &amp; Denied</title>", KEY, "a web page ('Access & Denied') (403)"),
        (200, b" \n<!doctype html><TITLE>Sign in</TITLE>", {}, "a web page ('Sign in') (200)"),
        (200, b"<html>", {}, "a web page (200)"),
        (404, b"<html>", {}, None),
        (404, b"{}", {}, None),
        (405, b"", {}, None),
        (429, SAID, {}, None),
        (200, b"{}", {}, None),
        (500, SAID, {}, "it answers 500: No such key"),
        (503, b'{"error": "busy"}', {}, "it answers 503: busy"),
        (503, b'{"error": 3}', {}, "it answers 503"),
        (418, b"[]", {}, "it answers 418"),
        (407, b"", {"reach": PROXY}, BY_PROXY + "it refuses our user name and password (407)"),
        (407, b"", {}, "it answers 407"),
        (
            400,
            b"<html>The plain HTTP request was sent to HTTPS port</html>",
            {},
            "speaks TLS: its URL begins with https://",
        ),
        (400, b"Client sent an HTTP request to an HTTPS server.\n", {}, "speaks TLS: its URL begins with https://"),
        (400, SAID, {}, "it answers 400: No such key"),
    ],
)
def test_what_an_answer_says(status: int, body: bytes, more: dict[str, Any], told: str | None) -> None:
    """A 404 is left to who knows what was asked for."""
    found = of_answer(Answer(status, body, ""), server(**more))
    assert found is None if told is None else found is not None and told in found


def test_a_redirect_says_where_it_leads() -> None:
    """It is not followed."""
    assert of_answer(Answer(302, b"", "https://login.example/"), server()) == (
        "it redirects (302) to https://login.example/: is that the right base URL?"
    )


def test_a_failure_behind_a_forwarding_proxy_may_be_the_proxys() -> None:
    """It answers in the server's place."""
    found = of_answer(Answer(503, b"", ""), server("http://llm.example", reach=PROXY))
    assert found == "it answers 503 (or the proxy says so for it)"
