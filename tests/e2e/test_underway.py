"""What is not over yet, as the log tells it while a request lasts."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import sqlalchemy

from switchman.addons.core.record import Running
from switchman.addons.store.keeping.packing import read_json
from switchman.addons.store.underway import read_underway
from switchman.addons.testing import Behaviour, FakeUpstream


@pytest.fixture(scope="module")
def slow(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="slow")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, slow: FakeUpstream) -> Any:
    return start_shared(f"""
servers:
  slow: {{url: "{slow.url}", dialect: openai}}
aliases:
  two: {{instances: [slow/first, slow/second]}}
""")


def underway(proxy: Any) -> tuple[Running, ...]:
    engine = sqlalchemy.create_engine(f"sqlite:///{proxy.folder / 'requests.db'}", json_deserializer=read_json)
    try:
        return read_underway(engine, time.time())
    finally:
        engine.dispose()


def test_a_long_request_is_seen_while_it_lasts(proxy: Any, slow: FakeUpstream) -> None:
    """With its target and the number of its attempt; once it is over it has a row, and is under way no more."""
    slow.script([Behaviour(status=503), Behaviour(latency=8.0)], "/v1/chat/completions")
    asking = threading.Thread(target=proxy.chat, args=("two",))
    asking.start()
    (seen,) = proxy.until(lambda: underway(proxy), "the request is seen")
    assert (seen.method, seen.path, seen.requested_model) == ("POST", "/v1/chat/completions", "two")
    assert (seen.layer, seen.server, seen.model, seen.attempts) == ("alias", "slow", "second", 2)
    assert proxy.rows(id=seen.id) == []
    asking.join()
    assert proxy.row(id=seen.id)["outcome"] == "ok"
    proxy.until(lambda: underway(proxy) == (), "it is gone")


def test_however_a_request_ends_it_is_under_way_no_more(proxy: Any, slow: FakeUpstream) -> None:
    """Refused, failed, left by the client while it was answered, and left while it still came in."""
    slow.script([Behaviour(never_answer=True)], "/v1/chat/completions")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{proxy.url}/v1/chat/completions", json={"model": "slow/m"}, timeout=2.5, trust_env=False)
    proxy.post("/v1/chat/completions", content=b"{broken", headers={"content-type": "application/json"})
    proxy.chat("nowhere/m")
    with socket.create_connection(("127.0.0.1", proxy.port)) as half:
        half.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        proxy.until(lambda: [one for one in underway(proxy) if not one.attempts], "the half request is seen")
    proxy.until(lambda: underway(proxy) == (), "all are gone")
