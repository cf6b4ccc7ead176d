"""The command that empty pages offer."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.settings import Settings
from switchman.webui.looks.examples import example_request

SERVERS = "servers: {up: 'http://127.0.0.1:1'}\n"


@pytest.mark.parametrize(
    ("written", "model"),
    [
        (SERVERS + 'aliases: {"it\'s": {instances: [up/a]}}\ndefault: up/b\n', "it's"),
        (SERVERS + "default: up/b\n", "auto"),
        (SERVERS, "llama3"),
    ],
)
def test_it_asks_for_a_model_that_there_is(tmp_path: Path, written: str, model: str) -> None:
    """As a shell reads it, whatever its name has."""
    (tmp_path / "routes.yaml").write_text(written)
    rules = RulesFile(Settings(routes_config=str(tmp_path / "routes.yaml"))).current
    words = shlex.split(example_request("http://router.lan:1234/", rules))
    assert words[:2] == ["curl", "http://router.lan:1234/v1/chat/completions"]
    assert json.loads(words[-1])["model"] == model


def test_without_rules_it_is_a_guess() -> None:
    assert '"model": "llama3"' in example_request("http://127.0.0.1:1", None)
