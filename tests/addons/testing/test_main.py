"""The fake upstream as a process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

HELLO = [{"role": "user", "content": "Say hello."}]
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("command", [["-m", "switchman.addons.testing"], [str(ROOT / "scripts/fake_upstream.py")]])
def test_process(command: list[str]) -> None:
    """As a process it prints its URL first, serves, and ends on SIGTERM with status 0."""
    arguments = ["--dialect", "ollama", "--text", "Hi.", "--fail-every", "2", "--model", "a"]
    with subprocess.Popen([sys.executable, *command, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        body = {"model": "a", "messages": HELLO, "stream": False}
        first, second = (httpx.post(f"{url}/api/chat", json=body, timeout=30) for _ in range(2))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert first.json()["message"]["content"] == "Hi."
    assert second.status_code == 500
