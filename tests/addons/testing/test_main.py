"""The fake upstream as a process."""

from __future__ import annotations

import dataclasses
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from switchman.addons.testing import Behaviour
from switchman.addons.testing.__main__ import SAME_NAME, main, parser, upstream_of

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


def test_every_option_turns_its_knob() -> None:
    """What is written on the command line is what the server does; a knob without an option keeps its default."""
    line = "--dialect anthropic --name n --model a --model b --only-listed --api-key k --text t --status 503 --crlf"
    line += " --header Retry-After:5 --latency 1.5 --cut-after 2 --cut rst --gzip --fail-every 3"
    up = upstream_of(parser().parse_args(line.split()))
    assert (up.dialect, up.name, up.models, up.only_listed) == ("anthropic", "n", ("a", "b"), True)
    assert (up.api_key, up.fail_every, up.keep) == ("k", 3, False)
    told = Behaviour(
        text="t", status=503, line_ending="\r\n", headers=[("Retry-After", "5")], latency=1.5, cut_after=2, cut="rst",
        gzip=True,
    )  # fmt: skip
    assert up.default == told
    assert upstream_of(parser().parse_args([])).default == Behaviour(headers=[])


def test_each_option_of_the_same_name_is_a_field_of_behaviour() -> None:
    """An option that is called as no field is would end the process when it is used."""
    options = vars(parser().parse_args([]))
    assert set(SAME_NAME) <= {field.name for field in dataclasses.fields(Behaviour)} & set(options)


def test_a_taken_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and which port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            assert main(["--port", str(port)]) == 1
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cannot listen on 127.0.0.1:{port}: ") and "already in use" in line
