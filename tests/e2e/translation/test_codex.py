"""Codex CLI's requests (Responses, as agents send them) at servers that have no such API, or only half of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall, Usage

TARGETS = ["old", "ollama", "anthropic"]
PATCH = '*** Begin Patch\n*** Add File: ä.txt\n+"hello" \\ {}\n*** End Patch'
SEARCH: dict[str, Any] = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: begin hunk+ end"}
# The tools of Codex CLI: a function, apply_patch as free text, an MCP server, and what OpenAI runs itself.
TOOLS: list[Any] = [
    {"type": "function", "name": "shell", "description": "Runs it.", "strict": False,
     "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}},
    {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": GRAMMAR},
    {"type": "namespace", "name": "mcp__docs__", "description": "Documents.", "tools": [
        {"type": "function", "name": "search", "description": "Finds.", "parameters": SEARCH, "strict": False}]},
    {"type": "web_search", "external_web_access": False},
    {"type": "image_generation", "output_format": "png"},
]  # fmt: skip
# What else it says with each request.
SETTINGS: dict[str, Any] = {
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199-aa",
    "text": {"verbosity": "low"},
}

BODY: dict[str, Any] = {
    "instructions": "You are a coding agent.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Sandbox: read-only."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]},
    ],
    "store": False,
}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
AZURE = "developer_role: true, openai_fields: true"
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
        f'  azure: {{url: "{url}", dialect: openai, quirks: {{has_responses: false, {AZURE}}}}}',
        f'  picky: {{url: "{url}", dialect: openai, quirks: {{openai_fields: false}}}}',
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


def respond(proxy: Any, server: str, stream: bool, **more: Any) -> Any:
    """The response, or the last one of a stream, whose items and deltas have to say the same."""
    body = {"model": f"{server}/m", **BODY, "tools": TOOLS, **SETTINGS, **more}
    responses = proxy.openai().responses
    if not stream:
        return responses.create(**body)
    items, inputs, last = [], {}, None
    for number, event in enumerate(responses.create(stream=True, **body)):
        assert event.sequence_number == number
        last = event
        if event.type == "response.output_item.done":
            items.append(event.item)
        elif event.type == "response.custom_tool_call_input.delta":
            inputs[event.item_id] = inputs.get(event.item_id, "") + event.delta
        elif event.type == "response.custom_tool_call_input.done":
            assert inputs[event.item_id] == event.input
    assert last is not None and last.type == "response.completed"
    assert [item.model_dump() for item in items] == [item.model_dump() for item in last.response.output]
    return last.response


def script(servers: dict[str, FakeUpstream], server: str, how: Behaviour) -> FakeUpstream:
    upstream = servers["compatible" if server == "old" else server]
    paths = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
    upstream.script([how], paths[upstream.dialect])
    return upstream


def functions(body: Any) -> dict[str, Any]:
    """Name -> schema of the functions a server of any dialect was told."""
    told = [tool.get("function", tool) for tool in body["tools"]]
    return {tool["name"]: tool.get("parameters") or tool.get("input_schema") for tool in told}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("server", TARGETS)
def test_all_of_its_tools_work(server: str, stream: bool, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """Free text and MCP tools are functions for the server, and what they were for Codex; OpenAI's own are left out."""
    calls = [
        ToolCall("shell", {"command": "ls"}),
        ToolCall("apply_patch", {"input": PATCH}),
        ToolCall("mcp__docs__search", {"q": "x"}),
    ]
    upstream = script(servers, server, Behaviour(tool_calls=calls))
    found = respond(proxy, server, stream)
    told = functions(sent(upstream))
    assert list(told) == ["shell", "apply_patch", "mcp__docs__search"]
    assert list(told["apply_patch"]["properties"]) == ["input"] and told["mcp__docs__search"] == SEARCH
    assert "start: begin hunk+ end" in json.dumps(sent(upstream)["tools"])
    shell, patch, search = found.output
    assert (shell.type, shell.name, json.loads(shell.arguments)) == ("function_call", "shell", {"command": "ls"})
    assert (patch.type, patch.name, patch.input) == ("custom_tool_call", "apply_patch", PATCH)
    assert (search.type, search.namespace, search.name) == ("function_call", "mcp__docs__", "search")

    results = [
        {"type": "function_call_output", "call_id": shell.call_id, "output": "a.txt"},
        {"type": "custom_tool_call_output", "call_id": patch.call_id, "output": "Done!"},
        {"type": "function_call_output", "call_id": search.call_id, "output": "Nothing."},
    ]
    turn = [item.model_dump(exclude_none=True) for item in found.output]
    upstream = script(servers, server, Behaviour(text="Fine."))
    again = respond(proxy, server, stream, input=[*BODY["input"], {"type": "web_search_call", "id": "ws_1",
                    "status": "completed", "action": {"type": "search", "query": "q"}}, *turn, *results])  # fmt: skip
    assert again.output_text == "Fine."
    history = json.dumps(sent(upstream)["messages"], ensure_ascii=False)
    assert all(text in history for text in ("mcp__docs__search", "Begin Patch", "a.txt", "Done!", "Nothing."))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_response_repeats_the_settings(stream: bool, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """As the API's own does: instructions, sampling, tools, text, reasoning, metadata."""
    script(servers, "old", Behaviour(text="Hi.", usage=Usage(3, 2)))
    said: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "max_output_tokens": 77, "metadata": {"a": "b"}}
    found = respond(proxy, "old", stream, **said).model_dump()
    assert {name: found[name] for name in said} == said
    assert (found["instructions"], found["parallel_tool_calls"]) == (BODY["instructions"], False)
    assert (found["reasoning"]["effort"], found["text"]["verbosity"]) == ("medium", "low")
    assert found["text"]["format"]["type"] == "text"
    assert [tool["type"] for tool in found["tools"]] == [tool["type"] for tool in TOOLS]
    assert (found["truncation"], found["previous_response_id"], found["store"]) == ("disabled", None, False)


