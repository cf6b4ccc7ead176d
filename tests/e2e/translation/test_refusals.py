"""What a server's dialect cannot express: refused in the client's words, or passed on to a server that can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.neutral.limits import LIMITS, Limit
from switchman.addons.testing import FakeUpstream

SAMPLES = json.loads((Path(__file__).parents[2] / "data" / "translation" / "limits.json").read_text())
CHAT = {"messages": [{"role": "user", "content": "hi"}]}
BASE: dict[str, Any] = {
    "openai.chat": CHAT,
    "openai.completion": {"prompt": "hi"},
    "openai.responses": {"input": "hi"},
    "ollama.chat": CHAT,
    "ollama.generate": {"prompt": "hi"},
    "anthropic.messages": {**CHAT, "max_tokens": 9},
}


def sample(row: Limit, format: str) -> Any:
    return SAMPLES.get(f"{row.field}:{row.treatment}", SAMPLES[row.field])[format]


CELLS = [
    pytest.param(row, format, target, id=f"{row.field}-{format}-{target}")
    for row in LIMITS
    if row.treatment == "refuse"
    for format in row.formats
    for target in row.targets
    if CODECS[format].dialect != target
]


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, routes: str) -> Any:
    """With an alias whose first server cannot be told everything."""
    return start_shared(routes + 'aliases: {either: {instances: ["anthropic/m", "openai/m"]}}\n')


@pytest.mark.parametrize(("row", "format", "target"), CELLS)
def test_refused(row: Limit, format: Any, target: str, proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """400 in the client's form, with field and reason; nothing is asked of the server."""
    upstreams[target].requests.clear()
    codec = CODECS[format]
    answer = proxy.post(codec.path, {"model": f"{target}/m", **BASE[format], **sample(row, format)})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    message = error if codec.dialect == "ollama" else error["message"]
    assert row.reason in message and target in message
    top = row.field.split(".")[0]
    if format != "openai.responses" and top != "messages":
        assert message.startswith(top)
    if codec.dialect == "openai":
        assert message.startswith(error["param"]) and error["type"] == "invalid_request_error"
    if codec.dialect == "anthropic":
        assert (answer.json()["type"], error["type"]) == ("error", "invalid_request_error")
    assert upstreams[target].requests == []


def test_a_refusal_is_recorded(proxy: Any) -> None:
    """As a refused request, with the reason and a line in the trace."""
    answer = proxy.post("/v1/chat/completions", {"model": "anthropic/m", **CHAT, "n": 2})
    row = proxy.row_of(answer)
    assert (row["status"], row["outcome"], row["attempts"]) == (400, "refused", [])
    assert "one answer for each request" in row["error"]
    assert any(line["layer"] == "translation" and "n:" in line["detail"] for line in row["trace"])


def test_a_server_that_can_is_asked_instead(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """The next candidate gets what the first one's dialect has no words for."""
    for upstream in upstreams.values():
        upstream.requests.clear()
    answer = proxy.post("/v1/chat/completions", {"model": "either", **CHAT, "n": 2})
    assert answer.status_code == 200 and len(answer.json()["choices"]) == 2
    assert upstreams["anthropic"].requests == [] and len(upstreams["openai"].requests) == 1
    row = proxy.row_of(answer)
    assert (row["server"], len(row["attempts"])) == ("openai", 1)
    assert any(line["outcome"] == "skip" and "anthropic/m" in line["detail"] for line in row["trace"])


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/chat/completions", {"messages": "hi"}, "messages"),
        ("/v1/chat/completions", {"messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role"),
        ("/api/chat", {"messages": 3}, "messages"),
        ("/api/chat", {"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
        ("/api/chat", {"messages": [{"role": "user", "content": "x", "images": "aGk="}]}, "messages[0].images"),
        ("/api/chat", {"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"),
        ("/api/chat", {**CHAT, "options": [1]}, "options"),
        ("/api/chat", {**CHAT, "stream": "no"}, "stream"),
        ("/api/generate", {"prompt": ["x"]}, "prompt"),
        ("/v1/completions", {"prompt": [["x"]]}, "prompt"),
        ("/v1/responses", {}, "input"),
        ("/v1/responses", {"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ("/v1/responses", {"input": [{"role": "user", "content": ["x"]}]}, "input[0].content"),
        ("/v1/responses", {"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        (
            "/v1/responses",
            {"input": [{"type": "function_call_output", "call_id": "c", "output": 5}]},
            "input[0].output",
        ),
        ("/v1/responses", {"input": "x", "tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
        ("/v1/embeddings", {"input": {"a": 1}}, "input"),
    ],
)
def test_a_malformed_request(path: str, body: dict[str, Any], field: str, proxy: Any) -> None:
    """What its own format forbids is a 400 that says where, and what was expected there."""
    target = "openai" if path.startswith("/api") else "ollama"
    answer = proxy.post(path, {"model": f"{target}/m", **body})
    assert answer.status_code == 400
    assert field in answer.text and ("expected" in answer.text or path == "/v1/completions")
    if path.startswith("/api"):
        assert answer.json()["error"].startswith(field)


@pytest.mark.parametrize("target", ["ollama", "anthropic"])
@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/audio/speech", "/v1/moderations"])
def test_an_operation_that_there_is_none_of(
    path: str, target: str, proxy: Any, upstreams: dict[str, FakeUpstream]
) -> None:
    """Images, speech and moderations have no counterpart: 400 that names the path, and nothing is asked."""
    upstreams[target].requests.clear()
    answer = proxy.post(path, {"model": f"{target}/m", "prompt": "a", "input": "a", "voice": "x"})
    assert answer.status_code == 400
    assert path in answer.json()["error"]["message"] and target in answer.json()["error"]["message"]
    assert upstreams[target].requests == []
