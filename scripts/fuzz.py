"""Fuzz a real router process over real sockets, and look whether it stays whole.

For each case (fuzz_cases.py) a client sends its request, and the server answers what the case says. It fails:

traceback    something that looks like a defect in the router's own output
hang         a plain request beside it waits while the router computes for a second, or a connection that never ends
memory       the router's RSS grows with the number of cases, after a warm-up
row          an answer with a request's id of which the log has no row
answer       bytes that are no HTTP, an error of the router's own that is not in the client's dialect, or a translated
             stream that does not consist of its dialect's events

The case is then made as small as it stays failing, and written to a file for --replay. Exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from fuzz_cases import Case, Maker
from fuzz_corpus import recorded

from switchman.addons.serving.ports import reserve

ROOT: Final = Path(__file__).resolve().parents[1]
TROUBLE: Final = ("Traceback", "has crashed", "Addon error", "Task exception", "never retrieved", "Logging error")
AT_ONCE: Final = 4  # connections
BATCH: Final = 250  # cases between two looks at the rows and the memory
HANG: Final = 1.0  # seconds that the router may compute while one plain request waits
ENDLESS: Final = 60.0  # seconds on the clock after which a connection that has not ended never will
WARM_UP: Final = 2_000  # cases
GROWTH: Final = 8_000  # bytes of RSS that a case may leave behind, measured over the second half
SHRINKS: Final = 150  # runs that making a case smaller may take
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d) ?[\t\x20-\x7e]*")
_FIELD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")


class Failure(Exception):
    """What went wrong, in words; the first one is its kind. `case`: the one that showed it, where that is known."""

    case: Case | None = None


@dataclass(slots=True)
class Reply:
    """One answer. `complete`: its framing came to its end."""

    status: int
    fields: dict[str, str]
    body: bytes
    complete: bool


class Upstream:
    """A server that answers each request with the bytes of its case, and closes where they are not well framed."""

    def __init__(self) -> None:
        self.cases: dict[int, Case] = {}
        self.latest: Case | None = None
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            number = re.search(rb"(?i)\r\nx-case: *(\d+)", head)
            case = self.cases.get(int(number[1]) if number else -1) or self.latest
            for piece in case.answer if case and not head.startswith(b"GET") else [b"HTTP/1.1 404 No\r\n\r\n"]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)


class Router:
    """A worker process with a log of its own."""

    def __init__(self, folder: Path, upstream_port: int) -> None:
        self.folder, self.output = folder, folder / "output.txt"
        self.port, self._held = reserve("127.0.0.1", 0)
        servers = {"op": "openai", "ol": "ollama", "an": "anthropic"}
        lines = [
            f"  {name}: {{url: 'http://127.0.0.1:{upstream_port}', dialect: {dialect}, timeout: {{idle: 2}}}}"
            for name, dialect in servers.items()
        ]
        (folder / "routes.yaml").write_text("\n".join(["servers:", *lines, ""]))
        env = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        env |= {
            "LISTEN_PORT": str(self.port), "ROUTES_CONFIG": str(folder / "routes.yaml"),
            "DB_PATH": str(folder / "requests.db"), "BLOB_STORAGE_PATH": str(folder / "blobs"), "DEFAULT_UPSTREAM": f"http://127.0.0.1:{upstream_port}",
            "BODY_TIMEOUT": "2", "REQUEST_TIMEOUT": "20", "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(  # nosec B603  # our own module
                [sys.executable, "-m", "switchman.addons.serving.worker", "--confdir", str(folder / "mitmproxy")],
                stdin=subprocess.PIPE, stdout=output, stderr=output, env=env, cwd=ROOT,
            )  # fmt: skip
        self._wait_ready()
        self._seen = 0

    def _wait_ready(self) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            if re.search(r"(?m)^ready$", self._text()):
                return
            time.sleep(0.05)
        raise SystemExit(f"The router did not start:\n{self._text()}")

    def _text(self) -> str:
        return self.output.read_text(errors="replace")

    def check_output(self) -> None:
        if self.process.poll() is not None:
            raise Failure(f"traceback: the router has ended with {self.process.returncode}:\n{self._text()[-4000:]}")
        if self.output.stat().st_size > self._seen:
            new = self._text()[self._seen :]
            self._seen += len(new)
            if any(sign in new for sign in TROUBLE):
                raise Failure(f"traceback: {new[-4000:]}")

    def cpu(self) -> float:
        """Seconds that it has computed."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self) -> int:
        """Bytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0

    def ids(self) -> set[str]:
        """The ids of all rows."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder / 'requests.db'}?mode=ro", uri=True)) as log:
            return {row[0] for row in log.execute("select id from requests")}

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        self._held.close()


