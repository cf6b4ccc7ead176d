"""Messages requests -> the internal form.

Shapes: anthropic-python types/message_create_params.py and the block params beside it. `system` becomes the first
message; top_k, top_p and temperature are read although newer SDKs leave them out, as the API takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from switchman.addons.core.dialects.neutral.fields import (
    arguments_text,
    count_of,
    is_object_list,
    is_text_list,
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
from switchman.addons.core.dialects.neutral.limits import Malformed
from switchman.addons.core.dialects.neutral.sampling import take, take_sampling
from switchman.addons.core.dialects.openai.chat_request import shape_of

SAMPLING: Final = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
}
CHOICES: Final = {"auto": "auto", "any": "required", "none": "none", "tool": "named"}


def decode_request(body: Mapping[str, Any]) -> Request:
    """A Messages body as a Request. Raises Malformed where messages have another shape."""
    rest = dict(body)
    messages = rest.pop("messages", None)
    if not isinstance(messages, list):
        raise Malformed("messages", "a list")
    stop = take(rest, "stop_sequences", is_text_list)
    sampling = Sampling(**take_sampling(rest, SAMPLING), stop=None if stop is None else tuple(stop))
    reasoning = _take_reasoning(rest)
    choice, parallel = _take_choice(rest)
    return Request(
        origin="anthropic.messages",
        model=take(rest, "model", lambda value: isinstance(value, str)) or "",
        messages=(*_take_system(rest), *(_message(item, f"messages[{index}]") for index, item in enumerate(messages))),
        tools=_take_tools(rest),
        tool_choice=choice,
        parallel_tools=parallel,
        sampling=sampling,
        format=_take_format(rest),
        reasoning=reasoning,
        stream=take(rest, "stream", lambda value: isinstance(value, bool)),
        user=_take_user(rest),
        extras=rest,
    )


def _take_system(rest: dict[str, Any]) -> tuple[Message, ...]:
    system = rest.get("system")
    if isinstance(system, str | list):
        del rest["system"]
        shape: Shape = "text" if isinstance(system, str) else "parts"
        return (Message("system", decode_content(system), shape, place="system"),)
    return ()


def _take_user(rest: dict[str, Any]) -> str | None:
    """Take `metadata.user_id` out of `rest`, if `metadata` has no other member."""
    metadata = rest.get("metadata")
    if isinstance(metadata, dict) and set(metadata) == {"user_id"} and isinstance(metadata["user_id"], str):
        del rest["metadata"]
        return metadata["user_id"]
    return None


def _take_format(rest: dict[str, Any]) -> ResponseFormat | None:
    """Take `output_config.format` out of `rest`; other members of output_config stay."""
    config = object_of(rest, "output_config")
    wanted = object_of(config, "format")
    if set(wanted) != {"type", "schema"} or wanted["type"] != "json_schema" or not isinstance(wanted["schema"], dict):
        return None
    other = without(config, "format")
    if other:
        rest["output_config"] = other
    else:
        del rest["output_config"]
    return ResponseFormat("schema", wanted["schema"])


def _take_reasoning(rest: dict[str, Any]) -> Reasoning | None:
    """Take `thinking` out of `rest`: disabled, enabled with a budget, or adaptive, by `output_config.effort`."""
    thinking = object_of(rest, "thinking")
    kind = thinking.get("type")
    if kind not in ("enabled", "adaptive", "disabled"):
        return None
    del rest["thinking"]
    effort = text_of(object_of(rest, "output_config"), "effort") or None
    return Reasoning(
        enabled=kind != "disabled",
        effort=effort if kind == "adaptive" else None,
        budget=count_of(thinking, "budget_tokens"),
        adaptive=kind == "adaptive",
        as_given=thinking,
    )


# ---- tools -------------------------------------------------------------------------------------------------------


def _take_tools(rest: dict[str, Any]) -> tuple[Tool, ...] | None:
    tools = take(rest, "tools", is_object_list)
    return None if tools is None else tuple(_tool(tool) for tool in tools)


def _tool(tool: dict[str, Any]) -> Tool:
    """A tool. The client's own have no type, or type `custom`; Anthropic runs or defines all others."""
    if tool.get("type", "custom") not in ("custom", None) or not isinstance(tool.get("input_schema"), dict):
        return Tool(name=text_of(tool, "type"), opaque=tool)
    known = ["name", "input_schema"]
    description, strict = tool.get("description"), tool.get("strict")
    known += ["description"] if isinstance(description, str) else []
    known += ["strict"] if isinstance(strict, bool) else []
    return Tool(
        name=text_of(tool, "name"),
        description=description if isinstance(description, str) else None,
        parameters=tool["input_schema"],
        strict=strict if isinstance(strict, bool) else None,
        extra=without(tool, *known),
    )


