"""Configuration while it runs: hot reload, the last good rules, and no log at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from switchman.addons.state.reloads import POLL_SECONDS
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes
from tests.e2e.test_clients import by_mitmdump, by_serve


def routes(upstream: FakeUpstream, model: str) -> str:
    return f"servers:\n  up: '{upstream.url}'\naliases:\n  here: {{instances: [up/{model}]}}\n"


def asked_model(proxy: Any, upstream: FakeUpstream) -> str:
    assert proxy.chat("here").status_code == 200
    return upstream.inferences[-1].json()["model"]


def test_an_edited_file_is_in_force_within_a_second(start: Any) -> None:
    """Hot reload, also of a file that replaces the old one; while it is broken the last good rules stay."""
    with FakeUpstream() as upstream:
        proxy = start(routes(upstream, "one"))
        assert asked_model(proxy, upstream) == "one"
        proxy.routes_file.write_text(routes(upstream, "two"))
        proxy.until(lambda: asked_model(proxy, upstream) == "two")
        assert POLL_SECONDS <= 0.5  # so within a second, on a machine that is not busy with something else

        proxy.routes_file.write_text(routes(upstream, "three") + "aliasses: {}\n")
        proxy.wait_output("routes.yaml:5:")  # the line of the unknown key
        assert asked_model(proxy, upstream) == "two"
        ready = httpx.get(f"{proxy.url}/readyz", trust_env=False)
        assert "routes.yaml:5:" in ready.text

        aside = proxy.folder / "new.yaml"
        aside.write_text(routes(upstream, "four"))
        aside.replace(proxy.routes_file)
        proxy.until(lambda: asked_model(proxy, upstream) == "four")
        assert "routes.yaml:" not in httpx.get(f"{proxy.url}/readyz", trust_env=False).text


def test_a_hang_up_signal_has_the_file_read_again(start: Any) -> None:
    """And stops nothing, in a worker as in mitmdump; a broken file is told of."""
    with FakeUpstream() as upstream:
        for command in (None, by_mitmdump, by_serve):
            proxy = start(routes(upstream, "one"), command=command)
            proxy.process.send_signal(signal.SIGHUP)
            proxy.wait_output("read again, and it says the same")
            assert asked_model(proxy, upstream) == "one"
            proxy.routes_file.write_text(routes(upstream, "two"))
            proxy.process.send_signal(signal.SIGHUP)
            proxy.until(lambda proxy=proxy: asked_model(proxy, upstream) == "two")
            proxy.routes_file.write_text("servers: [")
            proxy.process.send_signal(signal.SIGHUP)
            proxy.wait_output("the last good rules stay in force")
            assert asked_model(proxy, upstream) == "two"


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm")])
def test_a_deleted_database_is_made_anew(start: Any, suffixes: tuple[str, ...]) -> None:
    """What comes after it is logged; nobody has to start the router again."""
    with FakeUpstream() as upstream:
        proxy = start(routes(upstream, "one"))
        before = proxy.chat("here")
        proxy.row_of(before)
        for suffix in reversed(suffixes):  # the file itself last: a new one is made at once, with such files of its own
            (proxy.folder / f"requests.db{suffix}").unlink(missing_ok=True)
        proxy.forget_log()
        after = proxy.chat("here")
        proxy.wait_output("was deleted; a new one is made")  # said when its tables are there
        assert proxy.row_of(after)["status"] == 200
        assert [row["id"] for row in proxy.rows()] == [after.headers["x-switchman-request-id"]]
        assert httpx.get(f"{proxy.url}/readyz", trust_env=False).json()["checks"]["database"] == {"ok": True}


def test_a_request_in_flight_keeps_the_rules_it_began_with(start: Any) -> None:
    """A reload changes no running request, and needs none to end."""
    with FakeUpstream() as upstream:
        proxy = start(routes(upstream, "one"))
        upstream.script([Behaviour(pieces=["x "] * 400, delay=0.01)])
        with RawClient(proxy.port) as client:
            client.send(
                request_bytes(
                    "/v1/chat/completions",
                    b'{"model":"here","stream":true,"messages":[{"role":"user","content":"hi"}]}',
                )
            )
            reply = client.head()
            proxy.routes_file.write_text(routes(upstream, "two"))
            proxy.until(lambda: asked_model(proxy, upstream) == "two")
            while chunk := client.chunk(reply):
                pass
            assert chunk == b"" and reply.body.endswith(b"data: [DONE]\n\n")


def test_without_logging_nothing_is_written(start: Any) -> None:
    """ENABLE_LOGGING=false: requests are served, and no file appears."""
    with FakeUpstream() as upstream:
        proxy = start(routes(upstream, "m"), {"ENABLE_LOGGING": "false"})
        assert proxy.chat("here").status_code == 200
        assert "[DONE]" in proxy.chat("here", stream=True).text
        proxy.stop()
        left = {file.name for file in proxy.folder.iterdir()}
        assert left <= {"routes.yaml", "output.txt", "mitmproxy"}


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"JWT_SECRET": "weak"}, "JWT_SECRET"),
        ({"REQUEST_TIMEOUT": "long"}, "REQUEST_TIMEOUT"),
        ({"MODEL_MAP": "{"}, "MODEL_MAP"),
    ],
)
def test_a_bad_setting_stops_the_start(env: dict[str, str], said: str, tmp_path: Path) -> None:
    """The start is refused with one message that names the variable, and what was expected."""
    ended = serve_in_vain(tmp_path, env)
    assert ended.returncode == 2
    assert said in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr


def test_a_bad_routes_file_stops_the_start(tmp_path: Path) -> None:
    """With file, line, key, and what was expected."""
    file = tmp_path / "routes.yaml"
    file.write_text("servers:\n  up: http://localhost:1\naliasses: {}\n")
    ended = serve_in_vain(tmp_path, {}, "--config", str(file), "--data-dir", str(tmp_path))
    assert ended.returncode == 2
    assert "routes.yaml:3" in ended.stderr and "aliases" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL is not an SQLAlchemy URL"),
        ({"DATABASE_URL": "oracle9://user:hunter2secret@host/name"}, "not known: oracle9"),
    ],
)
def test_a_log_that_cannot_be_opened_stops_the_start(env: dict[str, str], said: str, tmp_path: Path) -> None:
    """With a sentence and no traceback, and without the password of the database."""
    ended = serve_in_vain(tmp_path, env)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr and "hunter2secret" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 2  # the worker's sentence, and the supervisor's


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"DB_PATH": "/"}, "DB_PATH='/': nothing can be kept there: that is a folder; "),
        (
            {"DB_PATH": "/nowhere/all.db"},
            "DB_PATH='/nowhere/all.db': nothing can be kept there: /nowhere: No such file",
        ),
        (
            {"BLOB_STORAGE_PATH": "/proc/x"},
            "BLOB_STORAGE_PATH='/proc/x': nothing can be kept there: /proc/x: No such file",
        ),
    ],
)
def test_a_log_that_cannot_be_written_stops_the_start(env: dict[str, str], said: str, tmp_path: Path) -> None:
    """Before anything is started, with the variable, the place, and what to do."""
    ended = serve_in_vain(tmp_path, env)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert said in line and "--data-dir" in line


def serve_in_vain(folder: Path, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`switchman serve` with what it should refuse."""
    command = [sys.executable, "-m", "switchman.addons.cli", "serve", "--no-ui", "--port", "0", *arguments]
    clean = {**os.environ, "DB_PATH": str(folder / "r.db"), "BLOB_STORAGE_PATH": str(folder / "b"), **env}
    return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60, cwd=folder)
