"""Responses requests read: flat items gathered into messages, settings echoed, the rest kept under its name."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.form import (
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    ResponseFormat,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.limits import Malformed
from switchman.addons.core.dialects.openai.responses_request import decode_request, echoed

CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
THOUGHT = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}


def read(input: Any = "hi", **members: Any) -> Request:
    return decode_request({"model": "m", "input": input, **members})


def messages(*items: Any) -> list[tuple[str, tuple[Part, ...]]]:
    return [(message.role, message.parts) for message in read(list(items)).messages]


def test_a_request_in_full() -> None:
    """Each member has its place; instructions are the first message."""
    assert read(
        instructions="be brief",
        tools=[{"type": "function", "name": "f", "parameters": None, "strict": True, "description": "d"}],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=True,
        max_output_tokens=5,
        temperature=0,
        top_p=1,
        text={"format": {"type": "json_object"}},
        reasoning={"effort": "none"},
        stream=False,
        stream_options={"include_obfuscation": False},
        user="u",
    ) == Request(
        "openai.responses",
        "m",
        (Message("system", (Text("be brief"),)), Message("user", (Text("hi"),))),
        tools=(Tool("f", "d", None, True),),
        tool_choice=ToolChoice("named", "f"),
        parallel_tools=True,
        sampling=Sampling(max_tokens=5, temperature=0, top_p=1),
        format=ResponseFormat("json"),
        reasoning=Reasoning(False),
        stream=False,
        user="u",
        extras={},
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", 5),
        ("instructions", ["be brief"]),
        ("max_output_tokens", "five"),
        ("parallel_tool_calls", None),
        ("tools", "f"),
        ("tool_choice", {"type": "mcp"}),
        ("stream", 1),
        ("user", 5),
        ("previous_response_id", "r"),
        ("temperature", "hot"),
    ],
)
def test_a_member_that_does_not_fit_stays(name: str, value: Any) -> None:
    """It is told to be lost, or refused, by its name."""
    assert read(**{name: value}).extras == {name: value}


def test_empty_instructions_are_none() -> None:
    """Many clients always send them."""
    assert read(instructions="").messages == read().messages


@pytest.mark.parametrize(
    ("members", "form", "left"),
    [
        pytest.param({"text": {"format": {"type": "text"}}}, ResponseFormat("text"), {}, id="text"),
        pytest.param(
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"}},
            ResponseFormat("schema", {}, "n"),
            {"text.verbosity": "low"},
            id="schema-and-verbosity",
        ),
        pytest.param({"text": {"format": {"type": "x"}}}, None, {"text.format": {"type": "x"}}, id="unknown"),
        pytest.param({"text": {"format": None}}, None, {"text.format": None}, id="null"),
        pytest.param({"text": None}, None, {}, id="no-object"),
    ],
)
def test_the_format_of_the_text(members: dict[str, Any], form: ResponseFormat | None, left: dict[str, Any]) -> None:
    """What else is in `text` is named by its place."""
    request = read(**members)
    assert (request.format, request.extras) == (form, left)


@pytest.mark.parametrize(
    ("value", "reasoning", "left"),
    [
        pytest.param({"effort": "low"}, Reasoning(True, "low"), {}, id="effort"),
        pytest.param({"effort": None, "summary": "auto"}, None, {"reasoning.summary": "auto"}, id="summary"),
        pytest.param({}, None, {}, id="empty"),
        pytest.param(None, None, {}, id="null"),
        pytest.param("low", None, {}, id="a-text"),
    ],
)
def test_reasoning(value: Any, reasoning: Reasoning | None, left: dict[str, Any]) -> None:
    """The effort; a wish for summaries stays."""
    request = read(reasoning=value)
    assert (request.reasoning, request.extras) == (reasoning, left)


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_a_choice_is_a_word(choice: Any) -> None:
    """Or names a function; without a name it names none."""
    assert read(tool_choice=choice).tool_choice == ToolChoice(choice)
    assert read(tool_choice={"type": "function"}).tool_choice == ToolChoice("named", "")


def test_a_tool_of_another_kind_is_kept_whole() -> None:
    """A function's members that are null are none, and unknown ones are kept."""
    search = {"type": "web_search", "filters": None}
    function = {"type": "function", "name": "f", "strict": None, "x": 1}
    assert read(tools=[search, function]).tools == (
        Tool("web_search", opaque=search),
        Tool("f", extra={"function.x": 1}),
    )


