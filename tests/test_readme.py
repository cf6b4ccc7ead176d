"""README.md, taken at its word: its tables are the code's, its examples load, its commands and clients run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.cli.serve import _parser
from switchman.addons.config.settings import Settings

PATIENCE = 120.0  # seconds
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:1234"


def section(title: str) -> str:
    """All below this heading, up to the next one of its level."""
    _, _, rest = README.partition(f"{title}\n")
    assert rest, f"there is no {title!r}"
    return rest.partition(f"\n{title.split(' ')[0]} ")[0]


def table(text: str) -> dict[str, str]:
    """The first two columns of its tables, without the marks of code."""
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]*?) ?\|", text, re.M)
    return {name: default.strip("`") for name, default in rows}


def code(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def switchman(*arguments: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    command = [sys.executable, "-m", "switchman.addons.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**clean, **env}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_the_table_of_variables_is_that_of_the_settings() -> None:
    """Every variable, with its default."""

    def written(value: Any) -> str:
        return "" if value is None or value == () else str(value).lower() if isinstance(value, bool) else str(value)

    known = {
        name.upper(): field.get_default(call_default_factory=True) for name, field in Settings.model_fields.items()
    }
    assert table(section("## Configuration")) == {name: written(value) for name, value in known.items()}


def test_the_table_of_options_is_that_of_the_command() -> None:
    """Every option of `switchman serve`."""
    named = {name.split()[0] for name in table(section("## Start"))}
    assert named == {action.option_strings[-1] for action in _parser()._actions} - {"--help"}


def test_the_examples_load(tmp_path: Path) -> None:
    """The routes file, and the rules on what is asked, which stand in the same file."""
    first, second = code(section("## Configuration"), "yaml")[0], code(README, "yaml")[1]
    (tmp_path / "one.yaml").write_text(first)
    (tmp_path / "two.yaml").write_text(first.partition("aliases:")[0] + second)
    for name in ("one", "two"):
        done = switchman("check", "--offline", f"{name}.yaml", folder=tmp_path, OPENAI_API_KEY="k")
        assert (done.returncode, "warning" in done.stdout) == (0, False), done.stdout + done.stderr


def test_the_commands_run(tmp_path: Path) -> None:
    """Those beside the rules on what is asked, as they stand there."""
    (tmp_path / "routes.yaml").write_text('servers: {laptop: "http://localhost:11434"}\ndefault: laptop/m\n')
    (tmp_path / "rules.json").write_text(json.dumps({"version": "1.1", "rules": []}))
    (block,) = (text for text in code(README, "sh") if "switchman explain" in text)
    ran = 0
    for line in block.splitlines():
        words = re.findall(r'"[^"]*"|\S+', line.partition(" # ")[0])
        done = switchman(*(word.strip('"') for word in words[1:]), folder=tmp_path)
        assert done.returncode == 0, (line, done.stderr)
        ran += 1
    assert ran == 3


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running `switchman serve --demo`."""
    folder = tmp_path_factory.mktemp("demo")
    clean = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    command = [sys.executable, "-m", "switchman.addons.cli", "serve", "--demo", "--no-ui", "--port", "0"]
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=folder, env=clean, stdout=output, stderr=output) as running,
    ):
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(r"switchman: proxy +(http://\S+)", log.read_text())):
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield found[1]
        running.terminate()
        assert running.wait(PATIENCE) == 0


@pytest.mark.parametrize("client", ["curl", "openai", "ollama"])
def test_the_clients_get_an_answer(client: str, demo: str, tmp_path: Path) -> None:
    """Each one that the README points at the demo, to the letter but for the port."""
    text = section("## Point a client at it")
    (found,) = (block for block in (*code(text, "sh"), *code(text, "python")) if client in block)
    assert ADDRESS in found
    if client == "curl" and shutil.which("curl") is None:
        pytest.skip("there is no curl")
    command = ["sh", "-ec"] if client == "curl" else [sys.executable, "-c"]
    done = subprocess.run(
        [*command, found.replace(ADDRESS, demo)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Hello" in done.stdout
