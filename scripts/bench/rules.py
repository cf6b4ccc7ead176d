"""How long a decision takes, by the number of rules: scripts/bench/rules [--json]

Each rule has two or three conditions on what is asked, all kinds mixed, and none of them matches, which is the longest
way. Aims: 100 rules in less than 0.1 ms and 1,000 in less than 2 ms, at the 99th percentile. So that machines can be
compared, each figure is also given as a multiple of a fixed piece of Python work.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from types import SimpleNamespace

from switchman.addons.core.decision.decide import RoutingQuery, match_rules
from switchman.addons.core.request.features import Features
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset

AIMS_MS = {100: 0.1, 1000: 2.0}
TASKS = ("translation", "analysis", "math", "creative", "chat", "summarization", "general")
CONDITIONS = (
    "task: {task}, tokens: {{max: {number}}}",
    "keywords: [\"word{number}\", \"two words {number}\"], tools: false",
    "any: [{{task: {task}}}, {{keywords: [\"stack trace {number}\"]}}]",
    "all: [{{language: zh}}, {{not: {{tools: true}}}}, {{depth: {{min: {number}}}}}]",
    "language: [en, de], keywords: [\"alpha{number}\"], modalities: vision",
    "task: {{types: [coding, {task}], min_confidence: 0.99}}, time: \"01:00-02:00\"",
    "header: {{x-team: \"t{number}\"}}, token: [\"a{number}\"]",
    "regex: \"^order {number}\", tokens: {{min: 5}}",
)  # fmt: skip
ENVIRONMENT = SimpleNamespace(
    default_upstream="http://localhost:8000", default_upstream_set=True, model_map={}, request_timeout=60.0,
    strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
)  # fmt: skip
PROMPT = "Please fix this function: it raises a KeyError when the dictionary is empty, and I do not see why. " * 5


def rules(count: int) -> Ruleset:
    lines = ["servers: {s: 'http://h'}", "routes:"]
    for number in range(count):
        condition = CONDITIONS[number % len(CONDITIONS)].format(task=TASKS[number % len(TASKS)], number=number)
        lines.append(f"  - {{match: {{model: auto, {condition}}}, route: {{model: s/m}}}}")
    return parse_ruleset("\n".join(lines), "bench", ENVIRONMENT)


def p99(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """(median, 99th percentile) of the CPU time of `work`, in milliseconds: another process's turn is not counted."""
    took = []
    for _ in range(rounds):
        start = time.thread_time_ns()
        work()
        took.append(time.thread_time_ns() - start)
    took.sort()
    return took[rounds // 2] / 1e6, took[int(rounds * 0.99)] / 1e6


def unit_of_work() -> int:
    """About a tenth of a millisecond of plain Python."""
    return sum(number * number for number in range(2_000))


def measure(count: int, rounds: int) -> dict[str, float]:
    known = rules(count)
    features = Features(
        "openai", "chat", ask=PROMPT, system="", task="coding", task_confidence=0.9, language="fr", input_tokens=120,
        tools=True, depth=3,
    )  # fmt: skip
    headers = {"user-agent": "bench", "x-team": "none"}

    def once() -> object:
        return match_rules(RoutingQuery("auto", "10.0.0.1", features=features, headers=headers), known)

    assert once() is None
    median, worst = p99(once, rounds)
    base, _ = p99(unit_of_work, 200)
    return {"rules": count, "median_ms": median, "p99_ms": worst, "aim_ms": AIMS_MS[count], "p99_units": worst / base}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench/rules", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=3_000, help="decisions per figure (default 3000)")
    options = parser.parse_args()
    gc.freeze()
    rows = [measure(count, options.rounds) for count in AIMS_MS]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print("rules   median ms   p99 ms   aim ms   p99 in units of work")
    for row in rows:
        print(
            f"{row['rules']:5}   {row['median_ms']:9.4f}   {row['p99_ms']:6.4f}   {row['aim_ms']:6.2f}   "
            f"{row['p99_units']:.1f}"
        )


if __name__ == "__main__":
    main()