# ---- input items -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "field"),
    [
        pytest.param({"input": None}, "input", id="null"),
        pytest.param({"input": {"role": "user"}}, "input", id="an-object"),
        pytest.param({"input": ["hi"]}, "input[0]", id="a-text-in-the-list"),
        pytest.param({"input": [{"role": "tool", "content": "a"}]}, "input[0].role", id="a-role-of-chat"),
        pytest.param({"input": [{"type": "message", "content": "a"}]}, "input[0].role", id="no-role"),
        pytest.param({"input": [{"role": "user", "content": 5}]}, "input[0].content", id="content-a-number"),
        pytest.param({"input": [{"role": "user", "content": ["a"]}]}, "input[0].content", id="content-of-texts"),
        pytest.param({"input": [{**CALL, "call_id": None}]}, "input[0].call_id", id="a-call-without-an-id"),
        pytest.param({"input": [{**CALL, "name": ""}]}, "input[0].name", id="a-call-without-a-name"),
        pytest.param(
            {"input": [CALL, {"type": "function_call_output", "output": "a"}]},
            "input[1].call_id",
            id="no-id-of-the-call",
        ),
        pytest.param(
            {"input": [{"type": "function_call_output", "call_id": "c", "output": {"a": 1}}]},
            "input[0].output",
            id="a-result-as-an-object",
        ),
        pytest.param({"tools": [{"type": "function"}]}, "tools[0].name", id="a-function-without-a-name"),
    ],
)
def test_a_request_of_another_shape_is_malformed(members: dict[str, Any], field: str) -> None:
    """The error says where."""
    with pytest.raises(Malformed) as raised:
        read(**members)
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("content", "parts", "shape"),
    [
        pytest.param("a", (Text("a"),), "text", id="a-text"),
        pytest.param(None, (), "parts", id="null"),
        pytest.param([{"type": "input_text", "text": "a"}], (Text("a"),), "parts", id="input-text"),
        pytest.param(
            [{"type": "output_text", "text": "a", "annotations": []}], (Text("a"),), "parts", id="output-text"
        ),
        pytest.param([{"type": "refusal", "refusal": "no"}], (Text("no", refusal=True),), "parts", id="refusal"),
        pytest.param(
            [{"type": "input_image", "image_url": "data:image/png;base64,AA"}],
            (Image("AA", "image/png"),),
            "parts",
            id="a-picture",
        ),
        pytest.param(
            [{"type": "input_image", "file_id": "f"}],
            (Opaque("input_image", {"type": "input_image", "file_id": "f"}),),
            "parts",
            id="a-picture-by-id",
        ),
        pytest.param([{"text": "a"}], (Opaque("", {"text": "a"}),), "parts", id="no-type"),
    ],
)
def test_the_content_of_a_message(content: Any, parts: tuple[Part, ...], shape: Any) -> None:
    """A message needs no type; what is not understood is kept whole."""
    (message,) = read([{"role": "user", "content": content}]).messages
    assert message == Message("user", parts, shape)


def test_an_assistants_items_are_one_message() -> None:
    """Thoughts, text and calls up to the results; then another begins."""
    output = {"type": "function_call_output", "call_id": "c", "output": "42"}
    assistant = {"role": "assistant", "content": "Let me see."}
    call = ToolCall("c", "f", "{}")
    assert messages(THOUGHT, assistant, CALL, CALL, output, THOUGHT, CALL) == [
        ("assistant", (Thinking("hm"), Text("Let me see."), call, call)),
        ("tool", (ToolResult("c", "", (Text("42"),)),)),
        ("assistant", (Thinking("hm"), call)),
    ]


def test_a_text_after_calls_begins_another_message() -> None:
    """Chat formats put the text before the calls; a thought may stay."""
    assistant = {"role": "assistant", "content": "Done."}
    call = ToolCall("c", "f", "{}")
    assert messages(CALL, assistant) == [("assistant", (call,)), ("assistant", (Text("Done."),))]
    assert messages(CALL, THOUGHT) == [("assistant", (call, Thinking("hm")))]


def test_a_custom_tools_call_and_its_result() -> None:
    """Free text becomes the argument; a namespace is part of the name."""
    call = {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'a "b"', "namespace": "ns"}
    output = {"type": "custom_tool_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "ok"}]}
    assert messages(call, output) == [
        ("assistant", (ToolCall("c", "ns__patch", '{"input": "a \\"b\\""}'),)),
        ("tool", (ToolResult("c", "", (Text("ok"),)),)),
    ]


def test_a_thought_has_content_or_a_summary() -> None:
    """Encrypted ones are empty."""
    both = {"type": "reasoning", "content": [{"text": "a"}, "x"], "summary": [{"text": "b"}]}
    assert messages(both) == [("assistant", (Thinking("ab"),))]
    assert messages({"type": "reasoning", "summary": None}) == [("assistant", (Thinking(""),))]


@pytest.mark.parametrize("kind", ["web_search_call", "mcp_list_tools", "code_interpreter_call"])
def test_what_openai_ran_is_left_out_and_told(kind: str) -> None:
    """Once, under the name that the table has."""
    request = read([{"type": kind}, {"role": "user", "content": "hi"}, {"type": kind}])
    assert [message.text() for message in request.messages] == ["hi"]
    assert request.extras == {"input.web_search_call": True}


def test_an_item_of_another_kind_is_kept_to_be_refused() -> None:
    """It might be all that was asked."""
    item = {"type": "item_reference", "id": "x"}
    assert messages(item) == [("user", (Opaque("item_reference", item),))]


# ---- settings ----------------------------------------------------------------------------------------------------


def test_settings_are_echoed() -> None:
    """Those that were said, and no others; `text` always has a format."""
    body = {"model": "m", "input": "hi", "tools": [], "temperature": 0, "user": None, "text": {"verbosity": "low"}}
    assert echoed(body) == {
        "tools": [],
        "temperature": 0,
        "text": {"verbosity": "low", "format": {"type": "text"}},
    }
    assert echoed({"text": {"format": {"type": "json_object"}}}) == {"text": {"format": {"type": "json_object"}}}
    assert echoed({}) == {}
