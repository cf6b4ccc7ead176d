"""Whether strategies keep what they promise, on real sockets: scripts/bench/balancing [--requests N]

One router, three fake upstreams, and for each promise a run with a progress bar:

    least_busy   two servers, of which one takes twice as long: their busy time within 10 % of each other
    weighted     weights 6, 3 and 1, requests side by side: shares within 2 %
    split        90 and 10: shares within 2 %
    affinity     conversations of 30 turns, whose server fails for a while: >= 95 % of requests where the one before was
    fastest      a server that becomes slow and recovers, five times: requests until it is hardly asked, and asked again

It ends by itself, with 1 where a promise is not kept. The short forms are in tests/e2e/test_balancing.py.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path

import httpx
import processes
from tqdm import tqdm

from switchman.addons.testing import Behaviour, FakeUpstream

SIDE_BY_SIDE = 12
TURNS = 30
RULES = """servers:
  a: "{a}"
  b: "{b}"
  c: "{c}"
aliases:
  busy: {{strategy: least_busy, instances: [a/m, b/m]}}
  weights:
    strategy: weighted
    instances: [{{server: a, model: m, weight: 6}}, {{server: b, model: m, weight: 3}}, {{server: c, model: m}}]
  canary: {{split: {{a/m: 90, b/m: 10}}}}
  stays: {{strategy: least_busy, instances: [a/stays, b/stays, c/stays]}}
  quick: {{strategy: fastest, affinity: none, instances: [a/m, b/m]}}
"""


class Bench:
    """`servers`: by name. Each promise is a method that returns whether it is kept, and what was measured."""

    def __init__(self, client: httpx.AsyncClient, servers: dict[str, FakeUpstream], requests: int) -> None:
        self.client, self.servers, self.requests = client, servers, requests

    async def ask(self, model: str, conversation: str, turn: int = 0) -> str:
        talk = [{"role": "user", "content": f"About {conversation}"}]
        for number in range(turn):
            talk += [{"role": "assistant", "content": f"{number}"}, {"role": "user", "content": f"And {number}?"}]
        answer = await self.client.post("/v1/chat/completions", json={"model": model, "messages": talk, "stream": True})
        answer.raise_for_status()
        return str(answer.headers["x-switchman-target"]).partition("/")[0]

    def behave(self, **latency: float) -> None:
        for name, server in self.servers.items():
            server.default = Behaviour(latency=latency.get(name, 0.0))

    async def many(self, model: str, label: str) -> tuple[Counter[str], dict[str, float]]:
        """Requests side by side; how many each server answered, and for how many seconds in all it was busy."""
        counts, left, busy = Counter[str](), iter(range(self.requests)), defaultdict[str, float](float)
        with tqdm(total=self.requests, desc=label, disable=None) as bar:

            async def one_by_one() -> None:
                for number in left:
                    began = time.monotonic()
                    server = await self.ask(model, f"{label} {number}")
                    counts[server] += 1
                    busy[server] += time.monotonic() - began
                    bar.update()

            await asyncio.gather(*(one_by_one() for _ in range(SIDE_BY_SIDE)))
        return counts, busy

    async def least_busy(self) -> tuple[bool, str]:
        self.behave(a=0.15, b=0.3)
        counts, busy = await self.many("busy", "least_busy")
        apart = abs(busy["a"] - busy["b"]) / max(busy.values())
        return apart <= 0.1, f"busy for {busy['a']:.1f} s and {busy['b']:.1f} s, {apart:.1%} apart ({dict(counts)})"

    async def shares(self, model: str, wanted: dict[str, float]) -> tuple[bool, str]:
        self.behave()
        counts, _ = await self.many(model, model)
        apart = max(abs(counts[name] / self.requests - share) for name, share in wanted.items())
        return apart <= 0.02, f"{apart:.2%} from the weights at most ({dict(counts)})"

    async def affinity(self) -> tuple[bool, str]:
        """One server fails in the middle of all conversations, with a Retry-After that ends before they do."""
        self.behave()
        conversations, kept, asked = max(self.requests // TURNS, 6), 0, 0
        before = [await self.ask("stays", f"c{one}") for one in range(conversations)]
        with tqdm(total=(TURNS - 1) * conversations, desc="affinity", disable=None) as bar:
            for turn in range(1, TURNS):
                if turn == TURNS // 3:
                    self.servers["a"].default = Behaviour(status=503, headers={"retry-after": "1"})
                if turn == TURNS * 2 // 3:
                    self.behave()
                    await asyncio.sleep(1.5)
                for one in range(conversations):
                    now = await self.ask("stays", f"c{one}", turn)
                    kept, asked, before[one] = kept + (now == before[one]), asked + 1, now
                    bar.update()
        return kept / asked >= 0.95, f"{kept / asked:.1%} of {asked} requests where the one before was"

    async def fastest(self) -> tuple[bool, str]:
        found: list[int] = []
        rounds = 5
        with tqdm(total=rounds * 80, desc="fastest", disable=None) as bar:
            for number in range(rounds):
                for latency, is_slow in ((0.3, True), (0.0, False)):
                    self.behave(a=latency, b=0.05)
                    went = []
                    for turn in range(40):
                        went.append(await self.ask("quick", f"{number} {latency} {turn}"))
                        bar.update()
                    wanted = "b" if is_slow else "a"
                    found.append(next((at for at in range(37) if went[at : at + 3] == [wanted] * 3), 40))
        return max(found) <= 20, f"found after {found} requests, slow and recovered in turn"


async def run(requests: int) -> int:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(FakeUpstream(name=name, keep=False)) for name in "abc"}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rules = RULES.format(**{name: server.url for name, server in servers.items()})
        router = processes.switchman(servers["a"].port, folder, rules, pinned=False, alone=True)
        port, _ = stack.enter_context(router)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            bench, kept, began = Bench(client, servers, requests), True, time.monotonic()
            told = {
                "least_busy": await bench.least_busy(),
                "weighted": await bench.shares("weights", {"a": 0.6, "b": 0.3, "c": 0.1}),
                "split": await bench.shares("canary", {"a": 0.9, "b": 0.1}),
                "affinity": await bench.affinity(),
                "fastest": await bench.fastest(),
            }
        for name, (is_kept, words) in told.items():
            kept &= is_kept
            print(f"{name:<12}{'kept    ' if is_kept else 'NOT KEPT'}  {words}")
        print(f"{time.monotonic() - began:.0f} s")
    return 0 if kept else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000, help="of each run (default %(default)s)")
    return asyncio.run(run(parser.parse_args().requests))


if __name__ == "__main__":
    sys.exit(main())
