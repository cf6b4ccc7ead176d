"""The fake upstream's /v1/responses, read by the official client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall, Usage

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
TOOLS: list[Any] = [
    FUNCTION,
    {"type": "custom", "name": "patch"},
    {"type": "namespace", "name": "ns", "description": "", "tools": [{**FUNCTION, "name": "g"}]},
]
CALLS = [ToolCall("f", {"a": "größer"}), ToolCall("patch", {"input": "*** Begin\n+x"}), ToolCall("g", {"b": 1})]


@pytest.fixture(name="upstream")
def start_upstream() -> Iterator[FakeUpstream]:
    how = Behaviour(text="I look.", reasoning="hm hm", tool_calls=CALLS, usage=Usage(9, 4, cached=2))
    with FakeUpstream("openai", how, reject_unknown=True) as upstream:
        yield upstream


@pytest.fixture(name="client")
def make_client(upstream: FakeUpstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="k", max_retries=0) as client:
        yield client


def test_calls_are_told_as_the_tools_were_declared(client: openai.OpenAI) -> None:
    """A function, a custom tool and one in a namespace; the stream says the same as the whole."""
    whole = client.responses.create(model="m", input="x", tools=TOOLS)
    with client.responses.stream(model="m", input="x", tools=TOOLS) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_response()
    for response in (whole, streamed):
        thought, said, f, patch, g = (item.to_dict() for item in response.output)
        assert thought["summary"] == [{"type": "summary_text", "text": "hm hm"}]
        assert said["content"][0]["text"] == response.output_text == "I look."  # type: ignore[index]
        assert (f["type"], f["name"], f["arguments"]) == ("function_call", "f", '{"a": "gr\\u00f6\\u00dfer"}')
        assert (patch["type"], patch["name"], patch["input"]) == ("custom_tool_call", "patch", "*** Begin\n+x")
        assert (g["name"], g["namespace"]) == ("g", "ns")
        assert "namespace" not in f
    assert {"response.function_call_arguments.delta", "response.custom_tool_call_input.done"} <= set(kinds)
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done") == 5
    assert (kinds[:2], kinds[-1]) == (["response.created", "response.in_progress"], "response.completed")


def test_the_usage_is_that_of_the_behaviour(client: openai.OpenAI) -> None:
    """Whole, and at the end of a stream; all pieces of the text and the arguments add up to the whole ones."""
    whole = client.responses.create(model="m", input="x", tools=TOOLS)
    with client.responses.stream(model="m", input="x", tools=TOOLS) as stream:
        events = list(stream)
        streamed = stream.get_final_response()
    for response in (whole, streamed):
        assert response.usage is not None and response.status == "completed"
        assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (9, 4, 13)
        assert response.usage.input_tokens_details.cached_tokens == 2
    pieces: dict[str, str] = {}
    for event in events:
        if event.type.endswith(".delta"):
            pieces[event.type] = pieces.get(event.type, "") + str(getattr(event, "delta", ""))
    assert pieces["response.output_text.delta"] == "I look."
    assert pieces["response.reasoning_summary_text.delta"] == "hm hm"
    assert pieces["response.function_call_arguments.delta"] == '{"a": "gr\\u00f6\\u00dfer"}{"b": 1}'
    assert pieces["response.custom_tool_call_input.delta"] == "*** Begin\n+x"
    assert [event.sequence_number for event in events if hasattr(event, "sequence_number")] == list(range(len(events)))


CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "1"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"input": [CALL]}, "No tool output found for function call c1"),
        ({"input": [RESULT]}, "No tool call found for function call output with call_id c1"),
        ({"input": [{**CALL, "type": "custom_tool_call"}, RESULT]}, "Missing required parameter: 'input[0].input'"),
        ({"input": [{**CALL, "type": "custom_tool_call", "input": ""}, RESULT]}, "No tool call found"),
        ({"input": [{"type": "function_call", "call_id": "c1", "name": "f"}]}, "'input[0].arguments'"),
        ({"input": ["x"]}, "Invalid type for 'input[0]'"),
        ({"input": [{"role": "user"}]}, "Invalid type for 'input[0].content'"),
        ({"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]}, "'input_text'"),
        ({"input": "x", "tool_choice": "required"}, "need 'tools'"),
        ({"input": "x", "tools": [{"name": "f"}]}, "tools[0].type"),
        (
            {"input": "x", "tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]},
            ".tools[0].name",
        ),
        ({"input": [{"role": "tool", "content": "1"}]}, "Invalid value: 'tool'"),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "Invalid value: 'text'"),
        ({"input": "x", "tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
        ({"input": "x", "messages": []}, "Unknown parameter: 'messages'"),
    ],
)
def test_what_the_server_refuses(said: dict[str, Any], why: str, client: openai.OpenAI) -> None:
    """As strictly as the real one: shapes of chat completions, calls without results, unknown fields."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="m", extra_body=said)
    assert why in str(refused.value)


def test_a_call_with_its_result_goes_on(client: openai.OpenAI) -> None:
    """The second round of a tool loop."""
    turns: Any = [{"role": "user", "content": "x"}, CALL, RESULT]
    assert client.responses.create(model="m", input=turns, tools=TOOLS).status == "completed"


def test_only_thoughts_of_this_server_may_come_back(client: openai.OpenAI) -> None:
    """By their id, or in their own encrypted form, which any server passes on."""
    thought: dict[str, Any] = {"type": "reasoning", "summary": []}
    first: Any = client.responses.create(model="m", input="x").output[0]
    for known in ({**thought, "id": first.id}, {**thought, "id": "elsewhere", "encrypted_content": "gAAA"}):
        turns: Any = [{"role": "user", "content": "x"}, known]
        assert client.responses.create(model="m", input=turns).status == "completed"
    foreign: Any = [{**thought, "id": "elsewhere"}]
    with pytest.raises(openai.NotFoundError, match="Item with id 'elsewhere' not found"):
        client.responses.create(model="m", input=foreign)
