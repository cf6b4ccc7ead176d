"""Ollama's requests read: strict where its server is, options by their names, the rest kept."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.form import (
    Image,
    Message,
    Reasoning,
    Request,
    ResponseFormat,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.limits import Malformed
from switchman.addons.core.dialects.ollama.request import decode_chat, decode_generate

SCHEMA = {"type": "object"}


def chat(*messages: Any, **members: Any) -> Request:
    return decode_chat({"model": "m", "messages": list(messages), **members})


def message(**members: Any) -> Message:
    (found,) = chat(members).messages
    return found


def generate(**members: Any) -> Request:
    return decode_generate({"model": "m", **members})


def test_a_chat_request_in_full() -> None:
    """Each member has its place; the runner's own options stay under `options`."""
    assert chat(
        {"role": "user", "content": "hi", "images": ["AA"]},
        tools=[{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}],
        stream=False,
        format=SCHEMA,
        think="high",
        options={
            "num_predict": 5,
            "temperature": 0,
            "top_p": 1,
            "top_k": 3,
            "min_p": 0.1,
            "seed": 7,
            "presence_penalty": 0.2,
            "frequency_penalty": 0.3,
            "repeat_penalty": 1.1,
            "stop": "END",
            "num_ctx": 9,
        },
        keep_alive="5m",
    ) == Request(
        "ollama.chat",
        "m",
        (Message("user", (Text("hi"), Image("AA"))),),
        tools=(Tool("f", "d", SCHEMA),),
        sampling=Sampling(5, 0, 1, 3, 0.1, 7, 0.2, 0.3, 1.1, ("END",), stop_plain=True),
        format=ResponseFormat("schema", SCHEMA),
        reasoning=Reasoning(True, "high", as_given="high"),
        stream=False,
        extras={"keep_alive": "5m", "options": {"num_ctx": 9}},
    )


@pytest.mark.parametrize(
    ("options", "sampling", "left"),
    [
        pytest.param({}, Sampling(), {"options": {}}, id="empty"),
        pytest.param(None, Sampling(), {"options": None}, id="null"),
        pytest.param({"num_predict": 5}, Sampling(5), {}, id="all-taken"),
        pytest.param({"num_predict": -1}, Sampling(), {"options": {"num_predict": -1}}, id="no-limit"),
        pytest.param({"num_predict": -2, "seed": 1}, Sampling(seed=1), {"options": {"num_predict": -2}}, id="fill-up"),
        pytest.param({"num_predict": 0}, Sampling(0), {}, id="nothing-at-all"),
        pytest.param(
            {"temperature": "hot", "stop": [1]},
            Sampling(),
            {"options": {"temperature": "hot", "stop": [1]}},
            id="other-types",
        ),
    ],
)
def test_options(options: Any, sampling: Sampling, left: dict[str, Any]) -> None:
    """-1 and -2 are no numbers of tokens; what stays goes back to the same format."""
    request = chat(options=options)
    assert (request.sampling, request.extras) == (sampling, left)


@pytest.mark.parametrize(
    ("think", "reasoning"),
    [
        (True, Reasoning(True, as_given=True)),
        (False, Reasoning(False, as_given=False)),
        ("low", Reasoning(True, "low", as_given="low")),
        (None, None),
        (1, None),
    ],
    ids=repr,
)
def test_think_is_a_word_or_a_switch(think: Any, reasoning: Reasoning | None) -> None:
    """Anything else stays as it came."""
    request = chat(think=think)
    assert request.reasoning == reasoning
    assert request.extras == ({} if reasoning else {"think": think})


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("json", ResponseFormat("json")),
        (SCHEMA, ResponseFormat("schema", SCHEMA)),
        ({}, None),
        ("", None),
        ("yaml", None),
        (None, None),
    ],
    ids=repr,
)
def test_a_format_is_json_or_a_schema(value: Any, form: ResponseFormat | None) -> None:
    """Anything else stays as it came."""
    request = chat(format=value)
    assert request.format == form
    assert request.extras == ({} if form else {"format": value})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({}, "messages", id="no-messages"),
        pytest.param({"messages": {"role": "user"}}, "messages", id="messages-an-object"),
        pytest.param({"messages": [], "model": 5}, "model", id="model-a-number"),
        pytest.param({"messages": [], "stream": "yes"}, "stream", id="stream-a-text"),
        pytest.param({"messages": [], "tools": ["f"]}, "tools", id="tools-of-texts"),
        pytest.param({"messages": [], "options": []}, "options", id="options-a-list"),
        pytest.param({"messages": ["hi"]}, "messages[0].role", id="a-text-in-the-list"),
        pytest.param({"messages": [{"role": "developer"}]}, "messages[0].role", id="a-role-of-openai"),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content",
            id="content-in-parts",
        ),
        pytest.param({"messages": [{"role": "user", "images": "AA"}]}, "messages[0].images", id="images-a-text"),
        pytest.param({"messages": [{"role": "user", "images": [5]}]}, "messages[0].images", id="images-of-numbers"),
        pytest.param(
            {"messages": [{"role": "assistant", "thinking": 5}]}, "messages[0].thinking", id="thinking-a-number"
        ),
        pytest.param(
            {"messages": [{"role": "assistant", "tool_calls": ["f"]}]}, "messages[0].tool_calls", id="calls-of-texts"
        ),
    ],
)
def test_what_ollama_refuses_is_malformed(body: dict[str, Any], field: str) -> None:
    """Null is as if it was not there."""
    with pytest.raises(Malformed) as raised:
        decode_chat(body)
    assert raised.value.field == field
    assert chat({"role": "user", "content": None, "images": None, "tool_calls": None}, tools=None, stream=None)


