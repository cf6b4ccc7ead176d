"""What the router costs: the same requests to the same upstream directly, through bare mitmdump, and through Switchman.

The three take turns in every round, and each figure is the median of the rounds, so a noisy moment hits them alike.
The proxy that is measured has one core, the upstream and the load generator share another. Switchman routes through
an alias, strips a <think> block from every reply, and logs; bare mitmdump does none of that, but is told to stream
(stream_large_bodies), for by default it holds a stream back to its end.

Translation has rows of its own: streams of the same upstream, through the same proxy, to clients of other dialects; the
dearest of them is compared with the stream that passes through.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import load
import processes

EVENTS = 300  # of a stream
INTERVAL = 0.005  # seconds between two events: each is a read of its own, as with a model that generates
STREAMS = 16  # at a time
MANY = 16  # connections
STREAM_SECONDS = EVENTS * INTERVAL * 1.1
BODY: dict[str, Any] = {
    "model": "bench",
    "messages": [
        {"role": "system", "content": "You are a helpful assistant. " * 10},
        {"role": "user", "content": "Why is the sky blue?"},
    ],
    "temperature": 0.7,
}
# Clients of other dialects, and what is in a stream of theirs. Each asks for a stream of the same words.
ASK: dict[str, Any] = {"model": "bench", "stream": True, "messages": BODY["messages"][1:]}
TRANSLATED: dict[str, tuple[str, dict[str, Any], bytes]] = {
    "to ollama": ("/api/chat", ASK, b'"message":{"role":"assistant","content":"word1 "}'),
    "to anthropic": ("/v1/messages", ASK | {"max_tokens": 400}, b'"delta":{"type":"text_delta","text":"word1 "}'),
}
AIM_RATE = 1.3  # at least so many times the requests per second of bare mitmdump
AIM_EVENT = 1.3  # at most so many times its CPU per streamed event


@dataclass
class Target:
    """One way to the upstream; `pid` is the proxy's, None where there is none."""

    name: str
    port: int
    pid: int | None
    rates: dict[int, list[float]] = field(default_factory=lambda: {1: [], MANY: []})
    latencies: dict[int, list[float]] = field(default_factory=lambda: {1: [], MANY: []})
    request_us: list[float] = field(default_factory=list)
    event_us: list[float] = field(default_factory=list)
    requests: int = 0
    errors: int = 0

    def measure_requests(self, connections: int, seconds: float, keep: bool = True) -> None:
        before = processes.cpu_seconds(self.pid) if self.pid else 0.0
        found = load.run(self.port, json.dumps(BODY).encode(), connections, seconds)
        self._count(found)
        if self.pid and keep and connections == MANY:
            self.request_us.append((processes.cpu_seconds(self.pid) - before) / len(found.latencies) * 1e6)
        if keep:
            self.rates[connections].append(len(found.latencies) / found.seconds)
            self.latencies[connections].extend(found.latencies)

    def measure_streams(self) -> None:
        before = processes.cpu_seconds(self.pid) if self.pid else 0.0
        found = load.run(self.port, json.dumps(BODY | {"stream": True}).encode(), STREAMS, 0, once=True)
        self._count(found)
        if self.pid:
            self.event_us.append((processes.cpu_seconds(self.pid) - before) / (STREAMS * EVENTS) * 1e6)

    def _count(self, found: load.Load) -> None:
        self.requests += len(found.latencies) + found.errors
        self.errors += found.errors

    def results(self) -> dict[str, Any]:
        """Rates per second, latencies in ms, CPU in us per event, memory in MiB."""
        out: dict[str, Any] = {"requests": self.requests, "errors": self.errors}
        for connections, rates in self.rates.items():
            cuts = statistics.quantiles(self.latencies[connections], n=100, method="inclusive")
            out[f"connections_{connections}"] = {
                "rps": round(statistics.median(rates), 1),
                "p50_ms": round(cuts[49] * 1000, 3),
                "p99_ms": round(cuts[98] * 1000, 3),
            }
        if self.pid:
            out["cpu_us_per_request"] = round(statistics.median(self.request_us), 1)
            out["cpu_us_per_event"] = round(statistics.median(self.event_us), 1)
            out["memory"] = {name: round(mib, 1) for name, mib in processes.memory(self.pid).items()}
        return out


@dataclass
class Translated:
    """Streams through the same proxy to a client of another dialect: only their CPU is measured."""

    name: str
    proxy: Target
    event_us: list[float] = field(default_factory=list)

    def measure(self) -> None:
        path, body, _ = TRANSLATED[self.name]
        pid = self.proxy.pid
        assert pid is not None
        before = processes.cpu_seconds(pid)
        found = load.run(self.proxy.port, json.dumps(body).encode(), STREAMS, 0, once=True, path=path)
        self.proxy._count(found)
        self.event_us.append((processes.cpu_seconds(pid) - before) / (STREAMS * EVENTS) * 1e6)

    def check(self) -> None:
        """Make sure that it is translated, and that the <think> block is stripped as well."""
        path, body, expected = TRANSLATED[self.name]
        found = load.run(self.proxy.port, json.dumps(body).encode(), 1, 0, once=True, path=path)
        self.proxy._count(found)
        if found.errors or expected not in found.last or b"think" in found.last:
            raise RuntimeError(f"a stream {self.name} is not as it should be: {found.last[:2000]!r}")


