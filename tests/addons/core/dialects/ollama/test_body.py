"""Ollama's bodies written: paragraphs for parts, objects for arguments, names for results, options gathered."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.form import (
    FormatName,
    Image,
    Message,
    Opaque,
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
from switchman.addons.core.dialects.neutral.limits import Notes, Untranslatable
from switchman.addons.core.dialects.ollama.body import encode_chat, encode_generate

OPENAI_CHAT = "/v1/chat/completions"
USER = Message("user", (Text("hi"),))
F, G = Tool("f", "d", {"type": "object"}), Tool("g")


def written(*messages: Message, origin: FormatName = "openai.chat", **members: Any) -> tuple[dict[str, Any], list[str]]:
    """The chat body without its model, and what was lost."""
    notes = Notes(origin, "ollama")
    body = encode_chat(Request(origin, "m", messages, **members), notes)
    assert body.pop("model") == "m"
    return body, [warning.partition(" was ")[0] for warning in notes.warnings]


def said(*messages: Message, origin: FormatName = "openai.chat") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = written(*messages, origin=origin)[0]["messages"]
    return found


# ---- options -----------------------------------------------------------------------------------------------------


def test_sampling_is_gathered_in_options() -> None:
    """Under Ollama's names; stop sequences are a list."""
    sampling = Sampling(5, 0, 1, 3, 0.1, 7, 0.2, 0.3, 1.1, ("END",), stop_plain=True, counts_reasoning=True)
    assert written(sampling=sampling) == (
        {
            "messages": [],
            "options": {
                "num_predict": 5,
                "temperature": 0,
                "top_p": 1,
                "top_k": 3,
                "min_p": 0.1,
                "seed": 7,
                "presence_penalty": 0.2,
                "frequency_penalty": 0.3,
                "repeat_penalty": 1.1,
                "stop": ["END"],
            },
        },
        [],
    )
    assert "options" not in written()[0]


@pytest.mark.parametrize(
    ("origin", "reasoning", "think", "lost"),
    [
        ("openai.chat", None, None, []),
        ("openai.chat", Reasoning(False), False, []),
        ("openai.chat", Reasoning(True), "medium", []),
        ("openai.chat", Reasoning(True, "minimal"), "low", []),
        ("openai.chat", Reasoning(True, "xhigh"), "high", []),
        ("anthropic.messages", Reasoning(True, budget=1), "low", ["thinking"]),
        ("anthropic.messages", Reasoning(False), False, []),
        ("ollama.generate", Reasoning(True, as_given=True), True, []),
    ],
    ids=["unsaid", "off", "on", "below-low", "above-high", "a-budget", "anthropics-off", "ollamas-own"],
)
def test_how_much_to_think(origin: FormatName, reasoning: Any, think: Any, lost: list[str]) -> None:
    """Three levels, or a switch."""
    body, warnings = written(origin=origin, reasoning=reasoning)
    assert (body.get("think"), warnings) == (think, lost)


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (None, None),
        (ResponseFormat("text"), None),
        (ResponseFormat("json"), "json"),
        (ResponseFormat("schema", {"a": 1}), {"a": 1}),
        (ResponseFormat("schema"), "json"),
    ],
    ids=["unsaid", "text", "json", "schema", "schema-without-one"],
)
def test_a_format_is_json_or_a_schema(wanted: Any, sent: Any) -> None:
    """Text needs no word."""
    assert written(format=wanted)[0].get("format") == sent


def test_what_belongs_to_an_account_is_lost() -> None:
    """Under the client's own name for it; padding and nulls are not worth a word."""
    extras = {"stream_options": {}, "logit_bias": {}, "metadata": None}
    body, warnings = written(user="u", stream=True, extras=extras)
    assert body == {"messages": [], "stream": True} and warnings == ["user", "logit_bias"]
    assert written(user="u", origin="anthropic.messages")[1] == ["metadata"]


