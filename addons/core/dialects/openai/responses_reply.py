"""Whole Responses replies <-> the internal form. Shapes: openai-python types/responses/response.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from switchman.addons.core.dialects.neutral.assembling import calls_apart
from switchman.addons.core.dialects.neutral.fields import (
    count_of,
    epoch_of,
    kind_of,
    object_of,
    objects_of,
    present,
    text_of,
)
from switchman.addons.core.dialects.neutral.form import (
    Choice,
    FinishReason,
    Opaque,
    Part,
    Reply,
    Stamp,
    Text,
    Thinking,
    ToolCall,
    ToolName,
    Usage,
)
from switchman.addons.core.dialects.neutral.streams import call_id, finish_reason
from switchman.addons.core.dialects.openai.as_functions import as_arguments, as_input
from switchman.addons.core.dialects.passing.unsigned import ITEM as UNSIGNED


def decode_reply(obj: Mapping[str, Any]) -> Reply:
    """A response object as a Reply of one choice. Keeps items that no other format has as they are (Opaque)."""
    parts = calls_apart(_parts(obj))
    called = any(isinstance(part, ToolCall) for part in parts)
    reason = finish_reason(finish_of(obj), called)
    return Reply(
        text_of(obj, "id"),
        text_of(obj, "model"),
        (Choice(0, parts, reason),),
        usage_of(object_of(obj, "usage")),
        epoch_of(obj, "created_at"),
    )


def finish_of(obj: Mapping[str, Any]) -> FinishReason:
    """The finish reason, by `incomplete_details.reason`."""
    reason = text_of(object_of(obj, "incomplete_details"), "reason")
    return {"max_output_tokens": "length", "content_filter": "content_filter"}.get(reason, "stop")  # type: ignore[return-value]


def _parts(obj: Mapping[str, Any]) -> Iterator[Part]:
    for item in objects_of(obj, "output"):
        kind = item.get("type")
        if kind == "message":
            for piece in objects_of(item, "content"):
                if piece.get("type") == "refusal":
                    yield Text(text_of(piece, "refusal"), refusal=True)
                elif piece.get("type") == "output_text":
                    yield Text(text_of(piece, "text"))
        elif kind == "function_call":
            yield ToolCall(text_of(item, "call_id"), text_of(item, "name"), text_of(item, "arguments"))
        elif kind == "reasoning":
            pieces = (*objects_of(item, "summary"), *objects_of(item, "content"))
            if thought := "".join(text_of(piece, "text") for piece in pieces):
                yield Thinking(thought)
        elif kind == "custom_tool_call":
            yield ToolCall(text_of(item, "call_id"), text_of(item, "name"), as_arguments(text_of(item, "input")))
        else:
            yield Opaque(kind_of(item), item)


def usage_of(usage: Mapping[str, Any]) -> Usage | None:
    if not usage:
        return None
    details = object_of(usage, "input_tokens_details")
    return Usage(
        input=count_of(usage, "input_tokens"),
        output=count_of(usage, "output_tokens"),
        cached=count_of(details, "cached_tokens"),
        cache_written=count_of(details, "cache_write_tokens"),
        reasoning=count_of(object_of(usage, "output_tokens_details"), "reasoning_tokens"),
        total=count_of(usage, "total_tokens"),
    )


# ---- back to the wire --------------------------------------------------------------------------------------------


def encode_reply(reply: Reply, stamp: Stamp) -> dict[str, Any]:
    """A response object, with one item for the thoughts, one for the text, and one for each call."""
    choice = reply.choices[0] if reply.choices else Choice(0, (), "stop")
    created = int(reply.created if reply.created is not None else stamp.created)
    head = response_head(response_id(reply.id, stamp), reply.model or stamp.model, created, stamp.settings)
    called = any(isinstance(part, ToolCall) for part in choice.parts)
    reason = finish_reason(choice.finish, called)
    return {**head, **ending(reason), "output": _items(choice, stamp), "usage": encode_usage(reply.usage)}


def response_id(id: str, stamp: Stamp) -> str:
    """The id with the prefix by which clients know a response; another format's id is replaced by the stamp's."""
    return id if id.startswith("resp_") else f"resp_{stamp.id}"


def response_head(id: str, model: str, created: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The members of every response object, as one that is in progress; `settings`: those that repeat the request's."""
    return {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "background": False,
        "max_output_tokens": None,
        "reasoning": {"effort": None, "summary": None},
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        **settings,
    }


def ending(reason: FinishReason) -> dict[str, Any]:
    """Status and the reason why it is incomplete."""
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reason)
    return {"status": "incomplete" if cut else "completed", "incomplete_details": {"reason": cut} if cut else None}


def _items(choice: Choice, stamp: Stamp) -> list[dict[str, Any]]:
    thoughts = "".join(part.text for part in choice.parts if isinstance(part, Thinking))
    texts = [part for part in choice.parts if isinstance(part, Text) and part.text]
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    items: list[dict[str, Any]] = []
    if thoughts:
        items.append(reasoning_item(f"{UNSIGNED}{stamp.id}", thoughts))
    if texts or not calls:
        content = [refusal_part(part.text) if part.refusal else text_part(part.text) for part in joined(texts)]
        items.append(message_item(f"msg_{stamp.id}", content))
    for index, call in enumerate(calls):
        id = call_id(call.id, stamp, 0, index)
        items.append(call_item(f"fc_{stamp.id}_{index}", id, tool_name(call.name, stamp), call.arguments))
    return items


def joined(texts: list[Text]) -> list[Text]:
    """Texts, with neighbours of the same kind joined."""
    out: list[Text] = []
    for text in texts:
        if out and out[-1].refusal == text.refusal:
            out[-1] = Text(out[-1].text + text.text, text.refusal)
        else:
            out.append(text)
    return out


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def refusal_part(text: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": text}


def message_item(id: str, content: list[dict[str, Any]], status: str = "completed") -> dict[str, Any]:
    return {"id": id, "type": "message", "status": status, "role": "assistant", "content": content}


def reasoning_item(id: str, text: str) -> dict[str, Any]:
    content = [{"type": "reasoning_text", "text": text}] if text else []
    return {"id": id, "type": "reasoning", "summary": [], "content": content}


def tool_name(name: str, stamp: Stamp) -> ToolName:
    """The client's name for a function."""
    return stamp.tools.get(name) or ToolName(name)


def call_item(id: str, call: str, name: ToolName, arguments: str, status: str = "completed") -> dict[str, Any]:
    """A call under the client's name of the tool; `arguments` "" mean none yet in a call that is in progress."""
    whole = status == "completed"
    said = {"input": as_input(arguments)} if name.custom else {"arguments": arguments or ("{}" if whole else "")}
    return {
        "id": id,
        "type": "custom_tool_call" if name.custom else "function_call",
        "status": status,
        "call_id": call,
        "name": name.name,
        **said,
        **present(namespace=name.namespace or None),
    }


def encode_usage(usage: Usage | None) -> dict[str, Any] | None:
    """Token counts. The format requires every member, so 0 stands for what nobody counted; None for no usage at all."""
    if usage is None or (usage.input is None and usage.output is None):
        return None
    total = usage.total if usage.total is not None else (usage.input or 0) + (usage.output or 0)
    return {
        "input_tokens": usage.input or 0,
        "input_tokens_details": {"cached_tokens": usage.cached or 0, "cache_write_tokens": usage.cache_written or 0},
        "output_tokens": usage.output or 0,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": total,
    }
