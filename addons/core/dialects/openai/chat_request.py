"""Chat completions requests -> the internal form.

Shapes: openai-python types/chat/completion_create_params.py and the message params beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from switchman.addons.core.dialects.neutral.fields import (
    arguments_text,
    is_count,
    is_object_list,
    kind_of,
    object_of,
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
from switchman.addons.core.dialects.neutral.sampling import take, take_number, take_sampling, take_stop
from switchman.addons.core.dialects.openai.old_calls import as_tools

# member of Sampling -> wire name. The last three are extensions of vLLM, llama.cpp and others.
SAMPLING: Final = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "top_k": "top_k",
    "min_p": "min_p",
    "repeat_penalty": "repetition_penalty",
}
EXTENSIONS: Final = ("top_k", "min_p", "repeat_penalty")
ROLES: Final = ("system", "developer", "user", "assistant", "tool")


def decode_request(body: Mapping[str, Any]) -> Request:
    """A chat completions body as a Request. Raises Malformed where messages or tools have another shape."""
    rest = as_tools(body)
    messages = rest.pop("messages", None)
    if not isinstance(messages, list):
        raise Malformed("messages", "a list")
    options = take_options(rest)
    stream_options = object_of(rest, "stream_options")
    return Request(
        origin="openai.chat",
        model=take(rest, "model", lambda value: isinstance(value, str)) or "",
        messages=tuple(decode_message(message, f"messages[{index}]") for index, message in enumerate(messages)),
        tools=decode_tools(rest),
        tool_choice=decode_tool_choice(rest),
        parallel_tools=take(rest, "parallel_tool_calls", lambda value: isinstance(value, bool)),
        sampling=options,
        format=_take_format(rest),
        reasoning=_take_reasoning(rest),
        stream=take(rest, "stream", lambda value: isinstance(value, bool)),
        include_usage=stream_options.get("include_usage") is True,
        user=take(rest, "user", lambda value: isinstance(value, str)),
        extras=rest,
    )


def take_options(rest: dict[str, Any]) -> Sampling:
    """Sampling options; max_completion_tokens is the newer name of max_tokens, and wins."""
    found: dict[str, Any] = {}
    newer = take_number(rest, "max_completion_tokens", is_count)
    if newer is None:
        found = take_sampling(rest, SAMPLING)
    else:
        found = take_sampling(rest, without(SAMPLING, "max_tokens"))
        found |= {"max_tokens": newer, "counts_reasoning": True}
    return Sampling(**found, **take_stop(rest, "stop"))


def _take_reasoning(rest: dict[str, Any]) -> Reasoning | None:
    effort = take(rest, "reasoning_effort", lambda value: isinstance(value, str))
    return reasoning_of(effort) if effort is not None else None


def reasoning_of(effort: str) -> Reasoning:
    """An effort in OpenAI's words; "none" means not to think."""
    return Reasoning(enabled=effort != "none", effort=effort if effort != "none" else None)


def _take_format(rest: dict[str, Any]) -> ResponseFormat | None:
    value = object_of(rest, "response_format")
    if value in ({"type": "text"}, {"type": "json_object"}):
        del rest["response_format"]
        return ResponseFormat("text" if value["type"] == "text" else "json")
    inner = object_of(value, "json_schema")
    if set(value) != {"type", "json_schema"} or value["type"] != "json_schema":
        return None
    del rest["response_format"]
    return schema_format(inner)


def schema_format(inner: Mapping[str, Any]) -> ResponseFormat:
    """name, schema, strict and description of a JSON schema format."""
    schema, strict = inner.get("schema"), inner.get("strict")
    known = {"name"} | ({"schema"} if isinstance(schema, dict) else set())
    known |= {"strict"} if isinstance(strict, bool) else set()
    return ResponseFormat(
        "schema",
        schema if isinstance(schema, dict) else None,
        inner.get("name"),
        strict if isinstance(strict, bool) else None,
        without(inner, *known),
    )


# ---- tools -------------------------------------------------------------------------------------------------------


def decode_tools(rest: dict[str, Any]) -> tuple[Tool, ...] | None:
    tools = take(rest, "tools", is_object_list)
    return None if tools is None else tuple(_tool(tool) for tool in tools)


def _tool(tool: dict[str, Any]) -> Tool:
    function = object_of(tool, "function")
    if tool.get("type") != "function" or not text_of(function, "name"):
        return Tool(name=text_of(tool, "type"), opaque=tool)
    return function_tool(function, without(tool, "type", "function"))


