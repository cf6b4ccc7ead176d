"""`switchman serve` as a person runs it: real processes, real ports, real signals."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from switchman.addons.cli.serve import option_of, overrides
from switchman.addons.state.metrics.sheet import FOLDER
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.demo import SAMPLES

PATIENCE = 90.0
STRONG = "kV9qRz3mT7wXc2Lp8sYd4Hf6Jn1Bg5Qa0EuItOx"

Start = Callable[..., "Serve"]


class Serve:
    """One `switchman serve`, in a folder of its own."""

    def __init__(self, folder: Path, arguments: list[str], environment: dict[str, str]) -> None:
        self.log = folder / "serve.log"
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "switchman.addons.cli", "serve", *arguments],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=inherited | environment,
            )  # fmt: skip

    def text(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while text not in (log := self.text()):
            assert self.process.poll() is None, f"ended before {text!r}:\n{log}"
            assert time.monotonic() < deadline, f"no {text!r} in:\n{log}"
            time.sleep(0.05)
        return log

    def url(self, what: str) -> str:
        """The address printed after `proxy` or `dashboard`."""
        for line in self.wait_for(f"switchman: {what} ").splitlines():
            words = line.split()
            if words[:2] == ["switchman:", what]:
                return words[2]
        raise AssertionError("unreachable")

    def children(self) -> dict[int, str]:
        """The processes under the supervisor: id and command line."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(pid): Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in pids}

    def environment_of(self, pid: int) -> dict[str, str]:
        """What one of them was started with."""
        entries = Path(f"/proc/{pid}/environ").read_text().split("\0")
        return dict(entry.split("=", 1) for entry in entries if "=" in entry)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Start]:
    """Starts `switchman serve` on free ports, with its data in a folder of its own."""
    started: list[Serve] = []

    def start(*arguments: str, ports: tuple[str, ...] = ("--port", "0", "--ui-port", "0"), **settings: str) -> Serve:
        started.append(Serve(tmp_path, [*ports, *arguments], settings))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def wait_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while running := [pid for pid in pids if _runs(pid)]:
        assert time.monotonic() < deadline, f"still running: {running}"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def chat(url: str, **fields: Any) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=PATIENCE)


def metrics(running: Serve) -> str:
    answer = httpx.get(running.url("dashboard") + "/metrics", timeout=PATIENCE)
    assert answer.status_code == 200
    return answer.text


