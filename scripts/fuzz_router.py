"""The router that is fuzzed, a process of its own with a log of its own, and the server that it asks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from fuzz_cases import Case
from fuzz_replies import Failure

from switchman.addons.serving.ports import reserve

ROOT: Final = Path(__file__).resolve().parents[1]
TROUBLE: Final = ("Traceback", "has crashed", "Addon error", "Task exception", "never retrieved", "Logging error")


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
                # -O as `serve` has it: mitmproxy's checks of each message leave cycles behind them that hold its body.
                [sys.executable, "-O", "-m", "switchman.addons.serving.worker", "--confdir", str(folder / "mitmproxy")],
                stdin=subprocess.PIPE, stdout=output, stderr=output, env=env, cwd=ROOT,
            )  # fmt: skip
        self._wait_ready()
        self._seen = self._last = 0

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
            with self.output.open("rb") as output:  # not all of it for each case: it becomes many megabytes
                output.seek(self._seen)
                data = output.read()
            self._seen += len(data)
            new = data.decode(errors="replace")
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

    def hindered(self) -> float:
        """Seconds in which the router, or this process, wanted a processor and had none, or this process computed. They
        are counted from some time on: it is their growth that says how long an answer took for no fault of the router.
        """
        waited = 0.0
        for pid in (self.process.pid, os.getpid()):  # its main thread, which has the event loop
            spent, queued, _ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
            waited += int(queued) / 1e9 + (int(spent) / 1e9 if pid == os.getpid() else 0)
        return waited

    def new_rows(self) -> set[str]:
        """The ids of the rows that have come since the last call."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder / 'requests.db'}?mode=ro", uri=True)) as log:
            found = log.execute("select seq, id from requests where seq > ? order by seq", [self._last]).fetchall()
        self._last = found[-1][0] if found else self._last
        return {id for _, id in found}

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
