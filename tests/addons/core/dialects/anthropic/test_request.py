"""Messages requests read: system first, blocks by their kind, what has no name in the internal form kept."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.dialects.anthropic.request import decode_content, decode_request
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

SCHEMA = {"type": "object"}


def read(**members: Any) -> Request:
    return decode_request({"model": "m", "messages": [], **members})


def test_a_request_in_full() -> None:
    """Each member has its place; the effort stays, as other formats cannot say all of it."""
    thinking = {"type": "adaptive", "display": "omitted"}
    assert read(
        system="be brief",
        messages=[{"role": "user", "content": "hi"}],
        max_tokens=9,
        temperature=0,
        top_p=1,
        top_k=3,
        stop_sequences=["x"],
        stream=True,
        tools=[{"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True, "cache_control": {}}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        thinking=thinking,
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        metadata={"user_id": "u"},
    ) == Request(
        "anthropic.messages",
        "m",
        (Message("system", (Text("be brief"),)), Message("user", (Text("hi"),))),
        tools=(Tool("f", "d", SCHEMA, True, extra={"cache_control": {}}),),
        tool_choice=ToolChoice("named", "f"),
        parallel_tools=False,
        sampling=Sampling(9, 0, 1, 3, stop=("x",)),
        format=ResponseFormat("schema", SCHEMA),
        reasoning=Reasoning(True, "low", None, True, thinking),
        stream=True,
        user="u",
        extras={"output_config": {"effort": "low"}},
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", None),
        ("system", {"type": "text"}),
        ("max_tokens", "nine"),
        ("stop_sequences", "x"),
        ("stop_sequences", ["x", 1]),
        ("stream", "yes"),
        ("tools", {"name": "f"}),
        ("tool_choice", {"type": "some"}),
        ("tool_choice", {"type": "auto", "x": 1}),
        ("tool_choice", "auto"),
        ("thinking", {"type": "between"}),
        ("thinking", True),
        ("metadata", {"user_id": "u", "x": 1}),
        ("metadata", {"user_id": None}),
        ("metadata", "u"),
        ("output_config", {"effort": "low"}),
        ("output_config", {"format": {"type": "json_schema"}}),
        ("output_config", {"format": {"type": "json_schema", "schema": None}}),
        ("output_config", {"format": {"type": "grammar", "schema": {}}}),
        ("container", "c"),
    ],
)
def test_a_member_that_does_not_fit_stays_as_it_came(name: str, value: Any) -> None:
    """It is told to be lost, or refused, by its name."""
    request = read(**{name: value})
    assert request.extras == {name: value}
    assert request.messages == ()


@pytest.mark.parametrize(
    ("system", "message"),
    [
        pytest.param("", Message("system", (Text(""),)), id="empty"),
        pytest.param([], Message("system", (), "parts"), id="no-blocks"),
        pytest.param(
            [{"type": "text", "text": "a", "cache_control": {}}, "b"],
            Message("system", (Text("a", extra={"cache_control": {}}),), "parts"),
            id="blocks",
        ),
    ],
)
def test_the_system_prompt_is_the_first_message(system: Any, message: Message) -> None:
    """As a text or as blocks."""
    user = {"role": "user", "content": "hi"}
    assert read(system=system, messages=[user]).messages == (message, Message("user", (Text("hi"),)))


@pytest.mark.parametrize(
    ("thinking", "effort", "reasoning"),
    [
        ({"type": "disabled"}, "low", Reasoning(False, as_given={"type": "disabled"})),
        (
            {"type": "enabled", "budget_tokens": 2048},
            "low",
            Reasoning(True, budget=2048, as_given={"type": "enabled", "budget_tokens": 2048}),
        ),
        (
            {"type": "enabled", "budget_tokens": "2048"},
            None,
            Reasoning(True, as_given={"type": "enabled", "budget_tokens": "2048"}),
        ),
        ({"type": "adaptive"}, "high", Reasoning(True, "high", adaptive=True, as_given={"type": "adaptive"})),
        ({"type": "adaptive"}, None, Reasoning(True, adaptive=True, as_given={"type": "adaptive"})),
    ],
    ids=["disabled", "budget", "budget-of-another-type", "adaptive-with-effort", "adaptive"],
)
def test_thinking(thinking: Any, effort: str | None, reasoning: Reasoning) -> None:
    """The effort counts where the model decides how much."""
    assert read(thinking=thinking, output_config={"effort": effort}).reasoning == reasoning


@pytest.mark.parametrize(
    ("choice", "mode", "parallel"),
    [
        ({"type": "auto"}, "auto", None),
        ({"type": "any", "disable_parallel_tool_use": False}, "required", True),
        ({"type": "none"}, "none", None),
    ],
)
def test_a_tool_choice_says_two_things(choice: Any, mode: Any, parallel: bool | None) -> None:
    """Which tool, and whether several at once."""
    request = read(tool_choice=choice)
    assert (request.tool_choice, request.parallel_tools, request.extras) == (ToolChoice(mode), parallel, {})


@pytest.mark.parametrize(
    ("tool", "found"),
    [
        pytest.param({"name": "f", "input_schema": {}}, Tool("f", parameters={}), id="no-type"),
        pytest.param(
            {"type": "custom", "name": "f", "input_schema": {}},
            Tool("f", parameters={}, extra={"type": "custom"}),
            id="custom",
        ),
        pytest.param(
            {"type": None, "name": "f", "input_schema": {}, "description": 5, "strict": None},
            Tool("f", parameters={}, extra={"type": None, "description": 5, "strict": None}),
            id="other-types",
        ),
        pytest.param({"name": "f"}, Tool("", opaque={"name": "f"}), id="no-schema"),
        pytest.param(
            {"type": "mcp", "input_schema": {}},
            Tool("mcp", opaque={"type": "mcp", "input_schema": {}}),
            id="another-kind-with-a-schema",
        ),
        pytest.param(
            {"type": "bash_20250124", "name": "bash"},
            Tool("bash_20250124", opaque={"type": "bash_20250124", "name": "bash"}),
            id="anthropics-own",
        ),
    ],
)
def test_a_tool_of_the_clients_own_has_a_schema(tool: dict[str, Any], found: Tool) -> None:
    """Any other is kept whole, by its type."""
    assert read(tools=[tool]).tools == (found,)


# ---- messages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        pytest.param(None, "messages", id="null"),
        pytest.param("hi", "messages", id="a-text"),
        pytest.param(["hi"], "messages[0].role", id="a-text-in-the-list"),
        pytest.param([{"role": "user"}, {"role": "tool"}], "messages[1].role", id="a-role-of-chat"),
        pytest.param([{"role": "user", "content": 5}], "messages[0].content", id="content-a-number"),
        pytest.param([{"role": "user", "content": ["hi"]}], "messages[0].content", id="content-of-texts"),
    ],
)
def test_a_request_of_another_shape_is_malformed(messages: Any, field: str) -> None:
    """The error says where."""
    with pytest.raises(Malformed) as raised:
        read(messages=messages)
    assert raised.value.field == field


def test_a_message_keeps_its_shape_and_what_else_it_has() -> None:
    """Null and absent content are told apart, and a system message may stand further down."""
    messages = [{"role": "user", "content": None}, {"role": "assistant", "x": 1}, {"role": "system", "content": "s"}]
    assert read(messages=messages).messages == (
        Message("user", (), "null"),
        Message("assistant", (), "absent", {"x": 1}),
        Message("system", (Text("s"),)),
    )


def opaque(block: dict[str, Any]) -> Opaque:
    return Opaque(block.get("type", ""), block)


@pytest.mark.parametrize(
    ("block", "part"),
    [
        pytest.param({"type": "text", "text": "a", "citations": []}, Text("a", extra={"citations": []}), id="text"),
        pytest.param(
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}, "x": 1},
            Image("AA", "image/png", extra={"x": 1}),
            id="picture",
        ),
        pytest.param(
            {"type": "image", "source": {"type": "url", "url": "http://x"}},
            Image(url="http://x"),
            id="picture-by-address",
        ),
        pytest.param({"type": "thinking", "thinking": "hm", "signature": "s"}, Thinking("hm", "s"), id="thought"),
        pytest.param({"type": "thinking", "thinking": "hm"}, Thinking("hm", ""), id="thought-without-signature"),
        pytest.param({"type": "redacted_thinking", "data": "r"}, Thinking("", redacted="r"), id="redacted-thought"),
        pytest.param(
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "cache_control": {}},
            ToolCall("t", "f", '{"a":1}', {"cache_control": {}}),
            id="call",
        ),
        pytest.param({"type": "tool_use"}, ToolCall("", "", "{}"), id="call-of-nothing"),
        pytest.param(
            {"type": "tool_result", "tool_use_id": "t", "content": "42", "is_error": True, "x": 1},
            ToolResult("t", "", (Text("42"),), "text", True, {"x": 1}),
            id="result",
        ),
        pytest.param(
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "content": [{"type": "text", "text": "a"}, {"type": "tool_use"}],
                "is_error": 1,
            },
            ToolResult("t", "", (Text("a"),), "parts"),
            id="result-in-blocks",
        ),
        pytest.param({"type": "tool_result"}, ToolResult("", "", (), "absent"), id="result-of-nothing"),
    ],
)
def test_each_kind_of_block(block: dict[str, Any], part: Part) -> None:
    """What else it has is kept beside it."""
    assert decode_content([block]) == (part,)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text"},
        {"type": "text", "text": 5},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA", "x": 1}},
        {"type": "image", "source": {"type": "file", "media_type": "image/png", "data": "AA"}},
        {"type": "image"},
        {"type": "document", "source": {}},
        {"type": "server_tool_use", "id": "s"},
        {},
    ],
    ids=[
        "no-text",
        "text-a-number",
        "picture-by-id",
        "picture-with-more",
        "picture-of-another-type",
        "no-picture",
        "document",
        "server-tool",
        "empty",
    ],
)
def test_a_block_that_is_not_understood_is_kept_whole(block: dict[str, Any]) -> None:
    """Its type names it."""
    assert decode_content([block, 5]) == (opaque(block),)


def test_content_is_a_text_or_blocks() -> None:
    """Anything else is none."""
    assert decode_content("a") == (Text("a"),)
    assert decode_content(None) == decode_content(5) == decode_content({}) == ()
