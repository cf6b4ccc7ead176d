"""/api/chat and /api/generate requests -> the internal form.

Shapes: ollama-python _types.py, and docs/api.md of Ollama. Runner options without a counterpart stay under `options`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from switchman.addons.core.dialects.neutral.fields import (
    arguments_text,
    is_object_list,
    is_text_list,
    object_of,
    objects_of,
    text_of,
    without,
)
from switchman.addons.core.dialects.neutral.form import (
    Image,
    Message,
    Part,
    Reasoning,
    Request,
    ResponseFormat,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.limits import Malformed
from switchman.addons.core.dialects.neutral.sampling import take, take_sampling, take_stop
from switchman.addons.core.dialects.openai.chat_request import function_tool, shape_of

# member of Sampling -> name in `options`
SAMPLING: Final = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
}
ROLES: Final = ("system", "user", "assistant", "tool")


Shapes = Mapping[str, tuple[Callable[[Any], bool], str]]

# Members that Ollama refuses in another shape; null counts as absent.
MESSAGE_SHAPES: Final[Shapes] = {
    "content": (lambda value: isinstance(value, str), "a string"),
    "thinking": (lambda value: isinstance(value, str), "a string"),
    "images": (is_text_list, "a list of base64 strings"),
    "tool_calls": (is_object_list, "a list of objects"),
}
GENERATE_SHAPES: Final[Shapes] = {
    "prompt": (lambda value: isinstance(value, str), "a string"),
    "system": (lambda value: isinstance(value, str), "a string"),
    "suffix": (lambda value: isinstance(value, str), "a string"),
    "images": (is_text_list, "a list of base64 strings"),
    "raw": (lambda value: isinstance(value, bool), "true or false"),
}
SHAPES: Final[Shapes] = {
    "model": (lambda value: isinstance(value, str), "a string"),
    "stream": (lambda value: isinstance(value, bool), "true or false"),
    "tools": (is_object_list, "a list of objects"),
    "options": (lambda value: isinstance(value, dict), "an object"),
}


def _expect(place: str, obj: Mapping[str, Any], shapes: Shapes) -> None:
    """Raises Malformed for the first member of another shape."""
    for name, (fits, expected) in shapes.items():
        value = obj.get(name)
        if value is not None and not fits(value):
            raise Malformed(f"{place}.{name}" if place else name, expected)


def decode_chat(body: Mapping[str, Any]) -> Request:
    """An /api/chat body as a Request. Raises Malformed where messages have another shape."""
    rest = dict(body)
    _expect("", rest, SHAPES)
    messages = rest.pop("messages", None)
    if not isinstance(messages, list):
        raise Malformed("messages", "a list")
    tools = take(rest, "tools", is_object_list)
    return Request(
        origin="ollama.chat",
        messages=tuple(_message(item, f"messages[{index}]") for index, item in enumerate(messages)),
        tools=None if tools is None else tuple(_tool(tool) for tool in tools),
        **_common(rest),
        extras=rest,
    )


def decode_generate(body: Mapping[str, Any]) -> Request:
    """An /api/generate body: `system` and `prompt` as messages, `images` with the prompt. `raw` skips the template."""
    rest = dict(body)
    _expect("", rest, {**SHAPES, **GENERATE_SHAPES})
    messages: list[Message] = []
    system = take(rest, "system", lambda value: isinstance(value, str))
    if system is not None:
        messages.append(Message("system", (Text(system),)))
    prompt = take(rest, "prompt", lambda value: isinstance(value, str))
    images = tuple(Image(data=data) for data in take(rest, "images", is_text_list) or ())
    said = () if prompt is None else (Text(prompt),)
    if said or images:
        messages.append(Message("user", (*said, *images), "absent" if prompt is None else "text"))
    return Request(
        origin="ollama.generate",
        messages=tuple(messages),
        raw=take(rest, "raw", lambda value: value is True) or False,
        suffix=take(rest, "suffix", lambda value: isinstance(value, str) and value != ""),
        **_common(rest),
        extras=rest,
    )


def _common(rest: dict[str, Any]) -> dict[str, Any]:
    """Take the members of both endpoints out of `rest`: model, stream, format, think, options."""
    options = dict(object_of(rest, "options"))
    numbers = take_sampling(options, SAMPLING)
    if numbers.get("max_tokens", 1) < 0:  # -1: no limit, -2: fill the context
        options["num_predict"] = numbers.pop("max_tokens")
    sampling = Sampling(**numbers, **take_stop(options, "stop"))
    if options:
        rest["options"] = options
    elif object_of(rest, "options"):
        del rest["options"]
    return {
        "model": take(rest, "model", lambda value: isinstance(value, str)) or "",
        "stream": take(rest, "stream", lambda value: isinstance(value, bool)),
        "format": _format(take(rest, "format", _is_format)),
        "reasoning": _reasoning(take(rest, "think", lambda value: isinstance(value, bool | str))),
        "sampling": sampling,
    }


def _is_format(value: Any) -> bool:
    return value == "json" or (isinstance(value, dict) and bool(value))


def _format(value: Any) -> ResponseFormat | None:
    if value is None:
        return None
    return ResponseFormat("json") if value == "json" else ResponseFormat("schema", value)


def _reasoning(value: Any) -> Reasoning | None:
    if value is None:
        return None
    effort = value if isinstance(value, str) else None
    return Reasoning(enabled=value is not False, effort=effort, as_given=value)


def _tool(tool: dict[str, Any]) -> Tool:
    function = object_of(tool, "function")
    if tool.get("type", "function") != "function" or not text_of(function, "name"):
        return Tool(name=text_of(tool, "type"), opaque=tool)
    extra = without(tool, "type", "function")
    return function_tool(function, extra if "type" in tool else {**extra, "type": None})


def _message(message: Any, place: str) -> Message:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        raise Malformed(f"{place}.role", "one of " + ", ".join(ROLES))
    role = cast(Role, message["role"])
    content = message.get("content")
    _expect(place, message, MESSAGE_SHAPES)
    said: tuple[Part, ...] = (Text(content),) if isinstance(content, str) else ()
    images = tuple(Image(data=data) for data in message.get("images") or () if isinstance(data, str))
    known = ["role", "content", *(["images"] if images else [])]
    if role == "tool":
        known += ["tool_name", "tool_call_id"]
        texts = tuple(part for part in (*said, *images) if isinstance(part, Text | Image))
        result = ToolResult(text_of(message, "tool_call_id"), text_of(message, "tool_name"), texts, shape_of(message))
        return Message(role, (result,), shape_of(message), without(message, *known))
    thinking = message.get("thinking")
    if isinstance(thinking, str):
        known.append("thinking")
        said = (Thinking(thinking), *said)
    calls = tuple(_call(call) for call in objects_of(message, "tool_calls"))
    known += ["tool_calls"] if calls else []
    return Message(role, (*said, *images, *calls), shape_of(message), without(message, *known))


def _call(call: dict[str, Any]) -> ToolCall:
    function = object_of(call, "function")
    inner = {f"function.{key}": value for key, value in without(function, "name", "arguments").items()}
    extra = {**without(call, "id", "function"), **inner}
    return ToolCall(text_of(call, "id"), text_of(function, "name"), arguments_text(function.get("arguments")), extra)
