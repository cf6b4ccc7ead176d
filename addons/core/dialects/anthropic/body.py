"""The internal form -> Messages bodies. Adds what the API demands and other formats do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from switchman.addons.core.dialects.anthropic.request import SAMPLING
from switchman.addons.core.dialects.neutral.fields import arguments_object, present, without
from switchman.addons.core.dialects.neutral.form import (
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Shape,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.images import typed
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.neutral.linking import link, place
from switchman.addons.core.dialects.neutral.sampling import STANDARD, Quirks, said

# max_tokens is required. A client of another format that gives none gets this many, and its thinking on top.
DEFAULT_MAX_TOKENS: Final = 4096
LEAST_BUDGET: Final = 1024  # the API's own minimum of thinking.budget_tokens

# effort -> thinking.budget_tokens
BUDGETS: Final = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 8192, "xhigh": 16384, "max": 32768}

CHOICES: Final = {"auto": "auto", "required": "any", "none": "none", "named": "tool"}
SILENT: Final = ("stream_options",)


def encode_request(request: Request, notes: Notes, quirks: Quirks = STANDARD) -> dict[str, Any]:
    """A Messages body. Raises Untranslatable; warnings go to `notes`."""
    if request.origin == "anthropic.messages":
        return _encode_native(request, notes)
    if request.suffix is not None:
        notes.lose("suffix")
    if request.raw and request.origin == "ollama.generate":
        notes.lose("raw")
    body: dict[str, Any] = {"model": request.model}
    body |= _limits(request, notes)
    body |= _encode_messages(request, notes)
    body |= _encode_tools(request, notes)
    body |= _encode_format(request, notes)
    if request.user is not None:
        body["metadata"] = {"user_id": request.user}
    notes.lose_all(without(request.extras, *SILENT))
    return body | present(stream=request.stream)


def _encode_native(request: Request, notes: Notes) -> dict[str, Any]:
    """Back to the same format: everything as it came."""
    body: dict[str, Any] = {"model": request.model}
    body |= {SAMPLING[member]: value for member, value in said(request.sampling).items()}
    if request.sampling.stop is not None:
        body["stop_sequences"] = list(request.sampling.stop)
    body |= _encode_messages(request, notes) | _encode_tools(request, notes)
    if request.reasoning is not None:
        body["thinking"] = request.reasoning.as_given
    if request.user is not None:
        body["metadata"] = {"user_id": request.user}
    body |= present(stream=request.stream) | dict(request.extras)
    if request.format is not None:
        wanted = {"type": "json_schema", "schema": request.format.schema}
        body["output_config"] = {**body.get("output_config", {}), "format": wanted}
    return body


# ---- numbers -----------------------------------------------------------------------------------------------------


def _limits(request: Request, notes: Notes) -> dict[str, Any]:
    """max_tokens, thinking and sampling, which depend on each other, as a budget must leave room for an answer."""
    sampling = request.sampling
    reasoning = request.reasoning
    forced = request.tool_choice is not None and request.tool_choice.mode in ("required", "named")
    may_think = not forced and not _calls_last(request)
    budget = _budget(reasoning) if reasoning and reasoning.enabled and may_think else 0
    if sampling.max_tokens is None or sampling.max_tokens < 0:  # -1 is "no limit" for LM Studio and llama.cpp
        notes.lose("max_tokens")
        most = DEFAULT_MAX_TOKENS + budget
    else:
        most = sampling.max_tokens
    budget = min(budget, most - 1)
    if reasoning and reasoning.enabled:
        notes.lose(_reasoning_name(request))
    body: dict[str, Any] = {"max_tokens": most}
    thinks = budget >= LEAST_BUDGET
    if thinks:
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}
    elif reasoning and not reasoning.enabled:
        body["thinking"] = {"type": "disabled"}
    if sampling.stop is not None:
        body["stop_sequences"] = [text for text in sampling.stop if text.strip()]
        if len(body["stop_sequences"]) < len(sampling.stop):
            notes.lose("stop")
    return body | _sampling(request, notes, thinks)


def _calls_last(request: Request) -> bool:
    """Whether the assistant's last message calls tools. With thinking on, the API demands that it begin with a signed
    thought, which other formats do not have."""
    replies = [message for message in request.messages if message.role == "assistant"]
    return bool(replies and replies[-1].calls())


def _sampling(request: Request, notes: Notes, thinks: bool) -> dict[str, Any]:
    """Sampling options. Temperature goes up to 1 here, to 2 elsewhere; with thinking on, the API takes none of them.

    Models since Claude Opus 4.1 refuse temperature and top_p together.
    """
    body: dict[str, Any] = {}
    for member, value in said(without_max_tokens(request)).items():
        if member not in SAMPLING or thinks or (member == "top_p" and "temperature" in body):
            notes.lose(member)
        elif member == "temperature" and value > 1:
            notes.lose(member)
            body[member] = 1
        else:
            body[SAMPLING[member]] = value
    return body


def without_max_tokens(request: Request) -> Any:
    """The sampling options but for max_tokens, which `_limits` writes."""
    return replace(request.sampling, max_tokens=None)


def _budget(reasoning: Reasoning) -> int:
    if reasoning.budget is not None:
        return max(reasoning.budget, LEAST_BUDGET)
    return BUDGETS.get(reasoning.effort or "medium", BUDGETS["medium"])


def _reasoning_name(request: Request) -> str:
    return {"openai.chat": "reasoning_effort", "openai.responses": "reasoning"}.get(request.origin, "think")


def _encode_format(request: Request, notes: Notes) -> dict[str, Any]:
    wanted = request.format
    if wanted is None or wanted.kind == "text":
        return {}
    if wanted.kind == "schema" and wanted.schema is not None:
        return {"output_config": {"format": {"type": "json_schema", "schema": wanted.schema}}}
    name = {"openai.chat": "response_format", "openai.responses": "text.format"}.get(request.origin, "format")
    notes.lose(name)
    return {}


# ---- tools -------------------------------------------------------------------------------------------------------


def _encode_tools(request: Request, notes: Notes) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if request.tools is not None:
        body["tools"] = [_encode_tool(tool, request, notes) for tool in request.tools]
    choice, sequential = request.tool_choice, request.parallel_tools is False
    if request.origin != "anthropic.messages" and not request.tools:
        return {}  # the API refuses a choice, and an empty list, without tools
    if choice is not None:
        body["tool_choice"] = {"type": CHOICES[choice.mode], **present(name=choice.name or None)}
        if request.origin == "anthropic.messages" and request.parallel_tools is not None:
            body["tool_choice"]["disable_parallel_tool_use"] = sequential
        elif sequential and choice.mode != "none":
            body["tool_choice"]["disable_parallel_tool_use"] = True
    elif sequential:
        body["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}
    return body


def _encode_tool(tool: Tool, request: Request, notes: Notes) -> dict[str, Any]:
    native = request.origin == "anthropic.messages"
    if tool.opaque is not None:
        if not native:
            notes.lose("tools", f"tools ({tool.name})")
        return dict(tool.opaque)
    body: dict[str, Any] = {"name": tool.name, **present(description=tool.description)}
    body["input_schema"] = tool.parameters if tool.parameters is not None else {"type": "object", "properties": {}}
    body |= present(strict=tool.strict if tool.strict or native else None)
    if native:
        return {**body, **tool.extra}
    if "type" not in body["input_schema"]:
        body["input_schema"] = {"type": "object", **body["input_schema"]}
    notes.lose_all(tool.extra, "tools.")
    return body


# ---- messages ----------------------------------------------------------------------------------------------------


def _encode_messages(request: Request, notes: Notes) -> dict[str, Any]:
    """`system` and `messages`.

    Neighbours of one role become one turn: the results of parallel calls, and what the user says behind them. The API
    joins such neighbours itself; Bedrock refuses them.
    """
    native = request.origin == "anthropic.messages"
    writer = _Writer(native, notes)
    system: list[tuple[Message, str]] = []
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(request.messages if native else link(request.messages)):
        where = place(request, index)
        if (message.role in ("system", "developer") and not native) or (native and where == "system"):
            system.append((message, where))
            continue
        blocks = writer.message(message, where)
        if native or (blocks["content"] and not (turns and turns[-1]["role"] == blocks["role"])):
            turns.append(blocks)
        elif blocks["content"]:
            turns[-1]["content"] = _as_blocks(turns[-1]["content"])
            turns[-1]["content"] += _as_blocks(blocks["content"])
    if native:
        return {**_system(system, writer), "messages": turns}
    turns = _without_last_blanks(turns, notes)
    if not turns and system:
        return _as_user(_system(system, writer), notes)
    return {**_system(system, writer), "messages": turns}


def _as_blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _without_last_blanks(turns: list[dict[str, Any]], notes: Notes) -> list[dict[str, Any]]:
    """The turns, where an answer that the client began ends without blanks.

    "final assistant content cannot end with trailing whitespace"
    """
    if not turns or turns[-1]["role"] != "assistant":
        return turns
    *before, last = _as_blocks(turns[-1]["content"])
    text = last.get("text", "")
    if text == text.rstrip():
        return turns
    notes.lose("messages.prefill", "the last message")
    content = text.rstrip() if isinstance(turns[-1]["content"], str) else [*before, {**last, "text": text.rstrip()}]
    return [*turns[:-1], {**turns[-1], "content": content}]


def _as_user(system: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """A conversation of system messages only, as the user's message: other APIs answer it, this one refuses it."""
    notes.lose("messages")
    return {"messages": [{"role": "user", "content": system["system"]}] if system else []}