def _take_choice(rest: dict[str, Any]) -> tuple[ToolChoice | None, bool | None]:
    """Take `tool_choice` out of `rest`, and whether calls may be parallel, which is a member of it."""
    value = object_of(rest, "tool_choice")
    mode = CHOICES.get(text_of(value, "type"))
    sequential = value.get("disable_parallel_tool_use")
    if mode is None or set(value) - {"type", "name", "disable_parallel_tool_use"}:
        return None, None
    del rest["tool_choice"]
    choice = ToolChoice(cast(Any, mode), text_of(value, "name"))
    return choice, None if sequential is None else not sequential


# ---- messages ----------------------------------------------------------------------------------------------------


def _message(message: Any, place: str) -> Message:
    if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
        raise Malformed(f"{place}.role", "user or assistant")
    content = message.get("content")
    if not (content is None or isinstance(content, str) or is_object_list(content)):
        raise Malformed(f"{place}.content", "a string or a list of blocks")
    parts = decode_content(content)
    extra = without(message, "role", "content")
    return Message(cast(Role, message["role"]), parts, shape_of(message), extra, place)


def decode_content(content: Any) -> tuple[Part, ...]:
    """A string, or a list of blocks."""
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_block(block) for block in content if isinstance(block, dict)) if isinstance(content, list) else ()


def _block(block: dict[str, Any]) -> Part:
    reader = BLOCKS.get(text_of(block, "type"))
    return (reader(block) if reader else None) or Opaque(text_of(block, "type"), block)


def _text(block: dict[str, Any]) -> Part | None:
    text = block.get("text")
    return Text(text, extra=without(block, "type", "text")) if isinstance(text, str) else None


def _image(block: dict[str, Any]) -> Part | None:
    source, extra = object_of(block, "source"), without(block, "type", "source")
    if set(source) == {"type", "media_type", "data"} and source["type"] == "base64":
        return Image(data=text_of(source, "data"), media_type=text_of(source, "media_type"), extra=extra)
    if set(source) == {"type", "url"} and source["type"] == "url":
        return Image(url=text_of(source, "url"), extra=extra)
    return None


def _thinking(block: dict[str, Any]) -> Part | None:
    return Thinking(text_of(block, "thinking"), signature=text_of(block, "signature"))


def _redacted(block: dict[str, Any]) -> Part | None:
    return Thinking("", redacted=text_of(block, "data"))


def _tool_use(block: dict[str, Any]) -> Part | None:
    extra = without(block, "type", "id", "name", "input")
    return ToolCall(text_of(block, "id"), text_of(block, "name"), arguments_text(block.get("input")), extra)


def _tool_result(block: dict[str, Any]) -> Part | None:
    is_error = block.get("is_error")
    content = tuple(p for p in decode_content(block.get("content")) if isinstance(p, Text | Image | Opaque))
    extra = without(block, "type", "tool_use_id", "content", "is_error")
    result_id = text_of(block, "tool_use_id")
    return ToolResult(result_id, "", content, shape_of(block), is_error if isinstance(is_error, bool) else None, extra)


BLOCKS: Final = {
    "text": _text,
    "image": _image,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
