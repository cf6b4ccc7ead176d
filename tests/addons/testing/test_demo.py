"""The two upstreams of the demo."""

from __future__ import annotations

import signal
import subprocess
import sys

import httpx

HELLO = [{"role": "user", "content": "Say hello."}]
CHAT = {"model": "m", "messages": HELLO}


def test_demo_servers() -> None:
    """The demo's servers: one thinks aloud, the other fails every third request."""
    answers = {}
    for name in ("think", "flaky"):
        command = [sys.executable, "-m", "switchman.addons.testing", "--demo", name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            answers[name] = [httpx.post(f"{url}/v1/chat/completions", json=CHAT, timeout=30) for _ in range(3)]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
    assert answers["think"][0].json()["choices"][0]["message"]["content"].startswith("<think>")
    assert [a.status_code for a in answers["flaky"]] == [200, 200, 500]
