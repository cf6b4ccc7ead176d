"""Keys of the vault in a router that runs: used, rotated, missed, and shown to nobody."""

from __future__ import annotations

import io
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from switchman.addons.cli import main
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.wire import Received

ONE, TWO, THREE = "sk-vault-1111111111111111", "sk-vault-2222222222222222", "sk-vault-3333333333333333"
FILE = "sk-file-44444444444444444"
CLI = [sys.executable, "-m", "switchman.addons.cli"]
DASHBOARD = re.compile(r"dashboard  (http://\S+)")
RULES = """\
servers:
  s: {{url: "{url}", dialect: openai, api_key: "vault:openai"}}
  h: {{url: "{url}", dialect: openai, headers: {{x-api-key: "vault:openai", x-more: "file:more.key"}}}}
  p: {{url: "{url}", dialect: openai, api_keys: ["vault:openai", "file:more.key"]}}
"""


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def cli(proxy: Any, *arguments: str, value: str = "", **env: str) -> Done:
    """`switchman ...` with the router's environment, by its own function: a process for each would take a second."""
    said, told = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(told):
        for name in set(os.environ) - set(proxy.env):
            patch.delenv(name)
        for name, text in {**proxy.env, **env}.items():
            patch.setenv(name, text)
        patch.setattr(sys, "stdin", io.StringIO(value))
        code = main(arguments)
    return checked(Done(code, said.getvalue(), told.getvalue()))


def cli_process(proxy: Any, *arguments: str, value: str = "") -> Done:
    """The same in a process of its own."""
    done = subprocess.run([*CLI, *arguments], input=value, env=proxy.env, capture_output=True, text=True)
    return checked(Done(done.returncode, done.stdout, done.stderr))


def checked(done: Done) -> Done:
    for key in (ONE, TWO, THREE, FILE):
        assert key not in done.stdout + done.stderr
    return done


def keys_of(requests: list[Received]) -> set[str]:
    return {(one.header("authorization") or one.header("x-api-key") or "").removeprefix("Bearer ") for one in requests}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream) -> Any:
    """`switchman serve` with two workers and the dashboard, after a key was set by hand."""

    def command(proxy: Any) -> list[str]:
        (proxy.folder / "more.key").write_text(FILE)
        (proxy.folder / "more.key").chmod(0o600)
        proxy.routes_file.write_text(RULES.format(url=upstream.url))
        done = cli_process(proxy, "key", "set", "openai", value=f"{ONE}\n")
        assert done.returncode == 0 and "key openai (version 1, fingerprint" in done.stderr, done.stderr
        return ["-m", "switchman.addons.cli", "serve", "--workers", "2", "--port", "0", "--ui-port", "0"]

    return start_shared("", {"ENCRYPTION_KEY": secrets.token_hex(32)}, command)


@pytest.fixture
def asked(proxy: Any, upstream: FakeUpstream) -> Iterator[Callable[..., set[str]]]:
    """Which keys the server saw of some requests, each over a connection of its own, so that both workers answer."""

    def ask(model: str = "s/fake-model", times: int = 8) -> set[str]:
        before = len(upstream.inferences)
        for _ in range(times):
            assert proxy.chat(model).status_code == 200
        return keys_of(upstream.inferences[before:])

    yield ask
    upstream.default = Behaviour()
    proxy.overlook()


def test_a_rotation_is_in_force_in_every_worker(proxy: Any, asked: Callable[..., set[str]]) -> None:
    """Without a restart; afterwards the old one is sent by none."""
    assert asked() == {ONE} == asked("h/fake-model")
    assert asked("p/fake-model") == {ONE, FILE}
    assert cli(proxy, "key", "rotate", "openai", value=TWO).returncode == 0
    proxy.until(lambda: asked() == {TWO})
    assert asked() == {TWO} == asked("h/fake-model")
    assert cli(proxy, "key", "rekey").returncode == 2  # ENCRYPTION_KEY is set, and no new one was given
    listed = cli(proxy, "key", "list").stdout
    assert listed.startswith("openai  version 2  set 20") and len(listed.splitlines()) == 1


def test_a_conversation_keeps_its_key_in_every_worker(proxy: Any, upstream: FakeUpstream) -> None:
    """Each turn comes over a connection of its own, to whichever worker. On a machine that is too busy to tell a worker
    in time, a conversation may take its turn again: of some one is enough, as by chance none of ten turns does it.
    """

    def keys_of_talk(name: str) -> set[str]:
        before, said = len(upstream.inferences), [{"role": "user", "content": f"I am {name}"}]
        for turn in range(10):
            answer = proxy.post("/v1/chat/completions", {"model": "p/fake-model", "messages": said})
            assert answer.status_code == 200
            said += [answer.json()["choices"][0]["message"], {"role": "user", "content": f"turn {turn}"}]
        return keys_of(upstream.inferences[before:])

    assert any(len(keys_of_talk(name)) == 1 for name in ("Ada", "Bo", "Cy", "Di"))
    proxy.overlook()