def _system(messages: list[tuple[Message, str]], writer: _Writer) -> dict[str, Any]:
    if not messages:
        return {}
    first, _ = messages[0]
    if len(messages) == 1 and first.shape == "text":
        return {"system": first.text()} if first.text().strip() or writer.native else {}
    blocks = [block for message, where in messages for block in writer.blocks(message.parts, where)]
    filled = [block for block in blocks if block.get("text", "").strip() or writer.native]
    return {"system": filled} if filled or writer.native else {}


class _Writer:
    def __init__(self, native: bool, notes: Notes) -> None:
        self.native = native
        self.notes = notes

    def message(self, message: Message, place: str) -> dict[str, Any]:
        role = "user" if message.role == "tool" else message.role
        if not self.native:
            self.notes.lose_all(message.extra, "messages.", f"{place}.")
        content = self.content(message.parts, message.shape, place)
        return {"role": role, "content": content, **(message.extra if self.native else {})}

    def content(self, parts: tuple[Part, ...], shape: Shape, place: str) -> Any:
        """A lone text as a string, else blocks. Leaves out blocks of blanks only, which the API refuses."""
        if shape == "text" and len(parts) == 1 and isinstance(parts[0], Text):
            text = parts[0].text
            return text if self.native or text.strip() else ""
        blocks = self.blocks(parts, place)
        return blocks if self.native else [block for block in blocks if block.get("text", "x").strip()]

    def blocks(self, parts: tuple[Part, ...], place: str) -> list[dict[str, Any]]:
        blocks = (self.block(part, f"{place}.content[{index}]") for index, part in enumerate(parts))
        return [block for block in blocks if block]

    def block(self, part: Part, place: str) -> dict[str, Any]:
        """One block; {} for a part that is dropped."""
        if isinstance(part, Opaque):
            return self.opaque(part, place)
        if isinstance(part, Thinking):
            return self.thinking(part, place)
        extra = part.extra if self.native else {}
        if not self.native:
            self.notes.lose_all(part.extra, "messages.", f"{place}.")
        if isinstance(part, Text):
            return {"type": "text", "text": part.text, **extra}
        if isinstance(part, Image):
            return {"type": "image", "source": _source(part if self.native else typed(part)), **extra}
        if isinstance(part, ToolCall):
            arguments = arguments_object(part.arguments)
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments, **extra}
        return {**self.result(part, place), **extra}

    def opaque(self, part: Opaque, place: str) -> dict[str, Any]:
        if not self.native and part.words != "anthropic":
            self.notes.lose(
                "messages.tool_calls" if part.kind == "tool_calls" else "messages.content", f"{place} ({part.kind})"
            )
        return dict(part.value)

    def thinking(self, part: Thinking, place: str) -> dict[str, Any]:
        """Only thoughts that Anthropic signed may be sent back to it."""
        if not self.native:
            self.notes.lose("messages.thinking", f"{place}.thinking")
            return {}
        if part.redacted is not None:
            return {"type": "redacted_thinking", "data": part.redacted}
        return {"type": "thinking", "thinking": part.text, **present(signature=part.signature)}

    def result(self, part: ToolResult, place: str) -> dict[str, Any]:
        body: dict[str, Any] = {"type": "tool_result", "tool_use_id": part.id}
        if part.shape in ("text", "parts"):
            body["content"] = self.content(part.content, part.shape, place)
        elif part.shape == "null" and self.native:
            body["content"] = None
        return body | present(is_error=part.is_error)


def _source(image: Image) -> dict[str, Any]:
    if image.url:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.media_type, "data": image.data}
