"""How a server is reached, as a value."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from pydantic import SecretStr

from switchman.addons.core.servers.reaching.reach import DIRECT, PemFile, Proxy, Reach, Tls

PROXY = Proxy("http", "proxy.example", 3128, SecretStr("anna:päss\udcff"))


def test_credentials_stay_out_of_every_text() -> None:
    """A proxy is named in logs, traces and messages."""
    for text in (repr(PROXY), str(PROXY), f"{PROXY}", repr(Reach(PROXY))):
        assert "anna" not in text and "päss" not in text
    assert str(PROXY) == PROXY.url == "http://proxy.example:3128"


def test_credentials_are_basic() -> None:
    """RFC 7617, in UTF-8; bytes of the environment that are no text stay what they are."""
    assert PROXY.authorization is not None
    scheme, _, told = PROXY.authorization.partition(" ")
    assert (scheme, base64.b64decode(told)) == ("Basic", "anna:pä".encode() + b"ss\xff")
    assert replace(PROXY, credentials=None).authorization is None


def test_an_ipv6_proxy_is_named_with_brackets() -> None:
    """As a URL has it."""
    assert Proxy("https", "2001:db8::1", 443).url == "https://[2001:db8::1]:443"


@pytest.mark.parametrize(
    "other",
    [
        Reach(PROXY),
        Reach(replace(PROXY, credentials=SecretStr("anna:other"))),
        Reach(tls=Tls(verify=False)),
        Reach(tls=Tls(ca=PemFile("ca.pem", "1"))),
        Reach(tls=Tls(ca=PemFile("ca.pem", "2"))),
        Reach(tls=Tls(ca_dir="certs")),
        Reach(tls=Tls(client_cert=PemFile("c.pem", "1"))),
        Reach(tls=Tls(client_cert=PemFile("c.pem", "1"), client_key=PemFile("k.pem", "1"))),
    ],
)
def test_whatever_differs_is_another_way(other: Reach) -> None:
    """So that no connection of the one serves the other."""
    assert other != DIRECT and hash(other) == hash(replace(other))
    assert other not in {DIRECT, Reach(replace(PROXY, port=1)), Reach(tls=Tls(ca=PemFile("ca.pem", "3")))}


def test_the_files_of_a_way_are_those_that_have_content() -> None:
    """A folder is none of them."""
    ca, cert, key = (PemFile(name, "1") for name in ("ca", "cert", "key"))
    assert Reach(None, Tls(ca, "folder", cert, key), Tls(cert)).files == (ca, cert, key, cert)
    assert DIRECT.files == ()