def test_an_assistants_message() -> None:
    """Thoughts, text and calls; what else a call has is kept."""
    call = {"id": "c", "function": {"name": "f", "arguments": {"a": 1}, "index": 0}, "x": 1}
    found = message(role="assistant", content="a", thinking="hm", tool_calls=[call, {}])
    first = ToolCall("c", "f", '{"a":1}', {"x": 1, "function.index": 0})
    assert found == Message("assistant", (Thinking("hm"), Text("a"), first, ToolCall("", "", "{}")))


def test_a_tools_message() -> None:
    """By its tool's name, and by the id that newer servers give."""
    found = message(role="tool", content="42", tool_name="f", tool_call_id="c", images=["AA"], x=1)
    result = ToolResult("c", "f", (Text("42"), Image("AA")))
    assert found == Message("tool", (result,), "text", {"x": 1})
    assert message(role="tool").parts == (ToolResult("", "", (), "absent"),)


def test_a_messages_shape_and_rest_are_kept() -> None:
    """Null, absent and empty are told apart."""
    assert message(role="user", content=None, images=[]) == Message("user", (), "null", {"images": []})
    assert message(role="user", x=1) == Message("user", (), "absent", {"x": 1})
    assert message(role="user", content="") == Message("user", (Text(""),))


@pytest.mark.parametrize(
    ("tool", "found"),
    [
        pytest.param({"function": {"name": "f"}}, Tool("f", extra={"type": None}), id="no-type"),
        pytest.param({"type": "function", "function": {"name": "f"}, "x": 1}, Tool("f", extra={"x": 1}), id="more"),
        pytest.param({"type": "function"}, Tool("function", opaque={"type": "function"}), id="no-name"),
        pytest.param(
            {"type": "search", "function": {"name": "f"}},
            Tool("search", opaque={"type": "search", "function": {"name": "f"}}),
            id="another-kind",
        ),
    ],
)
def test_a_tool_needs_no_type(tool: dict[str, Any], found: Tool) -> None:
    """It is remembered that it had none."""
    assert chat(tools=[tool]).tools == (found,)
    assert (chat().tools, chat(tools=[]).tools) == (None, ())


# ---- generate ----------------------------------------------------------------------------------------------------


def test_a_generate_request_is_messages() -> None:
    """System first, pictures with the prompt."""
    request = generate(system="s", prompt="a", images=["AA"], keep_alive=0)
    assert request.messages == (Message("system", (Text("s"),)), Message("user", (Text("a"), Image("AA"))))
    assert (request.origin, request.raw, request.suffix, request.extras) == (
        "ollama.generate",
        False,
        None,
        {"keep_alive": 0},
    )


@pytest.mark.parametrize(
    ("members", "messages"),
    [
        pytest.param({}, (), id="nothing"),
        pytest.param({"prompt": ""}, (Message("user", (Text(""),)),), id="an-empty-prompt"),
        pytest.param({"images": ["AA"]}, (Message("user", (Image("AA"),), "absent"),), id="only-pictures"),
        pytest.param({"prompt": None, "system": None, "images": None}, (), id="nulls"),
    ],
)
def test_a_prompt_may_be_missing(members: dict[str, Any], messages: tuple[Message, ...]) -> None:
    """It is remembered that it was."""
    assert generate(**members).messages == messages


@pytest.mark.parametrize(
    ("members", "raw", "suffix", "left"),
    [
        ({"raw": True}, True, None, {}),
        ({"raw": False}, False, None, {"raw": False}),
        ({"suffix": "b"}, False, "b", {}),
        ({"suffix": ""}, False, None, {"suffix": ""}),
    ],
)
def test_raw_and_suffix(members: dict[str, Any], raw: bool, suffix: str | None, left: dict[str, Any]) -> None:
    """Their defaults say nothing, and go back to the same format."""
    request = generate(**members)
    assert (request.raw, request.suffix, request.extras) == (raw, suffix, left)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", ["a"]),
        ("system", 5),
        ("suffix", []),
        ("images", "AA"),
        ("raw", "yes"),
        ("options", "x"),
        ("model", {}),
    ],
)
def test_what_generate_refuses_is_malformed(name: str, value: Any) -> None:
    """The error names the member."""
    with pytest.raises(Malformed) as raised:
        generate(**{name: value})
    assert raised.value.field == name
