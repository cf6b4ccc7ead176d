"""When there is a semantic process, and who starts it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.semantics import client as client_module
from switchman.addons.semantics import service
from switchman.addons.semantics.client import SemanticClient
from switchman.addons.semantics.service import OwnProcess, Wanted, open_client, wanted

SERVER = 'servers: {a: "http://127.0.0.1:9"}\n'
ROUTES = SERVER + "semantic_routes: {categories: {coding: a/coder}}"
NONE = SERVER + "cache: {semantic: {mode: off}}"


def rules(text: str) -> Ruleset:
    return parse_ruleset(text, "routes.yaml", Settings())


def test_a_prepared_model_and_rules_that_want_one_are_enough(prepared_model: Path, tmp_path: Path) -> None:
    """What is kept lies beside the log; without a log nothing is kept."""
    settings = Settings(semantic_model=str(prepared_model), db_path=str(tmp_path / "requests.db"))
    assert wanted(settings, rules(ROUTES)) == Wanted("onnx", str(prepared_model), tmp_path / "semantic_state")
    unlogged = settings.model_copy(update={"enable_logging": False})
    assert wanted(unlogged, rules(ROUTES)) == Wanted("onnx", str(prepared_model), None)


@pytest.mark.parametrize("cache", ["semantic: {mode: off}", "exact: {ttl: 0}"])
def test_no_process_for_a_cache_that_is_off(prepared_model: Path, tmp_path: Path, cache: str) -> None:
    """Neither without the semantic cache nor without the exact one, whose answers it would serve; routes want it."""
    settings = Settings(semantic_model=str(prepared_model), db_path=str(tmp_path / "requests.db"))
    assert isinstance(wanted(settings, rules(f"cache: {{{cache}}}")), str)
    assert isinstance(wanted(settings, rules(f"{ROUTES}\ncache: {{{cache}}}")), Wanted)


def test_the_rules_may_name_the_model(prepared_model: Path) -> None:
    """`semantic_routes.model` stands above SEMANTIC_MODEL."""
    found = wanted(
        Settings(semantic_model="/nowhere"), rules(ROUTES.replace("{cat", f"{{model: {prepared_model}, cat"))
    )
    assert isinstance(found, Wanted) and found.model == str(prepared_model)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (NONE, "mode is off"),
        (ROUTES, "switchman semantic prepare"),
        (ROUTES.replace("{cat", "{backend: sentence-transformers, cat"), r"switchman\[semantic-export\]"),
    ],
)
def test_why_there_is_none(text: str, why: str, tmp_path: Path) -> None:
    """A sentence for the start, and a client that is off."""
    settings = Settings(semantic_model=str(tmp_path))
    found = wanted(settings, rules(text))
    assert isinstance(found, str)
    assert re.search(why, found)
    assert open_client(settings, rules(text)).status().state == "off"


def test_workers_of_a_supervisor_without_a_process_start_none(prepared_model: Path) -> None:
    """SEMANTIC_SOCKET=off: four workers would otherwise each start one."""
    settings = Settings(semantic_model=str(prepared_model), semantic_socket="off")
    assert open_client(settings, rules(ROUTES)).status().state == "off"


def test_the_first_question_starts_a_process_that_ends_with_the_proxy(prepared_model: Path, tmp_path: Path) -> None:
    """As under `mitmdump -s`, where nobody else has started one; killed, it is started again."""

    async def work() -> None:
        settings = Settings(semantic_model=str(prepared_model), db_path=str(tmp_path / "requests.db"))
        assert open_client(settings, rules(ROUTES)).status().state == "idle"
        what = wanted(settings, rules(ROUTES))
        assert isinstance(what, Wanted)
        process = OwnProcess(what)
        client = SemanticClient(process.socket, end=process.close)

        async def answered() -> Any:
            async with asyncio.timeout(60):
                while not (found := await client.ask("Hello", language="en", route=False, scope="s", deadline=20)):
                    await asyncio.sleep(0.05)
            return found

        await answered()
        first = process.pid
        assert first
        os.kill(first, signal.SIGKILL)
        await answered()
        assert process.pid not in (None, first)
        await client.close()
        assert process.pid is None

    asyncio.run(work())


def test_a_start_that_takes_longer_than_any_question_waits_comes_to_its_end(
    prepared_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a busy machine: who asks meanwhile is told that it is too slow, and the next one finds the same start."""
    monkeypatch.setattr(client_module, "CONNECT_PATIENCE", 0.05)
    monkeypatch.setattr(client_module, "LONGEST_PAUSE", 0.1)
    started: list[object] = []
    real = service.start

    async def counted(arguments: Sequence[str]) -> asyncio.subprocess.Process:
        started.append(arguments)
        return await real(arguments)

    async def work() -> None:
        monkeypatch.setattr(service, "start", counted)
        process = OwnProcess(Wanted("onnx", str(prepared_model), tmp_path))
        client = SemanticClient(process.socket, end=process.close)
        told = set()
        try:
            async with asyncio.timeout(60):
                while not await client.ask("Hello", language="en", route=False, scope="s", deadline=20):
                    told.add(str(client.status()))
                    await asyncio.sleep(0.05)
        finally:
            await client.close()
        assert told == {"down: the semantic process does not answer (too slow)"} and len(started) == 1

    asyncio.run(work())


def test_a_start_that_nobody_waits_for_ends_with_the_proxy(prepared_model: Path, tmp_path: Path) -> None:
    """Who asked has given up, and the router ends before the process is ready."""

    async def work() -> None:
        process = OwnProcess(Wanted("onnx", str(prepared_model), tmp_path))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.socket(), 0.01)
        await process.close()
        assert process.pid is None and not [task for task in asyncio.all_tasks() if "start" in task.get_name()]

    asyncio.run(work())


def test_the_proxy_never_imports_what_runs_a_model() -> None:
    """All of the pipeline, the supervisor and the command in a fresh interpreter: no numpy, no model, no torch."""
    code = """
import sys
import switchman.addons.assembly, switchman.addons.serving.launch, switchman.addons.cli.serve, switchman.webui
import switchman.addons.hooks.routing.semantic_layer, switchman.addons.cli.semantic
heavy = {"numpy", "onnx", "onnxruntime", "tokenizers", "torch", "sentence_transformers", "safetensors"}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    ended = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_client_of_nothing_costs_nothing() -> None:
    """Closing what was never opened."""
    client = SemanticClient.at(Path("/nowhere"))
    asyncio.run(client.close())
    assert client.status().state == "idle"
