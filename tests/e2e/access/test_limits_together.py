"""Limits hold exactly, whoever counts: two workers on one file, two on Redis, and two routers on one Redis.

Two hundred callers at once, half of them with streams, some of which leave in the middle.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.access.caller import Allowance, Budget, Terms
from switchman.addons.core.access.limits.account import Account
from switchman.addons.state.access.opening import look
from switchman.addons.store.access.opening import open_access
from switchman.addons.testing import Behaviour, FakeUpstream, Usage

CALLERS = 200
ROUTES = """
servers: {{up: {{url: "{url}", dialect: openai}}}}
models: {{up/gpt: {{input_cost: 1, output_cost: 1}}}}
"""
COST = 60 + 90  # micro-dollars of each answer
PLACES, REQUESTS, BUDGET = 7, 23, 20_000

Start = Callable[..., Any]


def workers(proxy: Any) -> list[str]:
    return ["-m", "switchman.addons.cli", "serve", "--no-ui", "--port", "0", "--workers", "2"]


@dataclass
class Routers:
    """Those that share their counts, and their tokens."""

    proxies: list[Any]
    env: dict[str, str]
    texts: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)

    def make(self, name: str, allowance: Allowance) -> None:
        access = open_access(None, self.env["DB_PATH"])
        try:
            token, text = access.tokens.create(Terms(name, allowance=allowance), time.time())
        finally:
            access.close()
        self.texts[name], self.accounts[name] = text, f"token:{token.caller.id}"

    def account(self, name: str) -> Account:
        settings = Settings(db_path=self.env["DB_PATH"], redis_url=self.env.get("REDIS_URL"))
        account = self.accounts[name]
        return asyncio.run(look(settings, [account])).get(account, Account())


@pytest.fixture(params=["sqlite", "redis", "two routers"])
def routers(request: pytest.FixtureRequest, start: Start, upstream: FakeUpstream, tmp_path: Path) -> Routers:
    env = {"CLIENT_AUTH": "TOKENS", "DB_PATH": str(tmp_path / "requests.db")}
    if request.param != "sqlite":
        env["REDIS_URL"] = request.getfixturevalue("redis_server").url
    routes = ROUTES.format(url=upstream.url)
    if request.param == "two routers":
        return Routers([start(routes, env), start(routes, env)], env)
    return Routers([start(routes, env, workers)], env)


async def ask(port: int, text: str, *, stream: bool, leave: bool) -> tuple[int, bool]:
    """One request on a connection of its own. Returns the status, and whether all of the answer was read."""
    body = {"model": "up/gpt", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 200, "stream": stream}
    content = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {text}\r\n"
            f"content-type: application/json\r\nconnection: close\r\ncontent-length: {len(content)}\r\n\r\n".encode()
            + content
        )
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split()[1])
        if leave and status == 200:
            await reader.read(10)
            return status, False
        await reader.read()
        return status, True
    finally:
        writer.close()


async def more(routers: Routers, name: str, count: int) -> int:
    """How many of so many more requests, one after the other, are let through."""
    port, text = routers.proxies[0].port, routers.texts[name]
    return sum([(await ask(port, text, stream=False, leave=False))[0] == 200 for _ in range(count)])


async def crowd(routers: Routers, name: str, callers: int) -> Counter[tuple[int, bool]]:
    ports = [proxy.port for proxy in routers.proxies]
    asked = (
        ask(ports[n % len(ports)], routers.texts[name], stream=n % 2 == 1, leave=n % 8 == 7) for n in range(callers)
    )
    return Counter(await asyncio.gather(*asked))


def test_never_one_too_many_none_lost_and_nothing_left_reserved(routers: Routers, upstream: FakeUpstream) -> None:
    """What was admitted is within the limits, and what was used is what the answers told.

    A worker may have taken some requests to spare and be too busy to give them back, so that who waited for them was
    refused in the end: how many of the crowd got through is a matter of the machine's speed. That all of them can be
    had afterwards, and not one more, is not.
    """
    upstream.requests.clear()
    upstream.default = Behaviour(usage=Usage(60, 90), text="word " * 60, delay=0.001)
    routers.make("minute", Allowance(requests_per_minute=REQUESTS))
    routers.make("money", Allowance(budgets=(Budget(BUDGET, "usd", "month"),)))
    routers.make("all", Allowance(1000, 10**6, PLACES, None, (Budget(10**9, "usd", "day"),)))
    for proxy in routers.proxies:
        for text in routers.texts.values():
            proxy.until(lambda p=proxy, t=text: asyncio.run(known(p.port, t)))

    async def run() -> dict[str, Counter[tuple[int, bool]]]:
        sizes = {"minute": CALLERS // 4, "money": CALLERS // 2, "all": CALLERS // 4}
        found = await asyncio.gather(*(crowd(routers, name, size) for name, size in sizes.items()))
        return dict(zip(sizes, found, strict=True))

    began = time.monotonic()
    found = asyncio.run(run())
    for name, counts in found.items():
        assert {status for status, _ in counts} <= {200, 429}, (name, counts)
    good = {name: sum(n for (status, _), n in counts.items() if status == 200) for name, counts in found.items()}
    whole = {name: counts[200, True] for name, counts in found.items()}
    proxy = routers.proxies[0]

    for name, wanted in (("minute", REQUESTS), ("money", 20)):
        proxy.until(lambda n=name: not routers.account(n).held, f"nothing is held: {routers.account(name).held}")
        lacking = max(0, wanted - good[name])
        assert asyncio.run(more(routers, name, lacking)) == lacking
        good[name], whole[name] = good[name] + lacking, whole[name] + lacking
    over = asyncio.run(more(routers, "minute", 1))
    minutes = 1 + int((time.monotonic() - began) // 60)
    good["minute"] += over
    assert REQUESTS <= good["minute"] <= REQUESTS * minutes
    for name in ("money", "all"):
        proxy.until(lambda n=name: not routers.account(n).held, f"nothing is held: {routers.account(name).held}")
        used = sum(purse.used for purse in routers.account(name).purses.values())
        left = good[name] - whole[name]  # by clients that left: each has cost something, and no more than was reserved
        assert whole[name] * COST + left <= used <= whole[name] * COST + left * 600
        if name == "money":
            assert used <= BUDGET
    assert len(upstream.inferences) == sum(good.values())


async def known(port: int, text: str) -> bool:
    """Whether a worker takes the token; of two it is asked several times."""
    for _ in range(4):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {text}\r\n"
        writer.write(f"{head}connection: close\r\n\r\n".encode())
        status = int((await reader.read()).split()[1])
        writer.close()
        if status != 200:
            return False
    return True


def test_a_worker_that_is_killed_leaves_nothing_reserved(start: Start, upstream: FakeUpstream, tmp_path: Path) -> None:
    """Its places and its money come back once it is not heard of any more; the other worker's streams keep theirs."""
    env = {"CLIENT_AUTH": "TOKENS", "DB_PATH": str(tmp_path / "requests.db")}
    routers = Routers([start(ROUTES.format(url=upstream.url), env), start(ROUTES.format(url=upstream.url), env)], env)
    routers.make("killed", Allowance(concurrent=2, budgets=(Budget(10**6, "usd", "month"),)))
    upstream.default = Behaviour(text="word " * 60, stall_after=3)
    ports = [proxy.port for proxy in routers.proxies]
    for proxy in routers.proxies:
        proxy.until(lambda p=proxy: asyncio.run(known(p.port, routers.texts["killed"])))

    async def story() -> None:
        text = routers.texts["killed"]
        streams = [await begin(port, text) for port in ports]
        assert (await ask(ports[1], text, stream=False, leave=False))[0] == 429
        first = routers.proxies[0].process
        os.kill(first.pid, signal.SIGKILL)
        upstream.default = Behaviour(usage=Usage(60, 90))
        end = time.monotonic() + 120
        while (await ask(ports[1], text, stream=False, leave=False))[0] != 200:
            assert time.monotonic() < end, "the place did not come back"
            await asyncio.sleep(0.5)
        account = await asyncio.to_thread(routers.account, "killed")
        assert account.running >= 1  # the other one's stream
        for _, writer in streams:
            writer.close()

    asyncio.run(story())
    routers.proxies[0].kill()
    routers.proxies[1].until(lambda: not routers.account("killed").held)


async def begin(port: int, text: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream of which the first bytes are here."""
    body = {"model": "up/gpt", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 200, "stream": True}
    content = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {text}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode()
        + content
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert int(head.split()[1]) == 200
    await reader.read(10)
    return reader, writer
