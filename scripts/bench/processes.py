"""The processes that are compared: how each is started, found ready, and measured (Linux: /proc)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_PATIENCE = 60.0
TICKS = os.sysconf("SC_CLK_TCK")
BIN = Path(sys.executable).parent
ALIAS = 'aliases: {bench: {instances: ["up/model-x"]}}\n'
STRIPS = {"ENABLE_LOGGING": "true", "STRIP_THINKING": "true"}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> dict[str, float]:
    """Resident and proportional set size in MiB."""
    kib = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split()[:2]
        kib[name] = int(value)
    return {"rss_mib": kib["Rss:"] / 1024, "pss_mib": kib["Pss:"] / 1024}


def pin(pid: int, cpu: int) -> None:
    """Keep a process, with its threads to come, on one core; nothing on a machine that has only one."""
    cores = sorted(os.sched_getaffinity(0))
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {cores[cpu % len(cores)]})


@contextmanager
def upstream(events: int, interval: float) -> Iterator[int]:
    """The fake upstream; gives its port."""
    script = Path(__file__).with_name("upstream.py")
    with _running([sys.executable, str(script), str(events), str(interval)], {}, stdout=subprocess.PIPE) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        pin(process.pid, 0)
        yield port


@contextmanager
def mitmdump(upstream_port: int) -> Iterator[tuple[int, int]]:
    """Bare mitmdump in reverse mode; gives its port and process id."""
    port = free_port()
    command = [str(BIN / "mitmdump"), "-q", "--mode", f"reverse:http://127.0.0.1:{upstream_port}", "-p", str(port)]
    # Without this option mitmdump holds a stream back to its end, and an event costs it no write to the client.
    command += ["--set", "stream_large_bodies=4k"]
    with _running([*command, "--listen-host", "127.0.0.1"], {}) as process:
        _wait_for(port, process)
        pin(process.pid, 1)
        yield port, process.pid


@contextmanager
def switchman(
    upstream_port: int,
    folder: Path,
    rules: str = ALIAS,
    environment: Mapping[str, str] = STRIPS,
    pinned: bool = True,
    alone: bool = False,
) -> Iterator[tuple[int, int]]:
    """`switchman serve` with one worker, by default an alias, think stripping, logging. Gives the port and the worker's
    id. `rules` go with a server `up`, unless they are `alone`. A worker that is not `pinned` runs where it likes.
    """
    port = free_port()
    routes = folder / "routes.yaml"
    server = f'servers: {{up: {{url: "http://127.0.0.1:{upstream_port}", dialect: openai}}}}\n'
    routes.write_text(rules if alone else server + rules)
    command = [str(BIN / "switchman"), "serve", "--no-ui", "--config", str(routes), "--port", str(port)]
    with _running([*command, "--data-dir", str(folder)], environment) as process:
        _wait_for(port, process)
        worker = _worker_of(process.pid)
        if pinned:
            pin(worker, 1)
        yield port, worker


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number: int = sock.getsockname()[1]
        return number


def _worker_of(supervisor: int) -> int:
    for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        if b"switchman.addons.serving.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return int(pid)
    raise RuntimeError("switchman runs without a worker")


@contextmanager
def _running(
    command: list[str], environment: Mapping[str, str], stdout: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=stdout)  # nosec B603  # our own
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        if process.stdout:
            process.stdout.close()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{process.args!r} does not listen on port {port}") from None
            time.sleep(0.05)
