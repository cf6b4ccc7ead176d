"""One look at /healthz, at everything that may be there instead of a router."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import pytest

from switchman.addons.serving import health
from switchman.addons.serving.health import healthy
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.broken import full_backlog, refused, says


def look(url: str, patience: float = 30, host: str = "127.0.0.1") -> bool:
    port = urlsplit(url).port
    assert port
    return asyncio.run(healthy(host, port, patience))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", ""])
def test_a_router_that_answers_is_healthy(host: str) -> None:
    """Whatever address it listens on; asked as a client would, by one request."""
    with FakeUpstream() as up:
        up.paths["/healthz"] = Behaviour(body={"status": "ok"})
        assert look(up.url, host=host)
    (request,) = up.requests
    assert (request.method, request.path) == ("GET", "/healthz")
    assert request.header("host") == f"127.0.0.1:{up.port}"


def test_one_that_is_not_yet_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is."""
    monkeypatch.setattr(health, "BETWEEN_LOOKS", 0.001)
    with FakeUpstream() as up:
        up.paths["/healthz"] = Behaviour(body="ok")
        up.script([Behaviour(status=503), Behaviour(reset=True), Behaviour(hang_up=True)], path="/healthz")
        assert look(up.url)
    assert len(up.requests) == 4


@pytest.mark.parametrize(
    "answer",
    [b"220 mail.example ESMTP\r\n", b"\r\n", b"x" * 200_000, b"HTTP/1.1\r\n\r\n"],
    ids=["mail", "empty line", "no line", "no status"],
)
def test_something_else_at_the_port_is_not_healthy(answer: bytes) -> None:
    """And no reason to crash."""
    with says(answer) as url:
        assert not look(url, patience=0.3)


def test_a_silent_or_dead_port_is_waited_for_no_longer_than_said() -> None:
    """Refused, never taken, and taken without an answer."""
    with refused() as dead, full_backlog() as full, FakeUpstream() as up:
        up.paths["/healthz"] = Behaviour(never_answer=True)
        started = time.monotonic()
        assert [look(url, patience=0.2) for url in (dead, full, up.url)] == [False] * 3
        assert time.monotonic() - started < 20
