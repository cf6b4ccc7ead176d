"""The demo's own parts: its process, its routes, and what it tells a person to paste."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys

import httpx

from switchman.addons.config.child import READY
from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.ruleset import parse_ruleset
from switchman.addons.serving import demo

THINKER, FLAKY = "http://127.0.0.1:8001", "http://127.0.0.1:8002"


def test_the_routes_load_without_a_warning() -> None:
    """The alias tries the flaky server first; names that end in -think go to the one that thinks."""
    rules = parse_ruleset(demo.routes(THINKER, FLAKY), "routes.yaml", Settings())
    assert rules.warnings == ()
    assert {name: str(server.url) for name, server in rules.servers.items()} == {"thinker": THINKER, "flaky": FLAKY}
    assert [one.server.name for one in rules.aliases["demo"].instances] == ["flaky", "thinker"]
    assert [route.name for route in rules.routes_for("a-think")] == ["names that end in -think"]
    assert not list(rules.routes_for("other"))


def test_a_restarted_process_takes_the_ports_it_had() -> None:
    """The routes file names them."""
    assert demo.command(()) == ["switchman.addons.serving.demo", "--ports", "0", "0"]
    assert demo.command(["8001", "8002"])[-2:] == ["8001", "8002"]


def test_only_the_first_process_sends_the_samples() -> None:
    """A restarted one would send them again, in the middle of what a person tries."""
    assert demo.command((), "http://r")[-2:] == ["--router", "http://r"]
    assert demo.command((), "http://r", meaning=True)[-1] == "--meaning"
    assert demo.command(["8001", "8002"], "http://r", meaning=True)[-1] == "8002"


def test_the_text_says_what_the_dashboard_shows() -> None:
    """Without an embedding model, that nothing is routed by meaning; without a dashboard, nothing of it."""
    assert "a category by meaning" in demo.what_to_try("http://r", "http://d", meaning=True)
    assert "nothing is routed by meaning" in demo.what_to_try("http://r", "http://d")
    assert "Demo:" not in demo.what_to_try("http://r")


def test_what_to_try_can_be_pasted() -> None:
    """The command is one for a shell, the program one for Python; both ask the router."""
    text = demo.what_to_try("http://127.0.0.1:1234")
    (command,) = re.findall(r"^  (curl .*?\}')$", text, re.MULTILINE | re.DOTALL)
    words = shlex.split(command)
    assert words[1] == "http://127.0.0.1:1234/v1/chat/completions"
    assert '"model": "demo"' in words[words.index("-d") + 1]
    program = text[text.index("  from openai") : text.index("\n\n`auto")]
    compile("\n".join(line[2:] for line in program.splitlines()), "demo", "exec")
    assert 'base_url="http://127.0.0.1:1234/v1"' in program


def test_the_process_says_its_ports_in_order_serves_and_stops() -> None:
    """The one that thinks first, the flaky one second; SIGTERM ends it with code 0."""
    with subprocess.Popen(
        [sys.executable, "-m", *demo.command(())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        word, *ports = process.stdout.readline().split()
        assert word == READY and len(ports) == 2
        models = [httpx.get(f"http://127.0.0.1:{port}/v1/models", timeout=30).json() for port in ports]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert [listed["data"][0]["id"] for listed in models] == ["demo-think", "demo-flaky"]
