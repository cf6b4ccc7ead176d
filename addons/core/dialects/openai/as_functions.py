"""Turn tools of kinds that only OpenAI knows into functions, which every server knows, and their calls back.

- A *custom* tool takes free text: a function with one string argument, `input`. Codex CLI's apply_patch is one.
- A *namespace* (Responses) groups tools: its functions are named `namespace__name`. Codex CLI's MCP servers are such.
- *Allowed tools* (a tool choice): only those are sent.

`as_functions` gives the request in functions, and the client's name for each such function (`Stamp.tools`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from switchman.addons.core.dialects.neutral.fields import object_of, objects_of, text_of, without
from switchman.addons.core.dialects.neutral.form import (
    Opaque,
    Part,
    Request,
    Tool,
    ToolCall,
    ToolChoice,
    ToolName,
)
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.openai.chat_request import function_tool
from switchman.addons.core.texts.largejson import loads
from switchman.addons.core.texts.unicode import dumps

INPUT: Final = "input"  # the argument of a custom tool
LONGEST: Final = 64  # characters of a function's name, for OpenAI

# Tools that OpenAI runs, with a row of their own in limits.py. All tools that a provider runs are left out beside
# functions, so that the model does without.
HOSTED: Final = ("web_search", "image_generation", "tool_search")


def as_functions(request: Request, notes: Notes) -> tuple[Request, dict[str, ToolName]]:
    """The request with functions only, and function name -> the client's name, for those that differ."""
    if request.origin not in ("openai.chat", "openai.responses"):
        return _without_hosted(request, notes), {}
    names: dict[str, ToolName] = {}
    messages = tuple(message.with_parts(tuple(map(_custom_call, message.parts))) for message in request.messages)
    request = _with_choice(replace(request, messages=messages))
    if request.tools is None:
        return request, names
    tools = [tool for given in request.tools for tool in _functions(given, notes, names)]
    return _without_hosted(replace(request, tools=tuple(tools)), notes), names


def _without_hosted(request: Request, notes: Notes) -> Request:
    """The request without the tools that a provider runs, if functions remain and no call of the others is forced."""
    if request.origin not in ("openai.responses", "anthropic.messages") or request.tools is None:
        return request
    if not any(tool.opaque is None for tool in request.tools):
        return request
    return replace(request, tools=tuple(tool for tool in request.tools if not _is_left_out(tool, request, notes)))


def _is_left_out(tool: Tool, request: Request, notes: Notes) -> bool:
    if tool.opaque is None:
        return False
    forced = request.tool_choice.name if request.tool_choice else ""
    by_type = text_of(object_of(request.extras, "tool_choice"), "type")  # as Responses have it
    if (forced and forced == text_of(tool.opaque, "name")) or (by_type and by_type == tool.name):
        notes.lose("tools", f"tools ({tool.name})")  # refused
    named = (kind for kind in HOSTED if request.origin == "openai.responses" and tool.name.startswith(kind))
    notes.lose(f"tools.{next(named, 'hosted')}", f"tools ({tool.name})")
    return True


# ---- tools -------------------------------------------------------------------------------------------------------


def _functions(tool: Tool, notes: Notes, names: dict[str, ToolName]) -> Iterable[Tool]:
    """A function as it is, a custom tool as a function, a namespace as its functions; other tools as they are."""
    if tool.opaque is None:
        return (tool,)
    if tool.name == "namespace":
        notes.lose("tools.namespace", f"tools ({text_of(tool.opaque, 'name')})")
        return [
            _from_namespace(inner, text_of(tool.opaque, "name"), notes, names)
            for inner in objects_of(tool.opaque, "tools")
        ]
    return (_custom(tool.opaque, "", notes, names),) if tool.name == "custom" else (tool,)


