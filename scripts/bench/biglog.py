"""A large log for the dashboard to be measured on: rows as a week of traffic makes them, the same each time.

The rows go through the store's own functions (rows.prepare, the figures), in larger transactions than a router's.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from itertools import accumulate, islice
from multiprocessing import get_context
from pathlib import Path
from threading import Event

from tqdm import tqdm

from switchman.addons.core.record import AttemptRecord, Outcome, Record
from switchman.addons.store import Store
from switchman.addons.store.blobs import pack
from switchman.addons.store.database import insert_rows, writing
from switchman.addons.store.figures.columns.keeping import make_pieces
from switchman.addons.store.figures.keeping import add
from switchman.addons.store.keeping.beside.sessions import add_to_sessions
from switchman.addons.store.keeping.beside.words import add_words
from switchman.addons.store.keeping.bodies import INLINE_BYTES
from switchman.addons.store.keeping.logsize import BLOB_BYTES, FILE_BYTES, ROW_BYTES, add_to_total
from switchman.addons.store.keeping.packing import packed_rows
from switchman.addons.store.rows import Prepared, blob_row, prepare
from switchman.addons.store.tables import attempts, blobs, requests

AT_ONCE = 2_000
WORDS = 30  # of a prompt
DAY = 86_400.0
MODELS = (
    ("openai", "gpt-5.2"),
    ("openai", "gpt-5-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("gpu", "qwen3-coder-30b"),
    ("gpu", "llama-3.3-70b"),
    ("spare", "qwen3-coder-30b"),
    ("laptop", "phi-4"),
)
LAYERS = ("route", "route", "alias", "server", "semantic", "default", "exact_cache")
AGENTS = ("claude-code", "codex", "opencode", "openai-python", None)
TOKEN_ID = "tok_bench"  # nosec B105 - of nobody
TOKENS = tuple(f"team-{number}" for number in range(10))
OUTCOMES: tuple[Outcome, ...] = ("ok",) * 92 + (
    "failed",
    "upstream_error",
    "upstream_error",
    "refused",
    "cancelled",
    "cancelled",
    "stream_error",
    "ok",
)
STATUSES = {"ok": 200, "failed": 502, "upstream_error": 429, "refused": 413, "cancelled": 499, "stream_error": 200}
# Heads as Claude Code and OpenAI's SDK send them, and as their providers answer.
ASKED = (
    ("host", "127.0.0.1:1234"), ("connection", "keep-alive"), ("accept", "application/json"),
    ("accept-language", "*"), ("sec-fetch-mode", "cors"), ("user-agent", "claude-cli/2.1.0 (external, cli)"),
    ("content-type", "application/json"), ("x-app", "cli"), ("x-stainless-lang", "js"), ("x-stainless-os", "Linux"),
    ("x-stainless-package-version", "0.70.0"), ("x-stainless-runtime", "node"), ("x-stainless-arch", "x64"),
    ("x-stainless-runtime-version", "v24.3.0"), ("anthropic-version", "2023-06-01"),
    ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"),
    ("accept-encoding", "gzip, deflate, br"), ("authorization", "Bearer sk-…masked"), ("content-length", "48211"),
)  # fmt: skip
ANSWERED = (
    ("date", "Mon, 30 Nov 2026 09:00:00 GMT"), ("content-type", "text/event-stream; charset=utf-8"),
    ("transfer-encoding", "chunked"), ("cache-control", "no-cache"), ("server", "cloudflare"),
    ("x-ratelimit-limit-requests", "4000"), ("x-ratelimit-remaining-requests", "3999"),
    ("x-ratelimit-reset-requests", "15ms"), ("strict-transport-security", "max-age=31536000"),
)  # fmt: skip


def vocabulary(size: int = 20_000) -> list[str]:
    """Different words, the same each time: words of syllables, as people's are, so that many begin alike."""
    numbers = random.Random(7)  # nosec B311 - made words
    syllables = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
    found = dict.fromkeys("".join(numbers.choices(syllables, k=numbers.randrange(2, 5))) for _ in range(2 * size))
    return list(found)[:size]


VOCABULARY = vocabulary()
# As often as words of a language are: the second half as often as the first, and so on.
_SHARES = list(accumulate(1 / (rank + 3) for rank in range(len(VOCABULARY))))


