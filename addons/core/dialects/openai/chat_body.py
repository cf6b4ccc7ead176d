"""The internal form -> chat completions bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from switchman.addons.core.dialects.neutral.fields import present, without
from switchman.addons.core.dialects.neutral.form import (
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    ResponseFormat,
    Shape,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.images import to_url, typed
from switchman.addons.core.dialects.neutral.limits import OPENAI_FIELDS, Notes
from switchman.addons.core.dialects.neutral.linking import link, place
from switchman.addons.core.dialects.neutral.sampling import STANDARD, Quirks, said
from switchman.addons.core.dialects.neutral.turns import merged, results_together
from switchman.addons.core.dialects.openai.chat_request import EXTENSIONS, SAMPLING
from switchman.addons.core.dialects.openai.families import as_wanted

# Tokens of thinking -> effort: the largest row that fits. 1024, 4096 and 8192 are low, medium and high.
EFFORTS: Final = ((8192, "high"), (4096, "medium"), (0, "low"))

# Fields that need no warning: handled elsewhere, or of no meaning to another server.
SILENT: Final = ("stream_options",)

# Stands for the thoughts of a call that came without any: DeepSeek refuses an empty text as it refuses none at all.
# https://api-docs.deepseek.com/guides/thinking_mode, and https://github.com/NousResearch/hermes-agent/pull/17341
UNTHOUGHT: Final = " "

STRICT: Final = "it refuses fields that it does not know (`openai_fields: false`)"


def encode_request(request: Request, notes: Notes, quirks: Quirks = STANDARD) -> dict[str, Any]:
    """A chat completions body. Raises Untranslatable; warnings go to `notes`."""
    native = request.origin == "openai.chat"
    body: dict[str, Any] = {"model": request.model}
    body["messages"] = encode_messages(request, notes, quirks)
    body |= encode_tools(request, notes)
    body |= encode_sampling(request, notes, quirks)
    if request.format is not None:
        body["response_format"] = encode_format(request.format)
    if request.reasoning is not None:
        body |= _reasoning(request.reasoning, request, notes, quirks)
    body |= present(stream=request.stream)
    if native:
        return {**body, **present(user=request.user), **request.extras}
    if request.user is not None and quirks.openai_fields is False:
        notes.drop("user", STRICT)
    else:
        body |= present(user=request.user)
    carried = OPENAI_FIELDS if quirks.openai_fields and request.origin == "openai.responses" else ()
    body |= {name.removeprefix("text."): request.extras[name] for name in carried if name in request.extras}
    if request.stream and quirks.usage_in_stream:
        body["stream_options"] = {"include_usage": True}
    notes.lose_all(without(request.extras, *SILENT, *carried))
    return body


def encode_sampling(request: Request, notes: Notes, quirks: Quirks = STANDARD) -> dict[str, Any]:
    """Sampling options and stop sequences. Extensions: only of an OpenAI client, or to a server known to take them."""
    body: dict[str, Any] = {}
    extended = quirks.sampling_extensions or request.origin in ("openai.chat", "openai.completion")
    for member, value in said(request.sampling).items():
        if member in EXTENSIONS and not extended:
            notes.lose(member)
        elif member == "seed" and quirks.openai_fields is False and request.origin != "openai.chat":
            notes.drop(member, STRICT)
        else:
            body[SAMPLING[member]] = value
    if request.sampling.counts_reasoning or (quirks.max_completion_tokens and request.origin != "openai.chat"):
        body |= present(max_completion_tokens=body.pop("max_tokens", None))
    if request.sampling.stop is not None:
        body["stop"] = request.sampling.stop[0] if request.sampling.stop_plain else list(request.sampling.stop)
    return body


def encode_format(wanted: ResponseFormat) -> dict[str, Any]:
    if wanted.kind == "schema":
        inner = present(name=wanted.name or "response", schema=wanted.schema, strict=wanted.strict)
        return {"type": "json_schema", "json_schema": {**inner, **wanted.extra}}
    return {"type": "text" if wanted.kind == "text" else "json_object"}


def _reasoning(reasoning: Reasoning, request: Request, notes: Notes, quirks: Quirks) -> dict[str, Any]:
    if not reasoning.enabled:
        return {"reasoning_effort": "none"} if quirks.effort_none or request.origin == "openai.chat" else {}
    if request.origin == "anthropic.messages":
        notes.lose("thinking")
    return {"reasoning_effort": effort_of(reasoning)}


def effort_of(reasoning: Reasoning) -> str:
    """The effort as a word: the client's, else by the budget, else medium."""
    if reasoning.effort is not None:
        return reasoning.effort
    if reasoning.budget is None:
        return "medium"
    return next((word for least, word in EFFORTS if reasoning.budget >= least), "low")