def test_a_key_that_is_gone_leaves_the_rules_in_force(proxy: Any, asked: Callable[..., set[str]]) -> None:
    """It is refused while the rules name it; by force it goes, and the log says where it is missed."""
    refused = cli(proxy, "key", "delete", "openai")
    assert refused.returncode == 2 and f"{proxy.routes_file}:2 names vault:openai" in refused.stderr
    before = asked()
    assert cli(proxy, "key", "delete", "openai", "--force").returncode == 0
    where = f"{proxy.routes_file}:2:"
    for told in ("no key openai is in the vault, which is empty", where, "the last good rules stay in force"):
        proxy.wait_output(told)  # lines of one record, which need not come at once
    assert asked() == before
    assert cli(proxy, "key", "set", "openai", value=THREE).returncode == 0
    proxy.until(lambda: asked() == {THREE})


def test_a_wrong_master_key_is_refused_by_every_process(proxy: Any, asked: Callable[..., set[str]]) -> None:
    """Each says whose key does not open, and what to do, and ends before it does anything."""
    assert asked()
    wrong = {"ENCRYPTION_KEY": secrets.token_hex(32), "LISTEN_PORT": "0", "UI_PORT": "0"}
    commands = {
        "serve": [*CLI, "serve", "--port", "0", "--ui-port", "0"],
        "worker": [sys.executable, "-m", "switchman.addons.serving.worker"],
        "dashboard": [sys.executable, "-m", "switchman.addons.serving.dashboard", "--port", "0"],
        "mitmdump": [
            str(Path(sys.executable).with_name("mitmdump")), "--listen-host", "127.0.0.1", "-p", "0",
            "-s", "addons/pipeline.py",
        ],
    }  # fmt: skip
    env = {**proxy.env, **wrong}
    started = {
        name: subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=Path(__file__).parents[3],
        )
        for name, command in commands.items()
    }  # fmt: skip
    try:  # their standard input stays open: its end would tell a worker that its supervisor is gone
        said = {name: ended(process) for name, process in started.items()}
    finally:
        for process in started.values():
            process.kill()
            process.communicate()
    ends = {name: process.returncode for name, process in started.items()}
    for command in ("check --offline", "key list", "key rotate openai"):
        done = cli(proxy, *command.split(), value=TWO, **wrong)
        said[command], ends[command] = done.stdout + done.stderr, done.returncode
    for name, text in said.items():
        assert "the vault's key openai was sealed by another master key" in text, (name, text)
        assert "Set ENCRYPTION_KEY to the one that was in use" in text and TWO not in text, (name, text)
        assert ends[name] != 0, name
    weak = cli(proxy, "check", "--offline", ENCRYPTION_KEY="correct horse battery staple")
    assert weak.returncode == 1 and "ENCRYPTION_KEY: 28 characters that are not 32 bytes" in weak.stderr


def ended(process: subprocess.Popen[str]) -> str:
    """What a process has said, once it has ended."""
    process.wait(120)
    assert process.stdout is not None
    return process.stdout.read()


def test_nothing_shows_a_key(proxy: Any, upstream: FakeUpstream, asked: Callable[..., set[str]]) -> None:
    """No answer of the router, no page, no export, no row, no file of the log, no line of output."""
    quoted = f"Incorrect API key provided: {ONE}, {TWO}, {THREE}, {FILE}"
    upstream.default = Behaviour(status=401, message=quoted)
    answers = [proxy.chat(f"{server}/fake-model", stream) for server in "shp" for stream in (False, True)]
    upstream.default = Behaviour(text=quoted)
    answers += [proxy.chat(f"{server}/fake-model", stream) for server in "shp" for stream in (False, True)]
    ids = [proxy.row_of(answer)["id"] for answer in answers]
    places = {f"answer {n}": answer.content + repr(answer.headers.raw).encode() for n, answer in enumerate(answers)}
    for path in ("/v1/models", "/api/tags", "/healthz", "/readyz", "/", "/v1/models/s/fake-model", "/nowhere"):
        places[path] = httpx.get(proxy.url + path, trust_env=False).content
    places |= pages(proxy, ids)
    places |= {
        file.name: file.read_bytes() for file in proxy.folder.rglob("*") if file.is_file() and file.name != "more.key"
    }
    places["output"] = proxy.output.encode()
    assert len(places) > 60
    for key in (ONE, TWO, THREE, FILE):
        assert [place for place, text in places.items() if key.encode() in text] == []


def pages(proxy: Any, ids: list[str]) -> dict[str, bytes]:
    """Every address of the dashboard that can be read, for every request."""
    from switchman.webui import WebConfig, create_app

    base = DASHBOARD.search(proxy.output)
    assert base is not None
    app = create_app(WebConfig(queries=None, jwt_secret=None))  # type: ignore[arg-type]
    found: dict[str, bytes] = {}
    with httpx.Client(base_url=base[1], trust_env=False, timeout=30) as client:
        for rule in app.url_map.iter_rules():
            if "GET" not in (rule.methods or ()):
                continue
            for one in ids if rule.arguments else [""]:
                values: dict[str, Any] = {
                    name: "request" if "which" in name or "side" in name else one for name in rule.arguments
                }
                values |= dict.fromkeys(rule.arguments & {"number", "at"}, 1)  # of a message, or of a version
                for side in ("request", "response") if len(rule.arguments) > 1 else ("request",):
                    values |= {name: side for name in rule.arguments if values[name] == "request"}
                    path = app.url_map.bind("x").build(rule.endpoint, values) if values else rule.rule
                    with client.stream("GET", path) as answer:
                        live = "event-stream" in answer.headers.get("content-type", "")
                        found[path] = next(answer.iter_bytes(), b"") if live else answer.read()
    return found
