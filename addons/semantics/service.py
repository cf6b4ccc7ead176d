"""Where the semantic process is: started by `switchman serve`, or here, on first use, under `mitmdump -s`.

wanted(settings, rules) -> Wanted | str     what to run, or why nothing is run
open_client(settings, rules)                the proxy's client, whichever way the process comes about
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from switchman.addons.config.child import READY
from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.semantics.client import SemanticClient
from switchman.addons.semantics.manifest import Manifest, NotPrepared

MODULE: Final = "switchman.addons.semantics.process"
SOCKET: Final = "semantics.sock"
# numpy's threads, which it counts when it is imported; a matrix this small is slower with more than one.
ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
STOP_PATIENCE: Final = 3.0  # seconds
START_PATIENCE: Final = 120.0  # seconds; who asks meanwhile is answered without embeddings
OFF: Final = "off"  # SEMANTIC_SOCKET of workers whose supervisor runs none
_NEEDS: Final = {"onnx": ("numpy", "onnxruntime", "tokenizers"), "sentence-transformers": ("sentence_transformers",)}
_INSTALL: Final = {"onnx": "semantic", "sentence-transformers": "semantic-export"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A process to run. `state` None: nothing survives its end."""

    backend: Literal["onnx", "sentence-transformers"]
    model: str
    state: Path | None

    def arguments(self, socket: Path) -> list[str]:
        """The module and its arguments, for `python -m`."""
        found = [MODULE, "--socket", str(socket), "--model", self.model, "--backend", self.backend, "--lifeline"]
        return found + (["--state", str(self.state)] if self.state else [])


def wanted(settings: Settings, rules: Ruleset) -> Wanted | str:
    """What the rules call for, or why there are no embeddings: a sentence for people."""
    routes = rules.semantic_routes
    routing = routes is not None and routes.mode == "on" and any(c.target for c in routes.categories.values())
    if not routing and (rules.cache.semantic.mode == "off" or rules.cache.exact.ttl <= 0):
        return "no semantic_routes, and cache.semantic.mode is off or cache.exact.ttl 0"
    backend = routes.backend if routes else "onnx"
    model = (routes.model if routes else None) or settings.semantic_model
    if missing := [name for name in _NEEDS[backend] if importlib.util.find_spec(name) is None]:
        return f"{', '.join(missing)} not installed; pip install 'switchman[{_INSTALL[backend]}]'"
    if backend == "onnx":
        try:
            Manifest.of(Path(model))
        except NotPrepared as error:
            return str(error)
    # Without a log nothing of what was asked may be kept on disk, and vectors are of what was asked.
    state = Path(settings.db_path).absolute().parent / "semantic_state" if settings.enable_logging else None
    return Wanted(backend, str(Path(model).absolute()) if Path(model).exists() else model, state)


def open_client(settings: Settings, rules: Ruleset) -> SemanticClient:
    """A client of the supervisor's process, or of one that its first question starts; or one that is off."""
    if settings.semantic_socket and settings.semantic_socket != OFF:
        return SemanticClient.at(Path(settings.semantic_socket))
    found = wanted(settings, rules)
    if isinstance(found, str):
        return SemanticClient(None, found)
    if settings.semantic_socket == OFF:
        return SemanticClient(None, "switchman serve does not run it; see what it said at the start")
    process = OwnProcess(found)
    return SemanticClient(process.socket, end=process.close)


class OwnProcess:
    """A semantic process of this proxy alone. It ends with the proxy: its lifeline is a pipe from here."""

    def __init__(self, what: Wanted) -> None:
        self._what = what
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: Process | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def socket(self) -> Path:
        """Where it listens, once it does. Raises OSError where it does not start.

        Who gives up does not end the start: on a machine that is busy it would never come to its end.
        """
        if self._folder is None:
            self._folder = private_folder()
        path = Path(self._folder.name) / SOCKET
        if self._process is None or self._process.returncode is not None:
            if self._starting is None:
                self._starting = asyncio.create_task(self._start(path), name="switchman semantics start")
                self._starting.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody may wait
            await asyncio.shield(self._starting)
        return path

    async def _start(self, path: Path) -> None:
        try:
            async with asyncio.timeout(START_PATIENCE):
                self._process = await start(self._what.arguments(path))
        finally:
            self._starting = None

    async def close(self) -> None:
        """End it, gently and then by force."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_PATIENCE):
                    await process.communicate()
            except TimeoutError:
                process.kill()
                await process.communicate()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


async def start(arguments: Sequence[str]) -> Process:
    """Start `python -m ARGUMENTS` and wait until it is ready. Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", *arguments,
        stdin=PIPE, stdout=PIPE, start_new_session=True, env=os.environ | ONE_THREAD,
    )  # fmt: skip
    assert process.stdout
    try:
        word = (await process.stdout.readline()).split()
    except asyncio.CancelledError:
        process.kill()
        await process.communicate()
        raise
    if word[:1] != [READY.encode()]:
        raise OSError(f"the process ended with code {await process.wait()} before it was ready")
    return process


def private_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder of mode 0700 with a short name: a socket's path has to fit into 100 bytes."""
    return tempfile.TemporaryDirectory(prefix="switchman-", ignore_cleanup_errors=True)