# ---- tools -------------------------------------------------------------------------------------------------------


def encode_tools(request: Request, notes: Notes) -> dict[str, Any]:
    """`tools` and what belongs to them. The API refuses a choice without tools, and an empty list, which ollama-python
    sends."""
    if not request.tools and request.origin != "openai.chat":
        return {}
    body: dict[str, Any] = {}
    if request.tools is not None:
        body["tools"] = [encode_tool(tool, request, notes) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = encode_tool_choice(request.tool_choice)
    return body | present(parallel_tool_calls=request.parallel_tools)


def encode_tool(tool: Tool, request: Request, notes: Notes) -> dict[str, Any]:
    native = request.origin == "openai.chat"
    if tool.opaque is not None:
        if not native:
            notes.lose("tools", f"tools ({tool.name})")
        return dict(tool.opaque)
    function = {
        "name": tool.name,
        **present(description=tool.description, parameters=tool.parameters, strict=tool.strict),
    }
    if not native:
        notes.lose_all(tool.extra, "tools.")
        return {"type": "function", "function": function}
    inner, outer = split_prefixed(tool.extra, "function.")
    return {"type": "function", "function": {**function, **inner}, **outer}


def split_prefixed(extra: Mapping[str, Any], prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Members with the prefix (without it now), and the others."""
    inner = {key.removeprefix(prefix): value for key, value in extra.items() if key.startswith(prefix)}
    return inner, {key: value for key, value in extra.items() if not key.startswith(prefix)}


def encode_tool_choice(choice: ToolChoice) -> Any:
    return {"type": "function", "function": {"name": choice.name}} if choice.mode == "named" else choice.mode


# ---- messages ----------------------------------------------------------------------------------------------------


def encode_messages(request: Request, notes: Notes, quirks: Quirks = STANDARD) -> list[dict[str, Any]]:
    encoder = _MessageEncoder(request, notes, quirks.thinking_switch == "thinking")
    if encoder.native:
        messages = request.messages
    else:
        messages = link(request.messages if quirks.developer_role else _without_developers(request.messages))
    encoded = [
        item for index, message in enumerate(messages) for item in encoder.message(message, place(request, index))
    ]
    return encoded if encoder.native else as_wanted(merged(results_together(encoded)), request.model, notes)


def _without_developers(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(replace(item, role="system") if item.role == "developer" else item for item in messages)


class _MessageEncoder:
    """Encodes messages. One may become several, as each tool result is a message of its own.

    `recalls`: the server wants thoughts back, and refuses a conversation whose calls have lost theirs.
    """

    def __init__(self, request: Request, notes: Notes, recalls: bool) -> None:
        self.recalls = recalls
        self.native = request.origin == "openai.chat"
        self.notes = notes

    def message(self, message: Message, place: str) -> list[dict[str, Any]]:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        if not self.native:
            self.notes.lose_all(message.extra, "messages.", f"{place}.")
        encoded = [self.result(result, message, place) for result in results]
        pictures = [] if self.native else [p for result in results for p in result.content if _needs_user(p)]
        if pictures:
            self.notes.lose("messages.image", f"{place} (image in a tool result)")
        others = (*(part for part in message.parts if not isinstance(part, ToolResult)), *pictures)
        if others and not self.native and all(isinstance(part, Thinking) for part in others):
            # some servers refuse an assistant's message that has only thoughts
            self.notes.lose("messages.thinking", f"{place}.thinking")
        elif others or not results:
            shape: Shape = "parts" if pictures else message.shape
            role = "user" if pictures else message.role
            encoded.append(self.turn(Message(role, others, shape, message.extra), place))
        return encoded

    def result(self, result: ToolResult, message: Message, place: str) -> dict[str, Any]:
        body: dict[str, Any] = {"role": "tool", "tool_call_id": result.id}
        if self.native:
            body |= message.extra
        elif result.is_error:
            self.notes.lose("messages.is_error", f"{place}.is_error")
        parts = result.content if self.native else tuple(p for p in result.content if not _needs_user(p))
        if not self.native:
            self.notes.lose_all(result.extra, "messages.", f"{place}.")
            # an OpenAI tool message must have content
            return {**body, "content": self.content(parts, "text", place) or ""}
        return self.put_content(body, parts, result.shape, place)

    def turn(self, message: Message, place: str) -> dict[str, Any]:
        body: dict[str, Any] = {"role": message.role}
        calls = message.calls()
        odd_calls = [part for part in message.parts if isinstance(part, Opaque) and part.kind == "tool_calls"]
        content = tuple(p for p in message.parts if isinstance(p, Text | Image | Opaque) and p not in odd_calls)
        self.put_content(body, content, message.shape, place, nothing=None if calls else "")
        if odd_calls and not self.native:
            self.notes.lose("messages.tool_calls", f"{place}.tool_calls")
        if calls or odd_calls:
            body["tool_calls"] = [
                self.call(part) if isinstance(part, ToolCall) else dict(part.value)
                for part in message.parts
                if isinstance(part, ToolCall) or (isinstance(part, Opaque) and part in odd_calls)
            ]
        body |= self.thoughts(message.parts, place)
        return {**body, **message.extra} if self.native else body

    def call(self, call: ToolCall) -> dict[str, Any]:
        arguments = call.arguments if self.native else call.arguments or "{}"
        body = {**present(id=call.id or None), "type": "function"}
        body["function"] = {"name": call.name, "arguments": arguments}
        return {**body, **call.extra} if self.native else body

    def thoughts(self, parts: tuple[Part, ...], place: str) -> dict[str, Any]:
        thoughts = [part for part in parts if isinstance(part, Thinking)]
        called = self.recalls and any(isinstance(part, ToolCall) for part in parts)
        if not (thoughts or called):
            return {}
        text = "".join(part.text for part in thoughts)
        if self.native:
            return {"reasoning_content": text}
        if self.recalls:
            return {"reasoning_content": text or UNTHOUGHT}
        self.notes.lose("messages.thinking", f"{place}.thinking")
        return {}

    def put_content(
        self, body: dict[str, Any], parts: tuple[Part, ...], shape: Shape, place: str, nothing: str | None = ""
    ) -> dict[str, Any]:
        """Sets `content`. In another format's message, no parts are `nothing`: null beside tool calls, else ""."""
        if self.native and shape in ("null", "absent"):
            if shape == "null":
                body["content"] = None
            return body
        body["content"] = self.content(parts, shape, place) if parts or self.native else nothing
        return body

    def content(self, parts: tuple[Part, ...], shape: Shape, place: str) -> Any:
        """One text as a string; everything else as a list of parts."""
        if shape != "parts" or not self.native:
            texts = [part.text for part in parts if isinstance(part, Text)]
            if len(texts) == len(parts):
                self.lose_extras(parts, place)
                return ("\n\n" if shape == "parts" else "").join(texts)
        return [self.part(part, f"{place}.content[{index}]") for index, part in enumerate(parts)]

    def lose_extras(self, parts: tuple[Part, ...], place: str) -> None:
        for index, part in enumerate(parts):
            if isinstance(part, Text) and not self.native:
                self.notes.lose_all(part.extra, "messages.", f"{place}.content[{index}].")

    def part(self, part: Part, place: str) -> dict[str, Any]:
        if isinstance(part, Opaque):
            if not self.native and part.words != "openai":
                self.notes.lose("messages.content", f"{place} ({part.kind})")
            return dict(part.value)
        extra = part.extra if isinstance(part, Text | Image) else {}
        if not self.native:
            self.notes.lose_all(extra, "messages.", f"{place}.")
            extra = {}
        if isinstance(part, Image):
            inner, outer = split_prefixed(extra, "image_url.")
            return {
                "type": "image_url",
                "image_url": {"url": to_url(part if self.native else typed(part)), **inner},
                **outer,
            }
        assert isinstance(part, Text)
        kind = "refusal" if part.refusal and self.native else "text"
        return {"type": kind, kind: part.text, **extra}


def _needs_user(part: Text | Image | Opaque) -> bool:
    """Whether this part of a tool's result can only stand in a user's message."""
    return isinstance(part, Image) or (isinstance(part, Opaque) and part.words is not None)
