"""A router with too few file descriptors: it waits, says so once, and blames no server."""

from __future__ import annotations

import os
import resource
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes

CHAT = b'{"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}'
RULES = "servers: {{up: {{url: '{url}', dialect: openai}}}}\n"
FEW = 12  # more than it has open
TOLD = "The router cannot open more connections or files"
FAILURES = 6  # more than a breaker bears


def opened(pid: int) -> int:
    """The descriptors that stay: one of a file that is written just now is free again soon."""
    counts = []
    for _ in range(20):
        counts.append(len(os.listdir(f"/proc/{pid}/fd")))
        time.sleep(0.02)
    return min(counts)


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


@pytest.mark.parametrize("settings", ["its own", "the usual"])
def test_too_few_for_certificates_is_no_servers_fault(
    start: Any, upstream: FakeUpstream, authority: trustme.CA, tmp_path: Path, settings: str
) -> None:
    """The socket takes the last one, so that the file of the authorities cannot be opened."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    tls = f", tls: {{ca: '{tmp_path / 'ca.pem'}'}}" if settings == "its own" else ""
    with FakeUpstream("openai", tls=context) as secure:
        servers = (
            f"up: {{url: '{upstream.url}', dialect: openai}}, secure: {{url: '{secure.url}', dialect: openai{tls}}}"
        )
        proxy = start(f"servers: {{{servers}}}\n")
        assert proxy.chat("up/m").status_code == 200
        pid = proxy.process.pid
        proxy.until(lambda: proxy.rows(requested_model="up/m"), "the log to be open")
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        with RawClient(proxy.port) as client:
            assert client.ask("/v1/chat/completions", CHAT).status == 200  # it is accepted, and has a connection to up
            taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
            last = next(number for number in range(len(taken) + 1) if number not in taken)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (max(last, *taken) + 1, hard))
            reply = client.ask("/v1/chat/completions", CHAT.replace(b"up/m", b"secure/m"))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
            row = proxy.row(id=reply.header("x-switchman-request-id"))
            again = client.ask("/v1/chat/completions", CHAT.replace(b"up/m", b"secure/m"))
    (attempt,) = row["attempts"]
    if settings == "its own":
        assert (reply.status, attempt["outcome"]) == (503, "local")
        assert "failed" not in proxy.output and again.status == 200
    else:  # they have been read at the start, and the server's authority is none of them
        assert attempt["outcome"] in ("tls", "local") and "Traceback" not in proxy.output
        assert (again.status, "not trusted here" in again.json()["error"]["message"]) == (502, True)