def check_strips(target: Target) -> None:
    """Make sure that the work which is measured is done: no <think> block gets through, streamed or not."""
    for stream in (False, True):
        found = load.run(target.port, json.dumps(BODY | {"stream": stream}).encode(), 1, 0, once=True)
        target._count(found)
        answered = b"word1 " in found.last if stream else b"sky is blue" in found.last
        if found.errors or not answered or b"think" in found.last:
            raise RuntimeError(f"{target.name} does not answer as it should: {found.last[:2000]!r}")


def measure(targets: list[Target], translated: list[Translated], rounds: int, seconds: float) -> None:
    """All rounds; a short run of each, to warm up, is not kept."""
    for target in targets:
        target.measure_requests(MANY, min(seconds, 1.0), keep=False)
    for number in range(rounds):
        turn = number % len(targets)
        for target in targets[turn:] + targets[:turn]:
            target.measure_requests(MANY, seconds)
            target.measure_requests(1, seconds)
            target.measure_streams()
        for one in translated:
            one.measure()


def logged_rows(folder: Path) -> int:
    with sqlite3.connect(folder / "requests.db") as database:
        count: int = database.execute("SELECT count(*) FROM requests").fetchone()[0]
        return count


def compare(rounds: int, seconds: float) -> dict[str, Any]:
    """Start everything, measure, stop everything."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with ExitStack() as running:
            port = running.enter_context(processes.upstream(EVENTS, INTERVAL))
            targets = [
                Target("direct", port, None),
                Target("mitmdump", *running.enter_context(processes.mitmdump(port))),
                Target("switchman", *running.enter_context(processes.switchman(port, folder))),
            ]
            processes.pin(os.getpid(), 0)
            check_strips(targets[-1])
            translated = [Translated(name, targets[-1]) for name in TRANSLATED]
            for one in translated:
                one.check()
            measure(targets, translated, rounds, seconds)
            results: dict[str, Any] = {target.name: target.results() for target in targets}
        results["switchman"]["logged"] = logged_rows(folder)  # after the stop: all of it is on disk now
    ours, bare = results["switchman"], results["mitmdump"]
    events = {one.name: round(statistics.median(one.event_us), 1) for one in translated}
    results["translation"] = {"cpu_us_per_event": events}
    results["ratios"] = {
        "rps_16": round(ours[f"connections_{MANY}"]["rps"] / bare[f"connections_{MANY}"]["rps"], 3),
        "rps_1": round(ours["connections_1"]["rps"] / bare["connections_1"]["rps"], 3),
        "cpu_per_request": round(ours["cpu_us_per_request"] / bare["cpu_us_per_request"], 3),
        "cpu_per_event": round(ours["cpu_us_per_event"] / bare["cpu_us_per_event"], 3),
        "cpu_per_translated_event": round(max(events.values()) / ours["cpu_us_per_event"], 3),
        "rss": round(ours["memory"]["rss_mib"] / bare["memory"]["rss_mib"], 3),
    }
    results["aims"] = {"rps_16": f">= {AIM_RATE}", "cpu_per_event": f"<= {AIM_EVENT}"}
    results["rounds"], results["seconds_per_run"] = rounds, round(seconds, 2)
    return results


def print_table(results: dict[str, Any]) -> None:
    """The same for people."""
    rates, cpu, size = "req/s   p50 ms   p99 ms", "us CPU per", "MiB"
    print(f"{'':<10}{f'{MANY} connections':>26}  {'1 connection':>26}  {cpu:>16}  {size:>12}")
    print(f"{'':<10}{rates:>26}  {rates:>26}  {'request':>9}{'event':>7}  {'RSS':>6}{'PSS':>6}")
    for name in ("direct", "mitmdump", "switchman"):
        found = results[name]
        row = f"{name:<10}"
        for connections in (MANY, 1):
            one = found[f"connections_{connections}"]
            row += f"{one['rps']:>8.0f}{one['p50_ms']:>9.2f}{one['p99_ms']:>9.2f}  "
        if "memory" in found:
            memory = found["memory"]
            row += f"{found['cpu_us_per_request']:>9.0f}{found['cpu_us_per_event']:>7.1f}  "
            row += f"{memory['rss_mib']:>6.0f}{memory['pss_mib']:>6.0f}"
        print(row)
    for name, event_us in results["translation"]["cpu_us_per_event"].items():
        print(f"{name:<12}{'':>24}  {'':>26}  {'':>9}{event_us:>7.1f}")
    ours, ratios, aims = results["switchman"], results["ratios"], results["aims"]
    print(f"switchman / mitmdump, req/s at {MANY} connections: {ratios['rps_16']:.2f} (aim {aims['rps_16']})")
    print(f"switchman / mitmdump, req/s at 1 connection: {ratios['rps_1']:.2f}")
    print(f"switchman / mitmdump, CPU per request: {ratios['cpu_per_request']:.2f}")
    print(f"switchman / mitmdump, CPU per event: {ratios['cpu_per_event']:.2f} (aim {aims['cpu_per_event']})")
    print(f"translated / passed through, CPU per event: {ratios['cpu_per_translated_event']:.2f}")
    print(f"switchman / mitmdump, memory: {ratios['rss']:.2f}")
    print(f"switchman: {ours['requests']} requests, {ours['errors']} errors, {ours['logged']} rows in its log")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for all measuring together (default %(default)g)")
    parser.add_argument("--rounds", type=int, default=5, help="default %(default)s")
    parser.add_argument("--json", action="store_true", help="for machines")
    args = parser.parse_args()
    each = ((args.seconds / args.rounds - len(TRANSLATED) * STREAM_SECONDS) / 3 - STREAM_SECONDS) / 2
    results = compare(args.rounds, max(0.3, each))
    if args.json:
        print(json.dumps(results, indent=2))
    else:
        print_table(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
