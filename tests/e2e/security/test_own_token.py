"""A token of the dashboard goes to no server, in whatever form a client sends it; its other credentials do."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import jwt
import pytest

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes

SECRET = "Jt5vQ2xW8zR4mK7nB1cF6hD9gL3pS0yA"
OWN = jwt.encode({"sub": "dashboard", "exp": 1, "nbf": 9_999_999_999, "iat": 9_999_999_999}, SECRET, "HS256")
CHAT = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
DOTLESS = OWN.replace(".", "%2E")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream_factory: Callable[..., FakeUpstream]) -> Any:
    up = upstream_factory(name="up")
    proxy = start_shared("", {"DEFAULT_UPSTREAM": up.url, "JWT_SECRET": SECRET})
    proxy.upstream = up
    return proxy


def sent_on(proxy: Any, path: str, body: bytes, *headers: tuple[str, str], method: str = "POST") -> Any:
    """The request as the server got it; the router's own questions are other requests."""

    def got() -> list[Any]:
        return [one for one in proxy.upstream.requests if "python-httpx" not in (one.header("user-agent") or "")]

    before = len(got())
    with RawClient(proxy.port) as client:
        client.socket.sendall(request_bytes(path, body, [("content-type", "application/json"), *headers], method))
        client.reply()
    proxy.until(lambda: len(got()) > before, "the server's turn")
    return got()[-1]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files"])
@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("cookie", f'theme=dark; switchman_session="{OWN}"', "theme=dark"),
        ("cookie", f"switchman_session={OWN}; a=1; old={OWN}", "a=1"),
        ("cookie", f"switchman_session={DOTLESS}", None),
        ("authorization", f"Bearer {OWN}, Basic eDp5", "Basic eDp5"),
        ("authorization", f"bEARER {OWN},", None),
        ("authorization", f"Token token={OWN}", None),
        ("authorization", f'Token token="{OWN}"', None),
        ("authorization", f"Basic {base64.b64encode(f'x:{OWN}'.encode()).decode()}", None),
        ("authorization", OWN, None),
        ("x-api-key", OWN, None),
        ("x-whatever", f"see {OWN}", "see"),
        ("referer", f"http://127.0.0.1:1235/?token={OWN}", "http://127.0.0.1:1235/?"),
        ("sec-websocket-protocol", f"realtime, openai-insecure-api-key.{OWN}", None),  # of a handshake only
    ],
)
def test_a_field(name: str, value: str, left: str | None, path: str, proxy: Any) -> None:
    """For an operation and for what is passed through: the token's part is out, the rest is there."""
    got = sent_on(proxy, path, CHAT, (name, value), ("x-goog-api-key", "client-key-1"))
    assert OWN not in repr(got) and DOTLESS not in repr(got)
    assert got.header(name) == left
    assert got.header("x-goog-api-key") == "client-key-1"


def test_a_subprotocol(proxy: Any) -> None:
    """Of a WebSocket's handshake: the others are offered to the server."""
    offered = ("sec-websocket-protocol", f"realtime, openai-insecure-api-key.{OWN}, openai-beta.realtime-v1")
    handshake = [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13")]
    handshake.append(("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="))  # RFC 6455 section 1.3
    got = sent_on(proxy, "/v1/realtime?model=m", b"", *handshake, offered, method="GET")
    assert OWN not in repr(got) and got.header("upgrade") == "websocket"
    named = [one.strip() for one in got.header("sec-websocket-protocol").split(",")]
    assert named == ["realtime", "openai-beta.realtime-v1"]


def test_two_fields_and_a_query(proxy: Any) -> None:
    """Each cookie field, each parameter; what is not ours stays, though it is a JWT, too."""
    foreign = jwt.encode({"sub": "x"}, SECRET[::-1], "HS256")
    path = f"/v1/chat/completions?token={OWN}&api-version=1&t={quote(DOTLESS)}"
    cookies = (("cookie", f"a={OWN}"), ("cookie", "b=2"))
    got = sent_on(proxy, path, CHAT, *cookies, ("authorization", f"Bearer {foreign}"))
    assert OWN not in repr(got) and got.target == "/v1/chat/completions?api-version=1"
    assert got.header("cookie") == "b=2" and got.header("authorization") == f"Bearer {foreign}"


def test_a_path(proxy: Any) -> None:
    """It cannot be taken out of the segments: a 400, and no server is asked."""
    with RawClient(proxy.port) as client:
        client.socket.sendall(request_bytes(f"/v1/{OWN}/models", b"", method="GET"))
        reply = client.reply()
    assert reply.status == 400 and "token of the dashboard" in reply.json()["error"]["message"]
    assert not proxy.upstream.heard(OWN)


def test_it_is_written_down_nowhere(proxy: Any) -> None:
    """The database has neither the token nor its secret."""
    response = proxy.post("/v1/chat/completions?t=" + OWN, json.loads(CHAT), headers={"authorization": f"Bearer {OWN}"})
    assert OWN not in repr(proxy.row_of(response)) and OWN not in proxy.output
