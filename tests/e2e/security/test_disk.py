"""The log's database locked, the disk full: requests are answered as ever, memory stays bounded, nothing is lost."""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

ROUTES = 'servers: {{up: "{url}"}}\n'
LIMIT = 1_000_000  # bytes of one file, for the test of a full disk


def rss(pid: int) -> int:
    """Bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def ask(proxy: Any, number: int, size: int) -> None:
    body = {"model": "up/m", "messages": [{"role": "user", "content": f"{number} " + os.urandom(size // 2).hex()}]}
    assert proxy.post("/v1/chat/completions", body).status_code == 200


@pytest.mark.soak
def test_a_locked_database_costs_no_memory_and_no_record(start: Callable[..., Any], upstream: Any, full: bool) -> None:
    """What is to be logged waits on disk beside the database, for the owner only; /readyz says so; then it is there."""
    count, size = (700, 1_000_000) if full else (60, 1_500_000)
    proxy = start(ROUTES.format(url=upstream.url), {"DEFAULT_UPSTREAM": upstream.url, "MAX_SPOOL_SIZE": "2GB"})
    spool = proxy.folder / "requests.spool.db"
    ask(proxy, -1, size)
    proxy.until(lambda: len(proxy.rows()) == 1)
    lock = sqlite3.connect(proxy.folder / "requests.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    for number in range(10):
        ask(proxy, number, size)
    proxy.wait_output("requests wait in")
    before = rss(proxy.process.pid)
    for number in range(10, count):
        ask(proxy, number, size)
    most = before + 0.3 * count * size
    assert not full or rss(proxy.process.pid) < most
    # The short form's traffic is less than what the queue in memory may hold: it has to leave that by itself.
    proxy.until(lambda: rss(proxy.process.pid) < most, "that what waits is on disk, not in memory")
    told = httpx.get(f"{proxy.url}/readyz", trust_env=False, timeout=60).json()
    assert told["status"] == "degraded" and "locked" in told["checks"]["log"]["problem"]
    assert spool.stat().st_mode & 0o777 == 0o600
    lock.execute("ROLLBACK")
    lock.close()
    proxy.until(lambda: len(proxy.rows()) == count + 1)
    proxy.wait_output("can be written again")
    assert proxy.output.count("requests wait in") == 1


def test_what_waits_survives_the_router(start: Callable[..., Any], upstream: Any, tmp_path: Path) -> None:
    """It is killed while its log is locked; the next one writes what it left, each once."""
    place = {"DB_PATH": str(tmp_path / "log.db"), "BLOB_STORAGE_PATH": str(tmp_path / "blobs")}
    env = {"DEFAULT_UPSTREAM": upstream.url, **place}
    proxy = start(ROUTES.format(url=upstream.url), env)
    lock = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    for number in range(5):
        ask(proxy, number, 2_000)

    def waiting() -> int:
        if not (tmp_path / "log.spool.db").exists():
            return 0
        db = sqlite3.connect(tmp_path / "log.spool.db")
        try:
            return int(db.execute("SELECT count(*) FROM records").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
        finally:
            db.close()

    proxy.until(lambda: waiting() == 5)
    proxy.kill()
    lock.execute("ROLLBACK")
    following = start(ROUTES.format(url=upstream.url), env)
    count = "SELECT count(*), count(DISTINCT id) FROM requests"
    following.until(lambda: lock.execute(count).fetchone() == (5, 5))
    following.until(lambda: waiting() == 0)
    lock.close()


def test_a_full_disk_is_said_and_stops_nothing(start: Callable[..., Any], upstream: Any) -> None:
    """No file may grow beyond a megabyte: database, spool and bodies. Every request is answered, and it is said."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        proxy = start(ROUTES.format(url=upstream.url), {"DEFAULT_UPSTREAM": upstream.url})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    for number in range(120):
        body = {"model": "up/m", "messages": [{"role": "user", "content": str(number)}]}
        headers = {f"x-{n}": os.urandom(450).hex() for n in range(30)}
        assert proxy.post("/v1/chat/completions", body, headers=headers).status_code == 200
    proxy.wait_output("the log's database cannot be written")
    assert httpx.get(f"{proxy.url}/readyz", trust_env=False, timeout=60).json()["status"] == "degraded"
    assert len(proxy.rows()) > 5
    for file in proxy.folder.glob("requests*"):
        assert file.stat().st_size <= LIMIT
