"""What the decision chain costs a request, and for how long it keeps the proxy's event loop busy.

    scripts/bench/chain [--prompts FILE.jsonl] [--most N] [--json]

A real `switchman serve` with the semantic process and every layer but the arbiter, before a fast upstream. Each prompt
is asked four times: by an explicit model, as `auto` (no cache knows it yet), as `auto` again (the exact cache), and
with other marks at its end (the semantic cache). Prompts of 64 and 256 tokens have rows of their own, and so do
conversations of a megabyte.

"Router" is the router's own time before a request goes upstream, as x-switchman-overhead-ms has it; of what a cache
answers, the client's whole wait. "Loop" is the longest that the worker's event loop could do nothing else while the
request was under way (probe/sitecustomize.py), and how much of that was its own CPU time: the rest is what a busy
machine took away from it, so the CPU time is what the aim is held against. What reading and rewriting a body costs is
in both the row of `auto` and that of an explicit model; the chain is the difference.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import processes
from fit_tasktype import own_prompts, read_prompts
from semantic_process import model_folder

from switchman.addons.store.keeping.packing import read_json

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared/evaldata/tasktype.jsonl"
PATIENCE = 180.0  # seconds until the categories' vectors are ready
MOST = 250  # prompts
ROUNDS = 12  # of each long conversation
EXPLICIT = "up/model-x"
RULES = """
default: up/default
routes:
  - {match: {model: auto, keywords: [kubernetes, python]}, route: {model: up/by-rule}}
semantic_routes:
  categories: {coding: up/coding, math: up/math, creative: up/creative, translation: up/translation}
cache: {exact: {ttl: 3600}, semantic: {mode: "on"}}
"""
AIMS = {"chain_p95_ms": 12.0, "chain_loop_ms": 5.0, "large_loop_ms": 5.0}


@dataclass(frozen=True, slots=True)
class TimedRequest:
    """One request: the client's wait and the router's own time (None where nothing went upstream), both ms; `began`
    and `ended` on the system's monotonic clock.
    """

    layer: str
    wait_ms: float
    router_ms: float | None
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Blocked:
    """One callback of the worker's event loop."""

    ended: float
    ms: float
    cpu_ms: float
    what: str


@dataclass
class Client:
    """One connection to the router."""

    port: int
    connection: http.client.HTTPConnection | None = None
    requests: dict[str, list[TimedRequest]] = field(default_factory=lambda: defaultdict(list))

    def ask(self, row: str, body: bytes) -> TimedRequest:
        """Raises RuntimeError for any answer but 200."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        began = time.monotonic()
        self.connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        response = self.connection.getresponse()
        answer = response.read()
        ended = time.monotonic()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {answer[:500]!r}")
        overhead = response.getheader("x-switchman-overhead-ms")
        layer = response.getheader("x-switchman-layer") or ""
        found = TimedRequest(layer, (ended - began) * 1e3, float(overhead) if overhead else None, began, ended)
        self.requests[row].append(found)
        return found


def body_of(model: str, text: str) -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()


def conversation(model: str, messages: int, characters: int) -> bytes:
    """A conversation of so many messages of so many characters, with a short ask at its end."""
    said = "The committee's plan for the new library costs 1.2 million, says Ann; last year's `plan_b()` cost less. "
    talk = [
        {"role": "assistant" if number % 2 else "user", "content": f"{number}. {said * (characters // len(said) + 1)}"}
        for number in range(messages)
    ]
    return json.dumps({"model": model, "messages": [*talk, {"role": "user", "content": "So what is it?"}]}).encode()


def tool_loop(model: str, turns: int) -> bytes:
    """A coding agent's request: tools, calls, and what they gave."""
    code = "def area(width, height):\n    return shapes[width].size(height, 2)\n\n" * 60
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string", "description": "A path."} for n in range(8)}}
    tools = [{"type": "function", "function": {"name": f"t{n}", "description": "Reads. " * 50, "parameters": schema}}
             for n in range(40)]  # fmt: skip
    talk: list[dict[str, Any]] = [{"role": "user", "content": "Fix the bug in the shapes module, please."}]
    for number in range(turns):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "t1", "arguments": '{"p1": "a/b.py"}'}}
        talk.append({"role": "assistant", "content": None, "tool_calls": [call]})
        talk.append({"role": "tool", "tool_call_id": f"c{number}", "content": code})
    return json.dumps({"model": model, "tools": tools, "messages": talk}).encode()


