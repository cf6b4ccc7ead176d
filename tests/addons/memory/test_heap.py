"""The heap: what is freed goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path
from switchman.addons.memory.heap import return_freed_memory

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

known = return_freed_memory() if sys.argv[1] == "set" else True
before = pages()
for _ in range(3):
    blocks = [bytes(8_000_000) for _ in range(10)]
    pin = bytearray(400_000)
    del blocks
print(known, (pages() - before) * 4096)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_large_blocks_go_back_when_they_are_freed() -> None:
    """Also after the first of them, where glibc by itself would keep the next."""
    result = subprocess.run([sys.executable, "-c", PROGRAM, "set"], capture_output=True, text=True, check=True)
    known, left = result.stdout.split()
    if known == "False":
        pytest.skip("the C library is not glibc")
    assert int(left) < 8_000_000
