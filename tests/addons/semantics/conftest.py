"""A real model, prepared once from its package, and real semantic processes that run it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest

from switchman.addons.semantics.service import MODULE, SOCKET

Start = Callable[..., "Running"]


class Running:
    """A semantic process; `lost` ends it by force."""

    def __init__(self, folder: Path, model: Path, state: Path | None = None, stderr: IO[str] | None = None) -> None:
        self.socket = folder / SOCKET
        arguments = ["--socket", str(self.socket), "--model", str(model), "--lifeline"]
        arguments += ["--state", str(state)] if state else []
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        assert self.process.stdout
        assert self.process.stdout.readline().split() == [b"ready"]

    def lost(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=30)


@pytest.fixture
def private() -> Iterator[Path]:
    """A folder of mode 0700 whose name is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="sm-") as name:
        assert os.stat(name).st_mode & 0o077 == 0
        yield Path(name)


@pytest.fixture
def start(private: Path, prepared_model: Path) -> Iterator[Start]:
    """Starts a process; all of them end with the test."""
    with ExitStack() as running:

        def one(state: Path | None = None, stderr: IO[str] | None = None) -> Running:
            found = Running(private, prepared_model, state, stderr)
            running.callback(found.close)
            return found

        yield one
