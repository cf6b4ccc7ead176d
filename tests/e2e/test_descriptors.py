"""A router with too few file descriptors: it waits, says so once, and blames no server."""

from __future__ import annotations

import os
import resource
from typing import Any

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes

CHAT = b'{"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}'
RULES = "servers: {{up: {{url: '{url}', dialect: openai}}}}\n"
FEW = 12  # more than it has open
TOLD = "The router cannot open more connections or files"
FAILURES = 6  # more than a breaker bears


def opened(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_too_few_descriptors_make_clients_wait(start: Any, upstream: FakeUpstream) -> None:
    """A request that gets none is told to try again; when some are free all are served, by the same server."""
    proxy = start(RULES.format(url=upstream.url))
    assert proxy.chat("up/m").status_code == 200
    pid = proxy.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    assert soft == hard or hard == resource.RLIM_INFINITY
    proxy.until(lambda: proxy.rows(requested_model="up/m"), "the log to be open")
    limit = opened(pid) + FEW
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
    clients = [RawClient(proxy.port) for _ in range(FEW + 10)]
    proxy.wait_output(TOLD)
    for _ in range(FAILURES):
        clients[0].send(request_bytes("/v1/chat/completions", CHAT))
        reply = clients[0].reply()
        assert (reply.status, reply.header("retry-after")) == (503, "1")
        assert "too many connections open" in reply.json()["error"]["message"]
    waiting = clients.pop()
    waiting.send(request_bytes("/v1/chat/completions", CHAT))
    for client in clients:
        client.socket.close()
    served = waiting.reply()
    assert (served.status, served.header("x-switchman-attempts")) == (200, "1")
    waiting.socket.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert [attempt["outcome"] for row in proxy.rows(status=503) for attempt in row["attempts"]] == ["local"] * FAILURES
    assert proxy.output.count(TOLD) == 1
    assert "up/m failed" not in proxy.output