# ---- tools -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["none", "required", {"type": "function", "function": {"name": "b"}}])
def test_a_tool_choice_is_approached_for_ollama(translate: Any, choice: Any) -> None:
    """`none` offers no tools, a named tool is the only one offered, and a call cannot be demanded."""
    tools = [{"type": "function", "function": {"name": name}} for name in ("a", "b")]
    out = translate(OPENAI_CHAT, {"model": "m", "messages": [], "tools": tools, "tool_choice": choice}, "ollama")
    offered = {"none": [], "required": ["a", "b"]}.get(choice if isinstance(choice, str) else "", ["b"])
    assert [tool["function"]["name"] for tool in out.body.get("tools", [])] == offered
    assert out.warnings[0].startswith("tool_choice was changed")


def test_tools_are_functions() -> None:
    """Schemas are not enforced, and that is told; an empty list is left out."""
    body, warnings = written(tools=(F, Tool("g", strict=True, extra={"x": 1, "y": None})), parallel_tools=False)
    assert body["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
        {"type": "function", "function": {"name": "g"}},
    ]
    assert warnings == ["parallel_tool_calls", "tools.strict", "tools.x"]
    assert "tools" not in written(tools=())[0]
    assert written(origin="ollama.chat", tools=())[0]["tools"] == []
    untyped = written(origin="ollama.chat", tools=(Tool("g", extra={"type": None, "x": 1}),))[0]["tools"]
    assert untyped == [{"function": {"name": "g"}, "x": 1}]


@pytest.mark.parametrize(
    ("choice", "names", "lost"),
    [
        (ToolChoice("auto"), ["f", "g"], []),
        (ToolChoice("named", "g"), ["g"], ["tool_choice"]),
        (ToolChoice("named", "h"), [], ["tool_choice"]),
        (ToolChoice("none"), [], ["tool_choice"]),
    ],
    ids=["auto", "named", "named-but-not-there", "none"],
)
def test_a_choice_leaves_tools_out(choice: ToolChoice, names: list[str], lost: list[str]) -> None:
    """A call cannot be forced."""
    body, warnings = written(tools=(F, G), tool_choice=choice)
    assert [tool["function"]["name"] for tool in body.get("tools", [])] == names and warnings == lost


def test_what_has_no_place_is_refused() -> None:
    """By its place, under the client's own name."""
    for origin, members, parts, field in (
        ("openai.chat", {"tools": (Tool("mcp", opaque={}),)}, (), "tools (mcp)"),
        ("openai.chat", {}, (Opaque("audio", {}),), "messages[0].content[0] (audio)"),
        ("openai.chat", {}, (Opaque("tool_calls", {}),), "messages[0].content[0] (tool_calls)"),
        ("openai.chat", {}, (Text("a"), Image(url="http://x/a")), "messages[0].content[1]"),
        ("anthropic.messages", {}, (Image(url="http://x/a"),), "messages[0].content[0]"),
    ):
        with pytest.raises(Untranslatable) as refused:
            written(Message("user", parts), origin=origin, **members)  # type: ignore[arg-type]
        assert refused.value.field == field
        assert ("tool call" in refused.value.reason) is ("tool_calls" in field)


# ---- messages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        pytest.param(Message("user", (), "null"), {"role": "user", "content": ""}, id="nothing"),
        pytest.param(
            Message("user", (Text("a"), Text("b")), "parts"), {"role": "user", "content": "a\n\nb"}, id="paragraphs"
        ),
        pytest.param(
            Message("user", (Image("AA"), Text("a"), Image("BB")), "parts"),
            {"role": "user", "content": "a", "images": ["AA", "BB"]},
            id="pictures",
        ),
        pytest.param(Message("developer", (Text("a"),)), {"role": "system", "content": "a"}, id="a-developer"),
        pytest.param(
            Message("assistant", (Thinking("h", "s"), Thinking("m"), Text("a"))),
            {"role": "assistant", "content": "a", "thinking": "hm"},
            id="thoughts",
        ),
        pytest.param(
            Message("assistant", (Thinking("", redacted="r"), Text("a"))),
            {"role": "assistant", "content": "a"},
            id="a-redacted-thought",
        ),
        pytest.param(
            Message("assistant", (ToolCall("c", "f", ""), ToolCall("d", "g", "oops"))),
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"function": {"name": "f", "arguments": {}}},
                    {"function": {"name": "g", "arguments": {"raw_arguments": "oops"}}},
                ],
            },
            id="calls",
        ),
    ],
)
def test_each_kind_of_message(message: Message, sent: dict[str, Any]) -> None:
    """Content is always a text."""
    assert said(message) == [sent]


