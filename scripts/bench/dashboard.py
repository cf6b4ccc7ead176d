"""How fast the dashboard answers on a large log while a proxy serves load, and what that costs the proxy.

1. Makes a log of `--rows` requests over a week (or takes the one in `--folder`), and says what a row takes in bytes.
2. Starts the dashboard over it, and the proxy with the same log, before an upstream that answers at once.
3. Sends requests through the proxy, `--rounds` times for `--seconds`: alone, and then with somebody who looks at page
   after page. What is left at the end until each page was seen ROUNDS_OF_PAGES times is looked at without load.

Prints p95 of each page and kind of page, and the proxy's p99 without and with it: of all rounds together. The rows are
made of a few teams, each with its agent, models and layers (biglog.py). `--bodies` GB of prompts are spread over all
rows.
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
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import biglog
import load
import processes

from switchman.addons.store import open_store

DAYS = 6.9  # within what is kept by default
CONNECTIONS = 4
BODY = {"model": "bench", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
_WORDS = biglog.VOCABULARY
KINDS: dict[str, tuple[str, ...]] = {
    "overview": (
        "/", "/?range=7d", "/?range=all", "/?range=7d&model=gpt-5.2", "/?range=all&token=team-1",
        "/?range=7d&outcome=error", "/?range=24h&agent=codex",
    ),
    "its data": (
        "/api/overview?html=1", "/api/overview?range=7d&html=1", "/api/overview?range=all&server=gpu&html=1",
        "/api/overview?range=all&layer=route&token=team-2&html=1",
    ),
    "requests": (
        "/requests", "/requests?range=7d", "/requests?range=all", "/requests?range=all&outcome=error",
        "/requests?range=all&model=phi-4", "/requests?range=all&status=429", "/requests?range=all&status=4xx",
        "/requests?range=all&token=team-3&layer=route", "/requests?range=all&client=10.0.0.7",
        "/requests?range=all&asked=auto", "/requests?range=all&stream=yes", "/requests?range=all&error=rate_limit",
        "/requests?range=all&route=rule+3", "/requests?range=all&cache=miss", "/requests?range=all&text=gpt",
        "/requests?range=all&asked=auto&client=10.0.0.7", "/requests?range=all&status=413&cache=hit",
    ),
    "free text": (
        f"/requests?range=all&words={_WORDS[0]}", f"/requests?range=all&words={_WORDS[9_000]}",
        f"/requests?range=7d&words={_WORDS[5][:3]}", f"/requests?range=all&words={_WORDS[0]}+{_WORDS[300]}",
        f"/requests?range=all&words={_WORDS[0]}&token=team-3",
    ),
    "performance": ("/performance?range=all", "/api/performance?range=all", "/performance?range=7d&stream=yes"),
}  # fmt: skip
PAGES = tuple(page for pages in KINDS.values() for page in pages)
ROUNDS_OF_PAGES = 5
AIM_MS = 300.0
AIM_RATIO = 1.1
AIM_BYTES = 1_500


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
            parts = dict(database.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC"))
        except sqlite3.OperationalError:  # this SQLite was built without dbstat
            parts = {}
    shares = ", ".join(f"{name} {size / rows:.0f}" for name, size in islice(parts.items(), 12)) or "unknown"
    words = sum(size for name, size in parts.items() if name.startswith("request_words"))
    size = (sum(parts.values()) or biglog.bytes_of(folder)) - bodies - words
    print(f"{rows:,} rows: {size / rows:,.0f} bytes a row without bodies (aim {AIM_BYTES:,})", end="")
    print(f", and {words / rows:,.0f} for words of prompts and answers ({shares})")


@contextmanager
def dashboard(folder: Path) -> Iterator[int]:
    """The dashboard over the log; gives its port."""
    port = processes.free_port()
    environment = {
        "DB_PATH": str(folder / "requests.db"), "BLOB_STORAGE_PATH": str(folder / "blob_storage"),
        "ROUTES_CONFIG": str(folder / "routes.yaml"), "BASELINE_MODEL": "openai/gpt-5",
    }  # fmt: skip
    command = [sys.executable, "-m", "switchman.addons.serving.dashboard", "--port", str(port)]
    # It ends with its standard input, which is its supervisor's.
    its_own, pipe = {**os.environ, **environment}, subprocess.PIPE
    process = subprocess.Popen(command, env=its_own, stdin=pipe, stdout=pipe)  # nosec B603
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

    def __init__(self, port: int, pause: float, times: dict[str, list[float]], bad: dict[str, int]) -> None:
        super().__init__()
        self.port, self.pause = port, pause
        self.times, self.bad = times, bad
        self.over = threading.Event()

    def run(self) -> None:
        for page in cycle(PAGES):
            if self.over.is_set():
                return
            self.look(page)
            self.over.wait(self.pause)

    def complete(self) -> None:
        """Until each page was seen often enough for a p95."""
        for page in PAGES:
            while len(self.times[page]) < ROUNDS_OF_PAGES:
                self.look(page)

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


def measure(folder: Path, seconds: float, rounds: int, pause: float) -> dict[str, Any]:
    with ExitStack() as running:
        upstream = running.enter_context(processes.upstream(10, 0.0))
        environment = {"ENABLE_LOGGING": "true", "MAX_LOG_AGE_DAYS": "3650"}
        proxy, _ = running.enter_context(processes.switchman(upstream, folder, environment=environment, pinned=False))
        shown = running.enter_context(dashboard(folder))
        body = json.dumps(BODY).encode()
        load.run(proxy, body, CONNECTIONS, 2.0)
        times: dict[str, list[float]] = {page: [] for page in PAGES}
        bad: dict[str, int] = {}
        Looker(shown, pause, {page: [] for page in PAGES}, bad).look(PAGES[0])
        alone, beside = [], []
        for _ in range(rounds):
            alone.append(load.run(proxy, body, CONNECTIONS, seconds))
            looker = Looker(shown, pause, times, bad)
            looker.start()
            beside.append(load.run(proxy, body, CONNECTIONS, seconds))
            looker.over.set()
            looker.join()
        Looker(shown, pause, times, bad).complete()
    return {
        "pages_p95_ms": {page: round(quantile(some, 0.95), 1) for page, some in times.items()},
        "kinds_p95_ms": {
            kind: round(quantile([one for page in pages for one in times[page]], 0.95), 1)
            for kind, pages in KINDS.items()
        },
        "all_pages_p95_ms": round(quantile([one for some in times.values() for one in some], 0.95), 1),
        "bad": bad,
        "proxy_p99_ms": _p99(alone),
        "proxy_p99_beside_ms": _p99(beside),
        "proxy_rps": _rate(alone),
        "proxy_rps_beside": _rate(beside),
        "errors": sum(one.errors for one in (*alone, *beside)),
    }


def _p99(loads: list[load.Load]) -> float:
    return round(1000 * quantile([one for each in loads for one in each.latencies], 0.99), 2)


def _rate(loads: list[load.Load]) -> int:
    return round(sum(len(one.latencies) for one in loads) / sum(one.seconds for one in loads))


def show(results: dict[str, Any]) -> None:
    """The same for people."""
    for page, p95 in results["pages_p95_ms"].items():
        said = f"  (answered {results['bad'][page]})" if page in results["bad"] else ""
        print(f"{p95:8.1f} ms  p95 of {page}{said}")
    for kind, p95 in results["kinds_p95_ms"].items():
        print(f"{p95:8.1f} ms  p95 of {kind} (aim {AIM_MS:.0f})")
    print(f"{results['all_pages_p95_ms']:8.1f} ms  p95 of all pages")
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
    options.add_argument("--seconds", type=float, default=20.0, help="of load, twice in each round")
    options.add_argument("--rounds", type=int, default=4)
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
        results = measure(folder, given.seconds, given.rounds, given.pause)
        if given.json:
            print(json.dumps(results, indent=2))
        else:
            show(results)


if __name__ == "__main__":
    main()
