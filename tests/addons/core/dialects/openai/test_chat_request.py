"""Chat completions requests read: each field by its type, what has no name in the internal form kept as it came."""

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
from switchman.addons.core.dialects.openai.chat_request import (
    decode_message,
    decode_request,
    reasoning_of,
    schema_format,
    shape_of,
)

SCHEMA = {"type": "object"}


def read(**members: Any) -> Request:
    return decode_request({"model": "m", "messages": [], **members})


def test_a_request_in_full() -> None:
    """Each member has its place; nothing is left over."""
    assert read(
        messages=[{"role": "user", "content": "hi"}],
        tools=[
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}
        ],
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={"type": "json_object"},
        reasoning_effort="low",
        stream=True,
        user="u",
        temperature=0,
        stop="END",
    ) == Request(
        "openai.chat",
        "m",
        (Message("user", (Text("hi"),)),),
        tools=(Tool("f", "d", SCHEMA, True),),
        tool_choice=ToolChoice("required"),
        parallel_tools=False,
        sampling=Sampling(temperature=0, stop=("END",), stop_plain=True),
        format=ResponseFormat("json"),
        reasoning=Reasoning(True, "low"),
        stream=True,
        user="u",
        extras={},
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("model", 5, id="model-a-number"),
        pytest.param("temperature", "hot", id="temperature-a-text"),
        pytest.param("seed", 1.5, id="seed-a-fraction"),
        pytest.param("stop", [1], id="stop-of-numbers"),
        pytest.param("stream", 1, id="stream-a-number"),
        pytest.param("user", None, id="user-null"),
        pytest.param("tools", "f", id="tools-a-text"),
        pytest.param("tools", ["f"], id="tools-of-texts"),
        pytest.param("tool_choice", {"type": "function", "function": {"name": "f", "x": 1}}, id="choice-with-more"),
        pytest.param("tool_choice", "always", id="choice-unknown"),
        pytest.param("parallel_tool_calls", "no", id="parallel-a-text"),
        pytest.param("response_format", {"type": "grammar"}, id="format-unknown"),
        pytest.param("response_format", {"type": "json_schema"}, id="format-without-schema"),
        pytest.param("reasoning_effort", 3, id="effort-a-number"),
        pytest.param("logit_bias", {"5": 1}, id="no-name-for-it"),
        pytest.param("a_servers_own", [1], id="extension"),
    ],
)
def test_a_member_that_does_not_fit_stays_as_it_came(name: str, value: Any) -> None:
    """It goes back to the same format unchanged, and is told to be lost for another."""
    assert read(**{name: value}).extras == {name: value}


@pytest.mark.parametrize(
    ("members", "sampling", "left"),
    [
        pytest.param({"max_tokens": 5}, Sampling(max_tokens=5), {}, id="older-name"),
        pytest.param({"max_completion_tokens": 5}, Sampling(max_tokens=5, counts_reasoning=True), {}, id="newer-name"),
        pytest.param(
            {"max_completion_tokens": 5, "max_tokens": 9},
            Sampling(max_tokens=5, counts_reasoning=True),
            {"max_tokens": 9},
            id="the-newer-wins",
        ),
        pytest.param(
            {"max_completion_tokens": None, "max_tokens": 9},
            Sampling(max_tokens=9),
            {"max_completion_tokens": None},
            id="the-newer-is-null",
        ),
        pytest.param({"repetition_penalty": 1.1}, Sampling(repeat_penalty=1.1), {}, id="an-extension"),
    ],
)
def test_the_limit_has_two_names(members: dict[str, Any], sampling: Sampling, left: dict[str, Any]) -> None:
    """It is remembered which one the client used."""
    request = read(**members)
    assert (request.sampling, request.extras) == (sampling, left)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [({"include_usage": True}, True), ({"include_usage": 1}, False), (None, False), ("x", False)],
    ids=["true", "one", "null", "a-text"],
)
def test_the_usage_chunk_is_asked_for(options: Any, wanted: bool) -> None:
    """The options stay as they are, too."""
    request = read(stream_options=options)
    assert request.include_usage is wanted and request.extras == {"stream_options": options}


@pytest.mark.parametrize(
    ("effort", "reasoning"),
    [("none", Reasoning(False)), ("minimal", Reasoning(True, "minimal")), ("", Reasoning(True, ""))],
    ids=["none", "minimal", "empty"],
)
def test_an_effort_is_a_word(effort: str, reasoning: Reasoning) -> None:
    """ "none" means not to think."""
    assert reasoning_of(effort) == reasoning


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        pytest.param(
            {"name": "n", "schema": SCHEMA, "strict": True}, ResponseFormat("schema", SCHEMA, "n", True), id="all"
        ),
        pytest.param({}, ResponseFormat("schema"), id="nothing"),
        pytest.param(
            {"name": "n", "schema": None, "strict": None, "description": "d"},
            ResponseFormat("schema", None, "n", None, {"schema": None, "strict": None, "description": "d"}),
            id="nulls-and-a-description",
        ),
    ],
)
def test_a_schema_format(inner: dict[str, Any], found: ResponseFormat) -> None:
    """What has another type, and what has no name here, is kept."""
    assert schema_format(inner) == found