def test_results_are_told_by_their_tools_name() -> None:
    """Each is a message; the pictures of them follow as the user's."""
    calls = Message("assistant", (ToolCall("c", "f", "{}"), ToolCall("d", "g", "{}")))
    result = ToolResult("d", "", (Text("a"), Image("AA"), Text("b")), "parts", is_error=True, extra={"x": 1})
    body, warnings = written(calls, Message("tool", (result, ToolResult("c", "", ()))), origin="anthropic.messages")
    assert body["messages"][1:] == [
        {"role": "tool", "content": "a\n\nb", "tool_name": "g"},
        {"role": "tool", "content": "", "tool_name": "f"},
        {"role": "user", "content": "", "images": ["AA"]},
    ]
    assert warnings == ["messages[1].is_error", "messages[1] (image in a tool result)"]


def test_what_only_the_clients_format_has_is_lost_with_its_place() -> None:
    """Of messages and of parts."""
    message = Message(
        "user", (Text("a", extra={"cache_control": {}}), Image("AA", extra={"x": 1})), "parts", {"name": "n"}
    )
    assert written(message)[1] == [
        "messages[0].name",
        "messages[0].content[0].cache_control",
        "messages[0].content[1].x",
    ]


def test_neighbours_are_one_message() -> None:
    """Templates want alternating roles."""
    assert said(USER, USER) == [{"role": "user", "content": "hi\n\nhi"}]
    assert len(said(USER, USER, origin="ollama.chat")) == 2


def test_a_chat_body_goes_back_as_it_came() -> None:
    """A call without an id is given none, and what only this format has stays."""
    calls = Message("assistant", (ToolCall("", "f", "{}"), ToolCall("c", "g", "{}", {"function.index": 1, "x": 2})))
    result = Message("tool", (ToolResult("c", "", (Text("42"),)),), extra={"y": 3})
    assert said(calls, result, Message("user", (), "null"), Message("user", (), "absent"), origin="ollama.chat") == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"function": {"name": "f", "arguments": {}}},
                {"id": "c", "function": {"name": "g", "arguments": {}, "index": 1}, "x": 2},
            ],
        },
        {"role": "tool", "content": "42", "tool_call_id": "c", "y": 3},
        {"role": "user", "content": None},
        {"role": "user"},
    ]


# ---- generate ----------------------------------------------------------------------------------------------------


def prompt(*messages: Message, origin: FormatName = "openai.completion", **members: Any) -> dict[str, Any]:
    return encode_generate(Request(origin, "m", messages, **members), Notes(origin, "ollama"))


def test_a_completion_is_a_raw_prompt() -> None:
    """But a gap needs the template."""
    assert prompt(USER, raw=True) == {"model": "m", "prompt": "hi", "raw": True}
    assert prompt(USER, raw=True, suffix="b") == {"model": "m", "prompt": "hi", "suffix": "b"}


def test_a_generate_request_goes_back_as_it_came() -> None:
    """System, pictures, raw with a suffix; a prompt that was not there is not put in."""
    system = Message("system", (Text("s"),))
    pictures = Message("user", (Image("AA"),), "absent")
    body = prompt(system, pictures, origin="ollama.generate", raw=True, suffix="b", extras={"options": {"num_ctx": 9}})
    assert body == {
        "model": "m",
        "system": "s",
        "images": ["AA"],
        "suffix": "b",
        "raw": True,
        "options": {"num_ctx": 9},
    }
