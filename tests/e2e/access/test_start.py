"""Where other machines can get in, the start is refused until it is said who may call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, SETTINGS

PIPELINE = str(ROOT / "addons" / "pipeline.py")
MITMDUMP = str(Path(sys.executable).with_name("mitmdump"))


def ended(folder: Path, *command: str, **env: str) -> tuple[int, str]:
    """Exit code and output of a command that ends by itself."""
    clean = {name: value for name, value in os.environ.items() if name.upper() not in SETTINGS}
    clean |= {"DB_PATH": str(folder / "requests.db"), "BLOB_STORAGE_PATH": str(folder / "blobs"), **env}
    output = folder / "output.txt"
    with output.open("wb") as out:
        # A worker ends with its stdin.
        process = subprocess.Popen(command, env=clean, cwd=folder, stdin=subprocess.PIPE, stdout=out, stderr=out)
    try:
        code = process.wait(120)
    finally:
        process.kill()
        process.communicate()
    return code, output.read_text()


@pytest.mark.parametrize("way", ["serve", "worker", "mitmdump"])
def test_a_listener_for_others_is_refused(way: str, tmp_path: Path) -> None:
    """By each way to start; the message says what to set, and nothing is made."""
    command = {
        "serve": (sys.executable, "-m", "switchman.addons.cli", "serve", "--no-ui", "--host", "0.0.0.0"),
        "worker": (sys.executable, "-m", "switchman.addons.serving.worker"),
        "mitmdump": (MITMDUMP, "-q", "-s", PIPELINE, "--mode", "reverse:http://127.0.0.1:9", "-p", "0"),
    }[way]
    code, said = ended(tmp_path, *command, **({"LISTEN_HOST": "0.0.0.0"} if way == "worker" else {}))
    assert code != 0
    assert "CLIENT_AUTH=TOKENS" in said and "CLIENT_AUTH=NONE" in said and "switchman token create" in said
    assert not (tmp_path / "requests.db").exists()