LONG = {
    "200 messages, 1 MB": lambda model: conversation(model, 200, 5_000),
    "4,000 messages, 1 MB": lambda model: conversation(model, 4_000, 250),
    "tool loop, 1 MB": lambda model: tool_loop(model, 240),
}


def wait_until_ready(client: Client) -> None:
    """Until the semantic layer decides: the vectors of the categories are made first."""
    deadline, number = time.monotonic() + PATIENCE, 0
    while client.ask("", body_of("auto", f"Write a function that adds {number} to a list.")).layer != "semantic":
        if time.monotonic() > deadline:
            raise RuntimeError("the semantic layer decides nothing")
        number += 1
        time.sleep(0.5)


def ask_all(client: Client, prompts: Sequence[str]) -> None:
    """Every kind of row, in turns, so that a noisy moment hits them alike."""
    for number, text in enumerate(prompts):
        client.ask("explicit model", body_of(EXPLICIT, text))
        client.ask("auto", body_of("auto", text))
        # 64 and 256 tokens, each of them new to the caches.
        client.ask("auto, 64 tokens", body_of("auto", f"number {number} " + "book " * 60))
        if number % 4 == 0:
            client.ask("auto, 256 tokens", body_of("auto", f"number {number} " + "book " * 252))
    time.sleep(1)  # answers are kept after the client has them
    for text in prompts:
        client.ask("auto, asked before", body_of("auto", text))
        client.ask("auto, other marks", body_of("auto", text.rstrip(" .?!。？！") + " ?"))
    for _ in range(ROUNDS):
        for name, made in LONG.items():
            client.ask(f"explicit, {name}", made(EXPLICIT))
            client.ask(f"auto, {name}", made("auto"))


def share(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 2)


def row(requests: Sequence[TimedRequest], blocked: Sequence[Blocked]) -> dict[str, Any]:
    """The figures of one row, all in ms."""
    times = [one.wait_ms if one.router_ms is None else one.router_ms for one in requests]
    within = [[b for b in blocked if one.began <= b.ended and b.ended - b.ms / 1e3 <= one.ended] for one in requests]
    worst = max((b for some in within for b in some), key=lambda b: b.cpu_ms, default=None)
    longest = [max((b.ms for b in some), default=0.0) for some in within]
    return {
        "n": len(requests),
        "router_p50_ms": share(times, 0.5),
        "router_p95_ms": share(times, 0.95),
        "wait_p50_ms": share([one.wait_ms for one in requests], 0.5),
        "loop_p50_ms": share(longest, 0.5),
        "loop_max_ms": round(max(longest), 2),
        "loop_cpu_max_ms": round(worst.cpu_ms, 2) if worst else 0.0,
        "loop_worst": worst.what if worst else "",
    }


def layer_times(database: Path) -> dict[str, dict[str, Any]]:
    """What each layer took by the traces of all `auto` requests, tried in vain or not."""
    times: dict[str, list[float]] = defaultdict(list)
    with sqlite3.connect(database) as log:
        for (trace,) in log.execute("SELECT trace FROM requests WHERE requested_model = 'auto'"):
            for line in read_json(trace):
                if line.get("elapsed_ms") is not None:
                    times[f"{line['layer']} {line['outcome']}"].append(line["elapsed_ms"])
    return {
        name: {"n": len(found), "p50_ms": share(found, 0.5), "p95_ms": share(found, 0.95)}
        for name, found in sorted(times.items())
    }


@contextmanager
def router(model: Path, folder: Path) -> Iterator[int]:
    """The router and its upstream; gives the port."""
    environment = {
        "SEMANTIC_MODEL": str(model),
        "LOOP_PROBE": str(folder / "loop.jsonl"),
        "PYTHONPATH": str(Path(__file__).with_name("probe")),
    }
    with ExitStack() as running:
        upstream = running.enter_context(processes.upstream(10, 0.001))
        port, _ = running.enter_context(processes.switchman(upstream, folder, RULES, environment, pinned=False))
        yield port


