"""What the addons share: opened when the proxy starts, closed when the last is done."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.test import taddons

from switchman.addons.config.configuration import SettingsError
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.state.runtime import TIMEOUT_MARGIN, Runtime, StoppingHook
from switchman.addons.state.together.shared import MemoryShared, SQLiteShared
from switchman.addons.testing.samples import make_record

STRONG = "kV9qRz3mT7wXc2Lp8sYd4Hf6Jn1Bg5Qa0EuItOx"

Load = Callable[..., Runtime]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Loads a Runtime as mitmproxy does, in a folder of its own, with these variables and options."""
    for name in list(os.environ):
        if name in ("DEFAULT_UPSTREAM", "JWT_SECRET", "DATABASE_URL", "ROUTES_CONFIG", "ENABLE_LOGGING", "DB_PATH"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    loaded: list[Runtime] = []

    def start(mode: str = "regular", **variables: str) -> Runtime:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        runtime = Runtime()
        with taddons.context(Proxyserver(), TlsConfig()) as context:
            context.options.update(mode=[mode])
            asyncio.run(_add(context, runtime))
            runtime.options = context.options  # type: ignore[attr-defined]
        loaded.append(runtime)
        return runtime

    yield start
    for runtime in loaded:
        runtime.close()
        runtime.shared.close()


async def _add(context: Any, runtime: Runtime) -> None:
    context.master.addons.add(runtime)


@pytest.mark.parametrize(("idle", "longest"), [("50", 100), ("200", 200)])
def test_the_proxy_is_set_up_for_routing(load: Load, idle: str, longest: int) -> None:
    """The upstream is chosen late, and a connection outlasts the longest request and a WebSocket that is silent."""
    runtime = load(REQUEST_TIMEOUT="100", MAX_BODY_BYTES="123", WEBSOCKET_IDLE_TIMEOUT=idle)
    options: Any = runtime.options  # type: ignore[attr-defined]
    assert (options.connection_strategy, options.upstream_cert, options.http2) == ("lazy", False, False)
    assert options.keep_host_header is True
    assert options.tcp_timeout == longest + TIMEOUT_MARGIN
    assert (options.switchman_max_body_bytes, options.switchman_max_header_bytes) == (123, 65_536)


@pytest.mark.parametrize(
    ("mode", "variable", "upstream"),
    [
        ("reverse:http://10.0.0.1:8000", "", "http://10.0.0.1:8000"),
        ("reverse:https://[::1]:8443", "", "https://[::1]:8443"),
        ("reverse:http://10.0.0.1:8000", "http://other:1", "http://other:1"),
        ("regular", "", "http://localhost:8000"),
        ("reverse:tcp://10.0.0.1:9", "", "http://localhost:8000"),
    ],
)
def test_reverse_mode_names_the_default_upstream(mode: str, variable: str, upstream: str, load: Load) -> None:
    """`mitmdump --mode reverse:URL` says it on its own command line; DEFAULT_UPSTREAM stands above that."""
    runtime = load(mode, DEFAULT_UPSTREAM=variable)
    assert runtime.settings.default_upstream == upstream
    assert str(runtime.rules.current.default.url) == upstream


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        ({"LISTEN_PORT": "many"}, SettingsError),
        ({"DB_PATH": "/proc/none/log.db"}, SettingsError),
        ({"LISTEN_HOST": "0.0.0.0"}, SettingsError),
        ({"CLIENT_AUTH": "TOKENS", "ENABLE_LOGGING": "false", "DB_PATH": "/proc/none/log.db"}, SettingsError),
    ],
)
def test_a_bad_setting_stops_the_start(variables: dict[str, str], error: type[Exception], load: Load) -> None:
    """It raises out of `load`, which ends mitmproxy."""
    with pytest.raises(error):
        load(**variables)


def test_bad_rules_stop_the_start_before_the_log_is_opened(load: Load, tmp_path: Path) -> None:
    """Nothing is left behind by a start that was refused."""
    (tmp_path / "routes.yaml").write_text("aliasses: {}\n")
    with pytest.raises(RulesError, match="aliasses"):
        load()
    assert [path.name for path in tmp_path.iterdir()] == ["routes.yaml"]


def test_a_finished_request_is_in_the_log_when_it_is_closed(load: Load, tmp_path: Path) -> None:
    """Closing writes what is queued; afterwards a late request is dropped, and closing again is no mistake."""
    runtime = load()
    assert runtime.store_problem() is None
    runtime.put(make_record(started_at=time.time()))  # an old one may be aged out before it is looked for
    runtime.close()
    runtime.put(make_record("late", started_at=time.time()))
    runtime.close()
    with closing(sqlite3.connect(tmp_path / "requests.db")) as log:
        assert log.execute("SELECT count(*) FROM requests").fetchone() == (1,)


