"""How long `switchman backtest` takes for 10,000 requests, and how much memory: scripts/bench/backtest [--json]

It writes a log of agents' and people's requests (bodies of 0.2 to 60 kB, conversations of up to 40 messages), replays
it by the real command in a process of its own, under rules on what is asked, and reads that process's time and largest
memory. A tenth of the requests is replayed first: what memory grows by from there is what a request leaves behind.
Aims: 10,000 requests in less than 60 s, and less than 40 MB more memory than a tenth of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from switchman.addons.core.record import Record
from switchman.addons.store import open_store
from switchman.addons.testing.samples import make_record

AIM_SECONDS = 60.0
AIM_MB = 40.0
SERVERS = """\
servers: {laptop: "http://127.0.0.1:1", cloud: "http://127.0.0.1:2"}
models: {cloud/coder: {input_cost: 3, output_cost: 15}, laptop/llama3: {input_cost: 0, output_cost: 0}}
"""
OLD = (
    SERVERS
    + "routes: [{name: code, match: {model: auto, task: coding}, route: {model: cloud/coder}}]\n"
    + "default: laptop/llama3\n"
)
NEW = (
    SERVERS
    + """\
routes:
  - name: code
    match: {model: auto, task: {types: [coding], min_confidence: 0.8}}
    route: {model: cloud/coder, stick: conversation}
  - {name: long, match: {model: auto, tokens: {min: 4000}}, route: {model: cloud/coder}}
  - {name: words, match: {model: auto, keywords: [invoice, "stack trace", contract]}, route: {model: cloud/coder}}
default: laptop/llama3
"""
)
ASKS = (
    "Fix this Python function, it raises a KeyError: def f(d): return d['x']",
    "Write a poem about the sea in autumn, with rhymes.",
    "Summarise the contract below in three sentences, and list what is due when.",
    "What is the derivative of x squared times the sine of x?",
    "Good morning, how are you today?",
)


def records(count: int, began: float) -> Iterator[Record]:
    """Four of five belong to conversations that grow turn by turn, as an agent's do."""
    chance = random.Random(1)  # nosec B311 - made traffic
    talk: list[dict[str, Any]] = []
    for number in range(count):
        if not talk or len(talk) > 40 or chance.random() < 0.2:
            talk = [{"role": "system", "content": "You are an agent. " * chance.randrange(1, 60)}]
        talk.append({"role": "user", "content": chance.choice(ASKS) + f" ({number})"})
        body = json.dumps({"model": "auto", "messages": talk}).encode()
        coding = "Python" in talk[-1]["content"]
        yield make_record(
            f"bench-{number}", started_at=began + number * 0.5, requested_model="auto",
            layer="route" if coding else "default",
            route="code" if coding else "default", server="cloud" if coding else "laptop",
            model="coder" if coding else "llama3", cache="miss", request_body=body, input_tokens=len(body) // 4,
            output_tokens=200, duration_ms=900.0 if coding else 2500.0,
        )  # fmt: skip
        talk.append({"role": "assistant", "content": "Here is what I found, step by step. " * chance.randrange(1, 40)})


def fill(folder: Path, count: int) -> None:
    with open_store(db_path=folder / "requests.db", blob_path=folder / "blob_storage", max_age_days=None) as store:
        writer = store.writer()
        for number, record in enumerate(records(count, time.time() - count)):
            writer.put(record)
            if number % 200 == 199:  # it drops what it cannot keep up with
                while store.queries.get_request(record.id) is None:
                    time.sleep(0.01)


def replay(folder: Path, count: int) -> dict[str, Any]:
    """Wall and CPU seconds, and the largest memory of the process, in MB."""
    command = [sys.executable, "-m", "switchman.addons.cli", "backtest", "--rules", "new.yaml", "--json"]
    settings = {
        "DB_PATH": "requests.db", "BLOB_STORAGE_PATH": "blob_storage", "ROUTES_CONFIG": "old.yaml",
        "DEFAULT_UPSTREAM": "http://127.0.0.1:3",
    }  # fmt: skip
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(  # nosec B603 - our own command
        [*command, "--limit", str(count)], cwd=folder, env={**os.environ, **settings}, capture_output=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(done.stdout)
    assert found["requests"] == count and found["elsewhere"] > 0 and found["unknown"]["requests"] == 0, found
    return {
        "requests": count,
        "seconds": time.monotonic() - began,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "memory_mb": after.ru_maxrss / 1000,  # of the largest child so far: the small one comes first
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench/backtest", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--requests", type=int, default=10_000, help="how many (default 10000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="switchman-bench-") as name:
        folder = Path(name)
        (folder / "old.yaml").write_text(OLD)
        (folder / "new.yaml").write_text(NEW)
        fill(folder, options.requests)
        rows = [replay(folder, count) for count in (max(1, options.requests // 10), options.requests)]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print("requests   seconds   CPU seconds   memory MB")
    for row in rows:
        print(f"{row['requests']:8}   {row['seconds']:7.1f}   {row['cpu_seconds']:11.1f}   {row['memory_mb']:9.0f}")
    print(f"aims: {AIM_SECONDS:g} s, {AIM_MB:g} MB more for ten times as many")


if __name__ == "__main__":
    main()
