"""Responses requests -> the internal form, for servers that have no Responses endpoint.

Shapes: openai-python types/responses/response_create_params.py and response_input_param.py. Items follow each other
flat here; calls and thoughts are gathered into the assistant's message they belong to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from switchman.addons.core.dialects.neutral.fields import (
    is_object_list,
    kind_of,
    object_of,
    objects_of,
    text_of,
    without,
)
from switchman.addons.core.dialects.neutral.form import (
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    ResponseFormat,
    Role,
    Sampling,
    Shape,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.images import from_url
from switchman.addons.core.dialects.neutral.limits import Malformed
from switchman.addons.core.dialects.neutral.sampling import take, take_sampling
from switchman.addons.core.dialects.openai.as_functions import as_arguments, joined
from switchman.addons.core.dialects.openai.chat_request import function_tool, reasoning_of, schema_format

SAMPLING: Final = {
    "max_tokens": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
}
ROLES: Final = ("system", "developer", "user", "assistant")
CALLS: Final = ("function_call", "custom_tool_call")
# Fields that need no warning: how the events of a stream are padded.
SILENT: Final = ("stream_options",)
OUTPUTS: Final = ("function_call_output", "custom_tool_call_output")
# Items of tools of OpenAI's own kinds in earlier turns: `web_search_call`, `computer_call_output`, `mcp_list_tools`.
# What came of them is in the texts.
HOSTED: Final = re.compile(r"mcp_.*|.*_(?:call|output)")
# Members of a request that its response object repeats.
ECHOED: Final = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "user",
)


def decode_request(body: Mapping[str, Any]) -> Request:
    """A Responses body as a Request. Raises Malformed where `input` has another shape."""
    rest = without(body, *SILENT)
    items = rest.pop("input", None)
    messages = _messages(items)
    if isinstance(items, list) and any(_is_hosted(item) for item in items):
        rest["input.web_search_call"] = True
    instructions = take(rest, "instructions", lambda value: isinstance(value, str))
    if instructions:
        messages = [Message("system", (Text(instructions),), place="instructions"), *messages]
    return Request(
        origin="openai.responses",
        model=take(rest, "model", lambda value: isinstance(value, str)) or "",
        messages=tuple(messages),
        tools=_take_tools(rest),
        tool_choice=_take_choice(rest),
        parallel_tools=take(rest, "parallel_tool_calls", lambda value: isinstance(value, bool)),
        sampling=Sampling(**take_sampling(rest, SAMPLING)),
        format=_take_format(rest),
        reasoning=_take_reasoning(rest),
        stream=take(rest, "stream", lambda value: isinstance(value, bool)),
        user=take(rest, "user", lambda value: isinstance(value, str)),
        extras=rest,
    )


def echoed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The request's settings, as the response object repeats them."""
    said = {name: body[name] for name in ECHOED if body.get(name) is not None}
    text = object_of(said, "text")
    if "text" in said:
        said["text"] = {**text, "format": text.get("format") or {"type": "text"}}
    return said


def _take_format(rest: dict[str, Any]) -> ResponseFormat | None:
    """Take `text.format` out of `rest`; `text.verbosity` stays."""
    config = object_of(rest, "text")
    rest.pop("text", None)
    wanted = object_of(config, "format")
    kind = wanted.get("type")
    known = kind in ("text", "json_object", "json_schema")
    rest |= {f"text.{key}": value for key, value in config.items() if key != "format" or not known}
    if not known:
        return None
    if kind == "json_schema":
        return schema_format(without(wanted, "type"))
    return ResponseFormat("text" if kind == "text" else "json")


def _take_reasoning(rest: dict[str, Any]) -> Reasoning | None:
    """Take `reasoning.effort` out of `rest`; other members, such as `summary`, stay."""
    config = object_of(rest, "reasoning")
    rest.pop("reasoning", None)
    effort = text_of(config, "effort")
    rest |= {f"reasoning.{key}": value for key, value in config.items() if key != "effort"}
    return reasoning_of(effort) if effort else None


def _take_tools(rest: dict[str, Any]) -> tuple[Tool, ...] | None:
    tools = take(rest, "tools", is_object_list)
    return None if tools is None else tuple(_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools))