def measure(model: Path, prompts: Sequence[str]) -> dict[str, Any]:
    """Start everything, measure, stop everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with router(model, folder) as port:
            wait_until_ready(client := Client(port))
            ask_all(client, prompts)
        layers = layer_times(folder / "requests.db")  # after the stop: all of it is on disk now
        lines = (folder / "loop.jsonl").read_text(encoding="utf-8").splitlines()
    blocked = [Blocked(**json.loads(line)) for line in lines]
    del client.requests[""]
    rows = {title: row(found, blocked) for title, found in client.requests.items()}
    for layer in sorted({one.layer for one in client.requests["auto"]}):
        rows[f"auto, by {layer}"] = row([one for one in client.requests["auto"] if one.layer == layer], blocked)
    results = {"rows": dict(sorted(rows.items())), "layers": layers}
    return {**results, "aims": aims(rows)}


def aims(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The issue's figures. The chain in all is the row `auto`; the loop's time counts in every row of `auto`."""
    long = [f"auto, {name}" for name in LONG]
    short = [title for title in rows if title.startswith("auto") and title not in long]
    values = {
        "chain_p95_ms": rows["auto"]["router_p95_ms"],
        "chain_loop_ms": max(rows[title]["loop_cpu_max_ms"] for title in short),
        "large_loop_ms": max(rows[title]["loop_cpu_max_ms"] for title in long),
    }
    return {
        name: {"value": value, "aim": f"<= {AIMS[name]:g}", "met": value <= AIMS[name]}
        for name, value in values.items()
    }


def print_tables(results: Mapping[str, Any]) -> None:
    """The same for people."""
    titles = f"{'router p50':>12}{'p95':>8}{'wait p50':>10}{'loop p50':>10}{'max':>8}{'CPU':>7}"
    print(f"\nchain, ms{'':<30}{'n':>5}{titles}")
    for name, found in results["rows"].items():
        line = f"  {name:<37}{found['n']:>5}{found['router_p50_ms']:>12.2f}{found['router_p95_ms']:>8.2f}"
        line += f"{found['wait_p50_ms']:>10.2f}{found['loop_p50_ms']:>10.2f}{found['loop_max_ms']:>8.2f}"
        print(f"{line}{found['loop_cpu_max_ms']:>7.2f}")
    print(f"\nlayers, ms{'':<29}{'n':>5}{'p50':>12}{'p95':>8}")
    for name, found in results["layers"].items():
        print(f"  {name:<37}{found['n']:>5}{found['p50_ms']:>12.2f}{found['p95_ms']:>8.2f}")


def print_aims(aims: Mapping[str, Mapping[str, Any]]) -> None:
    print("\naims")
    for name, found in aims.items():
        print(f"  {name:<24}{found['value']:>9.4f}   {found['aim']:<9}{'' if found['met'] else 'MISSED'}")


def prompts_of(path: Path | None, most: int) -> list[str]:
    """Evenly from the whole file, each once; without a file the shared one, or this folder's own prompts."""
    if path is None and SHARED.is_file():
        path = SHARED
    found = list(dict.fromkeys(prompt.text for prompt in (read_prompts(path) if path else own_prompts())))
    return found[:: max(1, len(found) // most)][:most]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=Path, help="labelled prompts, as for scripts/bench/routing --tasktype")
    parser.add_argument("--most", type=int, default=MOST, help="prompts of it (default %(default)s)")
    parser.add_argument("--model", type=Path, help="folder of a prepared embedding model")
    parser.add_argument("--json", action="store_true", help="for machines")
    args = parser.parse_args()
    model = model_folder(args.model)
    if isinstance(model, str):
        print(f"the chain cannot be measured: {model}", file=sys.stderr)
        return 1
    results = measure(model, prompts_of(args.prompts, args.most))
    if args.json:
        print(json.dumps(results, indent=2, ensure_ascii=False))
        return 0
    print_tables(results)
    print_aims(results["aims"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
