"""Tools of OpenAI's own kinds as functions, and the calls of them back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.form import (
    FormatName,
    Message,
    Opaque,
    Request,
    Tool,
    ToolCall,
    ToolChoice,
    ToolName,
)
from switchman.addons.core.dialects.neutral.limits import Notes, Untranslatable
from switchman.addons.core.dialects.openai.as_functions import as_arguments, as_functions, as_input, joined

F = Tool("f", parameters={"type": "object"})
SEARCH = Tool("web_search", opaque={"type": "web_search"})
CUSTOM = Tool("custom", opaque={"type": "custom", "name": "patch", "description": "Edits."})
TEXT = {"type": "string", "description": "The whole text for the tool, as it is: not JSON, not fenced."}
ONE_TEXT = {"type": "object", "properties": {"input": TEXT}, "required": ["input"], "additionalProperties": False}


def functions(
    *tools: Tool, origin: FormatName = "openai.responses", choice: ToolChoice | None = None, said: Any = None
) -> tuple[Request, dict[str, ToolName], list[str]]:
    notes = Notes(origin, "ollama")
    extras = {} if said is None else {"tool_choice": said}
    request, names = as_functions(Request(origin, "m", (), tools=tools, tool_choice=choice, extras=extras), notes)
    return request, names, [warning.partition(" for ")[0] for warning in notes.warnings]


@pytest.mark.parametrize("origin", ["openai.chat", "openai.responses", "ollama.chat", "anthropic.messages"])
def test_functions_stay_as_they_are(origin: FormatName) -> None:
    """And a request without tools has none."""
    request, names, warnings = functions(F, origin=origin)
    assert (request.tools, names, warnings) == ((F,), {}, [])
    bare = Request(origin, "m", ())
    assert as_functions(bare, Notes(origin, "ollama")) == (bare, {})


@pytest.mark.parametrize(
    ("origin", "opaque"),
    [
        pytest.param("openai.responses", CUSTOM.opaque, id="responses"),
        pytest.param(
            "openai.chat", {"type": "custom", "custom": {"name": "patch", "description": "Edits."}}, id="chat"
        ),
    ],
)
def test_a_custom_tool_is_a_function_of_one_text(origin: FormatName, opaque: dict[str, Any]) -> None:
    """The warning says that no grammar holds it."""
    request, names, warnings = functions(Tool("custom", opaque=opaque), origin=origin)
    assert request.tools == (Tool("patch", "Edits.", ONE_TEXT),)
    assert names == {"patch": ToolName("patch", "", custom=True)}
    assert warnings == ["tools (patch) was changed"]


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"type": "grammar", "syntax": "lark", "definition": "start: A"}, id="responses"),
        pytest.param({"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: A"}}, id="chat"),
    ],
)
def test_a_grammar_is_told_in_the_description(form: dict[str, Any]) -> None:
    """The model can follow it, though nothing makes it."""
    request, _, _ = functions(Tool("custom", opaque={"type": "custom", "name": "p", "format": form}))
    assert request.tools is not None
    assert request.tools[0].description == "`input` has to fit this lark grammar:\nstart: A"


def test_a_namespace_is_its_functions() -> None:
    """Functions and custom tools within it are named after both; members that are null are left out."""
    inner = [
        {"type": "function", "name": "read", "parameters": {}, "description": None, "defer_loading": True},
        {"type": "custom", "name": "write"},
        "nonsense",
    ]
    space = Tool("namespace", opaque={"type": "namespace", "name": "mcp__fs__", "tools": inner})
    request, names, warnings = functions(space, F)
    assert request.tools == (Tool("mcp__fs__read", parameters={}), Tool("mcp__fs__write", None, ONE_TEXT), F)
    assert names == {
        "mcp__fs__read": ToolName("read", "mcp__fs__"),
        "mcp__fs__write": ToolName("write", "mcp__fs__", custom=True),
    }
    assert warnings == ["tools (mcp__fs__) was changed", "tools (mcp__fs__write) was changed"]


def test_what_is_no_function_in_a_namespace_is_a_hosted_tool() -> None:
    """It is left out beside functions."""
    inner = [{"type": "mcp", "name": "x"}, {"type": "function"}, {"type": "function", "name": "f"}]
    request, names, warnings = functions(Tool("namespace", opaque={"name": "n", "tools": inner}))
    assert [tool.name for tool in request.tools or ()] == list(names) == ["n__f"]
    assert warnings == ["tools (n) was changed", "tools (mcp) was dropped", "tools (function) was dropped"]


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        pytest.param("", "f", "f", id="no-namespace"),
        pytest.param("a", "f", "a__f", id="joined"),
        pytest.param("a__", "f", "a__f", id="underscores-once"),
        pytest.param("a" * 61, "f", "a" * 61 + "__f", id="as-long-as-allowed"),
    ],
)
def test_a_name_in_a_namespace(namespace: str, name: str, expected: str) -> None:
    """Two underscores between."""
    assert joined(namespace, name) == expected


@pytest.mark.parametrize("namespace", ["n" * 80, "n" * 80 + "\ud83d"], ids=["ascii", "a-lone-surrogate"])
def test_a_name_that_is_too_long_ends_in_a_checksum(namespace: str) -> None:
    """Never more than OpenAI's 64 letters, the same each time, and another one for another name."""
    first, second = joined(namespace, "f"), joined(namespace, "g")
    assert len(first) == len(second) == 64 and first != second and first == joined(namespace, "f")


