"""Whole chat completions <-> the internal form. Shapes: openai-python types/chat/chat_completion.py.

Reasoning is read from `reasoning_content` (DeepSeek, Qwen, Kimi, xAI, vLLM), from `reasoning` (OpenRouter, Groq)
and from content parts of type `thinking` (Mistral); it is written as `reasoning_content`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from switchman.addons.core.dialects.neutral.assembling import calls_apart
from switchman.addons.core.dialects.neutral.fields import (
    arguments_text,
    count_of,
    epoch_of,
    object_of,
    objects_of,
    present,
    text_of,
)
from switchman.addons.core.dialects.neutral.form import (
    Choice,
    FinishReason,
    Part,
    Reply,
    Stamp,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from switchman.addons.core.dialects.neutral.streams import call_id, finish_reason
from switchman.addons.core.dialects.openai.as_functions import as_input
from switchman.addons.core.dialects.openai.old_calls import as_old, old_finish

FINISH: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
FINISH_WORDS: Final[dict[FinishReason, str]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}


def decode_reply(obj: Mapping[str, Any]) -> Reply:
    """A chat.completion object as a Reply."""
    return Reply(
        id=text_of(obj, "id"),
        model=text_of(obj, "model"),
        choices=tuple(_choice(choice, position) for position, choice in enumerate(objects_of(obj, "choices"))),
        usage=usage_of(obj),
        created=epoch_of(obj, "created"),
    )


def _choice(choice: dict[str, Any], position: int) -> Choice:
    message = object_of(choice, "message")
    parts = calls_apart((*said(message), *calls_of(message)))
    index = count_of(choice, "index")
    reason = FINISH.get(text_of(choice, "finish_reason"), "stop")
    called = any(isinstance(part, ToolCall) for part in parts)
    return Choice(position if index is None else index, parts, finish_reason(reason, called))


def said(message: Mapping[str, Any]) -> Iterator[Part]:
    """Thoughts, text and refusal of a message or a delta, in this order, without empty ones."""
    if thought := text_of(message, "reasoning_content") or text_of(message, "reasoning"):
        yield Thinking(thought)
    content = message.get("content")
    if isinstance(content, str) and content:
        yield Text(content)
    for part in objects_of(message, "content"):
        if part.get("type") == "thinking":
            thought = "".join(text_of(piece, "text") for piece in objects_of(part, "thinking"))
            yield Thinking(thought or text_of(part, "thinking"))
        elif text := text_of(part, "text"):
            yield Text(text)
    if refusal := text_of(message, "refusal"):
        yield Text(refusal, refusal=True)


def calls_of(message: Mapping[str, Any]) -> Iterator[ToolCall]:
    """Function calls; the older `function_call` is one without an id."""
    for call in objects_of(message, "tool_calls"):
        function = object_of(call, "function")
        yield ToolCall(text_of(call, "id"), text_of(function, "name"), arguments_text(function.get("arguments")))
    if old := object_of(message, "function_call"):
        yield ToolCall("", text_of(old, "name"), arguments_text(old.get("arguments")))


def usage_of(obj: Mapping[str, Any]) -> Usage | None:
    """`usage`, Groq's `x_groq.usage` or Moonshot's `choices[].usage`; DeepSeek's prompt_cache_hit_tokens are cached.

    Counts reasoning among the completion's tokens. xAI does not, as its total shows.
    """
    inside = next((usage for choice in objects_of(obj, "choices") if (usage := object_of(choice, "usage"))), {})
    usage = object_of(obj, "usage") or object_of(object_of(obj, "x_groq"), "usage") or inside
    if not usage:
        return None
    prompt, completion = object_of(usage, "prompt_tokens_details"), object_of(usage, "completion_tokens_details")
    cached = count_of(prompt, "cached_tokens")
    read, written = count_of(usage, "prompt_tokens"), count_of(usage, "completion_tokens")
    reasoning, total = count_of(completion, "reasoning_tokens"), count_of(usage, "total_tokens")
    if reasoning and read is not None and written is not None and total == read + written + reasoning:
        written += reasoning
    return Usage(
        input=read,
        output=written,
        cached=cached if cached is not None else count_of(usage, "prompt_cache_hit_tokens"),
        cache_written=count_of(prompt, "cache_write_tokens"),
        reasoning=reasoning,
        total=total,
    )


# ---- back to the wire --------------------------------------------------------------------------------------------


def encode_reply(reply: Reply, stamp: Stamp) -> dict[str, Any]:
    """A chat.completion object."""
    return {
        "id": reply.id or f"chatcmpl-{stamp.id}",
        "object": "chat.completion",
        "created": int(reply.created if reply.created is not None else stamp.created),
        "model": reply.model or stamp.model,
        "choices": [_encode_choice(choice, stamp) for choice in reply.choices],
        **present(usage=encode_usage(reply.usage)),
    }


def _encode_choice(choice: Choice, stamp: Stamp) -> dict[str, Any]:
    texts = [part.text for part in choice.parts if isinstance(part, Text) and not part.refusal]
    refusals = [part.text for part in choice.parts if isinstance(part, Text) and part.refusal]
    thoughts = [part.text for part in choice.parts if isinstance(part, Thinking) and part.text]
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts or not (calls or refusals) else None,
        "refusal": "".join(refusals) or None,
    }
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = [
            {"id": call_id(call.id, stamp, choice.index, position), **encode_call(call.name, call.arguments, stamp)}
            for position, call in enumerate(calls)
        ]
    finish: str | None = FINISH_WORDS[finish_reason(choice.finish, bool(calls))]
    if stamp.old_calls:
        message, finish = as_old(message), old_finish(finish)
    return {"index": choice.index, "message": message, "logprobs": None, "finish_reason": finish}


def encode_call(name: str, arguments: str, stamp: Stamp) -> dict[str, Any]:
    """Type, name and arguments of a call; for a custom tool its text."""
    if (tool := stamp.tools.get(name)) and tool.custom:
        return {"type": "custom", "custom": {"name": tool.name, "input": as_input(arguments)}}
    return {"type": "function", "function": {"name": name, "arguments": arguments or "{}"}}


def encode_usage(usage: Usage | None) -> dict[str, Any] | None:
    """Token counts, without those that nobody counted."""
    if usage is None:
        return None
    total = usage.total
    if total is None and usage.input is not None and usage.output is not None:
        total = usage.input + usage.output
    prompt = present(cached_tokens=usage.cached, cache_write_tokens=usage.cache_written)
    completion = present(reasoning_tokens=usage.reasoning)
    return present(
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        total_tokens=total,
        prompt_tokens_details=prompt or None,
        completion_tokens_details=completion or None,
    )
