"""Ollama: what its own client reads of it, and what it rejects."""

from __future__ import annotations

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
