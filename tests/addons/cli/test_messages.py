"""How the command talks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from switchman.addons.cli.messages import refuse, say, show


def test_its_own_lines_go_to_stderr_and_what_was_asked_for_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets only what was asked for; a refusal is a line and exit code 2."""
    show("the answer")
    say("a remark")
    assert refuse("no") == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("the answer\n", "switchman: a remark\nswitchman: no\n")


def test_a_router_goes_on_though_nobody_reads_its_messages() -> None:
    """`switchman serve 2>&1 | head`: a remark is lost, the process is not."""
    reading, writing = os.pipe()
    os.close(reading)
    code = "from switchman.addons.cli.messages import say; say('a'); say('b'); print('goes on')"
    try:
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=writing, timeout=60)
    finally:
        os.close(writing)
    assert (done.stdout, done.returncode) == (b"goes on\n", 0)
