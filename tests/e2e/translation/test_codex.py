"""Codex CLI's requests (Responses, as agents send them) at servers that have no such API, or only half of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.testing import FakeUpstream

BODY: dict[str, Any] = {
    "instructions": "You are a coding agent.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Sandbox: read-only."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]},
    ],
    "store": False,
}
HEAD = "You are a coding agent.\n\nSandbox: read-only."


@pytest.fixture(scope="module")
def servers(upstreams: dict[str, FakeUpstream], upstream_factory: Callable[..., FakeUpstream]) -> Any:
    return {**upstreams, "compatible": upstream_factory("openai", name="up-compatible", reject_unknown=True)}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, FakeUpstream]) -> Any:
    url = servers["compatible"].url
    lines = [
        *(f'  {name}: {{url: "{servers[name].url}", dialect: {name}}}' for name in ("openai", "ollama", "anthropic")),
        f'  old: {{url: "{url}", dialect: openai, quirks: {{has_responses: false}}}}',
        f'  azure: {{url: "{url}", dialect: openai, quirks: {{has_responses: false, developer_role: true}}}}',
        f'  strict: {{url: "{url}", dialect: openai, quirks: {{developer_role: false}}}}',
    ]
    return start_shared("\n".join(["servers:", *lines, ""]))


def sent(upstream: FakeUpstream) -> Any:
    return upstream.inferences[-1].json()


@pytest.mark.parametrize(
    ("server", "messages"),
    [
        ("old", [{"role": "system", "content": HEAD}]),
        ("azure", [{"role": "system", "content": "You are a coding agent."},
                   {"role": "developer", "content": "Sandbox: read-only."}]),
    ],
)  # fmt: skip
def test_a_developer_is_the_system_unless_the_server_knows_developers(
    server: str, messages: list[Any], proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """Templates of most models know `system` only, and only once, at the start."""
    proxy.openai().responses.create(model=f"{server}/m", **BODY)
    assert sent(servers["compatible"])["messages"] == [*messages, {"role": "user", "content": "Hi."}]


def test_a_developer_passes_through_as_system_to_a_server_known_not_to_know_it(
    proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """By its quirk, in chat and in Responses; nothing else in the text is touched."""
    chat = '{"model": "strict/m",  "messages":[{"content":"a", "role" : "developer"}, {"role":"user","content":"b"}]}'
    headers = {"content-type": "application/json"}
    for path, text in (
        ("/v1/chat/completions", chat),
        ("/v1/responses", chat.replace("messages", "input")),
    ):
        answer = proxy.post(path, content=text, headers=headers)
        assert answer.status_code == 200, answer.text
        expected = text.replace("strict/m", "m").replace("developer", "system")
        assert servers["compatible"].inferences[-1].body.decode() == expected
        assert json.loads(expected)
