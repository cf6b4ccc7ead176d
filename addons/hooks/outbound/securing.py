"""Securing: gives a connection to an upstream the TLS context that its server's settings ask for.

Only servers with settings of their own (`tls`, SSL_CERT_FILE, SSL_CERT_DIR) ask; for others mitmproxy's addon does it.
"""

from __future__ import annotations

import asyncio
import logging

from switchman.addons.proxy.dialing import Securing as Asked
from switchman.addons.state.trust import Untrusted, openssl_context

logger = logging.getLogger(__name__)


class Securing:
    """Answers `secure_upstream`. Without a context the connection fails: no request goes out less secure than meant."""

    async def secure_upstream(self, asked: Asked) -> None:
        try:
            asked.context = await asyncio.to_thread(openssl_context, asked.tls)  # it reads files
        except Untrusted as error:
            asked.error = f"TLS: {error}"
            logger.error("%s", error)
