"""Alerts: a budget that is half used up, at 80 %, and used up: one line of the log, a row in the store, a webhook.

The webhook is told beside all requests, and tried again for some minutes. What it is sent has no secret in it:

    POST ALERT_WEBHOOK
    content-type: application/json
    x-switchman-signature: t=1796000000,v1=HEX      HMAC-SHA256 of `1796000000.BODY` with ALERT_WEBHOOK_SECRET

    {"event": "budget", "id", "at", "account", "name", "percent", "used", "amount", "unit", "period", "begins"}

`used` and `amount` are micro-dollars or tokens. Who checks the signature should also look at how old `t` is; `id` is
the same for each try.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

import httpx

from switchman.addons.config.settings import Settings
from switchman.addons.core.access.limits.ledger import Alert
from switchman.addons.core.access.limits.telling import Told, told_of

logger = logging.getLogger(__name__)

TRIES = (0.0, 1.0, 5.0, 30.0, 120.0)  # seconds before each
TIMEOUT = 10.0  # seconds
MOST_WAITING = 100  # webhooks under way at a time: what is more is in the log
MOST_NAMES = 10_000


class Alerts:
    """`keep` writes one into the store, in a thread."""

    def __init__(self, settings: Settings, keep: Callable[[Told], None] | None = None) -> None:
        self._url = settings.alert_webhook.get_secret_value() if settings.alert_webhook else None
        secret = settings.alert_webhook_secret
        self._secret = secret.get_secret_value().encode() if secret else None
        self._keep = keep
        self._names: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def learn(self, account: str, name: str) -> None:
        """The name of the caller whose account this is."""
        if len(self._names) >= MOST_NAMES:
            self._names.clear()
        self._names[account] = name

    def tell(self, alert: Alert) -> None:
        """Called in the event loop, with each alert once."""
        caller = self._names.get(alert.account, alert.account.partition(":")[2])
        told = told_of(alert, caller, secrets.token_hex(8), time.time())
        logger.warning("%s", told.sentence)
        if self._keep is not None:
            self._spawn(self._kept(told))
        if self._url is not None and len(self._tasks) < MOST_WAITING:
            self._spawn(self._post(told, self._url))

    async def close(self) -> None:
        """Give what is under way a moment; an alert that was not sent is in the log."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="switchman alert")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _kept(self, told: Told) -> None:
        assert self._keep is not None
        try:
            await asyncio.to_thread(self._keep, told)
        except Exception as error:  # noqa: BLE001 - the boundary: an alert that cannot be kept stands in the log
            logger.warning("An alert could not be kept for the dashboard: %s", error)

    async def _post(self, told: Told, url: str) -> None:
        body = json.dumps({"event": "budget", **asdict(told)}).encode()
        problem = ""
        async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as client:
            for pause in TRIES:
                await asyncio.sleep(pause)
                try:
                    answer = await client.post(url, content=body, headers=self._headers(body))
                except httpx.HTTPError as error:
                    problem = type(error).__name__
                    continue
                if answer.is_success:
                    return
                problem = f"status {answer.status_code}"
                if answer.status_code < 500 and answer.status_code not in (408, 425, 429):
                    break
        logger.warning("ALERT_WEBHOOK was not told of an alert: %s.", problem)

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"content-type": "application/json", "user-agent": "switchman"}
        if self._secret is not None:
            headers["x-switchman-signature"] = signature(self._secret, body, int(time.time()))
        return headers


def signature(secret: bytes, body: bytes, at: int) -> str:
    """`t=AT,v1=HEX`, as Stripe and others have it."""
    digest = hmac.new(secret, b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
