"""The semantic process under the supervisor, and the line of layers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.semantics.manifest import Manifest
from switchman.addons.semantics.service import OFF, ONE_THREAD
from switchman.addons.serving.embeddings import Embeddings, layers_line, start_embeddings
from switchman.addons.serving.supervisor import Command, StartFailed, Supervisor

SERVER = 'servers: {a: "http://127.0.0.1:9"}\n'

ROUTES = SERVER + "semantic_routes: {categories: {coding: a/coder}}"


def rules(text: str) -> Ruleset:
    return parse_ruleset(text, "routes.yaml", Settings())


def test_the_line_of_layers_says_what_is_off_and_why() -> None:
    """What a person sees at the start of `switchman serve`."""
    on = layers_line(rules(ROUTES), Embeddings("", "minilm, en"))
    assert "L2 semantic routes" in on.partition("; off")[0] and "embeddings by minilm, en" in on
    off = layers_line(rules(ROUTES), Embeddings("no prepared model"))
    assert "L2 semantic routes (no prepared model)" in off.partition("; off")[2]
    assert "L3 arbiter (no arbiter)" in off
    assert "L1 rules" in off.partition("; off")[0]
    unkept = layers_line(rules(ROUTES + "\ncache: {exact: {ttl: 0}}\n"), Embeddings("", "minilm, en"))
    assert "L0 exact cache (ttl: 0), L0.5 semantic cache (ttl: 0)" in unkept.partition("; off")[2]


class Noting(Supervisor):
    """A supervisor that starts nothing, or fails to."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__(lambda line: None)
        self.fails, self.started = fails, dict[str, list[str]]()

    async def start(self, name: str, command: Command, *, essential: bool = True) -> Sequence[str]:
        assert not essential  # without it the rest serves
        self.started[name] = list(command(()))
        if self.fails:
            raise StartFailed("semantics could not start")
        return []


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What workers are told is put back afterwards."""
    for name in ("SEMANTIC_SOCKET", *ONE_THREAD):
        monkeypatch.setenv(name, "")


def started(supervisor: Noting, settings: Settings, text: str = ROUTES) -> tuple[Embeddings, list[str]]:
    said: list[str] = []
    return asyncio.run(start_embeddings(settings, rules(text), supervisor, said.append)), said


@pytest.fixture
def model(tmp_path: Path) -> Settings:
    """A folder that says it was prepared: nothing is run here."""
    Manifest("minilm", 384, ("en", "de"), 128, "ab", 0.99).write(tmp_path)
    return Settings(semantic_model=str(tmp_path), db_path=str(tmp_path / "requests.db"))


def test_the_process_is_started_and_the_workers_are_told_where(model: Settings) -> None:
    """In a folder of its own that goes with it; with one thread for the model."""
    supervisor = Noting()
    found, said = started(supervisor, model)
    arguments = supervisor.started["semantics"]
    socket = Path(arguments[arguments.index("--socket") + 1])
    assert (found.why_off, found.model, said) == ("", "minilm, en/de", [])
    assert os.environ["SEMANTIC_SOCKET"] == str(socket)
    assert {os.environ[name] for name in ONE_THREAD} == {"1"}
    assert socket.parent.stat().st_mode & 0o077 == 0
    found.close()
    assert not socket.parent.exists()
    Embeddings("off").close()


def test_one_that_cannot_start_leaves_its_layers_off(model: Settings) -> None:
    """The router starts all the same, its workers do not look for it, and no folder stays."""
    supervisor = Noting(fails=True)
    found, said = started(supervisor, model)
    assert (found.why_off, found.folder) == ("it could not start", None)
    assert said == ["warning: semantics could not start; its layers are off"]
    assert os.environ["SEMANTIC_SOCKET"] == OFF
    arguments = supervisor.started["semantics"]
    assert not Path(arguments[arguments.index("--socket") + 1]).parent.exists()


@pytest.mark.parametrize(("socket", "why"), [("off", "SEMANTIC_SOCKET=off"), ("/run/s", "")])
def test_one_that_runs_already_is_taken(socket: str, why: str, model: Settings) -> None:
    """Or none, where that is said."""
    supervisor = Noting()
    found, _ = started(supervisor, model.model_copy(update={"semantic_socket": socket}))
    assert (found.why_off, supervisor.started) == (why, {})
    assert os.environ["SEMANTIC_SOCKET"] == ""


def test_what_nothing_wants_is_not_started(model: Settings, tmp_path: Path) -> None:
    """Neither for rules without semantic layers, nor without a model: the reason is in the line of layers."""
    supervisor = Noting()
    found, _ = started(supervisor, model, SERVER + "cache: {semantic: {mode: off}}")
    assert "no semantic_routes" in found.why_off
    found, _ = started(supervisor, model.model_copy(update={"semantic_model": str(tmp_path / "none")}))
    assert "no prepared model" in found.why_off
    assert supervisor.started == {} and os.environ["SEMANTIC_SOCKET"] == OFF