def test_a_log_that_is_gone_is_a_problem(load: Load, tmp_path: Path) -> None:
    """What /readyz shows."""
    runtime = load()
    assert runtime.store is not None
    runtime.store.retention.stop()  # whose thread reads it too
    with closing(sqlite3.connect(tmp_path / "requests.db")) as log:
        log.execute("DROP TABLE totals")
    assert "totals" in (runtime.store_problem() or "")


def test_without_a_log_nothing_is_written(load: Load, tmp_path: Path) -> None:
    """ENABLE_LOGGING=false: answers are shared in memory only."""
    runtime = load(ENABLE_LOGGING="false")
    runtime.put(make_record())
    assert runtime.store is None and runtime.store_problem() is None
    assert isinstance(runtime.shared, MemoryShared)
    assert list(tmp_path.iterdir()) == []


def test_what_workers_share_lies_beside_the_log(load: Load, tmp_path: Path) -> None:
    """In a file of its own, which is made when it is first used."""
    runtime = load(DB_PATH=str(tmp_path / "log.db"))
    assert isinstance(runtime.shared, SQLiteShared)
    assert not (tmp_path / "log.cache.db").exists()
    asyncio.run(runtime.shared.get("space", "key"))
    assert (tmp_path / "log.cache.db").exists()


@pytest.mark.parametrize(
    ("secret", "ours"),
    [(STRONG, True), (STRONG[::-1], False)],
)
def test_a_token_of_our_own_is_known_by_its_signature(secret: str, ours: bool, load: Load) -> None:
    """With a scheme before it or none, and also when its time is over: it is no upstream's business then either."""
    runtime = load(JWT_SECRET=STRONG, ENABLE_LOGGING="false")
    token = jwt.encode({"aud": "anything", "exp": 1}, secret, "HS256")
    assert runtime.is_own_token(token) is runtime.is_own_token(f"Bearer {token}") is ours
    assert not runtime.is_own_token("Bearer sk-1234")
    assert not runtime.is_own_token("a.b.c")
    assert not runtime.is_own_token("")


def test_another_signers_token_for_our_dashboard_is_no_servers(load: Load) -> None:
    """JWT_PUBLIC_KEY: one that is for something else may be for a server."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    runtime = load(JWT_PUBLIC_KEY=pem, JWT_AUDIENCE="dash", ENABLE_LOGGING="false")
    assert runtime.settings.has_tokens
    assert runtime.is_own_token("Bearer " + jwt.encode({"aud": "dash", "exp": 1}, key, "ES256"))
    assert not runtime.is_own_token("Bearer " + jwt.encode({"aud": "a-server"}, key, "ES256"))


def test_without_a_secret_no_token_is_ours(load: Load) -> None:
    """Also not one that is signed with nothing."""
    runtime = load(ENABLE_LOGGING="false")
    assert not runtime.is_own_token("e30.e30.")


def test_stopping_is_said_by_its_hook(load: Load) -> None:
    """From then on what is cut off is cut by us."""
    runtime = load(ENABLE_LOGGING="false")
    assert not runtime.is_stopping
    handler = getattr(runtime, StoppingHook.name)
    handler()
    assert runtime.is_stopping


@pytest.mark.parametrize("insecure", [True, False])
def test_certificates_that_are_not_checked_are_told(
    insecure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """mitmproxy's own option is somebody's wish, but must not go unnoticed; and addresses are denied meanwhile."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENABLE_LOGGING", "false")
    monkeypatch.setenv("EGRESS_DENY", "203.0.113.0/24")
    said: list[str] = []

    async def run(context: Any, runtime: Runtime) -> None:
        context.options.update(ssl_insecure=insecure)
        context.master.addons.add(runtime)
        runtime.running()
        try:
            await asyncio.open_connection("203.0.113.7", 9)
        except OSError as error:
            said.append(str(error))
        runtime.done()
        assert "sock_connect" not in vars(asyncio.get_running_loop())

    with taddons.context(Proxyserver(), TlsConfig()) as context:
        asyncio.run(run(context, Runtime()))
    assert ("ssl_insecure is set: no server's certificate is checked" in caplog.text) is insecure
    assert len(said) == 1 and "203.0.113.7 is not connected to (EGRESS_DENY=203.0.113.0/24)" in said[0]