# ---- tools that a provider runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "kind", "row"),
    [
        ("openai.responses", "web_search_preview", "only OpenAI searches"),
        ("openai.responses", "image_generation", "only OpenAI runs it"),
        ("openai.responses", "tool_search", "all functions are told at once"),
        ("openai.responses", "code_interpreter", "only its provider runs it"),
        ("anthropic.messages", "web_search_20250305", "only its provider runs it"),
    ],
)
def test_a_hosted_tool_beside_functions_is_left_out(origin: FormatName, kind: str, row: str) -> None:
    """With the warning of its row."""
    notes = Notes(origin, "ollama")
    tools = (Tool(kind, opaque={"type": kind, "name": "s"}), F)
    request, _ = as_functions(Request(origin, "m", (), tools=tools), notes)
    assert request.tools == (F,)
    (warning,) = notes.warnings
    assert warning.startswith(f"tools ({kind}) was dropped") and row in warning


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        pytest.param(ToolChoice("named", "s"), None, id="by-name"),
        pytest.param(None, {"type": "web_search"}, id="by-type"),
    ],
)
def test_a_hosted_tool_that_has_to_be_called_is_refused(choice: ToolChoice | None, said: Any) -> None:
    """Beside functions too: any other answer would be another one."""
    tool = Tool("web_search", opaque={"type": "web_search", "name": "s"})
    with pytest.raises(Untranslatable, match=r"tools \(web_search\)"):
        functions(tool, F, choice=choice, said=said)


@pytest.mark.parametrize("origin", ["openai.chat", "openai.responses", "anthropic.messages"])
def test_a_hosted_tool_alone_stays_to_be_refused(origin: FormatName) -> None:
    """There is nothing the model could do instead; the encoder names it."""
    assert functions(SEARCH, origin=origin)[0].tools == (SEARCH,)


# ---- choice and history ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"type": "custom", "name": "patch"}, id="responses"),
        pytest.param({"type": "custom", "custom": {"name": "patch"}}, id="chat"),
    ],
)
def test_a_choice_of_a_custom_tool_names_its_function(said: dict[str, Any]) -> None:
    """And is no longer lost."""
    request, _, _ = functions(CUSTOM, said=said)
    assert (request.tool_choice, request.extras) == (ToolChoice("named", "patch"), {})


@pytest.mark.parametrize("mode", ["auto", "required"])
@pytest.mark.parametrize("deep", [False, True], ids=["responses", "chat"])
def test_allowed_tools_are_the_only_ones(mode: str, deep: bool) -> None:
    """Functions and custom tools by name, others by type; the mode is the choice."""
    listed = [{"type": "function", "name": "f"}, {"type": "custom", "custom": {"name": "patch"}}, "x"]
    members = {"mode": mode, "tools": listed}
    said = {"type": "allowed_tools", **({"allowed_tools": members} if deep else members)}
    request, _, _ = functions(F, Tool("g"), CUSTOM, said=said)
    assert [tool.name for tool in request.tools or ()] == ["f", "patch"]
    assert (request.tool_choice, request.extras) == (ToolChoice(mode), {})  # type: ignore[arg-type]
    bare = Request("openai.chat", "m", (), extras={"tool_choice": said})
    assert as_functions(bare, Notes("openai.chat", "ollama"))[0].tools == ()


@pytest.mark.parametrize(
    "said",
    [{"type": "allowed_tools", "mode": "never", "tools": []}, {"type": "mcp"}, {"type": "allowed_tools"}, "any", 5],
    ids=["unknown-mode", "another-type", "no-mode", "a-text", "a-number"],
)
def test_any_other_choice_stays_to_be_told(said: Any) -> None:
    """The encoder refuses or drops it by its row."""
    request, _, _ = functions(F, said=said)
    assert request.extras == {"tool_choice": said} and request.tools == (F,)


def test_a_custom_call_in_a_chats_history_is_a_call_of_its_function() -> None:
    """Other parts stay, such as a call of a kind that nobody knows."""
    custom = Opaque("tool_calls", {"id": "c", "type": "custom", "custom": {"name": "patch", "input": 'a "b"'}})
    other = Opaque("tool_calls", {"id": "d", "type": "mcp"})
    request = Request("openai.chat", "m", (Message("assistant", (custom, other)),))
    told, _ = as_functions(request, Notes("openai.chat", "ollama"))
    assert told.messages[0].parts == (ToolCall("c", "patch", json.dumps({"input": 'a "b"'})), other)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param('{"input": "a"}', "a", id="the-input"),
        pytest.param('{"input": "a", "more": 1}', "a", id="the-input-among-others"),
        pytest.param('{"patch": "a"}', "a", id="the-only-text"),
        pytest.param('{"a": "b", "c": "d"}', '{"a": "b", "c": "d"}', id="several-texts"),
        pytest.param('{"input": 5}', '{"input": 5}', id="no-text"),
        pytest.param("{}", "", id="empty-object"),
        pytest.param("", "", id="nothing"),
        pytest.param('"a"', "a", id="a-quoted-text"),
        pytest.param("[1]", "[1]", id="a-list"),
        pytest.param("*** Begin Patch", "*** Begin Patch", id="no-json"),
        pytest.param('{"input": "cut', '{"input": "cut', id="cut-off"),
        pytest.param("[" * 100_000, "[" * 100_000, id="brackets-without-end"),
    ],
)
def test_the_text_for_a_custom_tool_is_found(arguments: str, text: str) -> None:
    """Whatever the model made of the one argument, nothing of it is lost."""
    assert as_input(arguments) == text


@pytest.mark.parametrize("text", ["", "a", '{"input": 1}', "é\n😀", "\ud83d"], ids=repr)
def test_a_text_is_the_same_after_there_and_back(text: str) -> None:
    """As arguments of the function, in any language."""
    assert as_input(as_arguments(text)) == text
