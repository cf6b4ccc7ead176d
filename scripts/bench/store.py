"""How many requests per second the log's writer keeps up with, beside what the database alone could.

    scripts/bench/store.py [--records 10000] [--body 2048] [--busy] [--no-words] [--url postgresql+psycopg://...]

`--busy` keeps the main thread at work as a loaded event loop does (small socket writes and reads, Python between them),
for the writer shares the interpreter with it. `--no-words` is FULL_TEXT=false.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import tempfile
import time
from pathlib import Path

from sqlalchemy import insert

from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.store import open_store
from switchman.addons.store.database import writing
from switchman.addons.store.keeping.logsize import log_bytes
from switchman.addons.store.rows import prepare
from switchman.addons.store.tables import attempts, requests

HEADERS = tuple((f"x-header-{n}", "a value of usual length") for n in range(12))


def make_record(number: int, body: int) -> Record:
    words = random.Random(number)  # nosec B311  # the same words each time

    def text() -> bytes:
        # As words of a language are used: few of them often, most of them seldom.
        return " ".join(f"{round(words.paretovariate(0.6)) % 60_000:x}" for _ in range(body // 4)).encode()[:body]

    prompt = text()

    now = 1_700_000_000.0 + number / 1000
    tried = AttemptRecord(1, "gpu", "llama3", "http://gpu:8000/v1/chat/completions", now, 900.0, 200, "ok", None, 80.0)
    return Record(
        id=f"{words.getrandbits(128):032x}",
        started_at=now,
        duration_ms=900.0,
        method="POST",
        path="/v1/chat/completions",
        client="127.0.0.1",
        dialect="openai",
        operation="chat",
        requested_model="small",
        layer="alias",
        route="small",
        server="gpu",
        model="llama3",
        status=200,
        outcome="ok",
        streamed=True,
        overhead_ms=0.4,
        ttft_ms=80.0,
        input_tokens=300,
        output_tokens=200,
        request_headers=HEADERS,
        response_headers=HEADERS,
        asked=prompt.decode(),
        request_body=b'{"messages":[{"role":"user","content":"%b"}]}' % prompt,
        response_body=b'{"choices":[{"message":{"content":"%b"}}]}' % text(),
        attempts=(tried,),
        trace=({"layer": "alias", "outcome": "hit", "detail": "small"},),
    )


def plain(records: list[Record], folder: Path, url: str | None) -> float:
    """Rows per second of executemany alone: the same rows in the same batches, no bodies, rows made beforehand."""
    prepared = [prepare(record, 10**7) for record in records]
    with open_store(url=url, db_path=folder / "plain.db", blob_path=folder / "plain") as store:
        began = time.perf_counter()
        for at in range(0, len(prepared), 200):
            with writing(store.engine) as conn:
                conn.execute(insert(requests), [item.row for item in prepared[at : at + 200]])
                conn.execute(insert(attempts), [row for item in prepared[at : at + 200] for row in item.attempts])
        return len(records) / (time.perf_counter() - began)


def written(
    records: list[Record], folder: Path, url: str | None, busy: bool, words: bool
) -> tuple[float, float, float, float]:
    """Rows/s of the writer, microseconds of a put(), its CPU microseconds per record, turns/s of a busy loop."""
    with open_store(url=url, db_path=folder / "log.db", blob_path=folder / "blobs", full_text=words) as store:
        writer = store.writer()
        began, cpu, turns, put = time.perf_counter(), time.process_time(), 0, 0.0
        ends = socket.socketpair()
        for record in records:
            while writer.waiting > 5_000:
                turns += turn(ends, busy)
            start = time.perf_counter()
            writer.put(record)
            put += time.perf_counter() - start
        while writer.waiting or writer.counts.written + writer.counts.failed < len(records):
            turns += turn(ends, busy)
        took = time.perf_counter() - began
        cost = time.process_time() - cpu
        assert writer.counts.written == len(records), writer.counts
        for end in ends:
            end.close()
        with store.engine.connect() as conn:
            print(f"the log's database {log_bytes(conn) / len(records):.0f} bytes a record, small bodies included")
        return len(records) / took, 1e6 * put / len(records), 1e6 * cost / len(records), turns / took


def turn(ends: tuple[socket.socket, socket.socket], busy: bool) -> int:
    """About what an event loop does for a chunk: a write, a read, some Python; or, not busy, a nap."""
    if not busy:
        time.sleep(0.001)
        return 0
    ends[0].send(b"x" * 200)
    ends[1].recv(4096)
    sum(range(2_000))
    return 1


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--records", type=int, default=10_000)
    options.add_argument("--body", type=int, default=2_048, help="bytes of each of the two bodies")
    options.add_argument("--busy", action="store_true")
    options.add_argument("--no-words", action="store_true")
    options.add_argument("--url", help="DATABASE_URL of an empty database; only the writer is measured there")
    given = options.parse_args()
    records = [make_record(number, given.body) for number in range(given.records)]
    with tempfile.TemporaryDirectory(prefix="switchman-bench-") as folder:
        if not given.url:
            print(f"plain executemany {plain(records, Path(folder), None):8.0f} rows/s (no bodies)")
        rate, put, cpu, turns = written(records, Path(folder), given.url, given.busy, not given.no_words)
        print(f"writer            {rate:8.0f} rows/s, {cpu:.0f} us CPU each, put() {put:.1f} us")
        if given.busy:
            print(f"busy main thread  {turns:8.0f} turns/s beside it, on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
