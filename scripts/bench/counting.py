"""What it costs a worker to count a request for /metrics, beside prometheus_client's multiprocess mode.

.venv/bin/python -O scripts/bench/counting.py
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS, CALLS = 7, 5_000


def cost(work: Callable[[], object]) -> float:
    """Microseconds of processor time a call, in the best round: what else runs on the machine only makes it more."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            work()
        best = min(best, (time.process_time() - began) / CALLS)
    return best * 1e6


def ours(folder: Path) -> Callable[[], object]:
    from switchman.addons.config.settings import Settings
    from switchman.addons.core.rules.ruleset import parse_ruleset
    from switchman.addons.state.metrics.counts import RequestCounts
    from switchman.addons.state.metrics.names import Names
    from switchman.addons.state.metrics.sheet import Sheet
    from switchman.addons.testing.samples import make_attempt, make_record

    rules = parse_ruleset('servers: {up: "http://up:1"}\ndefault: up/m', "r.yaml", Settings.model_validate({}))
    counts = RequestCounts(Sheet(folder), Names(folder, 100), lambda: rules)
    record = make_record(
        server="up", model="m", layer="default", outcome="ok", cache="miss", overhead_ms=1.0, ttft_ms=90.0,
        input_tokens=100, output_tokens=20, cached_tokens=50, cost=1200, attempts=(make_attempt(server="up"),),
    )  # fmt: skip
    return lambda: counts.count(record)


def theirs(folder: Path) -> Callable[[], object]:
    """The same series, each found once and kept."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    began = time.perf_counter()
    import prometheus_client as prometheus

    print(f"prometheus_client: loaded in {(time.perf_counter() - began) * 1e3:.0f} ms")
    ones = [prometheus.Counter(f"one{n}", "-", ["a", "b"]).labels("up", "m") for n in range(4)]
    sums = [prometheus.Counter(f"sum{n}", "-", ["a", "b"]).labels("up", "m") for n in range(4)]
    times = [prometheus.Histogram(f"time{n}", "-", ["a", "b"]).labels("up", "m") for n in range(3)]

    def count() -> None:
        for one in ones:
            one.inc()
        for one in sums:
            one.inc(100)
        for took in times:
            took.observe(0.3)

    return count


def main() -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        print(f"a sheet of our own: {cost(ours(Path(one))):.1f} us a request")
        print(f"prometheus_client: {cost(theirs(Path(other))):.1f} us a request")


if __name__ == "__main__":
    main()
