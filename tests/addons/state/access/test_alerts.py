"""Alerts: told once, beside all requests, and signed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from typing import Any

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.access.limits.ledger import Alert
from switchman.addons.core.access.limits.telling import Told
from switchman.addons.state.access import alerts as module
from switchman.addons.state.access.alerts import Alerts, signature

ALERT = Alert("token:abc", "usd/month/2026-11", 20_000_000, 10_000_000, 50)


async def answering(statuses: list[int], told: list[bytes]) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        told.append(head + await reader.readexactly(length))
        writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % statuses.pop(0))
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def run(statuses: list[int], keep: Any = None) -> list[bytes]:
    told: list[bytes] = []

    async def story() -> None:
        async with await answering(statuses, told) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}/hook"
            made = Alerts(Settings(alert_webhook=url, alert_webhook_secret="0123456789abcdef"), keep)
            made.learn("token:abc", "anna")
            made.tell(ALERT)
            await asyncio.wait(made._tasks, timeout=60)
            await made.close()

    asyncio.run(story())
    return told


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIES", (0.0, 0.0, 0.0))


def test_it_is_logged_kept_and_posted(caplog: pytest.LogCaptureFixture) -> None:
    """By the name of its token."""
    kept: list[Told] = []
    with caplog.at_level(logging.WARNING):
        (sent,) = run([204], kept.append)
    assert "The budget of the token anna, $20 per month, is used up to 50 %" in caplog.text
    assert [one.percent for one in kept] == [50]
    head, _, body = sent.partition(b"\r\n\r\n")
    obj = json.loads(body)
    assert (obj["event"], obj["id"], obj["percent"]) == ("budget", kept[0].id, 50)
    signed = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"x-switchman-signature"))
    stamp, digest = (part.split(b"=")[1] for part in signed.split(b": ")[1].split(b","))
    assert hmac.new(b"0123456789abcdef", stamp + b"." + body, hashlib.sha256).hexdigest().encode() == digest


def test_it_is_tried_again_where_that_may_help() -> None:
    """After a 503 and a 429, with the same body; not after a 404."""
    sent = run([503, 429, 200])
    assert len(sent) == 3 and len({one.partition(b"\r\n\r\n")[2] for one in sent}) == 1
    assert len(run([404])) == 1


def test_what_cannot_be_told_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Without the address, which may hold a key."""

    def keep(told: Told) -> None:
        raise OSError("disk full")

    with caplog.at_level(logging.WARNING):
        run([500, 500, 500], keep)
    assert "ALERT_WEBHOOK was not told of an alert: status 500" in caplog.text
    assert "could not be kept for the dashboard: disk full" in caplog.text and "/hook" not in caplog.text


def test_a_signature() -> None:
    """As the documentation has it."""
    digest = hmac.new(b"k", b"5.body", hashlib.sha256).hexdigest()
    assert signature(b"k", b"body", 5) == f"t=5,v1={digest}"
