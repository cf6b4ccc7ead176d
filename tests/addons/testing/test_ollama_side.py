"""Ollama: what its own client reads of it, and what it rejects."""

from __future__ import annotations

import json
from typing import Any

import httpx
import ollama
import pytest

from switchman.addons.testing import (
    Behaviour,
    FakeUpstream,
    ToolCall,
)

HELLO = [{"role": "user", "content": "Say hello."}]
CHAT = {"model": "m", "messages": HELLO}


def test_ollama_client_reads_it() -> None:
    """The official client reads chat and generate, streamed and not, and all that it asks about models."""
    with (
        FakeUpstream("ollama", Behaviour(text="Hi there.", reasoning="hm hm"), models=["a"]) as up,
        ollama.Client(up.url) as client,
    ):
        whole = client.chat("a", HELLO)
        assert (whole.message.content, whole.message.thinking) == ("Hi there.", "hm hm")
        parts = list(client.generate("a", "x", stream=True))
        assert "".join(p.response for p in parts) == "Hi there."
        assert [p.done for p in parts][-2:] == [False, True]
        up.script([Behaviour(tool_calls=[ToolCall("f", {"a": 1})])])
        call = next(p.message.tool_calls[0] for p in client.chat("a", HELLO, stream=True) if p.message.tool_calls)
        assert (call.function.name, call.function.arguments) == ("f", {"a": 1})
        assert client.list().models[0].model == client.ps().models[0].model == "a"
        assert client.show("a").capabilities
        assert len(client.embed("a", ["x", "y"]).embeddings) == 2


OLLAMA_REJECTS = [
    ("GET", "/api/chat", None, 405),
    ("POST", "/v1/chat/completions", CHAT, 404),
    ("POST", "/api/chat", {"messages": HELLO}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": [{"role": "developer", "content": "x"}]}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": HELLO, "stream": "yes"}, 400),
    ("POST", "/api/generate", {"model": "gone", "prompt": "x"}, 404),
    ("POST", "/api/show", {}, 400),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), OLLAMA_REJECTS)
def test_ollama_rejects(method: str, path: str, body: Any, status: int) -> None:
    """What Ollama rejects is rejected: JSON errors from its handlers, plain text from its router."""
    with FakeUpstream("ollama", missing=["gone"]) as up:
        answer = httpx.request(method, up.url + path, json=body)
    assert answer.status_code == status
    assert answer.text.startswith("40") or set(answer.json()) == {"error"}


def test_a_model_may_be_named_with_its_tag() -> None:
    """`:latest` is the same model; other tags are others."""
    with FakeUpstream("ollama", models=["a"], only_listed=True) as up:
        names = ("a", "a:latest", "a:7b")
        answers = [httpx.post(f"{up.url}/api/show", json={"model": name}, timeout=30) for name in names]
    assert [answer.status_code for answer in answers] == [200, 200, 404]


def test_without_usage_the_last_line_only_says_why_it_ended() -> None:
    """A server that counts nothing says no count of 0."""
    with FakeUpstream("ollama", Behaviour(text="Hi.", usage=None, finish="length")) as up:
        lines = httpx.post(f"{up.url}/api/chat", json=CHAT, timeout=30).text.splitlines()
    last = json.loads(lines[-1])
    assert (last["done"], last["done_reason"]) == (True, "length")
    assert not any(name.endswith(("count", "duration")) for name in last)


def test_the_older_embeddings_have_one_vector() -> None:
    """/api/embeddings takes a prompt; the vector is the one that /api/embed gives for it."""
    with FakeUpstream("ollama") as up:
        old = httpx.post(f"{up.url}/api/embeddings", json={"model": "m", "prompt": "x"}, timeout=30).json()
        new = httpx.post(f"{up.url}/api/embed", json={"model": "m", "input": "x"}, timeout=30).json()
    assert new["embeddings"] == [old["embedding"]]
