"""Prompt caches: what a server has computed of a conversation is good for its next request, whatever the two dialects.

A server lays a request out as tools, system, messages, and begins anew where that differs from what it had before. So
the next request of an agent has to begin as the last one did, but for what the agent itself changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.neutral.sampling import Quirks
from switchman.addons.core.dialects.passing.unsigned import ITEM, SIGNATURE
from switchman.addons.core.dialects.rendering import Rendered, ServerProfile, render
from switchman.addons.core.request.call import Call
from switchman.addons.core.request.jsonedit import parse
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers import urls
from switchman.addons.core.servers.models.thinking import ThinkingChoice
from switchman.addons.core.servers.servers import Server

CLIENTS = Path(__file__).parents[3] / "data" / "clients"
AGENTS: dict[str, dict[str, Any]] = json.loads((CLIENTS / "turns.json").read_text(encoding="utf-8"))
SHARE = 0.99
STAMP = Stamp("", 0.0, "m")

SERVERS: dict[str, ServerProfile] = {
    "responses": ServerProfile("openai"),
    "chat": ServerProfile("openai", responses=False),
    "vllm": ServerProfile("openai", responses=False, quirks=Quirks(sampling_extensions=True, developer_role=False)),
    "openai": ServerProfile("openai", responses=False, quirks=Quirks(developer_role=True, openai_fields=True)),
    "deepseek": ServerProfile("openai", responses=False, quirks=Quirks(thinking_switch="thinking")),
    "anthropic": ServerProfile("anthropic"),
    "ollama": ServerProfile("ollama"),
}


def rendered(path: str, body: dict[str, Any], profile: ServerProfile, stamp: Stamp, model: str = "m") -> Rendered:
    text = json.dumps(body, ensure_ascii=False)
    parsed, spans = parse(text)
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    call = Call(endpoint, "", text, parsed, spans, body["model"], True)
    server = Server("u7x9", urls.parse("http://u7x9:8000"), dialect=profile.dialect)
    return render(call, Candidate(server, model), profile, stamp)


def prompt_of(content: str) -> bytes:
    """A request as a template lays it out. A text alone and a list of it are one; marks for the cache are no text."""
    body = json.loads(content)
    messages = body.get("messages", body.get("input"))
    parts = [
        body.get("tools"),
        body.get("system"),
        *({**one, "content": _parts(one.get("content"))} for one in messages),
    ]
    return b"".join(json.dumps(_unmarked(part), ensure_ascii=False).encode() for part in parts)


def _parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmarked(inner) for key, inner in value.items() if key != "cache_control"}
    return [_unmarked(inner) for inner in value] if isinstance(value, list) else value


def settings_of(content: str) -> dict[str, Any]:
    """All but the prompt, and what an agent says of itself."""
    told = ("messages", "input", "tools", "system", "metadata", "client_metadata")
    return {key: value for key, value in json.loads(content).items() if key not in told}


def common(first: bytes, second: bytes) -> int:
    """How many bytes they begin with together."""
    pairs = zip(first, second, strict=False)
    return next((at for at, (one, two) in enumerate(pairs) if one != two), min(len(first), len(second)))


def share(first: bytes, second: bytes) -> float:
    """How much of the first the second begins with."""
    return common(first, second) / len(first)


def with_thoughts(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The same turn with the thoughts that a translated answer has told the agent."""
    out = {**body}
    if path == "/v1/responses":
        items: list[Any] = []
        for i, item in enumerate(body["input"]):
            if item.get("role") == "assistant":
                summary = [{"type": "summary_text", "text": f"Thought {i}."}]
                items.append({"type": "reasoning", "id": f"{ITEM}{i}", "summary": summary})
            items.append(item)
        return {**out, "input": items}
    thoughts = {"/v1/messages": None, "/api/chat": "thinking"}.get(path, "reasoning_content")
    out["messages"] = []
    for i, message in enumerate(body["messages"]):
        if message["role"] == "assistant" and thoughts is not None:
            message = {**message, thoughts: f"Thought {i}."}
        elif message["role"] == "assistant":
            block = {"type": "thinking", "thinking": f"Thought {i}.", "signature": SIGNATURE}
            message = {**message, "content": [block, *_parts(message["content"])]}
        out["messages"].append(message)
    return out


