"""What the tests share: leaks are told of the file that they are in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEAKS = """
import gc, socket

def test_leaks():
    circle = [socket.socket()]
    circle.append(circle)
    {freeze}

def test_another():
    pass
"""
COLLECTS = "import gc\n\ndef test_collects():\n    gc.unfreeze()\n    gc.collect()\n"


@pytest.mark.parametrize("freeze", ["pass", "gc.freeze()"])
def test_a_file_that_leaves_a_socket_open_is_blamed_for_it(tmp_path: Path, freeze: str) -> None:
    """Not the next one, in which it is found; also where code of ours froze it, as a worker does at its start."""
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\naddopts = -p no:cacheprovider -p no:anyio\n"
    )
    (tmp_path / "test_a.py").write_text(LEAKS.format(freeze=freeze))
    (tmp_path / "test_b.py").write_text(COLLECTS)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "test_a.py", "test_b.py"]
    said = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, timeout=300)
    assert "ERROR test_a.py::test_another" in said.stdout and "unclosed <socket.socket" in said.stdout
    assert "PASSED test_b.py::test_collects" in said.stdout and "1 error in" in said.stdout