def function_tool(function: Mapping[str, Any], extra: Mapping[str, Any]) -> Tool:
    """A function as OpenAI and Ollama describe it: name, description, parameters, strict."""
    parts: dict[str, Any] = {
        "description": function.get("description") if isinstance(function.get("description"), str) else None,
        "parameters": function.get("parameters") if isinstance(function.get("parameters"), dict) else None,
        "strict": function.get("strict") if isinstance(function.get("strict"), bool) else None,
    }
    taken = [name for name, value in parts.items() if value is not None]
    other = {f"function.{key}": value for key, value in without(function, "name", *taken).items()}
    return Tool(name=text_of(function, "name"), **parts, extra={**extra, **other})


def decode_tool_choice(rest: dict[str, Any]) -> ToolChoice | None:
    value = rest.get("tool_choice")
    if value in ("auto", "none", "required"):
        del rest["tool_choice"]
        return ToolChoice(value)
    if isinstance(value, dict) and set(value) == {"type", "function"} and value["type"] == "function":
        name = text_of(object_of(value, "function"), "name")
        if value["function"] == {"name": name}:
            del rest["tool_choice"]
            return ToolChoice("named", name)
    return None


# ---- messages ----------------------------------------------------------------------------------------------------


def decode_message(message: Any, place: str) -> Message:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        raise Malformed(f"{place}.role", "one of " + ", ".join(ROLES))
    role = cast(Role, message["role"])
    shape = shape_of(message)
    content = message.get("content")
    if not (content is None or isinstance(content, str) or is_object_list(content)):
        raise Malformed(f"{place}.content", "a string or a list of parts")
    parts = decode_content(content)
    if role == "tool":
        return _tool_message(message, shape, parts)
    known = ["role", "content"]
    if role == "assistant":
        thought, calls = message.get("reasoning_content"), message.get("tool_calls")
        if isinstance(thought, str):
            known.append("reasoning_content")
            parts = (Thinking(thought), *parts)
        if isinstance(calls, list) and all(isinstance(call, dict) for call in calls) and calls:
            known.append("tool_calls")
            parts = (*parts, *(_call(call) for call in calls))
    return Message(role, parts, shape, without(message, *known))


def shape_of(message: Mapping[str, Any]) -> Shape:
    content = message.get("content")
    if content is None:
        return "null" if "content" in message else "absent"
    return "parts" if isinstance(content, list) else "text"


def decode_content(content: Any) -> tuple[Part, ...]:
    """A string, or a list of parts; null and absent content has no parts."""
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        return ()
    return tuple(_content_part(part) for part in content if isinstance(part, dict))


def _content_part(part: dict[str, Any]) -> Part:
    kind = part.get("type")
    if kind == "text" and isinstance(part.get("text"), str):
        return Text(part["text"], extra=without(part, "type", "text"))
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return Text(part["refusal"], refusal=True, extra=without(part, "type", "refusal"))
    source = object_of(part, "image_url") or {"url": part.get("image_url")}  # some clients give just the URL
    if kind == "image_url" and text_of(source, "url"):
        image = from_url(text_of(source, "url"))
        extra = {f"image_url.{key}": value for key, value in without(source, "url").items()}
        return Image(image.data, image.media_type, image.url, {**extra, **without(part, "type", "image_url")})
    return Opaque(kind_of(part), part)


def _call(call: dict[str, Any]) -> Part:
    function = object_of(call, "function")
    if call.get("type", "function") != "function" or not isinstance(function.get("name"), str):
        return Opaque("tool_calls", call)
    arguments = arguments_text(function["arguments"]) if function.get("arguments") is not None else ""
    return ToolCall(text_of(call, "id"), function["name"], arguments, without(call, "id", "function", "type"))


def _tool_message(message: dict[str, Any], shape: Shape, parts: tuple[Part, ...]) -> Message:
    """A result. One without an id may have the function's name."""
    content = tuple(part for part in parts if isinstance(part, Text | Image | Opaque))
    id = text_of(message, "tool_call_id")
    result = ToolResult(id, "" if id else text_of(message, "name"), content, shape)
    known = ["role", "content", "tool_call_id", *([] if id else ["name"])]
    return Message("tool", (result,), shape, without(message, *known))
