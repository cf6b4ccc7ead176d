"""The fork server of these tests: what it forks is as if it had been started anew."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def no_core() -> Iterator[int]:
    """A limit of this process that nobody else has."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
    mask = os.umask(0o27)
    yield 0
    os.umask(mask)
    resource.setrlimit(resource.RLIMIT_CORE, before)


def test_a_worker_has_what_it_is_started_with(start: Any, no_core: int) -> None:
    """Limits and umask of now, the folder, and no descriptor of another's."""
    other, proxy = start(), start(env={"SHUTDOWN_GRACE": "0.2"})
    pid = proxy.process.pid
    assert resource.prlimit(pid, resource.RLIMIT_CORE)[0] == no_core
    status = Path(f"/proc/{pid}/status").read_text()
    assert "Umask:\t0027" in status
    assert Path(f"/proc/{pid}/cwd").resolve() == Path(__file__).parents[2]
    opened = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    assert str(proxy.output_file) in opened and str(other.output_file) not in opened
    sockets = {name for name in opened if name.startswith("socket:")}
    assert not sockets & {os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}


def test_how_a_worker_ended_is_known(start: Any) -> None:
    """By a signal, and by itself."""
    killed, ended = start(), start()
    os.kill(killed.process.pid, signal.SIGKILL)
    assert killed.process.wait(60) == killed.process.poll() == -signal.SIGKILL
    ended.process.terminate()
    assert ended.process.wait(60) == 0
    killed.kill()


def test_a_worker_that_cannot_start_says_why(fork_server: Any, tmp_path: Path) -> None:
    """With its exit code, as from a shell."""
    with (tmp_path / "output").open("wb") as output:
        process = fork_server.start([], {**os.environ, "LISTEN_PORT": "many"}, output.fileno())
    assert process.wait(60) == 1
    assert (tmp_path / "output").read_text().startswith("switchman: LISTEN_PORT='many': ")
    process.stdin.close()
