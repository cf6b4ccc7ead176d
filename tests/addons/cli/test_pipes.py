"""The commands in a shell's pipe: whoever reads may go at any time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "switchman.addons.cli"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "hello", "--json"],
        ["explain", "hello"],
        ["check", "--offline"],
        ["check", "--schema"],
        ["rules", "export", "routes.yaml"],
        ["token"],
        ["version"],
        ["--help"],
        ["explain", "--help"],
    ],
    ids=" ".join,
)
def test_a_reader_that_has_gone_is_no_reason_to_shout(arguments: list[str], tmp_path: Path) -> None:
    """`| head`: it ends at once, without a word, and with the exit code that a shell gives for that."""
    (tmp_path / "routes.yaml").write_text('servers: {a: "http://a:1"}\n')
    reading, writing = os.pipe()
    os.close(reading)
    env = {"PATH": os.environ["PATH"], "JWT_SECRET": "kV9qRz3mT7wXc2Lp8sYd4Hf6Jn1Bg5Qa0EuItOx"}
    try:
        done = subprocess.run([*COMMAND, *arguments], stdout=writing, stderr=subprocess.PIPE, cwd=tmp_path, env=env)
    finally:
        os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 141


def test_head_gets_its_lines(tmp_path: Path) -> None:
    """What was read before is what was said."""
    (tmp_path / "routes.yaml").write_text("{}")
    shell = f"set -o pipefail; '{sys.executable}' -m switchman.addons.cli explain hello --json | head -c 1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, cwd=tmp_path, text=True)
    assert (done.stdout, done.stderr) == ("{", "")
    assert done.returncode in (0, 141)  # all of it fits into a pipe, if head is slow


def test_whole_output_is_as_ever(tmp_path: Path) -> None:
    """Exit code 0 where somebody reads to the end."""
    done = subprocess.run([*COMMAND, "check", "--schema"], capture_output=True, cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["type"] == "object"