def rows(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        count: int = connection.execute("SELECT count(*) FROM requests").fetchone()[0]
        return count


def test_bodies_in_memory_are_there_until_it_stops(serve: Start, tmp_path: Path) -> None:
    """Two workers write them, the dashboard reads them, no disk has them, and afterwards they are gone."""
    with FakeUpstream() as upstream:
        running = serve("--workers", "2", BLOB_STORAGE_TYPE="memory", DEFAULT_UPSTREAM=upstream.url)
        proxy, dashboard = running.url("proxy"), running.url("dashboard")
        folder = Path(running.text().partition("bodies     in memory (")[2].partition(")")[0])
        assert folder.is_dir()
        for number in range(6):
            said = f"a question with the number {number}"
            answer = chat(proxy, messages=[{"role": "user", "content": said}])
            story = f"{dashboard}/request/{answer.headers['x-switchman-request-id']}"
            deadline = time.monotonic() + PATIENCE
            while said not in (page := httpx.get(story, timeout=PATIENCE)).text:
                assert time.monotonic() < deadline, page.text
                time.sleep(0.05)
        assert running.stop() == 0
    assert not folder.exists()
    assert not (tmp_path / "blob_storage").exists()


def test_the_start_says_what_is_in_force(serve: Start, tmp_path: Path) -> None:
    """Which routes file, which log, which layers; and where everything goes when there is no file."""
    running = serve("--no-ui")
    running.wait_for("switchman:   off ")
    text = running.text()
    assert (
        f"routes     none, as there is no {tmp_path / 'routes.yaml'}: everything goes to http://localhost:8000" in text
    )
    assert f"log        {tmp_path / 'requests.db'};" in text
    assert "layers     of the model `auto`: L0 exact cache, L1 rules, default\n" in text
    assert text.count("no prepared model") == 1
    assert running.stop() == 0
    (tmp_path / "routes.yaml").write_text('servers: {a: "http://127.0.0.1:9"}\n')
    running = serve("--no-ui", ENABLE_LOGGING="false")
    running.wait_for("switchman:   off ")
    assert f"routes     {tmp_path / 'routes.yaml'}: 1 server, 0 aliases, 0 routes; " in running.text()
    assert "switchman: log " not in running.text()
    assert running.stop() == 0


def test_demo_answers_and_leaves_nothing_running(serve: Start, tmp_path: Path) -> None:
    """The demo answers, strips thoughts, hides the failing third request; Ctrl-C ends all, and the log is on disk."""
    demo = serve("--demo", "--workers", "2")
    text = demo.wait_for("openai import OpenAI")
    proxy = demo.url("proxy")
    assert f"curl {proxy}/v1/chat/completions" in text
    answers = [chat(proxy, model="demo") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert "2" in {answer.headers["x-switchman-attempts"] for answer in answers}
    assert "think>" not in chat(proxy, model="thinker/demo-think").text
    for path in ("/api/chat", "/v1/messages"):  # the README's other clients, on the same alias
        asked = {"model": "demo", "max_tokens": 99, "messages": [{"role": "user", "content": "Hello!"}]}
        answer = httpx.post(proxy + path, json=asked, timeout=PATIENCE)
        assert answer.status_code == 200 and "Hello" in answer.text, answer.text
    assert httpx.get(demo.url("dashboard") + "/requests", timeout=PATIENCE).status_code == 200
    pids = list(demo.children())
    assert len(pids) == 4  # two workers, the dashboard, the demo's upstreams
    own = len(SAMPLES)  # the demo's own, which are on the dashboard within a minute
    deadline = time.monotonic() + PATIENCE
    while (seen := rows(tmp_path / ".demo" / "requests.db")) < 7 + own:
        assert time.monotonic() < deadline, f"{seen} requests so far"
        time.sleep(0.05)
    counted = re.findall(r"^switchman_requests_total{.* (.+)$", metrics(demo), re.M)
    assert sum(map(float, counted)) == 7 + own
    folder = Path(demo.environment_of(pids[0])[FOLDER])
    assert folder.stat().st_mode & 0o777 == 0o700 and len(list(folder.glob("*.values"))) == 2
    assert demo.stop() == 0
    assert not folder.exists()
    wait_gone(pids)
    assert rows(tmp_path / ".demo" / "requests.db") == 7 + own
    assert "Traceback" not in demo.text()


def test_workers_share_the_port_and_are_restarted(serve: Start) -> None:
    """A killed worker comes back with a line that says so; the others answer meanwhile."""
    with FakeUpstream() as upstream:
        running = serve("--workers", "2", "--no-ui", DEFAULT_UPSTREAM=upstream.url)
        proxy = running.url("proxy")
        workers = list(running.children())
        os.kill(workers[0], signal.SIGKILL)
        running.wait_for("worker-1 died by signal 9 (SIGKILL); restarting it")
        running.wait_for("worker-1 is back")
        assert len(running.children()) == 2 and workers[0] not in running.children()
        assert chat(proxy).status_code == 200
        assert running.stop(signal.SIGTERM) == 0


def test_a_worker_that_dies_while_the_rules_are_broken_comes_back_with_the_last_good_ones(
    serve: Start, tmp_path: Path
) -> None:
    """It is no start with a bad file, which is refused; and what holds the rules goes with the router."""
    data = tmp_path / "data"
    data.mkdir()
    with FakeUpstream() as upstream:
        routes = data / "routes.yaml"
        routes.write_text(f"servers: {{up: '{upstream.url}'}}\naliases: {{here: {{instances: [up/one]}}}}\n")
        running = serve("--no-ui", "--data-dir", str(data), TMPDIR=str(tmp_path))
        proxy = running.url("proxy")
        routes.write_text(routes.read_text() + "aliasses: {}\n")
        running.wait_for("the last good rules stay in force")
        os.kill(next(iter(running.children())), signal.SIGKILL)
        running.wait_for("worker-1 is back")
        assert chat(proxy, model="here").headers["x-switchman-target"] == "up/one"
        assert "routes.yaml:3:" in httpx.get(f"{proxy}/readyz", timeout=PATIENCE).text
        assert list(tmp_path.glob("switchman-rules-*"))
        assert running.stop() == 0
    assert not list(tmp_path.glob("switchman-rules-*"))


def test_nothing_outlives_a_killed_supervisor(serve: Start) -> None:
    """After SIGKILL of the supervisor, workers and dashboard end by themselves."""
    running = serve()
    running.url("dashboard")
    pids = list(running.children())
    assert len(pids) == 2
    running.process.kill()
    running.process.wait()
    wait_gone(pids)


def test_running_requests_are_logged_when_it_stops(serve: Start, tmp_path: Path) -> None:
    """A request that is being answered when the router stops leaves its row too, and does not hold the stop up."""
    with FakeUpstream(default=Behaviour(never_answer=True)) as upstream:
        running = serve("--no-ui", "--data-dir", str(tmp_path / "data"), DEFAULT_UPSTREAM=upstream.url)
        host, port = running.url("proxy").removeprefix("http://").split(":")
        body = json.dumps({"model": "m", "messages": []}).encode()
        with socket.create_connection((host, int(port))) as client:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n%s" % (len(body), body)
            )
            upstream.wait_for(lambda: bool(upstream.inferences), PATIENCE)  # not what asks for its dialect
            assert running.stop() == 0
        assert rows(tmp_path / "data" / "requests.db") == 1


def test_a_running_stream_is_delivered_before_it_stops(serve: Start, tmp_path: Path) -> None:
    """Ctrl-C: no new connection, the stream goes on to its end, then nothing runs any more and its row is on disk."""
    resume = Event()
    told = Behaviour(pieces=[f"word{n} " for n in range(40)], stall_after=3, resume=resume)
    with FakeUpstream(default=told) as upstream:
        data = str(tmp_path / "data")
        running = serve("--workers", "2", "--data-dir", data, DEFAULT_UPSTREAM=upstream.url, SHUTDOWN_GRACE="3600")
        running.url("dashboard")
        pids = list(running.children())
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        url = f"{running.url('proxy')}/v1/chat/completions"
        with httpx.stream("POST", url, json=body, timeout=PATIENCE) as response:
            lines = response.iter_lines()
            assert next(lines)
            running.process.send_signal(signal.SIGINT)
            running.wait_for("waiting up to 3600 s for running requests")
            resume.set()
            rest = "\n".join(lines)
        assert "word39" in rest and rest.rstrip().endswith("[DONE]")
        assert running.process.wait(PATIENCE) == 0
        wait_gone(pids)
    assert rows(tmp_path / "data" / "requests.db") == 1


def test_a_second_ctrl_c_waits_for_nobody(serve: Start, tmp_path: Path) -> None:
    """Requests that run are ended with an answer that says so, and are logged; then it is over."""
    with FakeUpstream(default=Behaviour(never_answer=True)) as upstream:
        data = str(tmp_path / "data")
        running = serve("--no-ui", "--data-dir", data, DEFAULT_UPSTREAM=upstream.url, SHUTDOWN_GRACE="3600")
        url = running.url("proxy")
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(chat, url)
            upstream.wait_for(lambda: bool(upstream.inferences), PATIENCE)
            running.process.send_signal(signal.SIGINT)
            running.wait_for("waiting up to 3600 s for running requests")
            assert running.stop() == 0
            assert answer.result(PATIENCE).status_code == 503
    assert "killed" not in running.text()
    assert rows(tmp_path / "data" / "requests.db") == 1


def test_requests_of_other_workers_go_on_when_one_dies(serve: Start, tmp_path: Path) -> None:
    """kill -9: its clients see their connection end, the others' streams are delivered, and the new worker serves."""
    resume = Event()
    told = Behaviour(pieces=[f"word{n} " for n in range(40)], stall_after=3, resume=resume)
    with FakeUpstream(default=told) as upstream:
        running = serve(
            "--workers", "2", "--no-ui", "--data-dir", str(tmp_path / "data"), DEFAULT_UPSTREAM=upstream.url
        )
        url, workers = running.url("proxy"), list(running.children())
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        with ExitStack() as stack:
            clients = [stack.enter_context(httpx.Client(timeout=PATIENCE)) for _ in range(16)]
            streams = [
                stack.enter_context(client.stream("POST", f"{url}/v1/chat/completions", json=body))
                for client in clients
            ]
            os.kill(workers[0], signal.SIGKILL)
            running.wait_for("worker-1 died by signal 9 (SIGKILL); restarting it")
            resume.set()
            ends = [_end_of(stream) for stream in streams]
        assert set(ends) == {"whole", "cut"}, "16 connections, and the kernel gave one worker none"
        running.wait_for("worker-1 is back")
        upstream.default = Behaviour()
        assert [chat(url).status_code for _ in range(8)] == [200] * 8
        assert running.stop() == 0
    assert rows(tmp_path / "data" / "requests.db") == ends.count("whole") + 8


def _end_of(stream: httpx.Response) -> str:
    try:
        return "whole" if stream.read().endswith(b"data: [DONE]\n\n") else "short"
    except httpx.TransportError:
        return "cut"


def test_a_port_in_use_is_one_clear_line(serve: Start) -> None:
    """Exit code 2, which port, and what to do; no worker is started for it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = serve(ports=("--port", str(port), "--ui-port", "0"))
        assert running.process.wait(PATIENCE) == 2
        assert running.text() == (
            f"switchman: cannot listen on 127.0.0.1:{port}: Address already in use. "
            "Stop what runs there, or choose another port with --port\n"
        )
        running = serve(ports=("--port", "0", "--ui-port", str(port)))
        assert running.process.wait(PATIENCE) == 2
        assert "--ui-port" in running.text()


def test_proxy_and_dashboard_need_two_ports(serve: Start) -> None:
    """One port for both is our own mistake, and no other program's."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    running = serve(ports=("--port", port, "--ui-port", port))
    assert running.process.wait(PATIENCE) == 2
    assert running.text() == (
        f"switchman: proxy and dashboard cannot both have port {port}: choose another one with --ui-port\n"
    )


@pytest.mark.parametrize(
    ("host", "said"), [("999.1.1.1", "that is no address, and no name of one"), ("192.0.2.1", "does not have that")]
)
def test_a_host_that_is_not_this_machine_is_one_clear_line(host: str, said: str, serve: Start) -> None:
    """What is wrong is the address: the advice is about that, and not about ports."""
    running = serve("--host", host, CLIENT_AUTH="NONE")
    assert running.process.wait(PATIENCE) == 2
    (line,) = running.text().splitlines()
    assert f"cannot listen on {host}: " in line and said in line
    assert "127.0.0.1" in line and "--host" in line and "--port" not in line


@pytest.mark.parametrize("variable", ["BLOB_STORAGE_PATH", "DB_PATH"])
def test_a_log_that_cannot_be_written_stops_the_start(variable: str, serve: Start, tmp_path: Path) -> None:
    """One line that names the variable, before any process is started."""
    (tmp_path / "file").touch()
    running = serve(**{variable: str(tmp_path / "file" / "below")})
    assert running.process.wait(PATIENCE) == 2
    (line,) = running.text().splitlines()
    assert line.startswith(f"switchman: {variable}='{tmp_path}/file/below': nothing can be kept there: ")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"JWT_SECRET": "secret"}, "JWT_SECRET"),
        ({"LISTEN_PORT": "many"}, "LISTEN_PORT"),
        ({"MODEL_MAP": "{"}, "MODEL_MAP"),
    ],
)
def test_bad_settings_are_refused_once(serve: Start, settings: dict[str, str], said: str) -> None:
    """The supervisor itself refuses: exit code 2, the variable's name, one message whatever the number of workers."""
    running = serve("--workers", "3", ports=("--ui-port", "0"), **settings)
    assert running.process.wait(PATIENCE) == 2
    assert running.text().count(said) == 1
    assert "Traceback" not in running.text()


