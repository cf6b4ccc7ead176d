"""The internal form -> /api/chat and /api/generate bodies."""

from __future__ import annotations

from typing import Any, Final

from switchman.addons.core.dialects.neutral.fields import arguments_object, present, without
from switchman.addons.core.dialects.neutral.form import (
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.neutral.linking import link, place
from switchman.addons.core.dialects.neutral.sampling import STANDARD, Quirks, said
from switchman.addons.core.dialects.neutral.turns import merged
from switchman.addons.core.dialects.ollama.request import SAMPLING
from switchman.addons.core.dialects.openai.chat_body import effort_of, split_prefixed

# effort -> `think`: Ollama knows three levels
LEVELS: Final = {"minimal": "low", "xhigh": "high", "max": "high"}
SILENT: Final = ("stream_options",)


def encode_chat(request: Request, notes: Notes, quirks: Quirks = STANDARD) -> dict[str, Any]:
    """An /api/chat body. Raises Untranslatable; warnings go to `notes`."""
    native = request.origin == "ollama.chat"
    writer = _Writer(native, notes)
    messages = request.messages if native else link(request.messages)
    body: dict[str, Any] = {"model": request.model}
    encoded = [item for i, one in enumerate(messages) for item in writer.message(one, place(request, i))]
    body["messages"] = encoded if native else merged(encoded)
    body |= _encode_tools(request, notes)
    return body | _common(request, notes, native)


def encode_generate(request: Request, notes: Notes, quirks: Quirks = STANDARD) -> dict[str, Any]:
    """An /api/generate body, from a prompt: legacy completions, or a generate request itself.

    Sends a completion's prompt `raw`, to be continued as it is, but not with a suffix: filling in needs the template.
    """
    native = request.origin == "ollama.generate"
    body: dict[str, Any] = {"model": request.model}
    for message in request.messages:
        pictures = [part.data for part in message.parts if isinstance(part, Image)]
        if message.role == "system":
            body["system"] = message.text()
        elif message.shape != "absent":
            body["prompt"] = message.text()
        body |= present(images=pictures or None)
    body |= present(suffix=request.suffix)
    if request.raw and (native or request.suffix is None):
        body["raw"] = True
    return body | _common(request, notes, native)


def _common(request: Request, notes: Notes, native: bool) -> dict[str, Any]:
    body: dict[str, Any] = present(stream=request.stream)
    if request.format is not None and request.format.kind != "text":
        body["format"] = "json" if request.format.schema is None else request.format.schema
    if request.reasoning is not None:
        body["think"] = _think(request.reasoning, request, notes)
    options = {SAMPLING[member]: value for member, value in said(request.sampling).items()}
    if request.sampling.stop is not None:
        plain = native and request.sampling.stop_plain
        options["stop"] = request.sampling.stop[0] if plain else list(request.sampling.stop)
    if native:
        body |= request.extras
        options |= request.extras.get("options") or {}
    else:
        if request.user is not None:
            notes.lose("metadata" if request.origin == "anthropic.messages" else "user")
        notes.lose_all(without(request.extras, *SILENT))
    return body | ({"options": options} if options else {})


def _think(reasoning: Reasoning, request: Request, notes: Notes) -> Any:
    """`think`. Every thinking model takes true and false; some take the levels low, medium and high."""
    if request.origin.startswith("ollama."):
        return reasoning.as_given
    if not reasoning.enabled:
        return False
    if request.origin == "anthropic.messages":
        notes.lose("thinking")
    effort = effort_of(reasoning)
    return LEVELS.get(effort, effort)


# ---- tools -------------------------------------------------------------------------------------------------------


def _encode_tools(request: Request, notes: Notes) -> dict[str, Any]:
    """`tools`. Ollama cannot force a call, so the choice `none` offers no tools, and a named tool is offered alone."""
    native = request.origin == "ollama.chat"
    tools, choice = request.tools, request.tool_choice
    if choice is not None and choice.mode != "auto":
        notes.lose("tool_choice")
    if choice is not None and choice.mode == "none":
        return {}
    if choice is not None and choice.mode == "named" and tools is not None:
        tools = tuple(tool for tool in tools if tool.name == choice.name)
    if request.parallel_tools is False:
        name = "tool_choice.disable_parallel_tool_use"
        notes.lose(name if request.origin == "anthropic.messages" else "parallel_tool_calls")
    if tools is None or not (tools or native):
        return {}
    return {"tools": [_encode_tool(tool, native, notes) for tool in tools]}


def _encode_tool(tool: Tool, native: bool, notes: Notes) -> dict[str, Any]:
    if tool.opaque is not None:
        if not native:
            notes.lose("tools", f"tools ({tool.name})")
        return dict(tool.opaque)
    function = {"name": tool.name, **present(description=tool.description, parameters=tool.parameters)}
    if not native:
        if tool.strict:
            notes.lose("tools.strict")
        notes.lose_all(tool.extra, "tools.")
        return {"type": "function", "function": function}
    inner, outer = split_prefixed(tool.extra, "function.")
    kind = {} if "type" in outer else {"type": "function"}
    function = {**function, **present(strict=tool.strict), **inner}
    return {**kind, "function": function, **without(outer, "type")}


# ---- messages ----------------------------------------------------------------------------------------------------


class _Writer:
    def __init__(self, native: bool, notes: Notes) -> None:
        self.native = native
        self.notes = notes

    def message(self, message: Message, place: str) -> list[dict[str, Any]]:
        """Each tool result is a message of its own; pictures in one move to a user message after it."""
        if not self.native:
            self.notes.lose_all(message.extra, "messages.", f"{place}.")
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        encoded = [self.result(result, message, place) for result in results]
        pictures = [p for r in results for p in r.content if isinstance(p, Image) and not self.native]
        if pictures:
            self.notes.lose("messages.image", f"{place} (image in a tool result)")
        others = (*(part for part in message.parts if not isinstance(part, ToolResult)), *pictures)
        if others or not results:
            role = "user" if message.role == "tool" else "system" if message.role == "developer" else message.role
            encoded.append(self.turn(role, message, others, place))
        return encoded

    def turn(self, role: str, message: Message, parts: tuple[Part, ...], place: str) -> dict[str, Any]:
        body: dict[str, Any] = {"role": role, **self.content(parts, message, place)}
        thoughts = [part.text for part in parts if isinstance(part, Thinking) and part.redacted is None]
        calls = [self.call(part) for part in parts if isinstance(part, ToolCall)]
        body |= present(thinking="".join(thoughts) if thoughts else None, tool_calls=calls or None)
        return {**body, **message.extra} if self.native else body

    def content(self, parts: tuple[Part, ...], message: Message, place: str) -> dict[str, Any]:
        """`content`, and `images` where there are some. Text parts are paragraphs of one text here."""
        texts, images = [], []
        for index, part in enumerate(parts):
            where = f"{place}.content[{index}]"
            if isinstance(part, Opaque):
                name = "messages.tool_calls" if part.kind == "tool_calls" else "messages.content"
                self.notes.lose(name, f"{where} ({part.kind})")
            if isinstance(part, Text | Image) and not self.native:
                self.notes.lose_all(part.extra, "messages.", f"{where}.")
            if isinstance(part, Text):
                texts.append(part.text)
            elif isinstance(part, Image):
                images.append(self.image(part, where))
        shape = message.shape if self.native else "text"
        content = {"null": {"content": None}, "absent": {}}.get(shape, {"content": "\n\n".join(texts)})
        return {**content, **present(images=images or None)}

    def image(self, image: Image, place: str) -> str:
        if image.url:
            anthropic = self.notes.origin == "anthropic.messages"
            self.notes.lose("messages.content.image" if anthropic else "messages.content.image_url", place)
        return image.data

    def call(self, call: ToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": arguments_object(call.arguments)}
        if not self.native:
            return {"function": function}
        inner, outer = split_prefixed(call.extra, "function.")
        return {**present(id=call.id or None), "function": {**function, **inner}, **outer}

    def result(self, result: ToolResult, message: Message, place: str) -> dict[str, Any]:
        if not self.native and result.is_error:
            self.notes.lose("messages.is_error", f"{place}.is_error")
        parts = result.content if self.native else tuple(p for p in result.content if not isinstance(p, Image))
        content = self.content(parts, message, place)
        names = present(tool_name=result.name or None, tool_call_id=(result.id or None) if self.native else None)
        return {"role": "tool", **content, **names, **(message.extra if self.native else {})}
