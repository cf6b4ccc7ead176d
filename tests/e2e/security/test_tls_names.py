"""The name in an upstream's certificate is the configuration's, whatever name a client of the router says."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import request_bytes

KEY = "sk-own-0123456789abcdefWXYZ"


def serving(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def upstreams(upstream_factory: Callable[..., FakeUpstream], authority: trustme.CA) -> dict[str, FakeUpstream]:
    """By the only name in the certificate of each."""
    return {name: upstream_factory(name=name, tls=serving(authority, name)) for name in ("evil.example", "127.0.0.1")}


@pytest.fixture(scope="module")
def shared_proxy(
    start_shared: Any,
    upstreams: dict[str, FakeUpstream],
    authority: trustme.CA,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    ca = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    routes = "servers:\n"
    for name, up in (("evil", upstreams["evil.example"]), ("good", upstreams["127.0.0.1"])):
        routes += (
            f"  {name}: {{url: '{up.url}', dialect: openai, api_key: {KEY}, tls: {{ca: '{ca}'}}, pass_through: true}}\n"
        )
        routes += f"  {name}-env: {{url: '{up.url}/', dialect: openai, api_key: {KEY}}}\n"
    settings = {"DEFAULT_UPSTREAM": upstreams["evil.example"].url, "SSL_CERT_FILE": str(ca)}
    return start_shared(routes, {**settings, "ALLOWED_HOSTS": "evil.example"})  # else a Host of it is a 421 already


def ask(port: int, sni: str, host: str, path: str, model: str = "m") -> tuple[int, bytes]:
    """Status and body for a client that speaks TLS to the router, and says these names."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]}).encode()
    sent = request_bytes(path, body, [("content-type", "application/json"), ("connection", "close")])
    with (
        socket.create_connection(("127.0.0.1", port), 30) as plain,
        context.wrap_socket(plain, server_hostname=sni) as secure,
    ):
        secure.sendall(sent.replace(b"Host: switchman", f"Host: {host}".encode()))
        answer = b""
        while piece := secure.recv(65536):
            answer += piece
    head, _, told = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), told


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1"])
@pytest.mark.parametrize("trust", ["", "-env"])
def test_a_clients_sni_is_no_name_of_a_server(
    trust: str, host: str, proxy: Any, upstreams: dict[str, FakeUpstream]
) -> None:
    """A certificate for `evil.example` only is refused before the key is sent, though the client says that name."""
    status, told = ask(proxy.port, "evil.example", host, "/v1/chat/completions", f"evil{trust}/m")
    assert status == 502 and b"for another name than the one in its URL" in told
    assert upstreams["evil.example"].requests == []


def test_a_path_that_is_passed_through(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """It goes to DEFAULT_UPSTREAM, whose name is held to the same."""
    status, told = ask(proxy.port, "evil.example", "evil.example", "/v1/files")
    assert status == 502 and b"for another name than the one in its URL" in told
    assert upstreams["evil.example"].requests == []


@pytest.mark.parametrize("trust", ["", "-env"])
def test_the_configured_name_serves_every_client(trust: str, proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """Whatever name it says: the certificate is for the address in the rules."""
    status, _ = ask(proxy.port, "evil.example", "evil.example", "/v1/chat/completions", f"good{trust}/m")
    assert status == 200
    assert upstreams["127.0.0.1"].inferences[-1].header("authorization") == f"Bearer {KEY}"
