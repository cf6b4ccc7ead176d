"""Whole /api/chat and /api/generate replies <-> the internal form, and the members that a stream's lines share.

Durations are nanoseconds. A reply that calls tools ends with done_reason "stop" here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
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
    Timings,
    ToolCall,
    Usage,
)
from switchman.addons.core.dialects.neutral.streams import finish_reason
from switchman.addons.core.request.call import Operation

FINISH: Final[dict[str, FinishReason]] = {"stop": "stop", "length": "length"}
FINISH_WORDS: Final[dict[FinishReason, str]] = {"length": "length"}  # anything else is "stop"


def decode_reply(obj: Mapping[str, Any]) -> Reply:
    """A chat or generate reply as a Reply of one choice. Ollama's replies have no id."""
    parts = calls_apart(said(obj))
    called = any(isinstance(part, ToolCall) for part in parts)
    reason = finish_reason(FINISH.get(text_of(obj, "done_reason"), "stop"), called)
    created = created_of(obj)
    return Reply("", text_of(obj, "model"), (Choice(0, parts, reason),), usage_of(obj), created, timings_of(obj))


def said(obj: Mapping[str, Any]) -> Iterator[Part]:
    """Thoughts, text and calls of a reply or of one line of a stream, without empty ones."""
    holder, field = (object_of(obj, "message"), "content") if "message" in obj else (obj, "response")
    if thought := text_of(holder, "thinking"):
        yield Thinking(thought)
    if text := text_of(holder, field):
        yield Text(text)
    for call in objects_of(holder, "tool_calls"):
        function = object_of(call, "function")
        yield ToolCall(text_of(call, "id"), text_of(function, "name"), arguments_text(function.get("arguments")))


def usage_of(obj: Mapping[str, Any]) -> Usage | None:
    counts = count_of(obj, "prompt_eval_count"), count_of(obj, "eval_count")
    return Usage(*counts) if counts != (None, None) else None


def timings_of(obj: Mapping[str, Any]) -> Timings | None:
    names = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
    values = [count_of(obj, name) for name in names]
    return Timings(*values) if any(value is not None for value in values) else None


def created_of(obj: Mapping[str, Any]) -> float | None:
    """`created_at` as epoch seconds; None where it is no time. Go writes nine digits of a second, Python reads six.

    A time without a zone is UTC, wherever this runs.
    """
    text = text_of(obj, "created_at")
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


# ---- back to the wire --------------------------------------------------------------------------------------------


def encode_chat_reply(reply: Reply, stamp: Stamp) -> dict[str, Any]:
    """An /api/chat reply. Only the first choice has a place in it."""
    choice = _first(reply)
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    message: dict[str, Any] = {"role": "assistant", "content": choice.text()}
    message |= present(thinking=_thoughts(choice), tool_calls=[encode_call(call) for call in calls] or None)
    head = head_of(reply.model or stamp.model, reply.created if reply.created is not None else stamp.created)
    return {**head, "message": message, **end_of(choice.finish, reply.usage, reply.timings or measured(stamp))}


def encode_generate_reply(reply: Reply, stamp: Stamp) -> dict[str, Any]:
    """An /api/generate reply. Tool calls have no place in it."""
    choice = _first(reply)
    head = head_of(reply.model or stamp.model, reply.created if reply.created is not None else stamp.created)
    content = {"response": choice.text(), **present(thinking=_thoughts(choice))}
    return {**head, **content, **end_of(choice.finish, reply.usage, reply.timings or measured(stamp))}


def only_loads(operation: Operation, body: Mapping[str, Any]) -> bool:
    """Whether a chat or generate request has no content: the server then only loads the model, or unloads it.

    `ollama run` does that before it prompts its user. Source: docs/api.md of Ollama, "Load a model".
    """
    members = ("messages",) if operation == "chat" else ("prompt", "images", "suffix")
    return operation in ("chat", "completion") and all(body.get(name) in (None, "", []) for name in members)


def encode_loaded(operation: Operation, body: Mapping[str, Any], created: float) -> dict[str, Any]:
    """The answer to such a request. `keep_alive: 0` unloads."""
    nothing = {"message": {"role": "assistant", "content": ""}} if operation == "chat" else {"response": ""}
    unloads = body.get("keep_alive") in (0, "0", "0s", "0m")
    end = {"done": True, "done_reason": "unload" if unloads else "load"}
    return {**head_of(text_of(body, "model"), created), **nothing, **end}


def measured(stamp: Stamp, first: float | None = None) -> Timings | None:
    """The router's own durations. `first`: seconds until the first output, None where the reply came in one piece."""
    if stamp.elapsed is None:
        return None
    total = stamp.elapsed()
    if first is None:
        return Timings(total=_nanoseconds(total))
    return Timings(_nanoseconds(total), None, _nanoseconds(first), _nanoseconds(total - first))


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000_000)


def _first(reply: Reply) -> Choice:
    return reply.choices[0] if reply.choices else Choice(0, (), "stop")


def _thoughts(choice: Choice) -> str | None:
    return "".join(part.text for part in choice.parts if isinstance(part, Thinking)) or None


def encode_call(call: ToolCall) -> dict[str, Any]:
    return {"function": {"name": call.name, "arguments": arguments_object(call.arguments)}}


def head_of(model: str, created: float) -> dict[str, Any]:
    """The members that every line begins with."""
    when = datetime.fromtimestamp(created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"model": model, "created_at": when}


def end_of(finish: FinishReason | None, usage: Usage | None, timings: Timings | None) -> dict[str, Any]:
    """The members of the last line: why it ended, durations and counts, without those that nobody measured."""
    timings, usage = timings or Timings(), usage or Usage()
    return {
        "done": True,
        "done_reason": FINISH_WORDS.get(finish or "stop", "stop"),
        **present(
            total_duration=timings.total,
            load_duration=timings.load,
            prompt_eval_count=usage.input,
            prompt_eval_duration=timings.prompt,
            eval_count=usage.output,
            eval_duration=timings.output,
        ),
    }
