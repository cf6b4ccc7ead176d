"""The dashboard's own process: roles by the command's tokens, names by a trusted proxy, and changes by all ways."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from switchman.addons.config.child import READY
from switchman.webui.access.tokens import make_token

SECRET = "kV9qRz3mT7wXc2Lp8sYd4Hf6Jn1Bg5Qa0EuItOx"
KEY = "sk-a-providers-key-0123456789abcdef"


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "JWT_SECRET": SECRET, "WEBUI_SECURITY": "ALWAYS_AUTH", **more}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dashboard")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """Of a dashboard that asks for a token, and takes the names of a proxy on this machine."""
    sso = {"TRUSTED_PROXIES": "127.0.0.1", "AUTH_HEADER": "X-Forwarded-User", "AUTH_ROLES": "alice=admin,*=viewer"}
    with ExitStack() as running:
        process = running.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "switchman.addons.serving.dashboard", "--port", "0"],
                env=environment(**sso), cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )
        )  # fmt: skip
        running.callback(process.send_signal, signal.SIGTERM)
        assert process.stdout
        word, port = process.stdout.readline().split()
        assert word == READY
        yield int(port)


def switchman(folder: Path, *arguments: str, given: str | None = None) -> str:
    """What the command says on stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "switchman.addons.cli", *arguments],
        env=environment(), cwd=folder, text=True, capture_output=True, input=given, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def client_as(port: int) -> Iterator[Callable[[str], httpx.Client]]:
    """A program with this token."""
    with ExitStack() as clients:

        def make(token: str) -> httpx.Client:
            headers = {"Authorization": f"Bearer {token}"}
            opened = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=60)
            return clients.enter_context(opened)

        yield make


def raw(port: int, *fields: str, path: str = "/api/admin/me") -> tuple[int, str]:
    """Status and all of the answer to a request with these very fields."""
    head = "\r\n".join((f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *fields, "Connection: close", "", ""))
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(head.encode())
        parts = list(iter(lambda: connection.recv(65_536), b""))
    answer = b"".join(parts).decode()
    return int(answer.split()[1]), answer


def test_the_commands_token_opens_what_its_role_may(folder: Path, client_as) -> None:
    """`switchman token jwt --role`."""
    client = client_as(switchman(folder, "token", "jwt", "--role", "operator", "--ttl", "10m", "--name", "bob"))
    assert client.get("/api/admin/me").json() == {
        "name": "bob",
        "role": "operator",
        "how": "bearer",
        "sees_bodies": True,
    }
    assert [client.get(path).status_code for path in ("/api/requests", "/api/admin/tokens", "/audit")] == [
        200,
        403,
        403,
    ]


def test_changes_by_page_api_and_command_are_in_one_list(folder: Path, client_as) -> None:
    """Each says who made it and how; none has a key or a token."""
    admin: httpx.Client = client_as(make_token(SECRET, 1, who="alice"))
    text = admin.post("/api/admin/tokens", json={"name": "by-api"}).json()["text"]
    assert admin.put("/api/admin/keys/openai", json={"value": KEY}).status_code == 201
    printed = switchman(folder, "token", "create", "--name", "by-cli", "--budget", "20/month")
    switchman(folder, "token", "revoke", "by-api")
    switchman(folder, "key", "rotate", "openai", given=KEY[::-1])
    listed: list[dict[str, Any]] = admin.get("/api/admin/audit").json()["changes"]
    told = [(line["how"], line["what"], line["target"]) for line in listed][::-1]
    assert told == [
        ("api", "token.create", "by-api"), ("api", "key.set", "openai"), ("cli", "token.create", "by-cli"),
        ("cli", "token.revoke", "by-api"), ("cli", "key.rotate", "openai"),
    ]  # fmt: skip
    assert listed[-1]["who"] == "alice" and listed[0]["who"].startswith("cli:")
    assert listed[2]["after"]["budgets"] == [
        {"amount": 20_000_000, "unit": "usd", "period": "month", "downgrade": None}
    ]  # fmt: skip
    states = {token["name"]: token["state"] for token in admin.get("/api/admin/tokens").json()["tokens"]}
    assert states == {"by-api": "revoked", "by-cli": "active"}
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for secret in (KEY, KEY[::-1], text, printed):
        assert secret not in str(listed) and secret.encode() not in stored


def test_a_proxys_name_is_taken_in_its_one_spelling(port: int) -> None:
    """`X_Forwarded_User`, which such a proxy does not overwrite, means the same to WSGI: it is dropped before."""
    assert raw(port, "X-Forwarded-User: alice")[0] == 200
    assert '"role":"admin"' in raw(port, "x-forwarded-user: alice")[1]
    assert raw(port, "X_Forwarded_User: alice")[0] == 401
    assert '"role":"viewer"' in raw(port, "X_Forwarded_User: alice", "X-Forwarded-User: bob")[1]
    assert '"role":"viewer"' in raw(port, "X-Forwarded-User: bob", "X_Forwarded-User: alice")[1]
    assert raw(port, "X-Forwarded-User: bob", "X-Forwarded-User: alice")[0] == 403
    assert raw(port, "X-Forwarded-User: ", "X_Forwarded_User: alice")[0] == 401


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"JWT_SECRET": "changeme-changeme-changeme-changeme"}, "JWT_SECRET: too weak"),
        ({"AUTH_HEADER": "x-forwarded-user", "AUTH_ROLES": "*=admin"}, "AUTH_HEADER is believed only from"),
    ],
)
def test_what_would_protect_nothing_stops_the_start(tmp_path: Path, changes: dict[str, str], why: str) -> None:
    """The dashboard does not open itself because its configuration is wrong."""
    with subprocess.Popen(
        [sys.executable, "-m", "switchman.addons.serving.dashboard", "--port", "0"],
        env=environment(**changes), cwd=tmp_path, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout and process.stderr
        said, told = process.stdout.read(), process.stderr.read()
        assert process.wait(60) != 0
    assert READY not in said and why in told and "changeme" not in told
    assert list(tmp_path.iterdir()) == []