def with_another_bill(body: dict[str, Any], number: int) -> dict[str, Any]:
    """Claude Code's note as it is in the next request of some of its versions."""
    if not isinstance(body.get("system"), list):
        return body
    note = f"x-anthropic-billing-header: cc_version=2.1.197.{number:03x}; cc_entrypoint=cli; cch={number:05x};"
    return {**body, "system": [{"type": "text", "text": note}, *body["system"][1:]]}


def turns(agent: str, thoughts: bool) -> Iterator[dict[str, Any]]:
    path = AGENTS[agent]["path"]
    for number, body in enumerate(AGENTS[agent]["turns"]):
        yield with_another_bill(with_thoughts(path, body) if thoughts else body, number)


@pytest.mark.parametrize("thoughts", [False, True], ids=["", "thoughts"])
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("agent", AGENTS)
def test_the_next_request_begins_as_the_last_one_did(agent: str, server: str, thoughts: bool) -> None:
    """Two asks with a tool's round each, as the real programs sent them; all else of the requests is the same, too."""
    path, profile = AGENTS[agent]["path"], SERVERS[server]
    sent = [
        rendered(path, body, profile, Stamp(f"id-{number}", 1e9 + number, f"name-{number}")).content
        for number, body in enumerate(turns(agent, thoughts))
    ]
    assert len(sent) >= 3
    is_translated = endpoint_of("POST", path) != rendered(path, AGENTS[agent]["turns"][0], profile, STAMP).endpoint
    for first, second in pairwise(sent):
        if is_translated:  # then the bytes are our own: what passes through has them in the agent's order
            assert share(first.encode(), second.encode()) >= SHARE
        prompt, following = prompt_of(first), prompt_of(second)
        assert len(following) > len(prompt)
        at = common(prompt, following)
        assert at >= SHARE * len(prompt), (prompt[at - 99 : at + 99], following[at - 99 : at + 99])
        assert settings_of(first) == settings_of(second)


@pytest.mark.parametrize("think", [True, False])
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("agent", AGENTS)
def test_what_says_whether_to_think_keeps_the_prefix(agent: str, server: str, think: bool) -> None:
    """Where that is a parameter, in a request of each dialect."""
    path, profile = AGENTS[agent]["path"], replace(SERVERS[server], think=ThinkingChoice(think))
    sent = [rendered(path, body, profile, STAMP, "glm-4.7").content for body in turns(agent, False)]
    for first, second in pairwise(sent):
        assert share(prompt_of(first), prompt_of(second)) >= SHARE


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("agent", AGENTS)
def test_nothing_of_ours_is_in_a_request(agent: str, server: str) -> None:
    """The same turn at another time, under another id, by another name of the server: the same bytes."""
    path, profile = AGENTS[agent]["path"], SERVERS[server]
    for body in turns(agent, True):
        one = rendered(path, body, profile, Stamp("id-1", 1e9, "one/m", elapsed=lambda: 1.0)).content
        two = rendered(path, body, profile, Stamp("id-2", 2e9, "two/m", elapsed=lambda: 2.0)).content
        assert one == two
        assert "x-anthropic-billing-header" not in one and "u7x9" not in one


def test_the_note_for_the_bill_would_spoil_it() -> None:
    """Anthropic's own server gets it; there the prefix is the agent's affair."""
    own = Server("own", urls.parse("https://api.anthropic.com"), dialect="anthropic")
    sent = []
    for body in turns("claude_code", False):
        text = json.dumps(body)
        parsed, spans = parse(text)
        endpoint = endpoint_of("POST", "/v1/messages")
        assert endpoint is not None
        call = Call(endpoint, "", text, parsed, spans, body["model"], True)
        sent.append(render(call, Candidate(own, ""), ServerProfile("anthropic"), STAMP).content)
    assert all("x-anthropic-billing-header" in content for content in sent)
    assert share(prompt_of(sent[0]), prompt_of(sent[1])) < SHARE
