"""Conversations that the next server would refuse, or read wrongly, by the official clients through a real router."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import ollama
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall

LONG = "mcp__" + "a_server_with_a_long_name_" * 3 + "read.file"
SCHEMA = {"type": "object", "properties": {"t": {"type": "string"}}}
HI: dict[str, Any] = {"role": "user", "content": "Weather in Oslo and Rome?"}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstreams: dict[str, FakeUpstream]) -> Any:
    lines = [f'  {name}: {{url: "{up.url}", dialect: {name}}}' for name, up in upstreams.items()]
    narrow = f'  google: {{url: "{upstreams["openai"].url}", dialect: openai, quirks: {{narrow_schemas: true}}}}'
    return start_shared("\n".join(["servers:", *lines, narrow, ""]))


@pytest.fixture
def chat(proxy: Any) -> Iterator[openai.OpenAI]:
    http = openai.DefaultHttpxClient(verify=False, trust_env=False)
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="k", max_retries=0, http_client=http) as client:
        yield client


@pytest.fixture
def messages(proxy: Any) -> Iterator[anthropic.Anthropic]:
    http = anthropic.DefaultHttpxClient(verify=False, trust_env=False)
    with anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0, http_client=http) as client:
        yield client


def last(upstream: FakeUpstream) -> dict[str, Any]:
    body: dict[str, Any] = upstream.inferences[-1].json()
    return body


def test_results_that_come_in_another_order_reach_ollama_in_the_order_of_the_calls(
    chat: Any, messages: Any, upstreams: dict[str, FakeUpstream]
) -> None:
    """Two calls of one tool: it would read Rome's weather as Oslo's."""
    towns = {"a": "Oslo", "b": "Rome"}
    calls = [
        {"id": id, "type": "function", "function": {"name": "w", "arguments": json.dumps({"t": town})}}
        for id, town in towns.items()
    ]
    results = [{"role": "tool", "tool_call_id": id, "content": f"{towns[id]}: 5"} for id in "ba"]
    history = [HI, {"role": "assistant", "content": None, "tool_calls": calls}, *results]
    chat.chat.completions.create(model="ollama/m", messages=history)
    assert [one["content"] for one in last(upstreams["ollama"])["messages"][2:]] == ["Oslo: 5", "Rome: 5"]
    uses = [{"type": "tool_use", "id": id, "name": "w", "input": {"t": town}} for id, town in towns.items()]
    found = [{"type": "tool_result", "tool_use_id": id, "content": f"{towns[id]}: 5"} for id in "ba"]
    history = [HI, {"role": "assistant", "content": uses}, {"role": "user", "content": found}]
    messages.messages.create(model="ollama/m", max_tokens=9, messages=history)
    assert [one["content"] for one in last(upstreams["ollama"])["messages"][2:]] == ["Oslo: 5", "Rome: 5"]


def test_a_call_that_the_user_stopped_has_an_empty_result(chat: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """Anthropic refuses a call without one."""
    call = {"id": "a", "type": "function", "function": {"name": "w", "arguments": "{}"}}
    stop = {"role": "user", "content": "Stop."}
    history = [HI, {"role": "assistant", "content": None, "tool_calls": [call]}, stop]
    chat.chat.completions.create(model="anthropic/m", messages=history)
    (_, _, user) = last(upstreams["anthropic"])["messages"]
    assert user["content"] == [{"type": "tool_result", "tool_use_id": "a"}, {"type": "text", "text": "Stop."}]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_long_name_of_a_tool_comes_back_as_it_was(
    stream: bool, messages: Any, chat: Any, upstreams: dict[str, FakeUpstream]
) -> None:
    """The server is sent another one, in 64 characters that it takes."""
    asked: dict[str, Any] = {"model": "openai/m", "max_tokens": 9, "messages": [HI]}
    tools = [{"name": LONG, "input_schema": SCHEMA}]
    messages.messages.create(**asked, tools=tools)
    sent = last(upstreams["openai"])["tools"][0]["function"]["name"]
    assert len(sent) == 64
    upstreams["openai"].script([Behaviour(tool_calls=[ToolCall(sent, {"t": "Oslo"})])])
    if stream:
        with messages.messages.stream(**asked, tools=tools) as answer:
            message = answer.get_final_message()
    else:
        message = messages.messages.create(**asked, tools=tools)
    (use,) = [block for block in message.content if block.type == "tool_use"]
    assert (use.name, use.input) == (LONG, {"t": "Oslo"})
    upstreams["anthropic"].script([Behaviour(tool_calls=[ToolCall(sent, {"t": "Oslo"})])])
    functions = [{"type": "function", "function": {"name": LONG, "parameters": SCHEMA}}]
    answer = chat.chat.completions.create(model="anthropic/m", messages=[HI], tools=functions, stream=stream)
    if stream:
        deltas = [call for chunk in answer for choice in chunk.choices for call in choice.delta.tool_calls or ()]
        names = [call.function.name for call in deltas if call.function.name]
    else:
        names = [call.function.name for call in answer.choices[0].message.tool_calls]
    assert names == [LONG]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_client_of_old_has_its_function_call(stream: bool, chat: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """It sends `functions` and the role `function`; the server gets tools, a call and its result."""
    called = {"role": "assistant", "content": None, "function_call": {"name": "w", "arguments": '{"t":"Oslo"}'}}
    history = [HI, called, {"role": "function", "name": "w", "content": "5"}]
    functions = [{"name": "w", "parameters": SCHEMA}]
    upstreams["anthropic"].script([Behaviour(text="", tool_calls=[ToolCall("w", {"t": "Rome"})])])
    answer = chat.chat.completions.create(model="anthropic/m", messages=history, functions=functions, stream=stream)
    if stream:
        choices = [choice for chunk in answer for choice in chunk.choices]
        pieces = [choice.delta.function_call for choice in choices if choice.delta.function_call]
        call = ("".join(p.name or "" for p in pieces), json.loads("".join(p.arguments or "" for p in pieces)))
        finish = choices[-1].finish_reason
    else:
        message, finish = answer.choices[0].message, answer.choices[0].finish_reason
        call = (message.function_call.name, json.loads(message.function_call.arguments))
    assert (call, finish) == (("w", {"t": "Rome"}), "function_call")
    _, use, result = last(upstreams["anthropic"])["messages"]
    assert use["content"][0]["id"] == result["content"][0]["tool_use_id"]


def test_a_signature_of_another_server_is_taken_out_when_it_is_refused(
    messages: Any, upstreams: dict[str, FakeUpstream]
) -> None:
    """The client sees an answer; the next turn does not ask in vain, and keeps what this server thought."""
    upstream = upstreams["anthropic"]
    foreign = {"type": "thinking", "thinking": "hm", "signature": "made-elsewhere"}
    history = [HI, {"role": "assistant", "content": [foreign, {"type": "text", "text": "Cold."}]}, HI]
    refusal = Behaviour(status=400, message="messages.1.content.0: Invalid `signature` in `thinking` block")
    upstream.requests.clear()
    upstream.script([refusal, Behaviour(reasoning="own thought", text="Yes."), Behaviour(text="And yes.")])
    message = messages.messages.create(model="anthropic/m", max_tokens=9, messages=history)
    assert message.content[-1].text == "Yes."
    assert ["made-elsewhere" in one.body.decode() for one in upstream.inferences] == [True, False]
    history += [{"role": "assistant", "content": [block.to_dict() for block in message.content]}, HI]
    message = messages.messages.create(model="anthropic/m", max_tokens=9, messages=history)
    assert message.content[-1].text == "And yes."
    said = upstream.inferences[-1].body.decode()
    assert len(upstream.inferences) == 3 and "made-elsewhere" not in said and "own thought" in said


def test_searches_of_an_earlier_server_are_left_out(
    messages: Any, chat: Any, upstreams: dict[str, FakeUpstream]
) -> None:
    """Anthropic's blocks and OpenAI's items; before, such a conversation was refused."""
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Oslo"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    history = [HI, {"role": "assistant", "content": [use, found, {"type": "text", "text": "Cold."}]}, HI]
    for server in ("openai", "ollama"):
        messages.messages.create(model=f"{server}/m", max_tokens=9, messages=history)
        assert [one["content"] for one in last(upstreams[server])["messages"]][1] == "Cold."
    items = [
        HI,
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"role": "assistant", "content": "Cold."},
        HI,
    ]
    for server in ("anthropic", "ollama"):
        chat.responses.create(model=f"{server}/m", input=items, store=False)
        assert len(last(upstreams[server])["messages"]) == 3


def test_gemini_gets_the_schema_that_it_reads(chat: Any, messages: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """From a client of its own dialect and of another one; other servers get the whole."""
    wide = {**SCHEMA, "additionalProperties": False, "$schema": "http://json-schema.org/draft-07/schema#"}
    tools = [{"type": "function", "function": {"name": "w", "parameters": wide}}]
    for server, expected in (("google", SCHEMA), ("openai", wide)):
        chat.chat.completions.create(model=f"{server}/m", messages=[HI], tools=tools)
        assert last(upstreams["openai"])["tools"][0]["function"]["parameters"] == expected
        messages.messages.create(
            model=f"{server}/m", max_tokens=9, messages=[HI], tools=[{"name": "w", "input_schema": wide}]
        )
        assert last(upstreams["openai"])["tools"][0]["function"]["parameters"] == expected


def test_numbers_that_are_texts_are_numbers(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """Ollama's clients give them as they stand in a form; they were dropped before."""
    with ollama.Client(proxy.url, trust_env=False) as client:
        client.chat("anthropic/m", messages=[HI], options={"num_predict": "77", "temperature": "0.5"})
    body = last(upstreams["anthropic"])
    assert (body["max_tokens"], body["temperature"]) == (77, 0.5)
