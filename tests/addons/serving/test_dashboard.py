"""The dashboard's process, as the supervisor starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from switchman.addons.config.child import READY
from switchman.addons.store import open_store
from switchman.addons.testing.samples import ID, make_record


def start(folder: Path, port: int = 0, **settings: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "switchman.addons.serving.dashboard", "--port", str(port)]
    return subprocess.Popen(
        command, cwd=folder, env={"PATH": os.environ["PATH"], **settings}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_it_says_its_port_shows_the_log_and_stops(tmp_path: Path) -> None:
    """A free one where none is named; what workers wrote is there; SIGTERM ends it with code 0."""
    with open_store(db_path=tmp_path / "requests.db", blob_path=tmp_path / "blobs", max_age_days=None) as store:
        store.writer().put(make_record())
    with start(tmp_path) as process:
        assert process.stdout
        word, port = process.stdout.readline().split()
        assert word == READY
        page = httpx.get(f"http://127.0.0.1:{port}/request/{ID}", timeout=60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert page.status_code == 200 and ID in page.text


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code, and what it said on stderr. Its stdin stays open: without it, it would end for that."""
    assert process.stderr
    said = process.stderr.read()
    return process.wait(60), said


def test_a_mistake_is_one_sentence(tmp_path: Path) -> None:
    """Exit code 1, and no traceback: the supervisor says that the message is above."""
    with start(tmp_path, JWT_SECRET="short") as process:
        code, said = end_of(process)
    assert code == 1
    assert said.startswith("switchman: JWT_SECRET: too weak") and said.count("\n") == 1


def test_a_port_that_is_taken_ends_it(tmp_path: Path) -> None:
    """It shares its port with nobody."""
    with socket.create_server(("127.0.0.1", 0)) as taken, start(tmp_path, taken.getsockname()[1]) as process:
        code, said = end_of(process)
    assert code == 1 and "in use" in said
