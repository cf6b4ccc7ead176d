"""A server at a machine's own address is another one on each machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.state.together import machine
from switchman.addons.state.together.machine import OwnServers, is_own, machine_id


class Rules:
    """Rules with these servers, the last of which is the default."""

    def __init__(self, **urls: str) -> None:
        self.servers = {name: Server(name, parse(url)) for name, url in urls.items()}
        self.upstreams: tuple[Server, ...] = ()
        self.default = list(self.servers.values())[-1]


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True), ("a.localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True),
        ("0.0.0.0", True), ("::", True), ("host.docker.internal", True), ("10.0.0.1", False), ("gpu", False),
        ("localhost.example.com", False), ("api.openai.com", False), ("fe80::1", False), ("", False),
    ],
)  # fmt: skip
def test_what_each_machine_has_for_itself(host: str, own: bool) -> None:
    assert is_own(host) is own


def test_own_servers_are_those_of_the_rules_in_force() -> None:
    """Also after a reload."""
    rules: Any = Rules(ollama="http://127.0.0.1:11434", up="https://api.openai.com/v1", default="http://[::1]:1")
    own = OwnServers(lambda: rules)
    assert own() == {"ollama", "default"} == own()
    rules = Rules(ollama="http://gpu:11434")
    assert own() == frozenset()


def test_a_machine_is_the_same_for_all_its_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the system does not tell, its name stands for it."""
    asking = "from switchman.addons.state.together.machine import machine_id; print(machine_id())"
    said = subprocess.run([sys.executable, "-c", asking], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.strip() == machine_id() != ""
    monkeypatch.setattr(machine, "BOOT", tmp_path / "none")
    monkeypatch.setattr("socket.gethostname", lambda: "box")
    assert machine_id() == "box"
