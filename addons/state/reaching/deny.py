"""Has an event loop refuse to connect to addresses that EGRESS_DENY names.

The check is in `sock_connect`, the last step of every connection that asyncio makes, with the very address that the
kernel is given then: a name cannot mean another one in between, and neither mitmproxy's connections nor httpx's go
another way. Where a name has several addresses, the others are tried.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

from switchman.addons.core.servers.reaching.egress import Denied


class AddressDenied(PermissionError):
    """No connection goes there."""


def deny_addresses(loop: asyncio.AbstractEventLoop, denied: Denied) -> Callable[[], None]:
    """From now on, until what is returned is called. Unix sockets are left alone."""
    connect = loop.sock_connect

    async def checked(sock: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and (word := denied.word_for(str(address[0]))):
            raise AddressDenied(errno.EACCES, f"the address {address[0]} is not connected to (EGRESS_DENY={word})")
        await connect(sock, address)

    loop.sock_connect = checked  # type: ignore[method-assign]

    def restore() -> None:
        if loop.__dict__.get("sock_connect") is checked:
            del loop.__dict__["sock_connect"]

    return restore
