"""A request as a Python script: run, with the real SDKs, against a server that keeps what it gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.wire import Received
from switchman.webui.pages.story.copies.python import MOST_LITERAL, script

BEARER = ("authorization", "Bearer ")
TEXT = 'It\'s "quoted"\n\\n \'single\' """three""" {braces} 问题 \U0001f600 \u202e\ud800 ' + "long " * 60
MESSAGES = [{"role": "user", "content": TEXT}]


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, FakeUpstream]]:
    """One of each dialect."""
    with ExitStack() as running:
        yield {name: running.enter_context(FakeUpstream(name)) for name in ("openai", "anthropic", "ollama")}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a script; gives the request that the server got, and what was printed."""
    monkeypatch.setenv("SWITCHMAN_KEY", "the-key")
    monkeypatch.setenv("NO_PROXY", "*")

    def execute(text: str, server: FakeUpstream) -> tuple[Received, str]:
        before = len(server.requests)
        names: dict[str, Any] = {}
        try:
            exec(compile(text, "script.py", "exec"), names)
        finally:
            if (client := names.get("client")) is not None:
                (client if hasattr(client, "close") else client._client).close()
        return server.requests[before], capsys.readouterr().out

    return execute


def head_of(got: Received) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in got.headers}


CASES = [
    ("openai", "chat", "/v1/chat/completions", {"model": "m", "messages": MESSAGES, "temperature": 0.2}),
    ("openai", "chat", "/v1/chat/completions", {"model": "m", "messages": MESSAGES, "stream": True, "top_k": 5}),
    ("openai", "completion", "/v1/completions", {"model": "m", "prompt": TEXT, "odd": {"a": [None, True, 1e30]}}),
    ("openai", "responses", "/v1/responses", {"model": "m", "input": TEXT}),
    ("openai", "embedding", "/v1/embeddings", {"model": "m", "input": [TEXT], "encoding_format": "float"}),
    ("anthropic", "chat", "/v1/messages", {"model": "m", "max_tokens": 64_000, "messages": MESSAGES, "new": 1}),
    ("anthropic", "chat", "/v1/messages", {"model": "m", "max_tokens": 9, "messages": MESSAGES, "stream": True}),
    ("ollama", "chat", "/api/chat", {"model": "m", "messages": MESSAGES, "stream": False}),
    ("ollama", "completion", "/api/generate", {"model": "m", "prompt": TEXT}),
]


@pytest.mark.parametrize(("dialect", "operation", "path", "body"), CASES, ids=lambda one: str(one)[:20])
def test_the_sdk_sends_the_same_request(
    run, servers, dialect: str, operation: str, path: str, body: dict[str, Any]
) -> None:
    """The official SDK of each dialect, whole and streamed, with fields that it does not know among others."""
    plain = json.loads(json.dumps(body).replace("\\ud800", ""))
    server = servers[dialect]
    text = script(dialect, operation, "POST", server.url, path, [], BEARER, json.dumps(plain).encode())
    got, printed = run(text, server)
    assert "httpx" not in text and "the-key" not in text and "the-key" in str(got.headers)
    assert got.target == path and printed
    sent = got.json()
    assert {name: sent[name] for name in plain} == plain
    more = {name: value for name, value in sent.items() if name not in plain}
    assert all(value in (True, []) for value in more.values()), more  # what the API assumes where nothing is said


@pytest.mark.parametrize(
    ("dialect", "operation", "path", "body"),
    [
        ("openai", "chat", "/v1/chat/completions", b'{"model":"m","model":"n","messages":[]}'),
        ("openai", "chat", "/v1/chat/completions", b'{"model":"m","temperature":NaN,"messages":[]}'),
        ("openai", "chat", "/v1/chat/completions", b"not JSON"),
        ("openai", "chat", "/chat/completions", b'{"model":"m","messages":[]}'),
        ("openai", "transcription", "/v1/audio/transcriptions", b"--b\r\n\x00\xff'\"\r\n--b--"),
        ("anthropic", "chat", "/v1/messages", b'{"model":"m","messages":[]}'),
        ("ollama", "chat", "/api/chat", b'{"model":"m","messages":[],"stream":false,"odd":1}'),
        (None, None, "/odd", b""),
    ],
)
def test_what_the_sdk_could_not_say_is_sent_as_bytes(
    run, servers, dialect: str | None, operation: str | None, path: str, body: bytes
) -> None:
    """A name twice, a NaN, what is no JSON, another path, and what a function must be given and is not there."""
    fields = [("content-type", "x/y; boundary='b'")]
    server = servers["openai"]
    got, printed = run(script(dialect, operation, "POST", server.url, path, fields, BEARER, body), server)
    assert got.body == body and got.target == path
    assert head_of(got)["content-type"] == "x/y; boundary='b'"
    assert head_of(got)["authorization"] == "Bearer the-key" and printed


def test_a_long_body_is_read_from_a_file() -> None:
    """The script is short."""
    body = json.dumps({"model": "m", "messages": "x" * MOST_LITERAL}).encode()
    text = script("openai", "chat", "POST", "http://127.0.0.1:1", "/v1/chat/completions", [], BEARER, body)
    assert 'open("request-body.bin", "rb")' in text and len(text) < 2_000
