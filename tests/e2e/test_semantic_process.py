"""`switchman serve` with embeddings: one semantic process for all workers, and requests served without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from switchman.addons.testing import FakeUpstream

PATIENCE = 90.0
ASK = "Please write a TypeScript function that merges two sorted arrays."
RULES = """
servers: {{box: "{url}"}}
cache: {{exact: {{ttl: 0}}}}
semantic_routes: {{threshold: 0.7, model: "{model}", categories: {{coding: box/coder, math: box/counter}}}}
default: box/other
"""


class Served:
    """A running `switchman serve` with two workers."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "serve.log"
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        command = ["serve", "--workers", "2", "--port", "0", "--no-ui", "--data-dir", str(folder)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "switchman.addons.cli", *command],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=inherited,
            )  # fmt: skip
        line = self.wait(lambda: next((t for t in self.text().splitlines() if " proxy  " in t), None))
        self.url = line.split()[2]
        self.wait(lambda: "layers  " in self.text())

    def text(self) -> str:
        return self.log.read_text()

    def wait[T](self, what: Callable[[], T | None]) -> T:
        end = time.monotonic() + PATIENCE
        while not (found := what()):
            assert self.process.poll() is None and time.monotonic() < end, self.text()
            time.sleep(0.05)
        return found

    def semantics(self) -> list[int]:
        """Ids of the semantic processes under the supervisor."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in pids if b"semantics.process" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def auto(self) -> httpx.Response:
        """On a connection of its own, so that any worker may get it."""
        body = {"model": "auto", "messages": [{"role": "user", "content": ASK}]}
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=PATIENCE)

    def by_meaning(self) -> httpx.Response | None:
        """An answer of layer 2; None for one of another layer, as on a machine that was too busy for 50 ms."""
        answer = self.auto()
        assert answer.status_code == 200, answer.text
        return answer if answer.headers["x-switchman-layer"] == "semantic" else None


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture
def served(tmp_path: Path, upstream: FakeUpstream, prepared_model: Path) -> Iterator[Served]:
    (tmp_path / "routes.yaml").write_text(RULES.format(url=upstream.url, model=prepared_model))
    one = Served(tmp_path)
    yield one
    if one.process.poll() is None:
        one.process.kill()
        one.process.wait()


def test_layer_two_answers_and_its_death_costs_no_request(served: Served) -> None:
    """Two workers, one process. Killed: the default answers until it is back. Ctrl-C leaves nothing of it."""
    assert "L2 semantic routes" in served.text().partition("layers")[2].partition("; off")[0]
    answer = served.wait(served.by_meaning)
    assert (answer.headers["x-switchman-route"], answer.headers["x-switchman-target"]) == ("coding", "box/coder")
    assert json.loads(answer.text)["model"] == "box/coder"
    (first,) = served.semantics()
    os.kill(first, signal.SIGKILL)
    assert served.auto().status_code == 200
    served.wait(lambda: [pid for pid in served.semantics() if pid != first])
    served.wait(served.by_meaning)
    (second,) = served.semantics()
    socket = Path(f"/proc/{second}/cmdline").read_text().split("\0--socket\0")[1].partition("\0")[0]
    assert Path(socket).exists()
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(PATIENCE) == 0
    assert not Path(f"/proc/{second}").exists() and not Path(socket).parent.exists()
    assert "Traceback" not in served.text()