def test_fields_of_openai_go_where_they_are_known(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """`openai_fields: true` among the quirks carries them over; elsewhere each is dropped with a line in the trace."""
    more = {"metadata": {"a": "b"}, "service_tier": "flex", "safety_identifier": "u1", "user": "u2", "store": True}
    script(servers, "old", Behaviour())
    respond(proxy, "azure", False, **more)
    carried = {**more, "prompt_cache_key": "0199-aa", "verbosity": "low"}
    assert {name: sent(servers["compatible"]).get(name) for name in carried} == carried

    script(servers, "old", Behaviour())
    answer = proxy.post("/v1/responses", {"model": "old/m", **BODY, "tools": TOOLS, **SETTINGS, **more})
    assert {name for name in carried if name in sent(servers["compatible"])} == {"user"}
    trace = " ".join(line["detail"] for line in proxy.row_of(answer)["trace"])
    for name in ("metadata", "service_tier", "safety_identifier", "store", "prompt_cache_key", "text.verbosity",
                 "include", "reasoning.summary", "tools (web_search)"):  # fmt: skip
        assert f"{name} was dropped" in trace, trace


def test_a_server_that_refuses_unknown_fields_gets_no_user(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """Claude Code names its user in each request; Mistral answers 422 to that."""
    body = {"model": "picky/m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    answer = proxy.post("/v1/messages", {**body, "metadata": {"user_id": "u"}}, headers={"anthropic-version": "1"})
    assert answer.status_code == 200, answer.text
    assert "user" not in sent(servers["compatible"])
    answer = proxy.post("/api/chat", {"model": "picky/m", "messages": body["messages"], "options": {"seed": 7}})
    assert "seed" not in sent(servers["compatible"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("server", ["ollama", "anthropic"])
def test_custom_tools_of_a_chat(server: str, stream: bool, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """Chat completions have them too, one level deeper; so do a call in the history and a choice of one."""
    script(servers, server, Behaviour(tool_calls=[ToolCall("apply_patch", {"input": PATCH})]))
    tool = {"type": "custom", "custom": {"name": "apply_patch", "format": {"type": "grammar", "grammar": {
        "syntax": "lark", "definition": "start: x"}}}}  # fmt: skip
    call = {"id": "c1", "type": "custom", "custom": {"name": "apply_patch", "input": "old patch"}}
    messages: list[Any] = [
        {"role": "user", "content": "Patch it."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "No."},
    ]
    choice = {"type": "custom", "custom": {"name": "apply_patch"}}
    body = {"model": f"{server}/m", "messages": messages, "tools": [tool], "tool_choice": choice}
    if stream:
        chunks = list(proxy.openai().chat.completions.create(stream=True, **body))
        calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
        (made,) = [call.model_dump() for call in calls]
    else:
        (made,) = proxy.openai().chat.completions.create(**body).choices[0].message.model_dump()["tool_calls"]
    assert (made["type"], made["custom"]) == ("custom", {"name": "apply_patch", "input": PATCH})
    assert "old patch" in json.dumps(sent(servers[server])["messages"])


@pytest.mark.parametrize("server", TARGETS)
def test_an_image_that_a_tool_shows(server: str, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """Codex's view_image, beside another call: results follow their calls, and the picture comes behind them."""
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
    items = [
        {"role": "user", "content": "Look."},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "c1", "name": "view_image", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "shell", "arguments": '{"command": "ls"}'},
        {"type": "function_call_output", "call_id": "c1", "output": [picture]},
        {"type": "function_call_output", "call_id": "c2", "output": "a.txt"},
    ]
    upstream = script(servers, server, Behaviour(text="A dot."))
    assert respond(proxy, server, False, input=items).output_text == "A dot."
    messages = sent(upstream)["messages"]
    roles = [message["role"] for message in messages if message["role"] != "system"]
    if server == "anthropic":
        assert roles == ["user", "assistant", "user"]
    elif server == "old":
        assert roles == ["user", "assistant", "tool", "tool", "user"]
    assert PNG in json.dumps(messages)
