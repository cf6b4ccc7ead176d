"""What one request goes through: the files and functions of ours that a streamed request with a failover calls.

    scripts/bench/trail [--list] [--json]

The real proxy runs in this process, with all its addons and its log; two fake servers answer on real sockets, the
first one with 503, the second with a stream. After a request that warms up, one is counted with `sys.monitoring`: from
the connection of its client to its row in the log. A function counts once, however often it is called; so do
properties, lambdas and comprehensions that Python calls as functions. What runs without any request (a look at the
rules file, say) is found out afterwards, and left out. Tests and the fake servers do not count.

It asks for nothing but what older trees have as well: `PYTHON OTHER/.venv/bin/python scripts/bench/trail.py` counts
what is installed there.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import importlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

from switchman.addons.assembly import assemble
from switchman.addons.serving.master import LeanMaster
from switchman.addons.testing import Behaviour, FakeUpstream

ADDONS = Path(importlib.import_module("switchman.addons").__file__ or "").resolve().parent
NOT_OURS = ("testing",)  # rooms of addons/ that no request goes through
PATIENCE = 30.0  # seconds
LAST_WORDS = 0.3  # seconds from the row in the log until all is at rest again
IDLE = 2.5  # seconds: whatever runs by itself has run by then
RULES = """
servers: {{busy: {{url: '{busy}', dialect: openai}}, good: {{url: '{good}', dialect: openai}}}}
aliases: {{here: {{instances: [busy/m, good/m]}}}}
"""
BODY = {"model": "here", "stream": True, "messages": [{"role": "user", "content": "Why is the sky blue?"}]}


class Functions:
    """The functions of ours that were called since `begin`."""

    def __init__(self) -> None:
        self.called: set[CodeType] = set()

    def begin(self) -> set[CodeType]:
        """Forget what was called; what that was."""
        before, self.called = self.called, set()
        sys.monitoring.restart_events()
        return before

    @contextmanager
    def watched(self) -> Iterator[None]:
        monitor, tool = sys.monitoring, sys.monitoring.PROFILER_ID
        monitor.use_tool_id(tool, "switchman trail")
        monitor.register_callback(tool, monitor.events.PY_START, self._start)
        monitor.set_events(tool, monitor.events.PY_START)
        try:
            yield
        finally:
            monitor.set_events(tool, 0)
            monitor.free_tool_id(tool)

    def _start(self, code: CodeType, offset: int) -> object:
        if is_ours(code):
            self.called.add(code)
        return sys.monitoring.DISABLE  # this one is known now, until the events are begun again


def is_ours(code: CodeType) -> bool:
    path = Path(code.co_filename)
    if not path.is_relative_to(ADDONS) or code.co_name == "<module>":
        return False
    return path.relative_to(ADDONS).parts[0] not in NOT_OURS


def ask(port: int) -> None:
    """One request on a connection of its own, read to its end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("POST", "/v1/chat/completions", json.dumps(BODY), {"content-type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    if answer.status != 200 or not said.endswith(b"data: [DONE]\n\n"):
        raise RuntimeError(f"not the stream that was asked for: {answer.status} {said[:200]!r}")


def wait_for_rows(database: Path, count: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with sqlite3.connect(database) as log:
            if log.execute("SELECT count(*) FROM requests").fetchone()[0] >= count:
                return
        time.sleep(0.02)
    raise RuntimeError(f"no {count} rows in the log")


async def counted(folder: Path) -> set[CodeType]:
    """The functions that the second of two equal requests calls."""
    master = LeanMaster([*assemble()], confdir=folder / "mitmproxy")
    master.listen("127.0.0.1", 0, "http://127.0.0.1:9")
    running = asyncio.create_task(master.run())
    addresses: list[Any] = []
    while not addresses:
        await asyncio.sleep(0.02)
        addresses = master.addons.get("proxyserver").listen_addrs()
    port, database = addresses[0][1], folder / "requests.db"
    functions = Functions()
    await asyncio.to_thread(ask, port)
    await asyncio.to_thread(wait_for_rows, database, 1)
    await asyncio.sleep(LAST_WORDS)
    with functions.watched():
        functions.begin()
        await asyncio.to_thread(ask, port)
        await asyncio.to_thread(wait_for_rows, database, 2)
        await asyncio.sleep(LAST_WORDS)
        called = functions.begin()
        await asyncio.sleep(IDLE)
        by_themselves = functions.begin()
    master.shutdown()
    await running
    return called - by_themselves


def measure() -> dict[str, dict[str, list[str]]]:
    """Room -> file -> functions, in the order of the source."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "DATABASE_URL", "MODEL_MAP", "JWT_SECRET"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as name, FakeUpstream() as busy, FakeUpstream() as good:
        folder = Path(name)
        (folder / "routes.yaml").write_text(RULES.format(busy=busy.url, good=good.url))
        os.environ |= {
            "ROUTES_CONFIG": str(folder / "routes.yaml"),
            "DB_PATH": str(folder / "requests.db"),
            "BLOB_STORAGE_PATH": str(folder / "blobs"),
        }
        busy.default = Behaviour(status=503)
        called = asyncio.run(counted(folder))
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for code in sorted(called, key=lambda code: (code.co_filename, code.co_firstlineno, code.co_qualname)):
        path = Path(code.co_filename).relative_to(ADDONS)
        found[str(path.parent)][path.name].append(code.co_qualname)
    return found


def print_table(found: dict[str, dict[str, list[str]]], listed: bool) -> None:
    for room, files in found.items():
        functions = sum(len(names) for names in files.values())
        print(f"{'addons' if room == '.' else room:<26}{len(files):>4} files {functions:>4} functions")
        for file, names in files.items() if listed else ():
            print(f"    {file}: {', '.join(names)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="each function by name")
    parser.add_argument("--json", action="store_true", help="for machines")
    args = parser.parse_args()
    found = measure()
    files = sum(len(known) for known in found.values())
    functions = sum(len(names) for known in found.values() for names in known.values())
    if args.json:
        print(json.dumps({"files": files, "functions": functions, "rooms": found}, indent=2))
    else:
        print_table(found, args.list)
        print(f"{files} files, {functions} functions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
