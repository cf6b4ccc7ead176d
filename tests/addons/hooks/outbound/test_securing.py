"""The TLS context of a connection to a server with settings of its own."""

from __future__ import annotations

import asyncio
import logging
import resource

import certifi
import pytest
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.net import tls as net_tls
from mitmproxy.test import taddons
from OpenSSL import SSL

from switchman.addons.core.servers.reaching.reach import PemFile, Tls
from switchman.addons.core.servers.scarcity import is_scarcity
from switchman.addons.hooks.outbound.securing import Securing
from switchman.addons.proxy.dialing import Securing as Asked


def asked(tls: Tls) -> Asked:
    question = Asked(tls)
    asyncio.run(Securing().secure_upstream(question))
    return question


def test_the_servers_own_context_is_given() -> None:
    """The same one for the same settings."""
    first, second = asked(Tls(verify=False)), asked(Tls(verify=False))
    assert isinstance(first.context, SSL.Context) and first.context is second.context and first.error == ""


def test_a_file_that_is_gone_means_no_context(caplog: pytest.LogCaptureFixture) -> None:
    """The connection then fails: it must not go out by other certificates than were meant."""
    with caplog.at_level(logging.ERROR):
        found = asked(Tls(ca=PemFile("/nowhere/ca.pem", "0")))
    assert found.context is None and found.error.startswith("TLS: the certificates cannot be loaded any more")
    assert "/nowhere/ca.pem" in caplog.text


def test_a_file_that_no_descriptor_is_left_for_is_the_routers_own_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """Told as the system tells it, so that it counts against no server; once the limit is higher, all is well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    question, securing = Asked(Tls(ca=PemFile(certifi.where(), "now"))), Securing()

    async def ask() -> None:
        await asyncio.to_thread(int)  # the thread is there, and the loop has its own descriptors
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            await securing.secure_upstream(question)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    asyncio.run(ask())
    assert question.context is None and is_scarcity(question.error) and caplog.text == ""
    assert asked(question.tls).context is not None


def test_the_usual_context_is_made_at_the_start() -> None:
    """By mitmproxy's addon, which keeps it."""
    net_tls.create_proxy_server_context.cache_clear()
    with taddons.context(TlsConfig()):
        Securing().running()
        assert net_tls.create_proxy_server_context.cache_info().currsize == 1
