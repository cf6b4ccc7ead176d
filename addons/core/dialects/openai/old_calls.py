"""Old calls: `functions`, `function_call` and the role `function`, as OpenAI had them before there were tools.

Shapes: openai-python types/chat/completion_create_params.py (Function, FunctionCall). Frameworks of that time still
send them; newer servers refuse them. A request is read as one with tools; the answer then has `function_call` in its
message, or in the pieces of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from switchman.addons.core.dialects.neutral.fields import is_object_list, object_of, objects_of, text_of, without

FINISH: Final = "function_call"


def has_old_calls(body: Mapping[str, Any]) -> bool:
    """Whether the client expects its answer's calls as `function_call`."""
    return "functions" in body and not body.get("tools")


def as_tools(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a chat completion with tools, choice, calls and results in today's words."""
    rest = dict(body)
    if has_old_calls(rest) and is_object_list(rest["functions"]):
        rest["tools"] = [{"type": "function", "function": function} for function in rest.pop("functions")]
        if (choice := _choice(rest.get("function_call"))) is not None:
            rest["tool_choice"] = choice
            del rest["function_call"]
    if isinstance(rest.get("messages"), list):
        rest["messages"] = [_message(message) if isinstance(message, dict) else message for message in rest["messages"]]
    return rest


def _choice(value: Any) -> Any:
    if value in ("auto", "none"):
        return value
    if isinstance(value, dict) and set(value) == {"name"}:
        return {"type": "function", "function": value}
    return None


def _message(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("role") == "function":
        return {**message, "role": "tool"}
    call = object_of(message, "function_call")
    if message.get("role") != "assistant" or message.get("tool_calls") or not text_of(call, "name"):
        return message
    return {**without(message, "function_call"), "tool_calls": [{"type": "function", "function": call}]}


def as_old(said: Mapping[str, Any]) -> dict[str, Any]:
    """A message, or a piece of one, with its call as a client of old reads it. It knows one call in an answer."""
    old = without(said, "tool_calls")
    for call in objects_of(said, "tool_calls"):
        if call.get("index", 0) == 0:
            old["function_call"] = object_of(call, "function")
            break
    return old


def old_finish(word: str | None) -> str | None:
    return FINISH if word == "tool_calls" else word
