"""Whole messages <-> the internal form. Shapes: anthropic-python types/message.py, usage.py and stop_reason.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from switchman.addons.core.dialects.neutral.assembling import calls_apart
from switchman.addons.core.dialects.neutral.fields import (
    arguments_object,
    arguments_text,
    count_of,
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
from switchman.addons.core.dialects.passing.unsigned import SIGNATURE as UNSIGNED
from switchman.addons.core.request.tokens import estimated_total

FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "pause_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
FINISH_WORDS: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def decode_reply(obj: Mapping[str, Any]) -> Reply:
    """A message object as a Reply of one choice, without the blocks of tools that Anthropic ran itself."""
    choice = Choice(
        0,
        calls_apart(_parts(obj)),
        FINISH.get(text_of(obj, "stop_reason"), "stop"),
        text_of(obj, "stop_sequence") or None,
    )
    return Reply(text_of(obj, "id"), text_of(obj, "model"), (choice,), usage_of(object_of(obj, "usage")))


def _parts(obj: Mapping[str, Any]) -> Iterator[Part]:
    for block in objects_of(obj, "content"):
        kind = block.get("type")
        if kind == "text":
            yield Text(text_of(block, "text"))
        elif kind == "thinking":
            yield Thinking(text_of(block, "thinking"), text_of(block, "signature") or None)
        elif kind == "redacted_thinking":
            yield Thinking("", redacted=text_of(block, "data"))
        elif kind == "tool_use":
            yield ToolCall(text_of(block, "id"), text_of(block, "name"), arguments_text(block.get("input")))


def usage_of(usage: Mapping[str, Any]) -> Usage | None:
    """Token counts. `input_tokens` leaves out what a cache served or stored; the internal form counts it in."""
    if not usage:
        return None
    fresh = count_of(usage, "input_tokens")
    cached, written = count_of(usage, "cache_read_input_tokens"), count_of(usage, "cache_creation_input_tokens")
    return Usage(
        input=None if fresh is None else fresh + (cached or 0) + (written or 0),
        output=count_of(usage, "output_tokens"),
        cached=cached,
        cache_written=written,
        reasoning=count_of(object_of(usage, "output_tokens_details"), "thinking_tokens"),
    )


# ---- back to the wire --------------------------------------------------------------------------------------------


def encode_reply(reply: Reply, stamp: Stamp) -> dict[str, Any]:
    """A message object. Only the first choice has a place in it."""
    choice = reply.choices[0] if reply.choices else Choice(0, (), "stop")
    called = any(isinstance(part, ToolCall) for part in choice.parts)
    return {
        "id": reply.id or f"msg_{stamp.id}",
        "type": "message",
        "role": "assistant",
        "model": reply.model or stamp.model,
        "content": list(_blocks(choice, stamp)),
        "stop_reason": FINISH_WORDS[finish_reason(choice.finish, called)],
        "stop_sequence": choice.stop_sequence,
        "usage": encode_usage(counted(reply.usage, stamp, map(_text_of_part, choice.parts))),
    }


def _blocks(choice: Choice, stamp: Stamp) -> Iterator[dict[str, Any]]:
    calls = 0
    for part in choice.parts:
        if isinstance(part, Text) and part.text:
            yield {"type": "text", "text": part.text}
        elif isinstance(part, Thinking) and part.redacted is not None:
            yield {"type": "redacted_thinking", "data": part.redacted}
        elif isinstance(part, Thinking):
            yield {"type": "thinking", "thinking": part.text, "signature": part.signature or UNSIGNED}
        elif isinstance(part, ToolCall):
            arguments = arguments_object(part.arguments)
            id = call_id(part.id, stamp, choice.index, calls)
            yield {"type": "tool_use", "id": id, "name": part.name, "input": arguments}
            calls += 1


def _text_of_part(part: Part) -> str:
    return part.arguments if isinstance(part, ToolCall) else part.text if isinstance(part, Text | Thinking) else ""


def counted(usage: Usage | None, stamp: Stamp, said: Iterable[str]) -> Usage:
    """The usage, with an estimate (`core/request/tokens.py`) for each figure that the server did not give.

    The format has no value for "not known". Clients such as Claude Code add these figures up to see when a conversation
    gets too long for the model, which they would never see by zeros.
    """
    usage = usage or Usage()
    if stamp.prompt_tokens is None:
        return usage
    read = stamp.prompt_tokens() if usage.input is None else usage.input
    return replace(usage, input=read, output=estimated_total(["".join(said)]) if usage.output is None else usage.output)


def encode_usage(usage: Usage | None) -> dict[str, Any]:
    """Token counts. The format requires input_tokens and output_tokens, so 0 stands for what nobody counted."""
    usage = usage or Usage()
    fresh = (usage.input or 0) - (usage.cached or 0) - (usage.cache_written or 0)
    details = present(thinking_tokens=usage.reasoning)
    return {
        "input_tokens": max(fresh, 0),
        "output_tokens": usage.output or 0,
        **present(
            cache_read_input_tokens=usage.cached,
            cache_creation_input_tokens=usage.cache_written,
            output_tokens_details=details or None,
        ),
    }
