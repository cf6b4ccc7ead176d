"""Sessions of Claude Code and Codex CLI, as the real programs send them, at servers of every dialect."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall, Usage

CLIENTS = Path(__file__).parents[2] / "data" / "clients"
ASK = "Refactor parse() in utils.py into a class and add pytest tests"
REPLY = Behaviour(
    reasoning="hm",
    text="I look.",
    tool_calls=[ToolCall("Bash", {"command": "ls"}), ToolCall("multi_agent_v1__close_agent", {"target": "a"})],
    usage=Usage(200, 10),
)
SERVERS = ["openai", "plain", "ollama", "anthropic"]


def session(name: str) -> dict[str, Any]:
    calls = json.loads((CLIENTS / f"{name}.json").read_text(encoding="utf-8"))
    return next(call for call in calls if call["name"] == "session")


SESSIONS = {name: session(name) for name in ("claude_code", "codex")}


@pytest.fixture(scope="module")
def servers(upstreams: dict[str, FakeUpstream], upstream_factory: Callable[..., FakeUpstream]) -> Any:
    """Beside one of each dialect: `plain`, an OpenAI server that has no Responses API."""
    return {**upstreams, "plain": upstream_factory("openai", name="up-plain", reject_unknown=True)}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, FakeUpstream]) -> Any:
    lines = [
        f'  {name}: {{url: "{server.url}", dialect: {server.dialect}, quirks: {{has_responses: {name != "plain"}}}}}'
        for name, server in servers.items()
    ]
    return start_shared("\n".join(["servers:", *lines, ""]))


def send(proxy: Any, agent: str, server: str) -> httpx.Response:
    call = SESSIONS[agent]
    content = json.dumps({**call["body"], "model": f"{server}/m"}, ensure_ascii=False).encode()
    return httpx.post(proxy.url + call["path"], headers=call["headers"], content=content, trust_env=False, timeout=30)


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("agent", SESSIONS)
def test_a_session_goes_on_at_every_server(agent: str, server: str, servers: Any, proxy: Any) -> None:
    """No field of today's clients is refused; a strict server takes what comes, and calls come back as they are."""
    servers[server].requests.clear()
    servers[server].script([REPLY])
    answer = send(proxy, agent, server)
    assert answer.status_code == 200, answer.text
    seen = events(answer)
    if agent == "claude_code":
        starts = [event["content_block"] for event in seen if event["type"] == "content_block_start"]
        assert [block["type"] for block in starts] == ["thinking", "text", "tool_use", "tool_use"]
        return
    assert seen[-1]["type"] == "response.completed"
    calls = [item for item in seen[-1]["response"]["output"] if item["type"] == "function_call"]
    assert (calls[0]["name"], calls[0].get("namespace")) == ("Bash", None)
    if server != "openai":  # where the name in the script is no name of the request's
        assert (calls[1]["name"], calls[1]["namespace"]) == ("close_agent", "multi_agent_v1")


@pytest.mark.parametrize("server", ["plain", "ollama"])
@pytest.mark.parametrize("agent", SESSIONS)
def test_templates_get_turns(agent: str, server: str, servers: Any, proxy: Any) -> None:
    """One system message, at the start; no two user messages in a row; each result after its call."""
    servers[server].requests.clear()
    send(proxy, agent, server)
    body = servers[server].inferences[-1].json()
    roles = [message["role"] for message in body["messages"]]
    assert roles.count("system") == 1 and roles[0] == "system" and "developer" not in roles
    assert ("user", "user") not in list(pairwise(roles))
    for before, role in pairwise(roles):
        assert role != "tool" or before in ("assistant", "tool")
    assert roles[-1] == "user" and ASK in json.dumps(body["messages"][-1])
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert len(names) == len(set(names)) and not {"web_search", "namespace"} & set(names)
    text = json.dumps(body, ensure_ascii=False)
    assert "x-anthropic-billing-header" not in text
    if agent == "claude_code":
        assert text.index("<system-reminder>\\nAgents that may be started") < text.index("Looking.")
    else:
        assert text.count("multi_agent_v1__close_agent") >= 2  # the tool, and the call of an earlier turn


def test_thoughts_of_a_local_model_do_not_reach_anthropic(servers: Any, proxy: Any) -> None:
    """It refuses what it did not sign; what it signed itself comes back to it."""
    http = anthropic.DefaultHttpxClient(verify=False, trust_env=False)
    with anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0, http_client=http) as client:
        messages: list[Any] = [{"role": "user", "content": "Hi."}]
        for server in ("anthropic", "ollama", "plain", "anthropic"):
            servers[server].script([Behaviour(reasoning=f"thought of {server}", text="Yes.")])
            with client.messages.stream(model=f"{server}/m", max_tokens=99, messages=messages) as stream:
                message = stream.get_final_message()
            assert [block.type for block in message.content] == ["thinking", "text"]
            messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": "And?"}]
        whole = client.messages.create(model="anthropic/m", max_tokens=99, messages=messages)
    assert whole.content[-1].type == "text"
    said = servers["anthropic"].inferences[-1].body.decode()
    assert "thought of anthropic" in said and "thought of ollama" not in said and "thought of plain" not in said


def test_thoughts_of_a_local_model_do_not_reach_openai(servers: Any, proxy: Any) -> None:
    """Its Responses API looks for reasoning items by their ids."""
    items: list[Any] = [{"role": "user", "content": "Hi."}]
    http = openai.DefaultHttpxClient(verify=False, trust_env=False)
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="k", max_retries=0, http_client=http) as client:
        for server in ("openai", "ollama", "plain", "openai"):
            paths = {"openai": "/v1/responses", "ollama": "/api/chat", "plain": "/v1/chat/completions"}
            servers[server].script([Behaviour(reasoning=f"thought of {server}", text="Yes.")], path=paths[server])
            with client.responses.stream(model=f"{server}/m", input=items, store=False) as stream:
                response = stream.get_final_response()
            assert [item.type for item in response.output] == ["reasoning", "message"]
            items += [*(item.to_dict() for item in response.output), {"role": "user", "content": "And?"}]
        assert client.responses.create(model="openai/m", input=items, store=False).output_text
    said = servers["openai"].inferences[-1].body.decode()
    assert "thought of openai" in said and "thought of ollama" not in said and "thought of plain" not in said


@pytest.mark.parametrize("server", ["plain", "anthropic"])
def test_ids_of_calls_that_a_server_gives_twice(server: str, servers: Any, proxy: Any) -> None:
    """Some count from 0 in each reply; Claude Code takes a second call of the same id for the first, and drops it."""
    items: list[Any] = [{"role": "user", "content": "Hi."}]
    http = openai.DefaultHttpxClient(verify=False, trust_env=False)
    tools: list[Any] = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}]
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="k", max_retries=0, http_client=http) as client:
        ids = []
        for stream in (False, True, False):
            servers[server].script([Behaviour(tool_calls=[ToolCall("f", {}, id="call_0")])])
            if stream:
                with client.responses.stream(model=f"{server}/m", input=items, tools=tools) as answer:
                    response: Any = answer.get_final_response()
            else:
                response = client.responses.create(model=f"{server}/m", input=items, tools=tools)
            (call,) = response.output
            ids.append(call.call_id)
            result = {"type": "function_call_output", "call_id": call.call_id, "output": "1"}
            items += [call.to_dict(), result]
    assert ids[0] == "call_0" and len(set(ids)) == 3
