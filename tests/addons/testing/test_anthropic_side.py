"""Anthropic's server: what its own client reads of it, and what it rejects."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx
import pytest

from switchman.addons.testing import (
    Behaviour,
    FakeUpstream,
    ToolCall,
    Usage,
)

HELLO = [{"role": "user", "content": "Say hello."}]
CHAT = {"model": "m", "messages": HELLO}
MESSAGES = {"model": "m", "max_tokens": 9, "messages": HELLO}
OLD, NEW = {"anthropic-version": "2023-06-01"}, {"anthropic-version": "2026-10-21"}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}


def ask(
    up: FakeUpstream, body: dict[str, Any] | None = None, path: str = "/v1/chat/completions", **named: Any
) -> httpx.Response:
    return httpx.post(up.url + path, json=CHAT if body is None else body, **{"timeout": 30, **named})


def test_anthropic_client_reads_it() -> None:
    """The official client assembles text, thinking and tool calls from a stream as from a whole reply."""
    how = Behaviour(
        text="Hi there.", reasoning="hm hm", tool_calls=[ToolCall("f", {"a": 1})], usage=Usage(9, 4, cached=2)
    )
    with (
        FakeUpstream("anthropic", how, api_key="k", models=["a"]) as up,
        anthropic.Anthropic(base_url=up.url, api_key="k", max_retries=0) as client,
    ):
        asked: Any = {"model": "a", "max_tokens": 9, "messages": HELLO}
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        for message in (whole, streamed):
            kinds = [block.type for block in message.content]
            assert kinds == ["thinking", "text", "tool_use"]
            assert message.stop_reason == "tool_use"
            assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (7, 2)
        assert client.messages.count_tokens(model="a", messages=HELLO).input_tokens == 9
        assert [m.id for m in client.models.list()] == ["a"]


ANTHROPIC_REJECTS: list[tuple[str, str, Any, dict[str, str], int]] = [
    ("GET", "/v1/messages", None, OLD, 405),
    ("POST", "/v1/chat/completions", CHAT, OLD, 404),
    ("POST", "/v1/messages", MESSAGES, {}, 400),
    ("GET", "/v1/models", None, {}, 400),
    ("POST", "/v1/messages", {"model": "m", "messages": HELLO}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "messages": []}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "messages": [{"role": "system", "content": "x"}]}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "messages": [{"role": "user", "content": ""}]}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "messages": [{"role": "user", "content": [TOOL_RESULT]}]}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "temperature": 1.5}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "temperature": 1.0}, NEW, 400),
    ("POST", "/v1/messages", {**MESSAGES, "thinking": {"type": "enabled", "budget_tokens": 5}}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "model": "gone"}, OLD, 404),
    ("POST", "/v1/messages", {**MESSAGES, "tools": [{"name": "f"}]}, OLD, 400),
]


@pytest.mark.parametrize(("method", "path", "body", "headers", "status"), ANTHROPIC_REJECTS)
def test_anthropic_rejects(method: str, path: str, body: Any, headers: dict[str, str], status: int) -> None:
    """What Anthropic's server rejects is rejected, by the API version that the request names."""
    with FakeUpstream("anthropic", missing=["gone"]) as up:
        answer = httpx.request(method, up.url + path, json=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["type"] == "error" and answer.json()["error"]["message"]


def test_anthropic_old_version_samples() -> None:
    """The older API version takes the sampling parameters that the newer one rejects."""
    with FakeUpstream("anthropic") as up:
        assert ask(up, {**MESSAGES, "temperature": 1.0}, "/v1/messages", headers=OLD).status_code == 200


def turns(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 4096, "messages": list(messages), **more}


CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}
RESULT = {"role": "user", "content": [TOOL_RESULT]}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (turns(*HELLO, CALL, RESULT), 200),
        (turns(*HELLO, CALL, *HELLO), 400),  # the result is missing
        (turns(*HELLO, CALL, RESULT, **THINKING), 400),  # the turn has to begin with a thought
        (turns(*HELLO, {**CALL, "content": [THOUGHT, *CALL["content"]]}, RESULT, **THINKING), 200),
        (turns(*HELLO, **{**THINKING, "max_tokens": 2048}), 400),  # nothing left for the answer
    ],
)
def test_a_conversation_hangs_together(body: dict[str, Any], status: int) -> None:
    """Each tool call has its result in the next message, and stands after its thought where thinking is on."""
    with FakeUpstream("anthropic") as up:
        assert ask(up, body, "/v1/messages", headers=OLD).status_code == status


def test_a_stream_ends_with_its_own_event() -> None:
    """Every event says its name twice, in the field and in its data, as the real server's do."""
    with FakeUpstream("anthropic", Behaviour(text="Hi there.", usage=None)) as up:
        text = ask(up, {**MESSAGES, "stream": True}, "/v1/messages", headers=OLD).text
    events = [event.splitlines() for event in text.strip().split("\n\n")]
    names = [name.removeprefix("event: ") for name, _ in events]
    assert names == [json.loads(data.removeprefix("data: "))["type"] for _, data in events]
    assert (names[0], names[2], names[-1]) == ("message_start", "ping", "message_stop")
    assert "usage" not in text