def test_a_bad_rules_file_is_refused_with_its_line(serve: Start, tmp_path: Path) -> None:
    """Exit code 2 and file:line; a file that is not there is refused too where --config names it."""
    rules = tmp_path / "mine.yaml"
    rules.write_text("servers:\n  a: 'http://127.0.0.1:1'\naliasses: {}\n")
    running = serve("--config", str(rules))
    assert running.process.wait(PATIENCE) == 2
    assert f"{rules}:3" in running.text() and "Traceback" not in running.text()
    running = serve("--config", str(tmp_path / "absent.yaml"))
    assert running.process.wait(PATIENCE) == 2
    assert "absent.yaml" in running.text()


def test_secrets_stand_on_no_command_line(serve: Start) -> None:
    """Settings go to the children by environment: `ps` shows none of them to other users."""
    running = serve(JWT_SECRET=STRONG, DATABASE_URL="sqlite:///hidden-name.db")
    running.url("dashboard")
    for command in running.children().values():
        assert STRONG not in command and "hidden-name" not in command
    assert running.stop() == 0


def test_without_logging_there_is_no_dashboard_and_no_file(serve: Start, tmp_path: Path) -> None:
    """ENABLE_LOGGING=false: requests are served, and nothing is written."""
    with FakeUpstream() as upstream:
        running = serve("--data-dir", str(tmp_path / "data"), ENABLE_LOGGING="false", DEFAULT_UPSTREAM=upstream.url)
        assert chat(running.url("proxy")).status_code == 200
        assert len(running.children()) == 1
        assert running.stop() == 0
    assert "dashboard" not in running.text()
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"mitmproxy"}