async def read_reply(reader: asyncio.StreamReader) -> Reply | None:
    """The next answer; None where the connection ends instead. Raises Failure for what is no HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Failure(f"answer: the head is cut: {error.partial[:500]!r}") from None
        return None
    except ConnectionError:
        return None
    first, *lines = head[:-4].split(b"\r\n")
    if first.startswith((b"HTTP/1.1 100 ", b"HTTP/1.1 101 ")):
        return await read_reply(reader) if b" 100 " in first[:13] else None
    found = _STATUS.fullmatch(first)
    if found is None or not all(_FIELD.fullmatch(line) for line in lines):
        raise Failure(f"answer: no HTTP: {head[:1000]!r}")
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() in ("content-length", "transfer-encoding") and name.lower() in fields:
            raise Failure(f"answer: two lengths: {head[:1000]!r}")
        fields[name.lower()] = value.strip()
    if "content-length" in fields and "transfer-encoding" in fields:
        raise Failure(f"answer: a length and a coding: {head[:1000]!r}")
    body, complete = await _read_body(reader, fields, int(found[1]))
    return Reply(int(found[1]), fields, body, complete)


async def _read_body(reader: asyncio.StreamReader, fields: dict[str, str], status: int) -> tuple[bytes, bool]:
    body = b""
    try:
        if status in (204, 304):
            return b"", True
        if "content-length" in fields:
            return await reader.readexactly(int(fields["content-length"])), True
        if "transfer-encoding" not in fields:
            return await reader.read(-1), True
        while True:
            line = await reader.readuntil(b"\r\n")
            if not re.fullmatch(rb"[0-9a-f]+\r\n", line):
                raise Failure(f"answer: a chunk's line is {line[:100]!r}")
            data = await reader.readexactly(int(line, 16) + 2)
            if not data.endswith(b"\r\n"):
                raise Failure("answer: a chunk does not end")
            if len(data) == 2:
                return body, True
            body += data[:-2]
    except asyncio.IncompleteReadError as error:
        return body + error.partial, False
    except ConnectionError:
        return body, False


def check_reply(case: Case, reply: Reply) -> None:
    """Raises Failure for an answer that the client's library could not read."""
    own = int(reply.fields.get("x-switchman-attempts", "0") or 0) == 0 or "x-switchman-request-id" not in reply.fields
    if reply.status >= 400 and (own or reply.status in (502, 504)):
        _check_error(case, reply)
    if case.dialect == case.server or reply.status >= 400 or "x-switchman-target" not in reply.fields:
        return
    if not re.match(r"(op|ol|an)/", reply.fields["x-switchman-target"]):
        return  # a mutated name: another server
    if not case.server.startswith(reply.fields["x-switchman-target"][:2]):
        return
    kind = reply.fields.get("content-type", "")
    if kind.startswith("text/event-stream"):
        lines = [line[6:] for line in reply.body.split(b"\n") if line.startswith(b"data: ")]
        _check_json([line for line in lines if line != b"[DONE]"], reply)
    elif "ndjson" in kind:
        _check_json([line for line in reply.body.split(b"\n") if line], reply)
    elif kind.startswith("application/json"):
        _check_json([reply.body], reply)
    if not reply.complete and case.good_http:  # else the client itself may have closed
        raise Failure(f"answer: a translated answer is cut: {reply.body[-500:]!r}")


