"""Which processes a start has, in which order, and what it tells the person who started it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.serving import launch as module
from switchman.addons.serving.launch import Launch, is_loopback
from switchman.addons.serving.supervisor import Command, StartFailed, Supervisor
from switchman.addons.testing import Behaviour, FakeUpstream


class Noting(Supervisor):
    """A supervisor that starts nothing, but writes down what it was to start."""

    def __init__(self, fails: str = "") -> None:
        super().__init__(lambda line: None)
        self.fails = fails
        self.started: dict[str, list[str]] = {}
        self.essential: set[str] = set()

    async def start(
        self, name: str, command: Command, *, essential: bool = True, reloads: bool = False
    ) -> Sequence[str]:
        if name == self.fails:
            raise StartFailed(name)
        self.started[name] = list(command(()))
        self.essential |= {name} if essential else set()
        return {"dashboard": ["4321"], "demo": ["8001", "8002"]}.get(name, [])


@pytest.fixture
def router() -> Iterator[FakeUpstream]:
    """What answers at /healthz in the place of the workers."""
    with FakeUpstream() as up:
        up.paths["/healthz"] = Behaviour(body="ok")
        yield up


class Started:
    """A start on paper, and all that it said."""

    def __init__(self, supervisor: Noting, settings: Settings, port: int, **more: Any) -> None:
        self.said: list[str] = []
        self.shown: list[str] = []
        given: dict[str, Any] = {"ui_port": 0, "workers": 1, "data": None, "demo": False, **more}
        launch = Launch(settings, port, say=self.said.append, show=self.shown.append, **given)
        asyncio.run(launch.start(supervisor))

    def line(self, word: str) -> str:
        return next(line for line in self.said if line.startswith(word))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that children inherit is put back afterwards."""
    monkeypatch.chdir(tmp_path)
    for name in ("SEMANTIC_SOCKET", "DEFAULT_UPSTREAM"):
        monkeypatch.setenv(name, "")


def settings(**more: Any) -> Settings:
    return Settings(**{"semantic_socket": "off", **more})


def test_the_first_worker_starts_alone_and_the_dashboard_last(router: FakeUpstream) -> None:
    """It migrates the database and makes the certificates; without the dashboard requests are served all the same."""
    supervisor = Noting()
    started = Started(supervisor, settings(), router.port, workers=3)
    assert list(supervisor.started) == ["worker-1", "worker-2", "worker-3", "dashboard"]
    assert supervisor.essential == {"worker-1", "worker-2", "worker-3"}
    assert supervisor.started["worker-2"] == ["switchman.addons.serving.worker", "--number", "2"]
    assert started.line("proxy") == f"proxy      http://127.0.0.1:{router.port}  (3 workers; Ctrl-C stops everything)"
    assert started.line("dashboard") == "dashboard  http://127.0.0.1:4321"
    assert any("ALWAYS_AUTH holds behind a proxy" in line for line in started.said)
    assert any("kept for 7 days, 10 GB at most" in line for line in started.said)
    assert not any(line.startswith("warning") for line in started.said)


def test_a_worker_that_cannot_start_stops_the_start(router: FakeUpstream) -> None:
    """No dashboard of a router that does not run."""
    supervisor = Noting(fails="worker-2")
    with pytest.raises(StartFailed):
        Started(supervisor, settings(), router.port, workers=3)
    assert list(supervisor.started) == ["worker-1"]


def test_without_a_dashboard_none_is_told_of(router: FakeUpstream) -> None:
    """--no-ui."""
    supervisor = Noting()
    started = Started(supervisor, settings(), router.port, ui_port=None)
    assert list(supervisor.started) == ["worker-1"]
    assert not any(line.startswith("dashboard") for line in started.said)


def test_certificates_lie_with_the_data(router: FakeUpstream, tmp_path: Path) -> None:
    """Else where mitmproxy keeps them."""
    supervisor = Noting()
    Started(supervisor, settings(), router.port, data=tmp_path)
    assert supervisor.started["worker-1"][-2:] == ["--confdir", str(tmp_path / "mitmproxy")]


def test_a_router_that_does_not_answer_is_a_warning(monkeypatch: pytest.MonkeyPatch, router: FakeUpstream) -> None:
    """All processes are ready, and still something is wrong."""
    monkeypatch.setattr(module, "HEALTH_PATIENCE", 0.2)
    router.paths["/healthz"] = Behaviour(status=503)
    started = Started(Noting(), settings(), router.port)
    assert started.said[0] == f"warning: http://127.0.0.1:{router.port}/healthz does not answer"


