"""Servers of this machine asked for their models: on loopback only, and not for long."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from switchman.addons.core.servers import urls
from switchman.addons.testing import FakeUpstream
from switchman.webui.pages.making import looking
from switchman.webui.pages.making.looking import ask, asked, is_here, models_in


@pytest.fixture
def serve() -> Iterator[Any]:
    """A server that says what it is given, and remembers what it was asked."""
    opened: list[ThreadingHTTPServer] = []

    def start(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> tuple[str, list[str]]:
        seen: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(f"{self.path} {self.headers.get('Authorization')}")
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        opened.append(server)
        return f"http://127.0.0.1:{server.server_port}", seen

    yield start
    for one in opened:
        one.shutdown()
        one.server_close()


@pytest.mark.parametrize("dialect", ["openai", "ollama", "anthropic"])
def test_a_servers_own_list(dialect: Any) -> None:
    """In each dialect, at localhost as well as at its address."""
    with FakeUpstream(dialect, models=["a", "nomic-embed-text", "b"]) as up:
        for address in (up.url, up.url.replace("127.0.0.1", "localhost")):
            found = ask(urls.parse(address), dialect)
            assert found is not None and [one.name for one in found.models] == ["a", "b"]


def test_no_other_address_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the own network, nor a name that might mean this machine, nor what redirects lead to."""
    monkeypatch.setattr(looking, "ask", lambda *_: pytest.fail("asked"))
    places = ("http://10.0.0.1", "http://192.168.1.2:11434", "https://example.com", "http://box:8000", "http://0.0.0.0")
    here = ("http://localhost:1", "http://127.9.9.9", "http://[::1]:8")
    assert asked({url: (urls.parse(url), "openai") for url in places}) == {}
    assert all(is_here(urls.parse(url)) for url in here)
    assert not is_here(urls.parse("http://localhost.example.com"))


def test_a_redirect_is_not_followed(serve: Any) -> None:
    """Wherever it leads."""
    target, seen = serve({"data": [{"id": "m"}]})
    address, _ = serve(b"", 302, {"Location": f"{target}/v1/models"})
    assert ask(urls.parse(address), None) is None and seen == []


def test_no_key_is_sent(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that wants one is there, and does not say."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    address, seen = serve({"error": "no"}, 401)
    found = ask(urls.parse(address), None)
    assert found is not None and found.refused and found.models == [] and seen == ["/v1/models None"]


def test_another_switchman_is_no_server(serve: Any) -> None:
    """Its models would lead to itself."""
    address, _ = serve({"data": [{"id": "auto", "owned_by": "switchman"}, {"id": "m"}]})
    assert ask(urls.parse(address), None) is None


@pytest.mark.parametrize("body", [b"no JSON", b"[" * 100_000, b'{"data": 3}', b"\xff", b"x" * (looking.MOST_BYTES + 9)])
def test_what_is_no_list_is_none(serve: Any, body: bytes) -> None:
    """Whatever listens there."""
    address, _ = serve(body)
    assert ask(urls.parse(address), None) is None
    assert ask(urls.parse("http://127.0.0.1:9"), None) is None


def test_who_is_slow_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a deadline of the whole answer."""
    monkeypatch.setattr(looking, "DEADLINE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert ask(urls.parse(f"http://127.0.0.1:{silent.getsockname()[1]}"), None) is None


def test_what_lists_tell_of_a_model() -> None:
    """Context, sight and size, as each server says it."""
    found = models_in(
        {
            "data": [
                {"id": "v", "max_model_len": 32768},
                {"id": "r", "context_length": 8, "architecture": {"input_modalities": ["text", "image"]}},
                {"id": "l", "type": "vlm", "loaded_context_length": 4096},
                {"id": "m", "capabilities": {"completion_chat": True, "vision": False}},
                {"id": "bad", "max_model_len": "x", "details": {"parameter_size": "manyB"}},
            ]
        }
    )
    assert found is not None
    told = [(one.name, one.context, one.pictures) for one in found.models]
    assert told == [
        ("v", 32768, None), ("r", 8, True), ("l", 4096, True), ("m", None, False), ("bad", None, None),
    ]  # fmt: skip
    tag: dict[str, Any] = {
        "name": "q",
        "modified_at": "",
        "details": {"parameter_size": "7.6B"},
        "capabilities": ["completion", "vision"],
    }
    ollama = models_in({"models": [tag, {**tag, "name": "s", "details": {"parameter_size": "270M"}}]})
    assert ollama is not None and [(one.billions, one.pictures) for one in ollama.models] == [(7.6, True), (0.27, True)]
