"""What tokens, limits and a budget cost: CPU per request of two routers side by side, one with and one without.

Both do what overhead.py has Switchman do (an alias, think stripping, a log). The one with limits also wants a token,
which has requests and tokens a minute, requests at a time, and budgets in dollars and tokens a month. They take turns
in every round, and who is first changes with each; what is compared are the medians of their CPU time, so that a moment
in which the machine is busy counts little. Both workers have one core, upstream and load share another, as in
overhead.py; requests of both carry a key in the same field.

A caller far from its limits has some requests taken to spare, and few of its requests are a step of the ledger. With
--tight there are just as many places as connections: nothing can be spared, and the ledger is asked in most of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import load
import overhead
import processes

from switchman.addons.core.access.caller import Allowance, Budget, Terms
from switchman.addons.store.access.opening import open_access

RULES = processes.ALIAS + "models: {up/model-x: {input_cost: 0.15, output_cost: 0.6}}\n"
MUCH = 10**9
ALLOWANCE = Allowance(MUCH, MUCH, 1000, 10**6, (Budget(10**12, "usd", "month"), Budget(10**12, "tokens", "month")))
TIGHT = replace(ALLOWANCE, concurrent=overhead.MANY)
AIM = 1.08


def token(folder: Path, allowance: Allowance) -> str:
    """Make one with these limits, which are never met."""
    access = open_access(None, folder / "requests.db")
    try:
        return access.tokens.create(Terms("bench", allowance=allowance), time.time())[1]
    finally:
        access.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each run (default %(default)g)")
    parser.add_argument("--rounds", type=int, default=21, help="2 or more; default %(default)s")
    parser.add_argument("--tight", action="store_true", help="as many places as connections: nothing to spare")
    args = parser.parse_args()
    body = json.dumps(overhead.BODY | {"max_tokens": 200}).encode()
    with ExitStack() as stack:
        processes.pin(os.getpid(), 0)
        port = stack.enter_context(processes.upstream(overhead.EVENTS, overhead.INTERVAL))
        routers = {}
        for name in ("without", "with"):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            limited = name == "with"
            key = token(folder, TIGHT if args.tight else ALLOWANCE) if limited else "sk-none"
            environment = {**processes.STRIPS, **({"CLIENT_AUTH": "TOKENS"} if limited else {})}
            started = processes.switchman(port, folder, RULES, environment)
            routers[name] = (*stack.enter_context(started), key)
        for connections in (overhead.MANY, 1):
            spent: dict[str, list[float]] = {name: [] for name in routers}
            for number in range(args.rounds + 1):
                turns = list(routers.items())
                for name, (at, pid, key) in turns if number % 2 else reversed(turns):
                    before = processes.cpu_seconds(pid)
                    found = load.run(at, body, connections, args.seconds, key=key)
                    if found.errors or not found.latencies:
                        raise RuntimeError(f"{name}: {found.errors} errors; the last answer: {found.last[:500]!r}")
                    if number:  # the first warms up
                        spent[name].append((processes.cpu_seconds(pid) - before) / len(found.latencies) * 1e6)
            ratios = [a / b for a, b in zip(spent["with"], spent["without"], strict=True)]
            figures = {name: round(statistics.median(times)) for name, times in spent.items()}
            ratio, (low, _, high) = figures["with"] / figures["without"], statistics.quantiles(ratios, n=4)
            spread = f"half of the rounds {low:.3f} to {high:.3f} (aim: {AIM} at {overhead.MANY} connections)"
            print(f"{connections:>3} connections: us CPU a request {figures}, {ratio:.3f} times, {spread}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
