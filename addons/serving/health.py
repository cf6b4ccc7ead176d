"""Asks the router for /healthz, as a client does."""

from __future__ import annotations

import asyncio
import contextlib

from switchman.addons.serving.ports import reachable, url_host

BETWEEN_LOOKS = 0.1  # seconds


async def healthy(host: str, port: int, patience: float) -> bool:
    """Whether `GET /healthz` answers 200 within `patience` seconds."""
    try:
        async with asyncio.timeout(patience):
            while not await _answers(host, port):
                await asyncio.sleep(BETWEEN_LOOKS)
    except TimeoutError:
        return False
    return True


async def _answers(host: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(reachable(host), port)
    except OSError:
        return False
    try:
        writer.write(f"GET /healthz HTTP/1.1\r\nhost: {url_host(host)}:{port}\r\nconnection: close\r\n\r\n".encode())
        status = await reader.readline()
    except (OSError, ValueError):  # ValueError: a line without end
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return status.split(b" ")[1:2] == [b"200"]
