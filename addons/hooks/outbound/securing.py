"""Securing: gives a connection to an upstream the TLS context that its server's settings ask for.

Only servers with settings of their own (`tls`, SSL_CERT_FILE, SSL_CERT_DIR) ask; for others mitmproxy's addon does it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os

from mitmproxy import ctx
from mitmproxy.connection import Client, Server
from mitmproxy.proxy.context import Context
from mitmproxy.tls import TlsData

from switchman.addons.proxy.dialing import Securing as Asked
from switchman.addons.state.descriptors import any_left
from switchman.addons.state.reaching.trust import Untrusted, openssl_context

logger = logging.getLogger(__name__)


class Securing:
    """Answers `secure_upstream`. Without a context the connection fails: no request goes out less secure than meant."""

    def running(self) -> None:
        """Have the context of all other servers made, which is then kept: later there may be no descriptor for it."""
        if (usual := ctx.master.addons.get("tlsconfig")) is not None:
            client = Client(peername=("", 0), sockname=("", 0))
            server = Server(address=("localhost", 443))
            usual.tls_start_server(TlsData(server, Context(client, ctx.options)))

    async def secure_upstream(self, asked: Asked) -> None:
        try:
            asked.context = await asyncio.to_thread(openssl_context, asked.tls)  # it reads files
        except Untrusted as error:
            if not any_left():  # whatever is in the files, they could not be opened
                asked.error = str(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
                return
            asked.error = f"TLS: {error}"
            logger.error("%s", error)
