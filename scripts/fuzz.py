"""Fuzz a real router process over real sockets, and look whether it stays whole.

For each case (fuzz_cases.py) a client sends its request, and the server answers what the case says. It fails:

traceback    something that looks like a defect in the router's own output
hang         a plain request beside it waits for a second in which the router had a processor, whether it computed or
             slept; or a connection never ends
memory       the router's RSS grows with the number of cases, after a warm-up
row          an answer of which the log has no row: by its request's id, and by number where it says none
answer       bytes that are no HTTP, follow an answer, or have no request's id; an error of the router's own that is not
             in the client's dialect, or a translated stream that does not consist of its dialect's events

The case is then made as small as it stays failing, and written to a file for --replay. Exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from fuzz_cases import Case, Maker
from fuzz_corpus import recorded
from fuzz_replies import Failure, check_reply, read_reply
from fuzz_router import Router, Upstream

AT_ONCE: Final = 4  # connections
BATCH: Final = 250  # cases between two looks at the rows and the memory
HANG: Final = 1.0  # seconds that one plain request may wait, but for those in which the machine was busy with others
ENDLESS: Final = 60.0  # seconds on the clock after which a connection that has not ended never will
ROW_WAIT = 60.0  # seconds on the clock in which the row of an answer is to come
WARM_UP: Final = 2_000  # cases
GROWTH: Final = 48 * 2**20  # bytes by which the RSS may drift in the second half
# A body of 20 MB becomes objects among which others come to lie that last a little longer. So not all that was taken
# for it is given back; it is used again. That is a step, of which there are ever fewer; a leak is a bit more each time.
STEP: Final = 8 * 2**20  # bytes between two looks
MOST: Final = 640 * 2**20  # bytes of RSS, whatever steps led there: MAX_BODY_MEMORY, and what is there at the start
SHRINKS: Final = 150  # runs that making a case smaller may take


class Fuzzer:
    """Runs cases against one router."""

    def __init__(self, router: Router, upstream: Upstream) -> None:
        self.router, self.upstream = router, upstream
        self.ids: set[str] = set()  # of answers, whose rows are looked for after each batch
        self.nameless = 0  # answers without an id: of requests that could not be read
        self.rows: set[str] = set()  # the ids of all rows that were seen
        self.answers = 0

    async def run(self, number: int, case: Case) -> None:
        """Raises Failure."""
        self.upstream.cases[number] = self.upstream.latest = case
        try:
            async with asyncio.timeout(ENDLESS):
                await self._exchange(case)
        except TimeoutError:
            raise Failure(f"hang: the connection did not end within {ENDLESS:g} s") from None
        except Failure as failure:
            failure.case = case
            raise
        finally:
            self.upstream.cases.pop(number, None)
        self.router.check_output()

    async def _exchange(self, case: Case) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.router.port, limit=2**22)
        try:
            with contextlib.suppress(ConnectionError):
                for piece in case.request:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
            waiting = asyncio.ensure_future(read_reply(reader))
            if not case.good_http:
                await asyncio.wait([waiting], timeout=0.3)
                if not waiting.done():
                    with contextlib.suppress(OSError):
                        writer.write_eof()  # there may be no end of the request in it
            reply = await waiting
            if reply is None:
                if case.good_http:
                    raise Failure("answer: none at all")
                return
            self.answers += 1
            if id := reply.fields.get("x-switchman-request-id"):
                self.ids.add(id)
            else:
                self.nameless += 1
            check_reply(case, reply)
            if case.good_http and reply.complete:
                await self._nothing_follows(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _nothing_follows(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            if writer.can_write_eof():
                writer.write_eof()
            if more := await reader.read(-1):
                raise Failure(f"answer: more bytes than one: {more[:500]!r}")

    async def probe(self, over: asyncio.Event) -> None:
        """Asks for the health until `over`, and then once more. Raises Failure where that waits for the router.

        On one connection: on a busy machine a new one for each look would cost more than the cases.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.router.port)
        try:
            last = False
            while not last:
                last = over.is_set()
                begun, hindered = time.monotonic(), self.router.hindered()
                writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                try:
                    async with asyncio.timeout(ENDLESS):
                        reply = await read_reply(reader)
                except TimeoutError:
                    raise Failure(f"hang: /healthz did not answer within {ENDLESS:g} s") from None
                if reply is None or reply.status != 200:
                    raise Failure(f"answer: /healthz has no good one: {reply}")
                took = time.monotonic() - begun
                if took - (self.router.hindered() - hindered) > HANG:
                    raise Failure(f"hang: /healthz waited for {took:.1f} s, though the router had a processor")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), 0.1)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def check_rows(self) -> None:
        """Raises Failure for an answer without a row."""
        end = time.monotonic() + ROW_WAIT
        while True:
            self.rows |= self.router.new_rows()
            missing = self.ids - self.rows
            lacking = self.nameless - len(self.rows - self.ids)
            if not missing and lacking <= 0:
                return
            if time.monotonic() > end:
                told = f"such as {sorted(missing)[0]}" if missing else "all without an id"
                raise Failure(f"row: none for {max(len(missing), lacking)} of {self.answers} answers, {told}")
            await asyncio.sleep(0.2)

    async def batch(self, cases: dict[int, Case]) -> None:
        """Runs these cases, AT_ONCE at a time. Raises Suspicion, with those that ran when a failure was seen."""
        over, left = asyncio.Event(), list(reversed(cases.items()))
        running: dict[int, tuple[int, Case]] = {}

        async def work(lane: int) -> None:
            while left:
                running[lane] = left.pop()
                await self.run(*running[lane])
                del running[lane]

        async def all_work() -> None:
            async with asyncio.TaskGroup() as group:
                for lane in range(AT_ONCE):
                    group.create_task(work(lane))

        tasks = [asyncio.create_task(all_work()), asyncio.create_task(self.probe(over))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        suspects = dict(running.values())
        over.set()
        if not tasks[0].done():
            tasks[0].cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            found = result.exceptions[0] if isinstance(result, BaseExceptionGroup) else result
            if isinstance(found, Failure):
                raise Suspicion(str(found), {0: found.case} if found.case else suspects)
            if found is not None and not isinstance(found, asyncio.CancelledError):
                raise found
        try:
            self.router.check_output()
            await self.check_rows()
        except Failure as error:
            raise Suspicion(str(error), cases) from None


class Suspicion(Exception):
    """A failure, and the cases of which one is to blame."""

    def __init__(self, message: str, suspects: dict[int, Case]) -> None:
        super().__init__(message)
        self.suspects = suspects


class Retrial:
    """Runs cases alone, in one router for as long as it stays whole."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._fuzzer: Fuzzer | None = None
        self._number = 0

    async def failure(self, case: Case) -> str:
        """What goes wrong with this case; "" for nothing."""
        if self._fuzzer is None:
            upstream = Upstream()
            await upstream.start()
            self._folder = tempfile.TemporaryDirectory()
            self._fuzzer = Fuzzer(Router(Path(self._folder.name), upstream.port), upstream)
        self._number += 1
        try:
            await self._fuzzer.batch({self._number: _numbered(case, self._number)})
        except Suspicion as error:
            if not str(error).startswith("answer"):
                await self.stop()
            return str(error)
        return ""

    async def smallest(self, case: Case, kind: str) -> Case:
        """The case with all left out that it does not need to fail in this way."""
        left = SHRINKS
        for part in ("answer", "request"):
            data: bytes = b"".join(getattr(case, part))
            # Without its head the request would get no answer, as if that were the fault.
            begin = data.find(b"\r\n\r\n") + 4 if part == "request" and case.good_http else 0
            size = len(data) - begin
            while size >= 1 and left > 0:
                at = begin
                while at < len(data) and left > 0:
                    left -= 1
                    shorter = _with(case, part, data[:at] + data[at + size :])
                    if (await self.failure(shorter)).startswith(kind):
                        case, data = shorter, data[:at] + data[at + size :]
                    else:
                        at += size
                size = 0 if size == 1 else max(1, size // 4)
        return case

    async def stop(self) -> None:
        if self._fuzzer is not None and self._folder is not None:
            self._fuzzer.router.stop()
            await self._fuzzer.upstream.stop()
            self._folder.cleanup()
        self._fuzzer = self._folder = None


def _with(case: Case, part: str, data: bytes) -> Case:
    """The case with other bytes; the length in the request's head is that of what follows it."""
    if part == "request" and case.good_http:
        head, end, body = data.partition(b"\r\n\r\n")
        data = re.sub(rb"(?i)content-length: *\d+", b"Content-Length: %d" % len(body), head) + end + body
    return replace(case, request=[data]) if part == "request" else replace(case, answer=[data])


def _numbered(case: Case, number: int) -> Case:
    """The case with another number in its request, which the server knows it by."""
    request = [re.sub(rb"X-Case: \d+", b"X-Case: %d" % number, piece) for piece in case.request]
    return replace(case, request=request)


async def blame(error: Suspicion, shrink: bool) -> Case | None:
    """The case among the suspects that fails alone, made small; where none does, the only suspect as it is, or None."""
    kind, what, *_ = str(error).split(":")
    if kind == "answer":
        kind = f"{kind}:{what}"  # other faults of an answer are other faults
    if len(error.suspects) > AT_ONCE:
        return None
    retrial = Retrial()
    try:
        for case in error.suspects.values():
            if (await retrial.failure(case)).startswith(kind):
                return await retrial.smallest(case, kind) if shrink else case
    finally:
        await retrial.stop()
    return next(iter(error.suspects.values())) if len(error.suspects) == 1 else None


async def replay(case: Case) -> str:
    """What goes wrong with this case alone."""
    retrial = Retrial()
    try:
        return await retrial.failure(case)
    finally:
        await retrial.stop()


def grown(sizes: list[int]) -> int:
    """Bytes by which the RSS drifted in the second half of these looks at it: the sum of all changes but for steps."""
    half = sizes[len(sizes) // 2 :]
    return sum(after - before for before, after in pairwise(half) if abs(after - before) < STEP)


async def fuzz(seed: int, start: int, count: int, folder: Path, *, shrink: bool = True) -> tuple[str, Case | None]:
    """Runs `count` cases. What failed, and the case if it is known; "" for nothing."""
    streams = os.environ.get("RECORDED_STREAMS")
    maker = Maker(seed, recorded(Path(streams)) if streams else {})
    upstream = Upstream()
    await upstream.start()
    router = Router(folder, upstream.port)
    fuzzer = Fuzzer(router, upstream)
    sizes: list[int] = []
    try:
        for at in range(start, start + count, BATCH):
            await fuzzer.batch({n: maker.case(n) for n in range(at, min(at + BATCH, start + count))})
            done = min(at + BATCH, start + count) - start
            if done >= WARM_UP:
                sizes.append(router.rss())
            told = f"{done} of {count} cases, {fuzzer.answers} answers, {router.rss() >> 20} MB, {router.cpu():.0f} s"
            print(told, end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)
        if len(sizes) >= 8 and (grown(sizes) > GROWTH or sizes[-1] > MOST):
            told = (
                f"memory: drifted by {grown(sizes) >> 20} MB in the second half, MB: {[size >> 20 for size in sizes]}"
            )
            return told, None
    except Suspicion as error:
        router.stop()
        return str(error), await blame(error, shrink)
    finally:
        router.stop()
        await upstream.stop()
    return "", None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Fuzz a router over real sockets.")
    parser.add_argument("--count", type=int, default=1000, help="how many cases. Default: 1000")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other cases. Default: 1")
    parser.add_argument("--start", type=int, default=0, help="the number of the first case. Default: 0")
    parser.add_argument("--replay", type=Path, help="run the case in this file, and no other")
    parser.add_argument("--into", type=Path, default=Path("fuzz-case.json"), help="where a case that fails is written")
    given = parser.parse_args(arguments)
    if given.replay is not None:
        found = asyncio.run(replay(Case.from_json(given.replay.read_text())))
        print(found or "This case does no harm.")
        return 1 if found else 0
    with tempfile.TemporaryDirectory() as folder:
        found, case = asyncio.run(fuzz(given.seed, given.start, given.count, Path(folder)))
    if not found:
        print(f"{given.count} cases of seed {given.seed}: no traceback, hang, growth, missing row or invalid answer.")
        return 0
    print(f"seed {given.seed}: {found}")
    if case is not None:
        given.into.write_text(case.to_json())
        print(f"The case ({case.name}, mutated: {case.mutated}) is in {given.into}: scripts/fuzz --replay {given.into}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