def records(rows: int, days: float, now: float, body: int, beginning: int = 0) -> Iterator[Record]:
    """Oldest first. `body`: bytes of the two bodies of a request together, about."""
    numbers = random.Random(1 + beginning)  # nosec B311 - made traffic
    for number in range(beginning, rows):
        # Each token has its agent, some models that it uses most, and a few layers that decide for it.
        team = min(int(numbers.expovariate(0.3)), len(TOKENS) - 1)
        server, model = MODELS[(team + min(int(numbers.expovariate(0.8)), 7)) % len(MODELS)]
        layer = LAYERS[(team + (numbers.random() < 0.2)) % (len(LAYERS) - 1)]
        outcome = numbers.choice(OUTCOMES)
        cached = outcome == "ok" and numbers.random() < 0.04
        taken, made = int(numbers.lognormvariate(8.5, 1.2)), int(numbers.lognormvariate(5.5, 1.0))
        ttft = numbers.lognormvariate(6.2, 0.6)
        duration = ttft + made * numbers.uniform(8, 22)
        started = now - days * DAY * (1 - number / rows) - 1
        agent = AGENTS[team % len(AGENTS)]
        known = outcome == "ok"
        text = _body(numbers, body) if body else b""
        yield Record(
            id=f"{numbers.getrandbits(128):032x}", started_at=started, duration_ms=duration, method="POST",
            path="/v1/messages?beta=true" if agent == "claude-code" else "/v1/chat/completions",
            client=f"10.0.0.{numbers.randrange(40)}", dialect="openai", operation="chat",
            requested_model=numbers.choice(("auto", model)), layer="exact_cache" if cached else layer,
            route=f"rule {numbers.randrange(8)}", server=server, model=model, status=STATUSES[outcome],
            outcome="cached" if cached else outcome, streamed=numbers.random() < 0.8,
            error=None if known else "the upstream answered 429: rate limit reached for requests", overhead_ms=0.7,
            ttft_ms=ttft if known else None, tokens_per_second=1000 * made / duration if known else None,
            input_tokens=taken if known else None, output_tokens=made if known else None,
            cached_tokens=int(taken * numbers.random()) if known else None,
            reasoning_tokens=made // 3 if known and number % 4 == 0 else None, finish_reason="stop" if known else None,
            cache="hit" if cached else "miss", saved_ms=duration if cached else None, token=TOKENS[team],
            token_id=TOKEN_ID, cost=taken * 2 + made * 9 if known else None, saved_cost=100 if cached else None,
            asked=" ".join(numbers.choices(VOCABULARY, cum_weights=_SHARES, k=WORDS)),
            agent=agent, session=f"{number // 40:032x}", request_headers=ASKED, response_headers=ANSWERED,
            request_body=text[: len(text) * 3 // 4] or None, response_body=text[len(text) * 3 // 4 :] or None,
            attempts=_attempts(server, model, started, duration, outcome), trace=_trace(model),
        )  # fmt: skip


def _attempts(server: str, model: str, at: float, duration: float, outcome: str) -> tuple[AttemptRecord, ...]:
    good = outcome in ("ok", "cancelled")
    url = f"https://{server}.example/v1/chat/completions"
    one = AttemptRecord(
        1, server, model, url, at + 0.001, duration - 1, 200 if good else 429, "ok" if good else "status"
    )
    return (replace(one, error=None if good else "the upstream answered 429", first_byte_ms=200.0),)


def _trace(model: str) -> tuple[dict[str, object], ...]:
    empty = {"score": None, "elapsed_ms": 0.01, "earlier": None}
    return (
        {"layer": "exact_cache", "outcome": "miss", "detail": "not answered before", **empty},
        {"layer": "route", "outcome": "hit", "detail": f"rule coding matches: {model}", **empty},
    )


def _body(numbers: random.Random, size: int) -> bytes:
    words = " ".join(f"{numbers.getrandbits(28):x}" for _ in range(size // 8))
    return json.dumps({"messages": [{"role": "user", "content": words}]}).encode()


def fill(store: Store, rows: int, days: float, body: int, now: float) -> float:
    """Write them; how many a second. Other processes make the rows while this one writes those before."""
    began = time.perf_counter()
    makers = max(1, (os.cpu_count() or 2) - 1)
    waiting: deque[Future[list[Prepared]]] = deque()
    parts = iter(range(0, rows, AT_ONCE))
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(makers, context) as pool,
        tqdm(total=rows, desc="Rows", unit=" rows", disable=None) as bar,
    ):
        while True:
            for first in islice(parts, 2 * makers + 1 - len(waiting)):
                waiting.append(pool.submit(_make, rows, days, now, body, first))
            if not waiting:
                break
            some = waiting.popleft().result()
            _write(store, some)
            bar.update(len(some))
    make_pieces(store.engine, Event(), pause=0)
    return rows / (time.perf_counter() - began)


def _make(rows: int, days: float, now: float, body: int, first: int) -> list[Prepared]:
    made = [prepare(one, 10_000_000, searched=True) for one in islice(records(rows, days, now, body, first), AT_ONCE)]
    pack([body for item in made for body in item.bodies])
    return made


def _write(store: Store, prepared: list[Prepared]) -> None:
    bodies = {body.digest: body for item in prepared for body in item.bodies}
    rows = [item.row for item in prepared]
    with writing(store.engine) as conn:
        kept = [blob_row(body, rows[-1]["started_at"], INLINE_BYTES) for body in bodies.values()]
        for row in kept:
            if row["data"] is None:
                store.blobs.put(row["hash"], bodies[row["hash"]].packed or b"")
        if kept:
            insert_rows(conn, blobs, kept)
            add_to_total(conn, BLOB_BYTES, sum(row["stored_size"] for row in kept))
            add_to_total(conn, FILE_BYTES, sum(row["stored_size"] for row in kept if row["data"] is None))
        insert_rows(conn, requests, packed_rows(rows))
        add(conn, rows, time.time())
        add_to_sessions(conn, rows)
        add_words(conn, prepared)
        add_to_total(conn, ROW_BYTES, sum(row["stored_size"] for row in rows))
        insert_rows(conn, attempts, [attempt for item in prepared for attempt in item.attempts])


def bytes_of(folder: Path) -> int:
    """What the database takes, without its write-ahead log."""
    return (folder / "requests.db").stat().st_size
