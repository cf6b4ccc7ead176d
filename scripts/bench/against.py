"""This checkout beside another one: the same requests to both, in turns, and the ratio of what they cost.

    scripts/bench/against OTHER      OTHER: a checkout with a .venv of its own (scripts/test makes it)

Both run `switchman serve` with one worker on the same core, an alias, think stripping and a log; they take turns, each
the first one every other time, so a noisy moment hits them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import load
import processes
from overhead import BODY, MANY


@dataclass
class Side:
    """One checkout's router."""

    name: str
    port: int
    pid: int
    cpu_us: list[float] = field(default_factory=list)  # per request
    rates: list[float] = field(default_factory=list)  # requests per second

    def measure(self, seconds: float) -> None:
        before = processes.cpu_seconds(self.pid)
        found = load.run(self.port, json.dumps(BODY).encode(), MANY, seconds)
        self.cpu_us.append((processes.cpu_seconds(self.pid) - before) / len(found.latencies) * 1e6)
        self.rates.append(len(found.latencies) / found.seconds)


def compare(other: Path, rounds: int, seconds: float) -> list[Side]:
    """Start both, let them take turns, stop them."""
    with ExitStack() as stack:
        port = stack.enter_context(processes.upstream(10, 0.005))
        sides = []
        for name, folder in (("other", other / ".venv/bin"), ("this", processes.BIN)):
            processes.BIN = folder
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            sides.append(Side(name, *stack.enter_context(processes.switchman(port, place))))
        processes.pin(os.getpid(), 0)
        for side in sides:
            load.run(side.port, json.dumps(BODY).encode(), MANY, 1.0)  # warm
        for number in range(rounds):
            for side in sides if number % 2 else reversed(sides):
                side.measure(seconds)
    return sides


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="a checkout with a .venv")
    parser.add_argument("--rounds", type=int, default=14, help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each turn (default %(default)g)")
    args = parser.parse_args()
    other, this = compare(args.other.resolve(), args.rounds, args.seconds)
    for side in (other, this):
        cpu, rate = statistics.median(side.cpu_us), statistics.median(side.rates)
        print(f"{side.name:6} {cpu:6.0f} us of CPU a request (least {min(side.cpu_us):.0f}), {rate:6.0f} requests/s")
    ratios = [a / b for a, b in zip(this.cpu_us, other.cpu_us, strict=True)]
    median = statistics.median(this.cpu_us) / statistics.median(other.cpu_us)
    print(f"this / other, CPU: medians {median:.2f}, of each round: {' '.join(f'{ratio:.2f}' for ratio in ratios)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