# ---- tools -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "found"),
    [
        pytest.param({"type": "function", "function": {"name": "f"}}, Tool("f"), id="only-a-name"),
        pytest.param(
            {"type": "function", "function": {"name": "f", "strict": None, "x": 1}, "y": 2},
            Tool("f", extra={"function.strict": None, "function.x": 1, "y": 2}),
            id="members-of-another-type-and-unknown-ones",
        ),
        pytest.param(
            {"type": "function", "function": {"name": ""}},
            Tool("function", opaque={"type": "function", "function": {"name": ""}}),
            id="no-name",
        ),
        pytest.param({"type": "custom"}, Tool("custom", opaque={"type": "custom"}), id="another-kind"),
        pytest.param({"function": {"name": "f"}}, Tool("", opaque={"function": {"name": "f"}}), id="no-type"),
        pytest.param({"type": 5}, Tool("", opaque={"type": 5}), id="type-of-another-type"),
    ],
)
def test_a_tool_is_a_function_or_kept_whole(tool: dict[str, Any], found: Tool) -> None:
    """A tool of another kind is refused later, by its type."""
    assert read(tools=[tool]).tools == (found,)


def test_no_tools_and_an_empty_list_are_two_things() -> None:
    """OpenAI refuses the list."""
    assert (read().tools, read(tools=[]).tools) == (None, ())


def test_a_choice_of_one_function() -> None:
    """By its name."""
    request = read(tool_choice={"type": "function", "function": {"name": "f"}})
    assert (request.tool_choice, request.extras) == (ToolChoice("named", "f"), {})


# ---- messages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "field"),
    [
        pytest.param({"messages": None}, "messages", id="null"),
        pytest.param({"messages": {"role": "user"}}, "messages", id="an-object"),
        pytest.param({"messages": [None]}, "messages[0].role", id="a-null-message"),
        pytest.param({"messages": [{"role": "user"}, {"content": "a"}]}, "messages[1].role", id="no-role"),
        pytest.param({"messages": [{"role": ["user"]}]}, "messages[0].role", id="role-a-list"),
        pytest.param({"messages": [{"role": "critic"}]}, "messages[0].role", id="an-unknown-role"),
        pytest.param({"messages": [{"role": "user", "content": ["a"]}]}, "messages[0].content", id="parts-of-texts"),
        pytest.param({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", id="content-a-number"),
    ],
)
def test_a_request_of_another_shape_is_malformed(members: dict[str, Any], field: str) -> None:
    """The error says where."""
    with pytest.raises(Malformed) as raised:
        read(**members)
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("message", "shape"),
    [({}, "absent"), ({"content": None}, "null"), ({"content": []}, "parts"), ({"content": ""}, "text")],
    ids=["absent", "null", "parts", "text"],
)
def test_it_is_remembered_how_content_was_written(message: dict[str, Any], shape: str) -> None:
    """The same format gets it back so."""
    assert shape_of(message) == shape
    assert decode_message({"role": "user", **message}, "").shape == shape


@pytest.mark.parametrize(
    ("part", "found"),
    [
        pytest.param({"type": "text", "text": "a", "x": 1}, Text("a", extra={"x": 1}), id="text"),
        pytest.param({"type": "refusal", "refusal": "no"}, Text("no", refusal=True), id="refusal"),
        pytest.param(
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}, "x": 1},
            Image("AA", "image/png", extra={"image_url.detail": "low", "x": 1}),
            id="a-picture",
        ),
        pytest.param({"type": "image_url", "image_url": "http://x/a"}, Image(url="http://x/a"), id="just-an-address"),
        pytest.param(
            {"type": "image_url", "image_url": {}},
            Opaque("image_url", {"type": "image_url", "image_url": {}}),
            id="no-address",
        ),
        pytest.param({"type": "text", "text": 5}, Opaque("text", {"type": "text", "text": 5}), id="text-a-number"),
        pytest.param({"type": "audio"}, Opaque("audio", {"type": "audio"}), id="another-kind"),
        pytest.param({}, Opaque("None", {}), id="no-type"),
    ],
)
def test_a_part_of_content(part: dict[str, Any], found: Part) -> None:
    """One that is not understood is kept whole."""
    assert decode_message({"role": "user", "content": [part]}, "").parts == (found,)


@pytest.mark.parametrize(
    ("call", "found"),
    [
        pytest.param(
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, "index": 0},
            ToolCall("c", "f", "{}", {"index": 0}),
            id="a-call",
        ),
        pytest.param({"function": {"name": "f", "arguments": {"a": 1}}}, ToolCall("", "f", '{"a":1}'), id="an-object"),
        pytest.param({"id": 5, "function": {"name": "f", "arguments": None}}, ToolCall("", "f", ""), id="nulls"),
        pytest.param({"id": "c", "function": {}}, Opaque("tool_calls", {"id": "c", "function": {}}), id="no-name"),
        pytest.param({"type": "custom"}, Opaque("tool_calls", {"type": "custom"}), id="another-kind"),
    ],
)
def test_a_call_of_an_assistant(call: dict[str, Any], found: Part) -> None:
    """Arguments are text, as the model wrote them."""
    assert decode_message({"role": "assistant", "tool_calls": [call]}, "").parts == (found,)


def test_an_assistants_thoughts_come_first() -> None:
    """A user's member of the same name is none of ours; nor is an empty list of calls."""
    said = {"content": "a", "reasoning_content": "hm", "tool_calls": []}
    message = decode_message({"role": "assistant", **said}, "")
    assert (message.parts, message.extra) == ((Thinking("hm"), Text("a")), {"tool_calls": []})
    message = decode_message({"role": "user", **said}, "")
    assert (message.parts, message.extra) == ((Text("a"),), {"reasoning_content": "hm", "tool_calls": []})


def test_a_tools_result() -> None:
    """The id ties it to its call; parts are its content, and a name stays."""
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "http://x/a"}}]
    message = decode_message({"role": "tool", "tool_call_id": "c", "content": parts, "name": "f"}, "")
    result = ToolResult("c", "", (Text("a"), Image(url="http://x/a")), "parts")
    assert message == Message("tool", (result,), "parts", {"name": "f"})
    assert decode_message({"role": "tool"}, "").parts == (ToolResult("", "", (), "absent"),)