def _from_namespace(tool: dict[str, Any], namespace: str, notes: Notes, names: dict[str, ToolName]) -> Tool:
    kind = text_of(tool, "type")
    if kind == "custom":
        return _custom(tool, namespace, notes, names)
    if kind != "function" or not text_of(tool, "name"):
        return Tool(name=kind, opaque=tool)
    name = joined(namespace, text_of(tool, "name"))
    names[name] = ToolName(text_of(tool, "name"), namespace)
    members = {key: value for key, value in without(tool, "type", "defer_loading").items() if value is not None}
    return function_tool({**members, "name": name}, {})


def _custom(tool: Mapping[str, Any], namespace: str, notes: Notes, names: dict[str, ToolName]) -> Tool:
    tool = object_of(tool, "custom") or tool  # chat puts it one level deeper
    name = joined(namespace, text_of(tool, "name"))
    names[name] = ToolName(text_of(tool, "name"), namespace, custom=True)
    notes.lose("tools.custom", f"tools ({name})")
    form = object_of(tool, "format")
    grammar = object_of(form, "grammar") or form  # and the grammar too
    description = text_of(tool, "description")
    if definition := text_of(grammar, "definition"):
        description += f"\n\n`{INPUT}` has to fit this {text_of(grammar, 'syntax')} grammar:\n{definition}"
    text = {"type": "string", "description": "The whole text for the tool, as it is: not JSON, not fenced."}
    parameters = {"type": "object", "properties": {INPUT: text}, "required": [INPUT], "additionalProperties": False}
    return Tool(name, description.strip() or None, parameters)


def joined(namespace: str, name: str) -> str:
    """The name of a function in a namespace, the same each time; ends in a checksum if it would be too long."""
    whole = f"{namespace.removesuffix('__')}__{name}" if namespace else name
    if len(whole) <= LONGEST:
        return whole
    return f"{whole[: LONGEST - 9]}_{zlib.crc32(whole.encode('utf-8', 'surrogatepass')):08x}"


# ---- choice and history ------------------------------------------------------------------------------------------


def _with_choice(request: Request) -> Request:
    """The request with a chosen custom tool named as a function, and with allowed tools as the only ones."""
    choice = object_of(request.extras, "tool_choice")
    rest = without(request.extras, "tool_choice")
    if choice.get("type") == "custom":
        return replace(request, tool_choice=ToolChoice("named", _name_in(choice)), extras=rest)
    allowed = object_of(choice, "allowed_tools") or choice
    if choice.get("type") != "allowed_tools" or allowed.get("mode") not in ("auto", "required"):
        return request
    wanted = {_name_in(item) for item in objects_of(allowed, "tools")}
    tools = tuple(
        tool for tool in request.tools or () if (_name_in(tool.opaque) if tool.opaque else tool.name) in wanted
    )
    return replace(request, tools=tools, tool_choice=ToolChoice(allowed["mode"]), extras=rest)


def _name_in(item: Mapping[str, Any]) -> str:
    """The name in a tool or in a tool choice: at the top, or one level deeper, as chat has it; else the type."""
    return text_of(item, "name") or text_of(object_of(item, text_of(item, "type")), "name") or text_of(item, "type")


def _custom_call(part: Part) -> Part:
    """A call of a custom tool in a chat's history as a call of its function."""
    if not isinstance(part, Opaque) or part.kind != "tool_calls" or part.value.get("type") != "custom":
        return part
    custom = object_of(part.value, "custom")
    return ToolCall(text_of(part.value, "id"), text_of(custom, "name"), as_arguments(text_of(custom, "input")))


def as_arguments(text: str) -> str:
    """A custom tool's text as the arguments of its function."""
    return dumps({INPUT: text}, spaced=True)


def as_input(arguments: str) -> str:
    """The text for a custom tool in what the model wrote: its `input`, else its only text, else all of it."""
    try:
        value = loads(arguments) if arguments else ""
    except (ValueError, RecursionError):
        return arguments
    if isinstance(value, dict):
        texts = [value[INPUT]] if INPUT in value else list(value.values())
        if len(texts) == 1 and isinstance(texts[0], str):
            return texts[0]
        return arguments if value else ""
    return value if isinstance(value, str) else arguments
