"""Two routers, each with a folder of its own as on two machines, with one Redis, one PostgreSQL and one nginx."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from switchman.addons.core.access.caller import Allowance, Terms
from switchman.addons.state.together.standings import EVERY
from switchman.addons.store.access.opening import open_access
from switchman.addons.testing import Behaviour, FakeUpstream
from tests.e2e.conftest import wait_until
from tests.e2e.security.test_behind_nginx import CONFIG, NGINX

ROUTES = """
servers:
  up: {{url: "{url}", dialect: openai}}
  spare: {{url: "{spare}", dialect: openai}}
aliases: {{both: {{instances: [up/gpt, spare/gpt]}}}}
cache: {{exact: {{ttl: 60}}, models: ["up/cached*"]}}
"""
PER_MINUTE = 9


@pytest.fixture
def spare(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="spare")


@pytest.fixture
def env(redis_server: Any, new_postgres_url: Callable[..., str], postgres_template: str) -> dict[str, str]:
    return {"REDIS_URL": redis_server.url, "DATABASE_URL": new_postgres_url(postgres_template)}


@contextlib.contextmanager
def nginx(folder: Path, ports: Sequence[int]) -> Iterator[httpx.Client]:
    """A client of a real nginx that asks the routers in turn, on a Unix socket."""
    if NGINX is None:
        reason = "no nginx (Debian: apt-get install nginx-light)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    routers = " ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in ports)
    server = f"server {{ listen unix:{folder}/nginx.sock; location / {{ proxy_pass http://routers; }} }}"
    config, error = folder / "nginx.conf", folder / "error.log"
    config.write_text(CONFIG.format(folder=folder, servers=f"upstream routers {{ {routers} }} {server}"))
    process = subprocess.Popen([NGINX, "-c", str(config), "-e", str(error)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or (folder / "nginx.sock").exists())
        assert process.poll() is None, error.read_text()
        transport = httpx.HTTPTransport(uds=str(folder / "nginx.sock"))
        with httpx.Client(transport=transport, base_url="http://routers", timeout=60) as client:
            yield client
    finally:
        process.terminate()
        process.wait(60)


def ready(proxy: Any) -> dict[str, Any]:
    found = httpx.get(f"{proxy.url}/readyz", trust_env=False, timeout=60)
    assert found.status_code == 200, found.text
    return dict(found.json())


def test_what_one_machine_knows_the_other_knows(
    start: Callable[..., Any], upstream: FakeUpstream, spare: FakeUpstream, env: dict[str, str], tmp_path: Path
) -> None:
    """A cached answer, an open breaker and its end, a limit to the last request, a token that is revoked."""
    env = {**env, "CLIENT_AUTH": "TOKENS"}
    access = open_access(env["DATABASE_URL"], str(tmp_path / "none.db"))
    try:
        texts = {
            name: access.tokens.create(Terms(name, allowance=allowance), time.time())[1]
            for name, allowance in {"all": Allowance(), "few": Allowance(requests_per_minute=PER_MINUTE)}.items()
        }
        one, two = (start(ROUTES.format(url=upstream.url, spare=spare.url), env) for _ in range(2))

        def ask(proxy: Any, token: str, model: str = "up/gpt", **more: Any) -> Any:
            return proxy.chat(model, headers={"authorization": f"Bearer {texts[token]}"}, **more)

        numbers = itertools.count()

        def is_cached() -> bool:
            """What the first one has kept, asked of the other, which has never been asked for it."""
            model = f"up/cached{next(numbers)}"
            wait_until(lambda: ask(one, "all", model).headers["x-switchman-cache"] == "hit", "an answer that is kept")
            before = len(upstream.inferences)
            return bool(ask(two, "all", model).headers.get("x-switchman-cache") == "hit") and before == len(
                upstream.inferences
            )

        wait_until(is_cached, "an answer of one from the other")

        upstream.default = Behaviour(status=503, headers={"retry-after": "600"})
        assert ask(one, "all", "both").headers["x-switchman-target"] == "spare/gpt"

        def goes_on() -> bool:
            """Whether the second machine leaves the server alone, which it has never seen fail."""
            before = len(upstream.inferences)
            return bool(ask(two, "all", "both").status_code == 200) and before == len(upstream.inferences)

        wait_until(goes_on, "the breaker of one to be known to the other")
        assert 2 * EVERY <= 1  # seconds: told with one look, heard with the next
        upstream.default = Behaviour()
        assert ask(two, "all").status_code == 200  # a last resort, which closes it
        wait_until(lambda: ask(one, "all", "both").headers["x-switchman-target"] == "up/gpt", "that it is closed")

        body = {"model": "up/gpt", "messages": [{"role": "user", "content": "hi"}]}
        with nginx(tmp_path, [one.port, two.port]) as client:

            def status(token: str) -> int:
                headers = {"authorization": f"Bearer {texts[token]}"}
                return client.post("/v1/chat/completions", json=body, headers=headers).status_code

            asked = [status("few") for _ in range(PER_MINUTE + 4)]
            assert sorted(asked) == [200] * PER_MINUTE + [429] * 4
            access.tokens.revoke("all", time.time())
            wait_until(lambda: [status("all") for _ in range(4)] == [401] * 4, "both to refuse it")
    finally:
        access.close()
        upstream.default = Behaviour()


def test_redis_away_costs_no_request(
    start: Callable[..., Any], upstream: FakeUpstream, spare: FakeUpstream, redis_server: Any, question: str
) -> None:
    """Whether it hangs or is gone: the router says so once, goes on with what it knows itself, its cache too, and says
    when Redis is back.
    """
    proxy = start(ROUTES.format(url=upstream.url, spare=spare.url), {"REDIS_URL": redis_server.url})
    wait_until(lambda: ready(proxy)["checks"]["shared"] == {"ok": True})

    def cache_of(number: int) -> str:
        body = {"model": "up/cached", "messages": [{"role": "user", "content": f"{question} {number}"}]}
        answer = proxy.post("/v1/chat/completions", body)
        assert answer.status_code == 200
        return str(answer.headers["x-switchman-cache"])

    def absences() -> int:
        """Those that it has told of, without an end. On a busy machine Redis may be late by itself, and come back."""
        return proxy.output.count("Redis is away") - proxy.output.count("Redis is back")

    for number, (goes, comes) in enumerate(
        ((redis_server.hang, redis_server.wake), (redis_server.stop, redis_server.start)), 1
    ):
        goes()
        wait_until(lambda: ready(proxy)["status"] == "degraded", "that it says so")
        assert ready(proxy)["checks"]["shared"]["ok"] is False
        assert cache_of(number) == "miss"
        wait_until(lambda n=number: cache_of(n) == "hit", "an answer of its own cache")  # type: ignore[misc]
        assert absences() == 1
        comes()
        wait_until(lambda: ready(proxy)["checks"]["shared"] == {"ok": True}, "that it is back")
        wait_until(lambda: absences() == 0, "that it says so, too")
    assert proxy.output.count("Redis is away") >= 2
