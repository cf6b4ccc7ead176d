"""Real proxies, real sockets. A proxy is one worker process; a module's tests share it and steer the fake upstreams.
Workers are forked from a process that has imported them (forkserver.py), as all of them would import the same.

After every test the proxy's own output is looked at: a traceback there fails the test, whatever the client saw.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import httpx
import ollama
import openai
import pytest
import sqlalchemy
import trustme
from mitmproxy import options
from mitmproxy.certs import CertStore

from switchman.addons.serving.ports import reserve
from switchman.addons.store import tables
from switchman.addons.store.blobs import FileBlobs
from switchman.addons.store.keeping.packing import read_json
from switchman.addons.store.reading.queries import Queries
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient

ROOT = Path(__file__).parents[2]
QUESTIONS = itertools.count()
PATIENCE = 60.0  # seconds for what should take milliseconds: these tests share two cores with others
# mitmproxy's words, and ours
LISTENING = re.compile(r"(?:listening at |switchman: proxy +http://)127\.0\.0\.1:(\d+)")
TROUBLE = ("Traceback", "has crashed", "Addon error", "Task exception", "never retrieved", "Logging error")

# Nothing of the machine's own settings may reach the proxy.
SETTINGS = {
    "DEFAULT_UPSTREAM", "LISTEN_HOST", "LISTEN_PORT", "MODEL_MAP", "ROUTES_CONFIG", "ENABLE_LOGGING", "REQUEST_TIMEOUT",
    "DB_PATH", "DATABASE_URL", "STRIP_THINKING", "STRIP_JSON_MARKDOWN", "DISABLE_THINKING", "JWT_SECRET",
    "ENCRYPTION_KEY", "EGRESS_DENY", "CLIENT_AUTH", "CAPTURE", "CAPTURE_REDACT", "AUDIT_DAYS", "WEBUI_SECURITY",
    "JWT_PUBLIC_KEY", "JWT_ISSUER", "JWT_AUDIENCE", "JWT_ROLE_CLAIM", "AUTH_HEADER", "AUTH_ROLES", "VIEWERS_SEE_BODIES",
    "TRUSTED_PROXIES", "WEBUI_HOSTS", "MAX_BODY_BYTES", "MAX_BODY_MEMORY", "MAX_BODY_VALUES", "MAX_HEADER_BYTES",
    "BODY_TIMEOUT", "MIN_BODY_RATE", "HEAD_TIMEOUT", "IDLE_TIMEOUT", "MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_ADDRESS",
    "SHUTDOWN_GRACE", "BLOB_STORAGE_TYPE", "BLOB_STORAGE_PATH", "CORS_ORIGINS", "ALLOWED_HOSTS",
    "REDIS_URL", "BUDGET_TIMEZONE", "BASELINE_MODEL", "ALERT_WEBHOOK", "ALERT_WEBHOOK_SECRET",
    "METRICS", "METRICS_NAMES", "OTEL_EXPORTER_OTLP_ENDPOINT",
    "WEBSOCKET_PATHS", "MAX_WEBSOCKET_MESSAGE", "WEBSOCKET_IDLE_TIMEOUT",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
}  # fmt: skip
LOG_SETTINGS = {"ENABLE_LOGGING", "DB_PATH", "DATABASE_URL"}


def wait_until[T](what: Callable[[], T], why: str | Callable[[], str] = "") -> T:
    """The first true value of `what()`; fails when there is none for long, and says `why`."""
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        if time.monotonic() > end:
            pytest.fail(f"waited {PATIENCE:g} s in vain: {(why() if callable(why) else why) or what}")
        time.sleep(0.01)
    return found


class Forked:
    """A process of the fork server's, with what is used here of subprocess.Popen."""

    def __init__(self, stdin: IO[bytes], report: IO[bytes]) -> None:
        self.stdin, self._report = stdin, report
        self.pid = int(report.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"worker {self.pid}", timeout or 0.0)
        return code

    def _ended(self, patience: float | None) -> int | None:
        if self.returncode is None and select.select([self._report], [], [], patience)[0]:
            self.returncode = int(self._report.readline() or -signal.SIGKILL)  # nothing: the fork server was killed
            self._report.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """Starts forkserver.py, and has it start workers."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-O", str(Path(__file__).with_name("forkserver.py"))], stdin=theirs, cwd=ROOT
            )  # with -O, as the supervisor starts a worker

    def start(self, arguments: Sequence[str], env: Mapping[str, str], output: int) -> Forked:
        names = [name for name in vars(resource) if name.startswith("RLIMIT_")]
        told = {
            "argv": arguments, "cwd": str(ROOT), "env": env, "umask": current_umask(),
            "limits": {name: resource.getrlimit(getattr(resource, name)) for name in names},
        }  # fmt: skip
        stdin, ours = os.pipe()
        reported, report = os.pipe()
        socket.send_fds(self._control, [json.dumps(told).encode()], [stdin, output, output, report])
        os.close(stdin)
        os.close(report)
        return Forked(os.fdopen(ours, "wb", 0), os.fdopen(reported, "rb"))

    def close(self) -> None:
        self._control.close()
        assert self._process.wait(PATIENCE) == 0


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class Proxy:
    """A running proxy process, its output, and its log."""

    def __init__(
        self, folder: Path, port: int, routes: str, env: Mapping[str, str], fork_server: ForkServer | None = None
    ) -> None:
        self.folder, self.port, self._fork_server = folder, port, fork_server
        self.routes_file = folder / "routes.yaml"
        self.output_file = folder / "output.txt"
        self.blobs = FileBlobs(folder / "blobs")
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self._engine: sqlalchemy.Engine | None = None
        self._seen = 0
        self._clients = contextlib.ExitStack()
        self.routes_file.write_text(routes)
        clean = {name: value for name, value in os.environ.items() if name.upper() not in SETTINGS}
        self.env = clean | {
            "LISTEN_PORT": str(port),
            "ROUTES_CONFIG": str(self.routes_file),
            "DB_PATH": str(folder / "requests.db"),
            "BLOB_STORAGE_PATH": str(folder / "blobs"),
            "DEFAULT_UPSTREAM": "http://127.0.0.1:9",  # discard: nothing listens there
            **env,
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *command: str) -> None:
        """A worker, or the Python that `command` are the arguments of."""
        worker = ("--confdir", str(self.folder / "mitmproxy"))
        own_python = any(name.startswith("PYTHON") and os.environ.get(name) != self.env[name] for name in self.env)
        with self.output_file.open("ab") as output:
            if self._fork_server is not None and not command and not own_python:
                self.process = self._fork_server.start(worker, self.env, output.fileno())
                return
            self.process = subprocess.Popen(
                [sys.executable, *(command or ("-O", "-m", "switchman.addons.serving.worker", *worker))],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=self.env,
                cwd=ROOT,
            )

    def wait_ready(self) -> None:
        """Until it answers at all. What /healthz says is asked by a test: in regular mode it is no address of ours."""
        assert self.process
        process = self.process
        if self.port == 0:
            wait_until(lambda: process.poll() is not None or LISTENING.search(self.output), "a port")
            found = LISTENING.search(self.output)
            assert found, self.output
            self.port = int(found[1])
        wait_until(lambda: process.poll() is not None or self._answers(), "an answer")
        assert process.poll() is None, self.output

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).status_code > 0
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """SIGTERM, and a clean exit."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        finally:
            self.kill()
        assert code == 0, f"exit code {code}:\n{self.output}"
        self.check_output()

    def kill(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.process is not None:
            assert self.process.stdin
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process = None
        self.close_clients()
        if self._engine is not None:
            self._engine.dispose()

    until = staticmethod(wait_until)

    @property
    def output(self) -> str:
        return self.output_file.read_text(errors="replace")

    def check_output(self) -> None:
        """Nothing that looks like a defect has been written since the last look."""
        text = self.output
        new, self._seen = text[self._seen :], len(text)
        assert not any(sign in new for sign in TROUBLE), new

    def overlook(self) -> None:
        """What it has written so far was to be expected."""
        self._seen = len(self.output)

    def wait_output(self, text: str) -> None:
        wait_until(lambda: text in self.output, lambda: f"{text!r} in the output:\n{self.output}")

    def wait_read(self, client: RawClient) -> None:
        """Until all that this client has sent is read; the router deals with it before it takes anything that comes."""
        ours, theirs = client.socket.getsockname()[1], self.port

        def is_read() -> bool:
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
                _, local, remote, _, queues, *_ = line.split()  # address:port in hexadecimal; to send:to be read
                ports, (sending, unread) = (
                    [int(end.rpartition(":")[2], 16) for end in (local, remote)],
                    queues.split(":"),
                )
                if (ports == [ours, theirs] and int(sending, 16)) or (ports == [theirs, ours] and int(unread, 16)):
                    return False
            return True

        wait_until(is_read, "what was sent is not read")

    # The log

    def rows(self, **where: Any) -> list[dict[str, Any]]:
        """All rows with these values, oldest first, each with its `attempts`, without waiting."""
        if not (self.folder / "requests.db").exists():
            return []
        if self._engine is None:
            self._engine = sqlalchemy.create_engine(
                f"sqlite:///{self.folder / 'requests.db'}", json_deserializer=read_json, poolclass=sqlalchemy.NullPool
            )  # each look opens the file anew: none sees only what was there at the one before
        columns, tries = tables.requests.c, tables.attempts.c
        wanted = sqlalchemy.select(tables.requests).where(*(columns[name] == value for name, value in where.items()))
        with self._engine.connect() as connection:
            found = [dict(row) for row in connection.execute(wanted.order_by(columns.seq)).mappings()]
            for row in found:
                of_row = sqlalchemy.select(tables.attempts).where(tries.request_id == row["id"]).order_by(tries.number)
                row["attempts"] = [dict(a) for a in connection.execute(of_row).mappings()]
        return found

    def row(self, **where: Any) -> dict[str, Any]:
        """The one row with these values, as soon as it is written, with `request` and `response`: the stored bodies."""
        (found,) = wait_until(lambda: self.rows(**where), lambda: self._told(where))
        for which in ("request", "response"):
            stored = Queries(self._engine, self.blobs).body(found["id"], which)
            found[which] = (stored and stored.data) or b""
        return found

    def _told(self, where: Mapping[str, Any]) -> str:
        """Which rows there are in place of one, how each ended, and what the router has said."""
        facts = ("id", "path", "requested_model", "status", "outcome", "started_at")
        found = "\n".join(str({name: row[name] for name in facts}) for row in self.rows()[-30:])
        waiting = [str(file) for file in self.folder.glob("*.spool.db*")]
        return f"a row with {where}; the last ones are\n{found}\nspool: {waiting}; its output:\n{self.output[-3000:]}"

    def row_of(self, response: Any) -> dict[str, Any]:
        """The row of this answer (anything with `headers`)."""
        return self.row(id=response.headers["x-switchman-request-id"])

    def forget_log(self) -> None:
        """Open the log's file anew when it is asked for next: it is another one by then."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    # Clients

    def openai(self, **more: Any) -> openai.OpenAI:
        more = {"base_url": f"{self.url}/v1", "api_key": "client-key", "max_retries": 0, "timeout": PATIENCE} | more
        client = openai.OpenAI(**more)
        self._clients.callback(client.close)
        return client

    def ollama(self) -> ollama.Client:
        client = ollama.Client(self.url, timeout=PATIENCE, trust_env=False)
        self._clients.callback(client.close)
        return client

    def close_clients(self) -> None:
        self._clients.close()

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        if body is not None:
            more["json"] = body
        return httpx.post(self.url + path, trust_env=False, timeout=PATIENCE, **more)

    def chat(self, model: str, stream: bool = False, **more: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
        return self.post("/v1/chat/completions", body, **more)


Start = Callable[..., Proxy]


def _authority_of_mitmproxy(factory: pytest.TempPathFactory) -> Path:
    """As a router finds it at all of its starts but the first one, which makes the key: a tenth of a second."""
    folder = factory.getbasetemp() / "authority"
    if not folder.exists():
        CertStore.from_store(folder, "mitmproxy", options.KEY_SIZE)
    return folder


def _starter(factory: pytest.TempPathFactory, fork_server: ForkServer, empty_log: Path) -> Iterator[Start]:
    """Proxy.start, a worker with a port kept for it; all are stopped at the end, each cleanly.

    Its log is there and empty, as at all of a router's starts but the first one, which makes its schema; nothing is
    there yet of one that `command` starts, and of one that keeps no log, or keeps it elsewhere.

    Only our own worker shares a port with who keeps it for it. A `command` is told to take a free one: port 0.
    """
    running: list[Proxy] = []
    held = []

    def start(
        routes: str = "", env: Mapping[str, str] | None = None, command: Callable[[Proxy], list[str]] | None = None
    ) -> Proxy:
        port = 0
        if command is None:
            port, stack = reserve("127.0.0.1", 0)
            held.append(stack)
        proxy = Proxy(factory.mktemp("proxy"), port, routes, env or {}, fork_server)
        shutil.copytree(_authority_of_mitmproxy(factory), proxy.folder / "mitmproxy")
        if command is None and not LOG_SETTINGS & set(env or {}):
            shutil.copy(empty_log, proxy.folder / "requests.db")
        running.append(proxy)
        proxy.start(*(command(proxy) if command else ()))
        proxy.wait_ready()
        return proxy

    try:
        yield start
        for proxy in running:
            proxy.check_output()
            proxy.stop()
    finally:
        for proxy in running:
            proxy.kill()
        for stack in held:
            stack.close()


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """What workers are forked from."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def start_shared(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer, empty_log: Path) -> Iterator[Start]:
    """Starts proxies that live as long as the module."""
    yield from _starter(tmp_path_factory, fork_server, empty_log)


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer, empty_log: Path) -> Iterator[Start]:
    """Starts proxies that live as long as the test."""
    yield from _starter(tmp_path_factory, fork_server, empty_log)


@pytest.fixture
def proxy(shared_proxy: Proxy) -> Iterator[Proxy]:
    """The module's `shared_proxy`, whose output is looked at after each test."""
    yield shared_proxy
    shared_proxy.close_clients()
    shared_proxy.check_output()
    assert shared_proxy.process is not None and shared_proxy.process.poll() is None, "the proxy has ended"


@pytest.fixture(scope="module")
def upstream_factory() -> Iterator[Callable[..., FakeUpstream]]:
    """Starts fake upstreams that live as long as the module."""
    started: list[FakeUpstream] = []

    def make(*args: Any, **named: Any) -> FakeUpstream:
        started.append(FakeUpstream(*args, **named).start())
        return started[-1]

    yield make
    for upstream in started:
        upstream.stop()


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    """One that does not tell its dialect, and plays all of them: each client is passed through as it speaks."""
    upstream = upstream_factory(name="up")
    upstream.listing = Behaviour(status=404, body=b"")
    return upstream


@pytest.fixture
def question() -> str:
    """One that no test has asked yet, and so no cache knows."""
    return f"What is {next(QUESTIONS)} plus nothing?"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that no machine trusts."""
    return trustme.CA()