def _tool(tool: dict[str, Any], place: str) -> Tool:
    if tool.get("type") == "function":
        _require(tool, ("name",), place)
    else:
        return Tool(name=text_of(tool, "type"), opaque=tool)
    return function_tool({key: value for key, value in tool.items() if key != "type" and value is not None}, {})


def _take_choice(rest: dict[str, Any]) -> ToolChoice | None:
    value = rest.get("tool_choice")
    if value in ("auto", "none", "required"):
        del rest["tool_choice"]
        return ToolChoice(value)
    if isinstance(value, dict) and value.get("type") == "function":
        del rest["tool_choice"]
        return ToolChoice("named", text_of(value, "name"))
    return None


# ---- input items -------------------------------------------------------------------------------------------------


def _messages(items: Any) -> list[Message]:
    if isinstance(items, str):
        return [Message("user", (Text(items),))]
    if not isinstance(items, list):
        raise Malformed("input", "a string or a list of items")
    messages: list[Message] = []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise Malformed(f"input[{index}]", "an object")
        if _is_hosted(item):
            continue
        message = _item(item, f"input[{index}]")
        before = messages[-1] if messages else None
        if before and before.role == message.role == "assistant" and not _is_answered(before, message):
            messages[-1] = Message("assistant", (*before.parts, *message.parts), "text", place=before.place)
        else:
            messages.append(replace(message, place=f"input[{index}]"))
    return messages


def _is_hosted(item: Mapping[str, Any]) -> bool:
    """Whether an item is of a tool of OpenAI's own."""
    kind = text_of(item, "type")
    return kind not in (*CALLS, *OUTPUTS) and HOSTED.fullmatch(kind) is not None


def _is_answered(before: Message, message: Message) -> bool:
    """Whether text follows calls. Another message then begins, as chat formats put text before calls."""
    return bool(before.calls()) and any(isinstance(part, Text) for part in message.parts)


def _item(item: dict[str, Any], place: str) -> Message:
    kind = item.get("type", "message")
    if kind == "message":
        if item.get("role") not in ROLES:
            raise Malformed(f"{place}.role", "one of " + ", ".join(ROLES))
        content = _content_of(item, "content", place)
        shape: Shape = "text" if isinstance(content, str) else "parts"
        return Message(cast(Role, item["role"]), _content(content), shape)
    if kind in CALLS:
        _require(item, ("call_id", "name"), place)
        custom = kind == "custom_tool_call"
        arguments = as_arguments(text_of(item, "input")) if custom else text_of(item, "arguments")
        name = joined(text_of(item, "namespace"), text_of(item, "name"))
        return Message("assistant", (ToolCall(text_of(item, "call_id"), name, arguments),))
    if kind in OUTPUTS:
        _require(item, ("call_id",), place)
        parts = tuple(p for p in _content(_content_of(item, "output", place)) if isinstance(p, Text | Image | Opaque))
        return Message("tool", (ToolResult(text_of(item, "call_id"), "", parts),))
    if kind == "reasoning":
        pieces = (*objects_of(item, "content"), *objects_of(item, "summary"))
        return Message("assistant", (Thinking("".join(text_of(piece, "text") for piece in pieces)),))
    return Message("user", (Opaque(kind_of(item), item),), "parts")


def _content_of(item: dict[str, Any], name: str, place: str) -> Any:
    """A member that is a string, a list of parts, or null. Raises Malformed for another shape."""
    value = item.get(name)
    if value is None or isinstance(value, str) or is_object_list(value):
        return value
    raise Malformed(f"{place}.{name}", "a string or a list of parts")


def _require(item: dict[str, Any], names: Iterable[str], place: str) -> None:
    for name in names:
        if not text_of(item, name):
            raise Malformed(f"{place}.{name}", "a string")


def _content(content: Any) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(part) for part in content if isinstance(part, dict)) if isinstance(content, list) else ()


def _part(part: dict[str, Any]) -> Part:
    kind = text_of(part, "type")
    if kind in ("input_text", "output_text", "text") and isinstance(part.get("text"), str):
        return Text(part["text"])
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return Text(part["refusal"], refusal=True)
    if kind == "input_image" and text_of(part, "image_url"):
        return from_url(text_of(part, "image_url"))
    return Opaque(kind, part)