def test_a_default_upstream_with_a_path(serve: Start) -> None:
    """mitmproxy's own mode takes no path; the router adds the base URL's."""
    with FakeUpstream() as upstream:
        running = serve("--no-ui", DEFAULT_UPSTREAM=f"{upstream.url}/openai/v1")
        chat(running.url("proxy"))
        assert upstream.inferences[-1].path == "/openai/v1/chat/completions"
        assert running.stop() == 0


def arguments(**given: Any) -> argparse.Namespace:
    nothing = {"config": None, "host": None, "port": None, "ui_port": None, "data_dir": None, "demo": False}
    return argparse.Namespace(**(nothing | given))


def test_options_become_environment_variables() -> None:
    """Only what was given is set; the data folder holds the log, the bodies, and the rules unless they are named."""
    assert overrides(arguments(), None, {}) == {}
    assert overrides(arguments(host="::1", port=0, config=Path("r.yaml")), None, {}) == {
        "LISTEN_HOST": "::1", "LISTEN_PORT": "0", "ROUTES_CONFIG": "r.yaml",
    }  # fmt: skip
    data = Path("/data")
    files = {"DB_PATH": "/data/requests.db", "BLOB_STORAGE_PATH": "/data/blob_storage"}
    assert overrides(arguments(), data, {}) == files | {"ROUTES_CONFIG": "/data/routes.yaml"}
    assert overrides(arguments(), data, {"ROUTES_CONFIG": "/etc/routes.yaml"}) == files
    assert overrides(arguments(config=Path("r.yaml")), data, {}) == files | {"ROUTES_CONFIG": "r.yaml"}


def test_each_override_is_told_by_the_option_that_made_it() -> None:
    """The settings page says it: `--data-dir` sets several variables, and an option of their own stands above it."""
    data, given = Path("/data"), arguments(host="::1", config=Path("r.yaml"), data_dir=Path("/data"))
    made = {name: option_of(name, given) for name in overrides(given, data, {})}
    assert made == {
        "LISTEN_HOST": "--host", "ROUTES_CONFIG": "--config",
        "DB_PATH": "--data-dir", "BLOB_STORAGE_PATH": "--data-dir",
    }  # fmt: skip
    demo = arguments(demo=True)
    assert {option_of(name, demo) for name in overrides(demo, data, {})} == {"--demo"}
