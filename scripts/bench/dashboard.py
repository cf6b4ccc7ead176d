"""How fast the dashboard answers on a large log while a proxy serves load, and what that costs the proxy.

1. Makes a log of `--rows` requests over a week (or takes the one in `--folder`), and says what a row takes in bytes.
2. Starts the dashboard over it, and the proxy with the same log, before an upstream that answers at once.
3. Sends requests through the proxy for `--seconds`, alone; then the same with somebody who looks at page after page.

Prints p95 of each page, and the proxy's p99 without and with it. The rows are made of a few teams, each with its agent,
models and layers (biglog.py). `--bodies` GB of prompts are spread over all rows.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import biglog
import load
import processes

from switchman.addons.store import open_store

DAYS = 6.9  # within what is kept by default
CONNECTIONS = 4
BODY = {"model": "bench", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
PAGES = (
    "/", "/?range=7d", "/?range=all", "/?range=7d&model=gpt-5.2", "/?range=all&token=team-1", "/api/overview?html=1",
    "/api/overview?range=7d&html=1", "/api/overview?range=all&server=gpu&html=1", "/requests", "/requests?range=all",
    "/requests?range=all&outcome=error", "/requests?range=all&model=phi-4", "/requests?range=all&status=429",
    "/requests?range=all&token=team-3&layer=route", "/performance?range=all", "/api/performance?range=all",
)  # fmt: skip
AIM_MS = 300.0
AIM_RATIO = 1.1


def quantile(values: list[float], share: float) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] if ranked else 0.0


def make(folder: Path, rows: int, gigabytes: float) -> None:
    """A log in `folder`, unless there is one."""
    if (folder / "requests.db").exists():
        return
    body = int(gigabytes * 1e9 / rows)
    with open_store(db_path=folder / "requests.db", blob_path=folder / "blob_storage", max_age_days=None) as store:
        rate = biglog.fill(store, rows, DAYS, body, time.time())
        with store.engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    print(f"{rows:,} rows were written at {rate:,.0f} a second")


def say_size(folder: Path) -> None:
    """What a row takes, and which tables and indexes take it."""
    with sqlite3.connect(folder / "requests.db") as database:
        rows = database.execute("SELECT count(*) FROM requests").fetchone()[0]
        bodies = database.execute("SELECT coalesce(sum(length(data)), 0) FROM blobs").fetchone()[0]
        try:
            parts = database.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 12")
            shares = ", ".join(f"{name} {size / rows:.0f}" for name, size in parts)
        except sqlite3.OperationalError:  # this SQLite was built without dbstat
            shares = "unknown"
    size = biglog.bytes_of(folder) - bodies
    print(f"{rows:,} rows, {size / 1e9:.2f} GB without bodies: {size / rows:,.0f} bytes a row ({shares})")


@contextmanager
def dashboard(folder: Path) -> Iterator[int]:
    """The dashboard over the log; gives its port."""
    port = processes.free_port()
    environment = {
        "DB_PATH": str(folder / "requests.db"), "BLOB_STORAGE_PATH": str(folder / "blob_storage"),
        "ROUTES_CONFIG": str(folder / "routes.yaml"), "BASELINE_MODEL": "openai/gpt-5",
    }  # fmt: skip
    command = [sys.executable, "-m", "switchman.addons.serving.dashboard", "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE)  # nosec B603
    try:
        processes._wait_for(port, process)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        if process.stdout:
            process.stdout.close()


class Looker(threading.Thread):
    """Asks for page after page, with a pause, until it is told to stop."""

    def __init__(self, port: int, pause: float) -> None:
        super().__init__()
        self.port, self.pause = port, pause
        self.times: dict[str, list[float]] = {page: [] for page in PAGES}
        self.bad: dict[str, int] = {}
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            for page in PAGES:
                self.look(page)
                if self.over.wait(self.pause):
                    return

    def look(self, page: str) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        began = time.perf_counter()
        connection.request("GET", page, headers={"Accept": "text/html"})
        answer = connection.getresponse()
        answer.read()
        self.times[page].append(1000 * (time.perf_counter() - began))
        if answer.status != 200:
            self.bad[page] = answer.status
        connection.close()


def measure(folder: Path, seconds: float, pause: float) -> dict[str, Any]:
    with ExitStack() as running:
        upstream = running.enter_context(processes.upstream(10, 0.0))
        environment = {"ENABLE_LOGGING": "true", "MAX_LOG_AGE_DAYS": "3650"}
        proxy, _ = running.enter_context(processes.switchman(upstream, folder, environment=environment, pinned=False))
        shown = running.enter_context(dashboard(folder))
        body = json.dumps(BODY).encode()
        load.run(proxy, body, CONNECTIONS, 2.0)
        alone = load.run(proxy, body, CONNECTIONS, seconds)
        looker = Looker(shown, pause)
        for page in PAGES[:1]:
            looker.look(page)
        looker.times = {page: [] for page in PAGES}
        looker.start()
        beside = load.run(proxy, body, CONNECTIONS, seconds)
        looker.over.set()
        looker.join()
    return {
        "pages_p95_ms": {page: round(quantile(times, 0.95), 1) for page, times in looker.times.items()},
        "all_pages_p95_ms": round(quantile([one for times in looker.times.values() for one in times], 0.95), 1),
        "bad": looker.bad,
        "proxy_p99_ms": round(1000 * quantile(alone.latencies, 0.99), 2),
        "proxy_p99_beside_ms": round(1000 * quantile(beside.latencies, 0.99), 2),
        "proxy_rps": round(len(alone.latencies) / alone.seconds),
        "proxy_rps_beside": round(len(beside.latencies) / beside.seconds),
        "errors": alone.errors + beside.errors,
    }


def show(results: dict[str, Any]) -> None:
    """The same for people."""
    for page, p95 in results["pages_p95_ms"].items():
        said = f"  (answered {results['bad'][page]})" if page in results["bad"] else ""
        print(f"{p95:8.1f} ms  p95 of {page}{said}")
    print(f"{results['all_pages_p95_ms']:8.1f} ms  p95 of all pages (aim {AIM_MS:.0f})")
    alone, beside = results["proxy_p99_ms"], results["proxy_p99_beside_ms"]
    print(
        f"proxy: p99 {alone} ms alone, {beside} ms beside the dashboard: {beside / (alone or 1):.2f} (aim {AIM_RATIO})"
    )
    print(
        f"proxy: {results['proxy_rps']} and {results['proxy_rps_beside']} requests a second, {results['errors']} errors"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument(
        "--bodies", type=float, default=0.0, metavar="GB", help="of prompts and answers, before packing"
    )
    options.add_argument("--seconds", type=float, default=60.0, help="of load, twice")
    options.add_argument("--pause", type=float, default=0.25, help="seconds between two pages")
    options.add_argument("--folder", type=Path, help="where the log is made, or is already; it stays there")
    options.add_argument("--json", action="store_true", help="for machines")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="switchman-bench-") as own:
        folder: Path = given.folder or Path(own)
        folder.mkdir(parents=True, exist_ok=True)
        make(folder, given.rows, given.bodies)
        if not given.json:
            say_size(folder)
        results = measure(folder, given.seconds, given.pause)
        if given.json:
            print(json.dumps(results, indent=2))
        else:
            show(results)


if __name__ == "__main__":
    main()
