"""Many requests at once, good and bad: each gets its own answer, and each leaves its own row."""

from __future__ import annotations

import itertools
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes

MOODS = [
    Behaviour(), Behaviour(status=503), Behaviour(reset=True), Behaviour(hang_up=True), Behaviour(cut_after=2),
    Behaviour(think="hm", write_size=1), Behaviour(status=400), Behaviour(latency=0.05),
    Behaviour(close_after_reply=True), Behaviour(status=500, cut_after=0),
]  # fmt: skip


def test_a_crowd_with_a_moody_upstream(start: Any) -> None:
    """Streams and whole answers, clients that stay and clients that leave, kept connections: no answer is mixed up."""
    numbers, dice = itertools.count(), random.Random(7)
    with FakeUpstream(name="moody") as moody, FakeUpstream(name="steady") as steady:
        proxy = start(
            f"servers: {{moody: '{moody.url}', steady: '{steady.url}'}}\n"
            f"routes: [{{match: {{model: '/^c/'}}, route: {{upstream: moody, fallbacks: [{{server: steady}}]}}}}]\n"
        )
        moody.script(dice.choices(MOODS, k=400))

        def client(leaves: bool) -> list[str]:
            asked = []
            for _ in range(8):
                model = f"c{next(numbers)}"
                body = {
                    "model": model,
                    "stream": leaves or len(asked) % 2 == 0,
                    "messages": [{"role": "user", "content": "hi"}],
                }
                with RawClient(proxy.port) as connection:
                    connection.send(request_bytes("/v1/chat/completions", json.dumps(body).encode()))
                    asked.append(model)
                    if leaves:
                        connection.head()
                        continue
                    reply = connection.reply()
                    assert reply.complete
                    assert reply.status in (200, 400), reply.body
                    if reply.status == 200 and b'"error"' not in reply.body:
                        assert b"Hello" in reply.body
                        assert f'"{model}"'.encode() in reply.body
                    again = connection.ask("/v1/chat/completions", {**body, "model": f"{model}-again"})
                    assert again.complete
                    asked.append(f"{model}-again")
            return asked

        with ThreadPoolExecutor(12) as pool:
            asked = [model for batch in pool.map(client, [False, False, False, True] * 3) for model in batch]
        rows = wait_for_rows(proxy, len(asked))
        assert sorted(row["requested_model"] for row in rows) == sorted(asked)
        assert {row["outcome"] for row in rows} <= {"ok", "upstream_error", "stream_error", "cancelled"}


def wait_for_rows(proxy: Any, count: int) -> list[dict[str, Any]]:
    """All rows, as soon as there are so many."""
    end = time.monotonic() + 30
    while len(rows := proxy.rows()) < count and time.monotonic() < end:
        time.sleep(0.1)
    return rows
