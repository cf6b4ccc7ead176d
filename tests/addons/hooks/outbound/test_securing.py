"""The TLS context of a connection to a server with settings of its own."""

from __future__ import annotations

import asyncio
import logging

import pytest
from OpenSSL import SSL

from switchman.addons.core.servers.reaching.reach import PemFile, Tls
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
