"""One proxy process: what it says at its start, and how it stops."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import ctx

from switchman.addons.config.child import READY
from switchman.addons.config.settings import Settings
from switchman.addons.serving import worker
from switchman.addons.serving.ports import SharedPortLoop
from switchman.addons.serving.worker import SayReady, serve


class Failover:
    """What the master asks for the connections that are busy."""

    layers: tuple[Any, ...] = ()


def run(settings: Settings, addons: list[Any], folder: Path) -> None:
    asyncio.run(serve(settings, addons, folder), loop_factory=SharedPortLoop)


class Stop:
    """Sends SIGTERM to its own process as soon as everything has started."""

    def running(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def sockets() -> set[socket.socket]:
    """Those that are open here, also in what a worker has frozen for its life."""
    gc.unfreeze()
    return {one for one in gc.get_objects() if type(one) is socket.socket and one.fileno() >= 0}


@pytest.fixture(autouse=True)
def over() -> Iterator[None]:
    """No socket of a worker is left for the tests after it."""
    before = sockets()
    yield
    assert sockets() <= before


def test_it_is_ready_when_everybody_has_started_and_ends_by_sigterm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last addon says so, once the port is open; its addons are told of the end."""
    seen: list[str] = []

    class Noting:
        def running(self) -> None:
            seen.append(capsys.readouterr().out)

        def done(self) -> None:
            seen.append("done")

    run(Settings(listen_port=0, shutdown_grace=0.0), [Failover(), Noting(), Stop()], tmp_path)
    assert seen == ["", "done"]
    assert capsys.readouterr().out == f"{READY}\n"


def test_sigterm_during_the_start_waits_for_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All that has begun is ended in its order: threads that write to the log among it."""
    seen: list[str] = []

    class Slow(SharedPortLoop):
        async def create_server(self, *arguments: Any, **options: Any) -> asyncio.Server:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(50):
                await asyncio.sleep(0)
            return await super().create_server(*arguments, **options)

    class Noting:
        def running(self) -> None:
            seen.append("running")

        def done(self) -> None:
            seen.append("done")

    settings = Settings(listen_port=0, shutdown_grace=0.0)
    asyncio.run(serve(settings, [Failover(), Noting()], tmp_path), loop_factory=Slow)
    assert seen == ["running", "done"]
    assert capsys.readouterr().out == f"{READY}\n"


def test_a_connection_that_has_not_begun_hears_nothing_of_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its layers would take that for their beginning; it is one that waits, or is being refused."""
    monkeypatch.setattr(worker, "HANG_UP_PATIENCE", 0.2)

    class Holding:
        def running(self) -> None:
            (port,) = {address[1] for address in ctx.master.addons.get("proxyserver").listen_addrs()}
            self.task = asyncio.create_task(asyncio.open_connection("127.0.0.1", port))

        async def client_connected(self, client: object) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()

        def done(self) -> None:
            _, writer = self.task.result()
            writer.close()

    run(Settings(listen_port=0, listen_host="127.0.0.1", shutdown_grace=0.0), [Failover(), Holding()], tmp_path)
    assert caplog.messages == []


def test_an_error_during_the_start_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1: an addon that cannot do its part must not be missed only with the first request."""

    class Failing:
        def running(self) -> None:
            logging.getLogger("switchman").error("cannot do my part")

    before = sockets()
    with pytest.raises(SystemExit) as caught:
        run(Settings(listen_port=0), [Failover(), Failing()], tmp_path)
    assert caught.value.code == 1
    assert "during startup" in capsys.readouterr().err
    for left in sockets() - before:  # the process would be over; here mitmproxy holds them until the next master,
        left.close()  # which is made in another file: its tests would be blamed for them


def test_ready_is_said_after_what_is_there_is_frozen(capsys: pytest.CaptureFixture[str]) -> None:
    """No collection walks through it for the life of the process."""
    gc.unfreeze()
    SayReady().running()
    assert gc.get_freeze_count() > 0
    assert capsys.readouterr().out == f"{READY}\n"


def test_a_mistake_is_one_sentence(tmp_path: Path) -> None:
    """Exit code 1, the file and its line, and no traceback."""
    (tmp_path / "routes.yaml").write_text("servers: {}\naliasses: {}\n")
    command = [sys.executable, "-m", worker.__name__, "--number", "3"]
    env = {"PATH": os.environ["PATH"], "LISTEN_PORT": "0"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        said = process.stderr.read()
        assert process.wait(60) == 1
    assert "routes.yaml:2:" in said and "Traceback" not in said