def _check_json(texts: list[bytes], reply: Reply) -> None:
    for text in texts:
        try:
            whole = isinstance(json.loads(text), dict)
        except ValueError:
            whole = False
        if not whole:
            raise Failure(f"answer: no object of its dialect: {text[:500]!r} in {reply.body[-1500:]!r}")


def _check_error(case: Case, reply: Reply) -> None:
    try:
        value = json.loads(reply.body)
        error = value["error"]
        if case.path.startswith("/api/"):
            good = isinstance(error, str)
        elif case.path.startswith("/v1/messages"):
            good = value["type"] == "error" and isinstance(error["message"], str)
        else:
            good = isinstance(error["message"], str) and "type" in error
    except (ValueError, KeyError, TypeError):
        good = False
    # Of a request whose line is mutated nobody can say which dialect it was in.
    if not good and case.good_http:
        raise Failure(f"answer: no error of its dialect: {reply.status} {reply.body[:500]!r}")


class Fuzzer:
    """Runs cases against one router."""

    def __init__(self, router: Router, upstream: Upstream) -> None:
        self.router, self.upstream = router, upstream
        self.ids: set[str] = set()  # of answers whose rows have not been looked for
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
            check_reply(case, reply)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def probe(self, over: asyncio.Event) -> None:
        """Asks for the health again and again. Raises Failure where that waits while the router computes."""
        while not over.is_set():
            begun = self.router.cpu()
            reader, writer = await asyncio.open_connection("127.0.0.1", self.router.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            try:
                async with asyncio.timeout(ENDLESS):
                    await reader.read(-1)
            except TimeoutError:
                raise Failure(f"hang: /healthz did not answer within {ENDLESS:g} s") from None
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            if (took := self.router.cpu() - begun) > HANG:
                raise Failure(f"hang: the router computed for {took:.1f} s while /healthz waited")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.1)

    async def check_rows(self) -> None:
        """Raises Failure for an answer without a row."""
        end = time.monotonic() + ENDLESS
        while missing := self.ids - self.router.ids():
            if time.monotonic() > end:
                raise Failure(f"row: none for {len(missing)} of {len(self.ids)} answers, such as {sorted(missing)[0]}")
            await asyncio.sleep(0.2)
        self.ids.clear()

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
            size = len(data)
            while size >= 1 and left > 0:
                at = 0
                while at < len(data) and left > 0:
                    left -= 1
                    shorter = _with(case, part, data[:at] + data[at + size :])
                    if (await self.failure(shorter)).startswith(kind):
                        case, data = shorter, data[:at] + data[at + size :]
                    else:
                        at += size
                size //= 4
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
    kind = str(error).partition(":")[0]
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


def grown(sizes: list[tuple[int, int]]) -> float:
    """Bytes of RSS that each case left behind, by the second half of (cases, bytes): between its thirds' least."""
    half = sizes[len(sizes) // 2 :]
    third = len(half) // 3
    if not third:
        return 0.0
    first, last = min(half[:third], key=lambda one: one[1]), min(half[-third:], key=lambda one: one[1])
    return (last[1] - first[1]) / max(1, last[0] - first[0])


async def fuzz(seed: int, start: int, count: int, folder: Path, *, shrink: bool = True) -> tuple[str, Case | None]:
    """Runs `count` cases. What failed, and the case if it is known; "" for nothing."""
    streams = os.environ.get("RECORDED_STREAMS")
    maker = Maker(seed, recorded(Path(streams)) if streams else {})
    upstream = Upstream()
    await upstream.start()
    router = Router(folder, upstream.port)
    fuzzer = Fuzzer(router, upstream)
    sizes: list[tuple[int, int]] = []
    try:
        for at in range(start, start + count, BATCH):
            await fuzzer.batch({n: maker.case(n) for n in range(at, min(at + BATCH, start + count))})
            done = min(at + BATCH, start + count) - start
            if done >= WARM_UP:
                sizes.append((done, router.rss()))
            told = f"{done} of {count} cases, {fuzzer.answers} answers, {router.rss() >> 20} MB, {router.cpu():.0f} s"
            print(told, end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)
        if len(sizes) >= 8 and grown(sizes) > GROWTH:
            return f"memory: {grown(sizes):.0f} bytes for each case", None
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