@pytest.mark.parametrize(
    ("host", "security", "warns"),
    [
        ("127.0.0.1", "NONE", False),
        ("0.0.0.0", "AUTH_WHEN_PROXIED", True),
        ("0.0.0.0", "ALWAYS_AUTH", False),
    ],
)
def test_a_dashboard_that_others_can_read_is_a_warning(
    host: str, security: str, warns: bool, router: FakeUpstream
) -> None:
    """The address that is printed is one that can be opened here."""
    started = Started(Noting(), settings(listen_host=host, webui_security=security), router.port)
    assert any("other machines can read the dashboard" in line for line in started.said) is warns
    assert f"http://127.0.0.1:{router.port} " in started.line("proxy")


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("redis://10.0.0.5:6379/0", True),
        ("rediss://cache.example/0", True),
        ("redis://user@10.0.0.5/0", True),
        ("redis://:pass-word-1@10.0.0.5:6379/0", False),
        ("redis://10.0.0.5/0?password=pass-word-1", False),
        ("redis://127.0.0.1:6379/0", False),
        ("redis://[::1]:6379/0", False),
        ("redis://localhost/0", False),
        ("redis://", False),
        ("unix:///run/redis.sock", False),
        (None, False),
    ],
)
def test_a_redis_that_others_can_write_to_is_a_warning(url: str | None, warns: bool, router: FakeUpstream) -> None:
    """Limits and budgets are counted there; one on this machine, or with a password, is not told of."""
    started = Started(Noting(), settings(redis_url=url), router.port)
    assert any("REDIS_URL has no password" in line for line in started.said) is warns
    assert not any("pass-word-1" in line for line in started.said)


def test_which_rules_and_which_log_are_in_force_is_told(router: FakeUpstream, tmp_path: Path) -> None:
    """The files by their whole paths; a DATABASE_URL by its name alone, as it may hold a password."""
    started = Started(Noting(), settings(), router.port)
    assert started.line("routes") == (
        f"routes     none, as there is no {tmp_path / 'routes.yaml'}: everything goes to http://localhost:8000"
    )
    assert started.line("log").startswith(f"log        {tmp_path / 'requests.db'};")
    (tmp_path / "routes.yaml").write_text("servers: {a: 'http://127.0.0.1:9'}\n")
    started = Started(Noting(), settings(database_url="postgresql://u:hunter2@h/d"), router.port)
    assert started.line("routes").startswith(f"routes     {tmp_path / 'routes.yaml'}: 1 server, 0 aliases, 0 routes;")
    assert started.line("log").startswith("log        DATABASE_URL;")
    assert "hunter2" not in "".join(started.said)
    assert not any(
        line.startswith("log") for line in Started(Noting(), settings(enable_logging=False), router.port).said
    )


def test_the_demo_brings_its_upstreams_and_its_routes(router: FakeUpstream, tmp_path: Path) -> None:
    """They start first, as the routes name their ports; what to try is shown apart from the lines."""
    supervisor = Noting()
    data = settings(routes_config=str(tmp_path / "routes.yaml"))
    started = Started(supervisor, data, router.port, data=tmp_path, demo=True)
    assert list(supervisor.started)[:2] == ["demo", "worker-1"] and "demo" not in supervisor.essential
    assert "http://127.0.0.1:8002" in (tmp_path / "routes.yaml").read_text()
    assert os.environ["DEFAULT_UPSTREAM"] == ""  # not set: bare names go by the servers' lists
    assert supervisor.started["demo"][-2:] == ["--router", f"http://127.0.0.1:{router.port}"]
    assert len(started.shown) == 1 and f"http://127.0.0.1:{router.port}/v1" in started.shown[0]
    assert "2 servers, 1 alias, 2 routes" in started.line("routes")


def test_a_restarted_dashboard_takes_the_port_it_had() -> None:
    """Somebody has it open."""
    command = module._dashboard(0)
    assert command(())[-1] == "0"
    assert command(["4321"])[-1] == "4321"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("", False), ("192.168.0.1", False), ("my-machine", False),
    ],
)  # fmt: skip
def test_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    """A name that is not known is taken for the network's."""
    assert is_loopback(host) is loopback
